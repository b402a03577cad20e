//! Files, names and clients that were made to do harm.

use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::Command;
use std::time::Duration;

use crate::lab;
use crate::support::daemon::{Daemon, daemon_command, finish};
use crate::support::fake_bird::FakeBird;
use crate::support::prefixes::is_whole;
use crate::support::wait_until;

#[test]
fn a_prefix_file_that_is_a_fifo_a_directory_or_a_gigabyte_hangs_nothing() {
    for kind in ["fifo", "directory", "gigabyte"] {
        let lab = lab(kind, &[]);
        let bird = FakeBird::install(&lab);
        let path = lab.path("4/prefixes.conf");
        match kind {
            "fifo" => assert!(
                Command::new("mkfifo")
                    .arg(&path)
                    .status()
                    .expect("mkfifo")
                    .success()
            ),
            "directory" => std::fs::create_dir(&path).expect("mkdir"),
            _ => std::fs::File::create(&path)
                .expect("file")
                .set_len(1 << 30)
                .expect("sparse"),
        }
        let mut daemon = Daemon::spawn(daemon_command(&lab));
        // Either it refuses and says which file, or it goes to work and mends it.
        wait_until("a refusal, or work", || {
            !daemon.is_running() || lab.read("pid").trim() == daemon.pid().to_string()
        });
        if daemon.is_running() {
            let peak_kb = daemon.status_number("VmHWM");
            assert!(peak_kb < 48 * 1024, "{kind}: peak memory {peak_kb} kB");
            if kind == "directory" {
                daemon.wait_line(&["4/prefixes.conf", "cannot"]);
                std::fs::remove_dir(&path).expect("rmdir");
            }
            bird.wait_exports("4", &["10.1.0.1/32"]);
            assert!(is_whole(&lab.read("4/prefixes.conf")));
            daemon.stop();
        } else {
            assert_eq!(daemon.wait_end().code(), Some(1), "{kind}");
            wait_until("it says which file", || {
                !daemon.err.with(&["4/prefixes.conf"]).is_empty()
            });
            assert!(!lab.path("pid").exists(), "{kind}");
        }
    }
}

#[test]
fn a_prefix_file_that_becomes_a_directory_or_a_fifo_while_running_is_survived() {
    // Neither the check nor the stand-in for BIRD may open the FIFO, where they would wait for ever.
    let lab = lab(
        "becomes",
        &[("bird_reconfigure_cmd", "/bin/echo Reconfigured")],
    );
    let check = format!("/usr/bin/test -e {}", lab.path("up").display());
    lab.service(
        "web",
        &[("ip_prefix", "10.1.0.1/32"), ("check_cmd", &check)],
    );
    lab.write("up", "");
    let path = lab.path("4/prefixes.conf");
    let mut daemon = Daemon::start(&lab);
    wait_until("up", || lab.announced("4") == ["10.1.0.1/32"]);
    std::fs::remove_file(&path).expect("remove");
    std::fs::create_dir(&path).expect("mkdir");
    lab.remove("up");
    daemon.wait_line(&["4/prefixes.conf", "cannot"]);
    std::fs::remove_dir(&path).expect("rmdir");
    wait_until("written", || is_whole(&lab.read("4/prefixes.conf")));
    std::fs::remove_file(&path).expect("remove");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .expect("mkfifo")
            .success()
    );
    let complaints = || daemon.out.with(&["4/prefixes.conf", "cannot"]).len();
    let before = complaints();
    lab.write("up", "");
    // Whether it replaces the FIFO or waits until that is gone: it does not wait in it.
    wait_until("it says so, or replaces it", || {
        complaints() > before || lab.path("4/prefixes.conf").is_file()
    });
    if !path.is_file() {
        std::fs::remove_file(&path).expect("remove");
    }
    wait_until("written", || {
        path.is_file() && lab.announced("4") == ["10.1.0.1/32"]
    });
    daemon.stop();
}

#[test]
fn a_link_of_somebody_elses_at_the_name_of_a_temporary_file_is_not_followed() {
    let lab = lab("link", &[]);
    let bird = FakeBird::install(&lab);
    let victim = lab.write("victim", "precious\n");
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    // Whatever name it takes for its next temporary file, it was one of these in the past.
    let names = [
        ".prefixes.conf.tmp".to_string(),
        format!(".prefixes.conf.{}.tmp", daemon.pid()),
        "prefixes.conf.tmp".to_string(),
    ];
    for name in &names {
        std::os::unix::fs::symlink(&victim, lab.path("4").join(name)).expect("symlink");
    }
    lab.answer("web", 1);
    let runs = lab.runs("web").len();
    wait_until("it has tried", || lab.runs("web").len() > runs + 6);
    assert_eq!(lab.read("victim"), "precious\n", "a link was followed");
    for name in &names {
        let _ = std::fs::remove_file(lab.path("4").join(name));
    }
    bird.wait_exports("4", &[]);
    assert_eq!(lab.read("victim"), "precious\n", "a link was followed");
    daemon.stop();
}

#[test]
fn names_of_services_may_be_anything() {
    let lab = lab("names", &[]);
    let bird = FakeBird::install(&lab);
    let long = "n".repeat(4096);
    let names = [
        "quo\"te",
        "back\\slash",
        "sla/sh",
        "../../up",
        "per%cent",
        "bl ank",
        "ünïcödé",
        "tab\tbed",
        "$HOME",
        "`id`",
        "{a=\"b\"}",
        "\u{1b}[31mred",
        long.as_str(),
    ];
    let mut wanted = vec!["10.1.0.1/32".to_string()];
    let mut text = String::new();
    for (number, name) in names.iter().enumerate() {
        let prefix = format!("10.4.0.{number}/32");
        text += &format!(
            "[{name}]\nip_prefix = {prefix}\ncheck_cmd = /bin/true\ncheck_disabled = false\nip_check_disabled = true\n\
             check_rise = 1\n"
        );
        wanted.push(prefix);
    }
    lab.write("services/names.conf", &text);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &wanted.iter().map(String::as_str).collect::<Vec<_>>());
    daemon.stop();
    for line in daemon.out.all() {
        assert!(
            !line.contains(|c: char| c.is_control() && c != '\t'),
            "{line:?}"
        );
    }
    assert_eq!(lab.list("4"), ["prefixes.conf"]);
}

#[test]
fn clients_that_send_rubbish_or_a_megabyte_disturb_nothing() {
    let lab = lab("clients", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("address");
    let before = daemon.descriptors();
    for round in 0..20 {
        let mut stream = UnixStream::connect_addr(&name).expect("connect");
        stream
            .set_write_timeout(Some(Duration::from_millis(200)))
            .expect("timeout");
        let bytes =
            [round, b'\xff', b'{', b'\n'].repeat(if round % 2 == 0 { 1 } else { 256 * 1024 });
        // It may be refused, cut short or ignored.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .expect("timeout");
        let _ = stream.read_to_end(&mut answer);
    }
    let runs = lab.runs("web").len();
    wait_until("checks go on", || lab.runs("web").len() > runs + 3);
    wait_until("their descriptors are closed", || {
        daemon.descriptors() <= before + 2
    });
    let peak_kb = daemon.status_number("VmHWM");
    assert!(peak_kb < 32 * 1024, "peak memory {peak_kb} kB");
    lab.answer("web", 1);
    bird.wait_exports("4", &[]);
    daemon.stop();
}

#[test]
fn another_user_can_neither_take_its_place_nor_stop_it() {
    use std::os::unix::process::CommandExt;
    let lab = lab("other-user", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let mut kill = Command::new("/bin/sh");
    kill.args([
        "-c",
        &format!("kill -TERM {0}; kill -HUP {0}; kill -9 {0}", daemon.pid()),
    ])
    .uid(65534)
    .gid(65534);
    assert!(!finish(kill).status.success());
    let mut write = Command::new("/bin/sh");
    write.args([
        "-c",
        &format!(
            "cd {} && {{ echo x >4/prefixes.conf; echo 1 >pid; rm -f pid; }}",
            lab.dir().display()
        ),
    ]);
    write.uid(65534).gid(65534);
    assert!(!finish(write).status.success());
    assert_eq!(lab.read("pid").trim(), daemon.pid().to_string());
    assert_eq!(lab.announced("4"), ["10.1.0.1/32"]);
    assert!(daemon.is_running());
    daemon.stop();
}
