//! `--withdraw`, `--watch` and `--create-files` on the real binary: for a host whose daemon is gone, hangs, never decides
//! or is killed again and again, and for one that boots.

mod support;

#[path = "withdraw/create_files.rs"]
mod create_files;
#[path = "withdraw/watch.rs"]
mod watch;

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Output};
use std::time::Duration;

use support::daemon::{Daemon, PROGRAM, finish};
use support::fake_bird::{FakeBird, Mood};
use support::fake_socket::{FakeSocket, Manner, RECONFIGURED};
use support::{Lab, holds_for, status, wait_until};

/// Another user, whom nobody knows.
const OTHER: u32 = 4711;
const WEB: &str = "10.1.0.1/32";
const LIST: &str = "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.1.0.1/32 ];\n";

/// A host whose prefix file announces `web`, and a service that a daemon would check.
fn host(name: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    lab.install_checks();
    let mut settings = settings.to_vec();
    if !settings.iter().any(|(key, _)| *key == "ipv6") {
        settings.push(("ipv6", "false"));
    }
    lab.daemon(&settings);
    lab.service("web", &[("ip_prefix", WEB)]);
    lab.write("4/prefixes.conf", LIST);
    lab.write("bird.loaded4", LIST);
    lab
}

/// A daemon that answers: its prefix file was there before it.
fn start(lab: &Lab) -> Daemon {
    let daemon = Daemon::start(lab);
    wait_until("the daemon answers", || status::ask().is_some());
    daemon
}

/// The program with the configuration of the lab, and these words.
fn command(lab: &Lab, words: &[&str]) -> Command {
    let mut command = lab.command(PROGRAM);
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"))
        .args(words);
    command
}

fn order(lab: &Lab, words: &[&str]) -> Output {
    finish(command(lab, words))
}

#[track_caller]
fn succeeds(output: &Output, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(words), "{said}");
}

fn withdrawn(lab: &Lab) -> bool {
    lab.announced("4").is_empty()
}

fn hold(name: &str) -> UnixDatagram {
    let address = SocketAddr::from_abstract_name(name).expect("address");
    UnixDatagram::bind_addr(&address).expect("the name is free")
}

#[test]
fn everything_is_withdrawn_and_the_metrics_say_so() {
    let lab = Lab::new("withdraw-all");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    fs::create_dir(lab.path("metrics")).expect("mkdir");
    let metrics = lab.path("metrics").display().to_string();
    lab.daemon(&[
        ("prometheus_exporter", "true"),
        ("prometheus_collector_textfile_dir", &metrics),
    ]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32, 2001:db8:1::1/128")]);
    let mut daemon = start(&lab);
    bird.wait_exports("4", &[WEB]);
    bird.wait_exports("6", &["2001:db8:1::1/128"]);
    let prom = "metrics/anycast_healthchecker.prom";
    wait_until("the metrics say so", || {
        lab.read(prom).contains("anycast_healthchecker_state 1.0\n")
    });
    daemon.kill();
    // What no service has goes as well.
    let list = lab.read("4/prefixes.conf");
    lab.write(
        "4/prefixes.conf",
        &list.replace(WEB, "10.1.0.1/32, 10.9.9.9/32"),
    );
    succeeds(&order(&lab, &["--withdraw"]), "withdrawn: ");
    assert!(bird.exports("4").is_empty() && bird.exports("6").is_empty());
    assert!(withdrawn(&lab) && lab.announced("6").is_empty());
    let text = lab.read(prom);
    for line in [
        "anycast_healthchecker_state 0.0\n",
        "anycast_healthchecker_prefix_advertised{ip_prefix=\"10.1.0.1/32\",service_name=\"web\"} 0.0\n",
        "anycast_healthchecker_prefix_advertised{ip_prefix=\"2001:db8:1::1/128\",service_name=\"web\"} 0.0\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    // The pidfile of the dead daemon is its own, and nobody's temporary file is left.
    assert!(lab.path("pid").exists());
    assert_eq!(lab.list("4"), ["prefixes.conf"]);
    // The next daemon starts, and the prefixes come back with its verdict.
    let mut daemon = start(&lab);
    bird.wait_exports("4", &[WEB]);
    daemon.stop();
}

#[test]
fn bird_is_told_even_if_the_file_announces_nothing() {
    let lab = host("withdraw-told", &[]);
    let bird = FakeBird::install(&lab);
    lab.write(
        "4/prefixes.conf",
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32 ];\n",
    );
    succeeds(&order(&lab, &["--withdraw"]), "withdrawn: ");
    assert!(bird.exports("4").is_empty());
}

#[test]
fn nothing_is_done_while_a_daemon_works() {
    let lab = host("withdraw-works", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = start(&lab);
    status::wait_service("web", "up", "passed");
    let calls = bird.calls();
    for words in [&["--withdraw"][..], &["--withdraw", "--after", "20"]] {
        succeeds(&order(&lab, words), "a daemon works: nothing to do");
    }
    assert_eq!(
        (lab.announced("4"), bird.calls()),
        (vec![WEB.to_string()], calls)
    );
    daemon.stop();
}

#[test]
fn a_daemon_whose_services_are_all_disabled_works() {
    let lab = host("withdraw-disabled", &[]);
    let _bird = FakeBird::install(&lab);
    let settings = [
        ("ip_prefix", WEB),
        ("check_disabled", "true"),
        ("on_disabled", "advertise"),
    ];
    lab.service("web", &settings);
    let mut daemon = start(&lab);
    succeeds(
        &order(&lab, &["--withdraw"]),
        "a daemon works: nothing to do",
    );
    assert!(!withdrawn(&lab));
    daemon.stop();
}

#[test]
fn a_lock_and_a_pidfile_are_no_daemon() {
    let lab = host("withdraw-squatter", &[]);
    let _bird = FakeBird::install(&lab);
    let _lock = hold("anycast-healthchecker");
    // A live process of some other program.
    lab.write("pid", &format!("{}\n", std::process::id()));
    succeeds(&order(&lab, &["--withdraw"]), "withdrawn: ");
    assert!(withdrawn(&lab));
}

#[test]
fn a_stranger_at_the_status_socket_is_no_daemon() {
    let lab = host("withdraw-stranger", &[]);
    let _bird = FakeBird::install(&lab);
    let mut squatter = lab.command("setpriv");
    squatter.args([format!("--reuid={OTHER}"), "--clear-groups".into()]);
    squatter.args([
        "socat",
        "ABSTRACT-LISTEN:anycast-healthchecker.status,fork",
        "SYSTEM:sleep 600",
    ]);
    let squatter = Daemon::spawn(squatter);
    wait_until("the name is taken", || {
        let list = fs::read_to_string("/proc/thread-self/net/unix").unwrap_or_default();
        list.contains("@anycast-healthchecker.status")
    });
    succeeds(&order(&lab, &["--withdraw"]), "held by user 4711");
    assert!(withdrawn(&lab));
    drop(squatter);
}

#[test]
fn a_daemon_that_hangs_is_withdrawn() {
    let lab = host("withdraw-hung", &[]);
    let bird = FakeBird::install(&lab);
    let daemon = start(&lab);
    status::wait_service("web", "up", "passed");
    daemon.signal(libc::SIGSTOP);
    succeeds(&order(&lab, &["--withdraw"]), "withdrawn: ");
    assert!(withdrawn(&lab) && bird.exports("4").is_empty());
}

#[test]
fn it_is_repeated_until_bird_agrees() {
    let lab = host("withdraw-bird", &[]);
    let bird = FakeBird::install(&lab);
    bird.mood(Mood::Down);
    let mut order = Daemon::spawn(command(&lab, &["--withdraw"]));
    wait_until("it was tried again and again", || bird.calls() > 3);
    assert!(order.is_running() && withdrawn(&lab));
    bird.mood(Mood::Good);
    assert_eq!(order.wait_end().code(), Some(0));
    assert!(bird.exports("4").is_empty());
}

#[test]
fn it_is_repeated_until_there_is_room_on_the_disk() {
    let lab = host("withdraw-disk", &[]);
    let bird = FakeBird::install(&lab);
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(lab.path("4"))
        .status();
    assert!(mount.expect("mount").success());
    let file = lab.write("4/prefixes.conf", LIST);
    // What has two names is not overwritten, which would need no room.
    fs::hard_link(file, lab.path("4/also")).expect("a second name");
    let full = fs::write(lab.path("4/filler"), vec![0; 128 * 1024]);
    assert!(full.is_err(), "the disk must be full");
    let mut order = Daemon::spawn(command(&lab, &["--withdraw"]));
    order.wait_line(&["No space left on device"]);
    assert!(order.is_running() && !withdrawn(&lab));
    fs::remove_file(lab.path("4/filler")).expect("remove");
    assert_eq!(order.wait_end().code(), Some(0));
    assert!(withdrawn(&lab) && bird.exports("4").is_empty());
}

#[test]
fn it_stops_when_a_daemon_works_again() {
    let lab = host("withdraw-back", &[]);
    let bird = FakeBird::install(&lab);
    bird.mood(Mood::Down);
    let mut order = Daemon::spawn(command(&lab, &["--withdraw"]));
    wait_until("the file is rewritten", || {
        withdrawn(&lab) && bird.calls() > 0
    });
    // It holds no lock, so a daemon starts, and announces what it has found to be up.
    let mut daemon = start(&lab);
    assert_eq!(order.wait_end().code(), Some(0));
    assert!(!order.err.with(&["a daemon works again"]).is_empty());
    bird.mood(Mood::Good);
    bird.wait_exports("4", &[WEB]);
    holds_for("nobody withdraws it", Duration::from_millis(500), || {
        lab.announced("4") == [WEB]
    });
    daemon.stop();
}

#[test]
fn within_the_given_time_a_daemon_may_appear() {
    let lab = host("withdraw-after", &[]);
    let _bird = FakeBird::install(&lab);
    let mut order = Daemon::spawn(command(&lab, &["--withdraw", "--after", "30"]));
    let mut daemon = start(&lab);
    assert_eq!(order.wait_end().code(), Some(0));
    assert!(!order.err.with(&["nothing to do"]).is_empty());
    assert!(!withdrawn(&lab));
    daemon.kill();
    succeeds(
        &crate::order(&lab, &["--withdraw", "--after", "1"]),
        "no daemon has worked for 1 s",
    );
    assert!(withdrawn(&lab));
}

#[test]
fn an_invalid_configuration_is_read_as_far_as_it_can_be() {
    let lab = host(
        "withdraw-invalid",
        &[
            ("loglevel", "loud"),
            ("bird_variable", "MINE"),
            ("log_file", "/missing/log"),
        ],
    );
    let bird = FakeBird::install(&lab);
    lab.service(
        "web",
        &[
            ("ip_prefix", WEB),
            ("check_interval", "never"),
            ("check_cmd", "/missing"),
        ],
    );
    lab.write(
        "services/odd.conf",
        "nonsense\n[odd]\nip_prefix = 10.0.0.300\n",
    );
    let output = order(&lab, &["--withdraw"]);
    succeeds(&output, "[daemon] loglevel: 'loud'");
    succeeds(&output, "odd.conf:1: ");
    assert!(lab.read("4/prefixes.conf").contains("define MINE ="));
    assert!(withdrawn(&lab) && bird.exports("4").is_empty());
}

#[test]
fn without_a_configuration_the_defaults_count_where_their_files_exist() {
    let lab = Lab::new("withdraw-nothing");
    // Of this test alone, as its mounts are.
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "tmpfs", "/var/lib"]);
    assert!(mount.status().expect("mount").success());
    // What the built-in settings run.
    lab.script(
        "sudo",
        "#!/bin/sh\necho \"$*\" >>calls\necho Reconfigured\n",
    );
    let path = format!("{}:/usr/bin:/bin", lab.dir().display());
    let order = || {
        let mut command = lab.command(PROGRAM);
        command.args(["--withdraw", "-f", "/missing.conf", "-d"]);
        command.arg(lab.path("services")).env("PATH", &path);
        finish(command)
    };
    let output = order();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("found nothing that could be withdrawn"),
        "{said}"
    );
    let list = "/var/lib/anycast-healthchecker/anycast-prefixes.conf";
    fs::create_dir("/var/lib/anycast-healthchecker").expect("mkdir");
    fs::write(list, LIST).expect("write");
    succeeds(&order(), &format!("taking {list}, which the built-in"));
    let text = fs::read_to_string(list).expect("read");
    assert!(!text.contains(WEB), "{text}");
    assert_eq!(lab.read("calls"), "/usr/sbin/birdc configure\n");
}

#[test]
fn commands_of_services_are_told_down_until_they_succeed() {
    let lab = host("withdraw-custom", &[]);
    let _bird = FakeBird::install(&lab);
    let custom = lab.script(
        "custom",
        "#!/bin/sh\necho \"$1\" >>custom.calls\n[ $(wc -l <custom.calls) -ge 2 ]\n",
    );
    let custom = custom.display().to_string();
    let settings = [("ip_prefix", WEB), ("custom_bird_reconfigure_cmd", &custom)];
    lab.service("web", &settings);
    succeeds(&order(&lab, &["--withdraw"]), "withdrawn: ");
    assert_eq!(lab.read("custom.calls"), "down\ndown\n");
}

#[test]
fn a_control_socket_is_used_directly() {
    let lab = host("withdraw-socket", &[("bird_control_socket", "bird.ctl")]);
    let bird = FakeSocket::listen(&lab, "bird.ctl");
    bird.manner(Manner::Takes(RECONFIGURED));
    succeeds(&order(&lab, &["--withdraw"]), "withdrawn: ");
    assert!(bird.exports("4").is_empty());
}

/// Root becomes the user who owns the directory, and so may do no more than that user.
#[test]
fn root_follows_no_link_that_another_user_made() {
    let lab = host("withdraw-links", &[]);
    let bird = FakeBird::install(&lab);
    fs::set_permissions(lab.dir(), fs::Permissions::from_mode(0o777)).expect("chmod");
    for part in ["4", "checks"] {
        chown(lab.path(part), Some(OTHER), Some(OTHER)).expect("chown");
    }
    fs::create_dir(lab.path("root")).expect("mkdir");
    let victim = lab.write("root/victim", LIST);
    let list = lab.path("4/prefixes.conf");
    fs::remove_file(&list).expect("remove");
    symlink(&victim, &list).expect("symlink");
    let mut order = Daemon::spawn(command(&lab, &["--withdraw"]));
    order.wait_line(&["Permission denied"]);
    assert_eq!(lab.read("root/victim"), LIST);
    assert_eq!(fs::metadata(&victim).expect("victim").uid(), 0);
    // Once the file is one again it is written, and is the user's own.
    fs::remove_file(&list).expect("remove");
    assert_eq!(order.wait_end().code(), Some(0));
    assert!(withdrawn(&lab) && bird.exports("4").is_empty());
    assert_eq!(fs::metadata(&list).expect("list").uid(), OTHER);
    // The same with the directory.
    fs::remove_dir_all(lab.path("4")).expect("remove");
    lab.write("root/prefixes.conf", LIST);
    symlink("root", lab.path("4")).expect("symlink");
    std::os::unix::fs::lchown(lab.path("4"), Some(OTHER), Some(OTHER)).expect("lchown");
    let mut order = Daemon::spawn(command(&lab, &["--withdraw"]));
    order.wait_line(&["Permission denied"]);
    assert_eq!(lab.read("root/prefixes.conf"), LIST);
    assert_eq!(lab.list("root"), ["prefixes.conf", "victim"]);
    order.signal(libc::SIGTERM);
    order.wait_end();
}

#[test]
fn what_it_has_started_ends_with_it() {
    let lab = host("withdraw-ends", &[]);
    let bird = FakeBird::install(&lab);
    bird.mood(Mood::Down);
    let mut order = Daemon::spawn(command(&lab, &["--withdraw"]));
    wait_until("it was tried", || bird.calls() > 1);
    order.kill();
    wait_until("the child is gone", || lab.processes().is_empty());
}
