//! `maintenance_file`: seen at once, said everywhere, and over only through `check_rise`.

use std::time::{Duration, Instant};

use crate::support::bgp::BgpLab;
use crate::support::daemon::{Daemon, Said};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, holds_for, status, sys, wait_until, wait_within};
use crate::{by_socket, real_service, v4, v6};

/// The promise: within a second of the file's making. The quickest of several says what it takes; the others say how
/// busy the machine is.
const PROMISE: Duration = Duration::from_secs(1);

/// What takes no longer than without a dead disk, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// Whether the metric of `web` has this value.
fn metric(lab: &Lab, value: &str) -> bool {
    let text = lab.read("metrics/anycast_healthchecker.prom");
    text.lines().any(|line| {
        line.starts_with("anycast_healthchecker_service_maintenance{")
            && line.contains("\"web\"")
            && line.ends_with(&format!(" {value}"))
    })
}

/// How often `web` passed from the end of the `round`th maintenance until it was up again.
fn passes_between(daemon: &Daemon, round: usize) -> usize {
    daemon.wait_lines(round + 1, &["web", "-> up"]);
    let rises = daemon.out.with(&["web", "-> up"]);
    assert_eq!(rises.len(), round + 1);
    let (gone, _) = daemon.out.with(&["web", "maintenance file", "is gone"])[round - 1];
    let passes = daemon.out.with(&["web", "check passed"]);
    let between = |at| (gone..=rises[round].0).contains(&at);
    passes.into_iter().filter(|(at, _)| between(*at)).count()
}

#[test]
fn a_maintenance_file_withdraws_within_a_second_and_is_said_everywhere() {
    let lab = Lab::new("maintenance");
    let bgp = BgpLab::new(&lab);
    let metrics = lab.path("metrics").display().to_string();
    std::fs::create_dir(&metrics).expect("mkdir");
    by_socket(
        &lab,
        &bgp,
        &[
            ("loglevel", "debug"),
            ("prometheus_exporter", "true"),
            ("prometheus_collector_textfile_dir", &metrics),
        ],
    );
    lab.install_checks();
    let file = lab.path("off").display().to_string();
    let own = [
        ("maintenance_file", file.as_str()),
        ("check_interval", "60"),
        ("check_fast_interval", "0.1"),
        ("check_rise", "3"),
    ];
    real_service(&lab, "web", &format!("{}, {}", v4(1), v6(1)), &own);
    real_service(&lab, "other", &v4(2), &[]);
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
    wait_until("the metric", || metric(&lab, "0.0"));
    let mut times = Vec::new();
    for round in 1..=2 {
        let begin = Instant::now();
        lab.write("off", "");
        daemon.wait_lines(round, &["web", "-> down", "maintenance"]);
        let (seen, _) = daemon.out.with(&["web", "-> down", "maintenance"])[round - 1];
        times.push(seen.duration_since(begin));
        bgp.wait_learned(&[&v4(2)]);
        let service = status::service("web");
        assert_eq!(
            (service.status.as_str(), service.cause.as_str()),
            ("down", "maintenance")
        );
        assert!(
            service.maintenance && service.reason.contains("maintenance"),
            "{service:?}"
        );
        wait_until("the metric", || metric(&lab, "1.0"));
        // Checks that pass change nothing meanwhile.
        let runs = lab.runs("web").len();
        daemon.signal(libc::SIGURG);
        wait_until("a run", || lab.runs("web").len() > runs);
        assert_eq!(status::service("web").status, "down");
        assert_eq!(bgp.learned(), [v4(2)]);
        lab.remove("off");
        bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
        wait_until("the metric", || metric(&lab, "0.0"));
        assert_eq!(passes_between(&daemon, round), 3, "through check_rise");
    }
    assert!(times.iter().min() < Some(&PROMISE), "seen after {times:?}");
    assert!(!daemon.history("other").contains(&Said::Down));
    daemon.stop();
}

#[test]
fn a_file_that_exists_at_the_start_or_comes_with_a_reload_counts() {
    let lab = Lab::new("maintenance-start");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    let file = lab.path("off").display().to_string();
    lab.service(
        "web",
        &[
            ("ip_prefix", &v4(1)),
            ("maintenance_file", &file),
            ("on_start", "advertise"),
        ],
    );
    lab.service("dns", &[("ip_prefix", &v4(2))]);
    // Any type of file will do; a dangling link is one.
    std::os::unix::fs::symlink("nowhere", lab.path("off")).expect("symlink");
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(2)]);
    status::wait_service("web", "down", "maintenance");
    // The file of a service that is changed by the reload, which is there already.
    lab.service("dns", &[("ip_prefix", &v4(2)), ("maintenance_file", &file)]);
    daemon.signal(libc::SIGHUP);
    bird.wait_exports("4", &[]);
    status::wait_service("dns", "down", "maintenance");
    // One file drains both, and releases both.
    lab.remove("off");
    bird.wait_exports("4", &[&v4(1), &v4(2)]);
    // The setting is taken away while the file exists: no maintenance any more.
    lab.write("off", "");
    bird.wait_exports("4", &[]);
    lab.service("dns", &[("ip_prefix", &v4(2))]);
    daemon.signal(libc::SIGHUP);
    bird.wait_exports("4", &[&v4(2)]);
    daemon.stop();
}

#[test]
fn a_directory_may_come_later_and_go() {
    let lab = Lab::new("maintenance-dir");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    let file = lab.path("run/deep/off").display().to_string();
    lab.service("web", &[("ip_prefix", &v4(1)), ("maintenance_file", &file)]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1)]);
    let mut times = Vec::new();
    for round in 1..=2 {
        std::fs::create_dir_all(lab.path("run/deep")).expect("mkdir");
        let begin = Instant::now();
        lab.write("run/deep/off", "");
        daemon.wait_lines(round, &["web", "-> down", "maintenance"]);
        let (seen, _) = daemon.out.with(&["web", "-> down", "maintenance"])[round - 1];
        times.push(seen.duration_since(begin));
        bird.wait_exports("4", &[]);
        match round {
            1 => std::fs::remove_dir_all(lab.path("run")).expect("rmdir"),
            _ => std::fs::rename(lab.path("run"), lab.path("elsewhere")).expect("rename"),
        }
        bird.wait_exports("4", &[&v4(1)]);
    }
    assert!(times.iter().min() < Some(&PROMISE), "seen after {times:?}");
    assert!(daemon.out.with(&["cannot watch"]).is_empty());
    daemon.stop();
}

#[test]
fn the_fast_interval_holds_while_a_rise_or_a_fall_is_being_counted_and_no_longer() {
    let lab = Lab::new("fast");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("loglevel", "debug")]);
    let own = [
        ("check_interval", "1000"),
        ("check_fast_interval", "0.1"),
        ("check_rise", "4"),
        ("check_fail", "3"),
    ];
    lab.service(
        "web",
        &[&[("ip_prefix", v4(1).as_str())], &own[..]].concat(),
    );
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1)]);
    assert_eq!(lab.runs("web").len(), 4);
    let quiet = |runs: usize| {
        holds_for(
            "no run while nothing is counted",
            Duration::from_millis(250),
            || lab.runs("web").len() == runs,
        );
    };
    quiet(4);
    // One failure that does not repeat: a pass ends the count.
    lab.plan("web", &[1, 1, 0]);
    daemon.signal(libc::SIGURG);
    wait_until("it has recovered", || lab.runs("web").len() == 7);
    quiet(7);
    assert_eq!(lab.announced("4"), [v4(1)]);
    lab.plan("web", &[7]);
    daemon.signal(libc::SIGURG);
    bird.wait_exports("4", &[]);
    assert_eq!(lab.runs("web").len(), 10);
    // Down and failing is nothing that is being counted.
    quiet(10);
    lab.plan("web", &[0]);
    daemon.signal(libc::SIGURG);
    bird.wait_exports("4", &[&v4(1)]);
    assert_eq!(lab.runs("web").len(), 14);
    // Three tenths of a second for each four runs in a row, less what the first of them came late.
    let runs = lab.runs("web");
    let spans = [0, 10].map(|first| runs[first + 3].at_ms - runs[first].at_ms);
    assert!(spans.iter().max() >= Some(&100), "{spans:?} ms: {runs:?}");
    quiet(14);
    daemon.stop();
}

/// inotify tells nothing of a mount; each run of the check looks.
#[test]
fn a_file_system_that_is_mounted_over_the_directory_is_seen() {
    let lab = Lab::new("maintenance-mount");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    std::fs::create_dir(lab.path("run")).expect("mkdir");
    let file = lab.path("run/off").display().to_string();
    lab.service("web", &[("ip_prefix", &v4(1)), ("maintenance_file", &file)]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1)]);
    let run = lab.path("run").display().to_string();
    let mount = |words: &[&str]| {
        let status = std::process::Command::new(words[0])
            .args(&words[1..])
            .status();
        assert!(status.expect("mount runs").success(), "{words:?}");
    };
    for _ in 0..2 {
        mount(&["mount", "-t", "tmpfs", "tmpfs", &run]);
        lab.write("run/off", "");
        bird.wait_exports("4", &[]);
        mount(&["umount", &run]);
        bird.wait_exports("4", &[&v4(1)]);
    }
    // What lies below is drained when the mount goes.
    lab.write("run/off", "");
    bird.wait_exports("4", &[]);
    mount(&["mount", "-t", "tmpfs", "tmpfs", &run]);
    bird.wait_exports("4", &[&v4(1)]);
    mount(&["umount", "-l", &run]);
    bird.wait_exports("4", &[]);
    daemon.stop();
}

/// As on a mount whose server is gone: whoever looks there hangs, and that is not the daemon.
#[test]
fn a_directory_that_hangs_holds_nothing_up() {
    let lab = Lab::new("maintenance-hangs");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    let [dead, well] = ["dead", "well"].map(|name| {
        std::fs::create_dir(lab.path(name)).expect("mkdir");
        lab.path(name).join("off").display().to_string()
    });
    lab.service("web", &[("ip_prefix", &v4(1)), ("maintenance_file", &dead)]);
    lab.service("dns", &[("ip_prefix", &v6(1)), ("maintenance_file", &well)]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1)]);
    bird.wait_exports("6", &[&v6(1)]);
    let silent = sys::mount_silent(&lab.path("dead")).expect("a FUSE file system");
    daemon.wait_line(&["cannot watch", "/dead: the disk did not answer"]);
    for _ in 0..2 {
        let runs = lab.runs("web").len();
        lab.write("well/off", "");
        wait_within("the other one is drained", SOON, || {
            bird.exports("6").is_empty()
        });
        std::fs::remove_file(&well).expect("rm");
        wait_within("it is back", SOON, || bird.exports("6") == [v6(1)]);
        assert_eq!(bird.exports("4"), [v4(1)], "it is as it was");
        wait_until("checks run", || lab.runs("web").len() > runs + 2);
    }
    assert_eq!(daemon.out.with(&["cannot watch"]).len(), 1);
    drop(silent);
    sys::unmount(&lab.path("dead")).expect("umount");
    lab.write("dead/off", "");
    bird.wait_exports("4", &[]);
    daemon.stop();
}

/// As on a file system whose server is away: neither a look nor a reload nor a restart changes anything.
#[test]
fn a_file_that_cannot_be_seen_is_as_it_was() {
    let lab = Lab::new("maintenance-unseen");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    std::fs::create_dir(lab.path("run")).expect("mkdir");
    // A link to itself is what even root can't look behind.
    let turn = |target: &str| {
        let _ = std::fs::remove_file(lab.path("way"));
        std::os::unix::fs::symlink(target, lab.path("way")).expect("symlink");
    };
    turn("run");
    let [drained, other] = ["drained", "other"].map(|name| {
        let file = lab.path("way").join(name);
        file.display().to_string()
    });
    lab.service(
        "web",
        &[("ip_prefix", &v4(1)), ("maintenance_file", &drained)],
    );
    lab.service(
        "dns",
        &[("ip_prefix", &v4(2)), ("maintenance_file", &other)],
    );
    lab.write("run/drained", "");
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(2)]);
    turn("way");
    daemon.wait_line(&["cannot watch", "is as it was"]);
    daemon.signal(libc::SIGHUP);
    daemon.wait_line(&["configuration reloaded"]);
    let stays = |daemon: &Daemon| {
        let runs = lab.runs("web").len();
        wait_until("runs", || lab.runs("web").len() > runs + 3);
        assert_eq!(lab.announced("4"), [v4(2)]);
        assert_eq!(daemon.out.with(&["is gone"]), []);
    };
    stays(&daemon);
    daemon.stop();
    let mut daemon = Daemon::start(&lab);
    stays(&daemon);
    // A file that came meanwhile is seen in the end, as is one that went.
    std::fs::remove_file(lab.path("run/drained")).expect("remove");
    lab.write("run/other", "");
    turn("run");
    bird.wait_exports("4", &[&v4(1)]);
    daemon.stop();
}
