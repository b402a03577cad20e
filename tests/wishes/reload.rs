//! SIGHUP: all of the new configuration or nothing of it, and what did not change does not notice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::support::bgp::BgpLab;
use crate::support::daemon::{Daemon, PROGRAM, Said};
use crate::support::fake_bird::FakeBird;
use crate::support::sys::Watch;
use crate::support::{Lab, status, wait_until};
use crate::{by_socket, real_service, v4, v6};

/// SIGHUP, and the `count`th good end of a reload.
#[track_caller]
fn reload(daemon: &Daemon, count: usize) {
    daemon.signal(libc::SIGHUP);
    daemon.wait_lines(count, &["configuration reloaded"]);
}

#[test]
fn an_invalid_configuration_is_refused_whole_and_the_old_one_goes_on() {
    let lab = Lab::new("refused");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.service("web", &[("ip_prefix", &v4(1))]);
    lab.service("dns", &[("ip_prefix", &v4(2))]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1), &v4(2)]);
    let before = status::service("web");
    // Good changes beside bad ones: none of them may take effect.
    lab.daemon(&[("loglevel", "error"), ("bird_update_interval", "soon")]);
    lab.service("web", &[("ip_prefix", "10.9.9.9/32"), ("check_rise", "0")]);
    lab.service("new", &[("ip_prefix", &v4(2))]);
    lab.remove("services/dns.conf");
    lab.write("services/torn.conf", "[torn\nip_prefix\n");
    daemon.signal(libc::SIGHUP);
    let line = daemon.wait_line(&["configuration not reloaded", "old one stays in force"]);
    for words in [
        ["main.conf:", "[daemon] bird_update_interval: "],
        ["services/web.conf:", "[web] check_rise: "],
        ["services/torn.conf:", "torn"],
    ] {
        assert!(
            !daemon.out.with(&words).is_empty(),
            "{words:?} before {line}"
        );
    }
    let runs = lab.runs("dns").len();
    wait_until("the old checks go on", || lab.runs("dns").len() > runs + 3);
    assert_eq!(lab.announced("4"), [v4(1), v4(2)]);
    assert_eq!(lab.runs("new"), []);
    let after = status::service("web");
    assert_eq!(
        (&after.since, after.changes),
        (&before.since, before.changes)
    );
    let config = status::ask().expect("status").config;
    assert_eq!((config.reloads, config.reloads_refused), (0, 1));
    // A directory that is gone is no empty one.
    std::fs::rename(lab.path("services"), lab.path("away")).expect("rename");
    daemon.signal(libc::SIGHUP);
    daemon.wait_lines(2, &["configuration not reloaded"]);
    std::fs::rename(lab.path("away"), lab.path("services")).expect("rename");
    lab.answer("dns", 1);
    bird.wait_exports("4", &[&v4(1)]);
    // Mended, it is taken.
    lab.daemon(&[]);
    lab.remove("services/torn.conf");
    lab.service("web", &[("ip_prefix", &v4(1))]);
    lab.service("new", &[("ip_prefix", &v4(3))]);
    reload(&daemon, 1);
    daemon.wait_line(&["1 added, 1 removed, 0 changed, 1 unchanged"]);
    bird.wait_exports("4", &[&v4(1), &v4(3)]);
    assert_eq!(status::service("web").since, before.since);
    daemon.stop();
}

/// So many services, of both families in turn, each checked every second.
fn every_second(lab: &Lab, services: u8) {
    let mut batch = String::new();
    for number in 0..services {
        let (prefix, nodad) = match number % 2 {
            0 => (v4(number), ""),
            _ => (v6(number), " nodad"),
        };
        batch += &format!("addr add {prefix} dev lo{nodad}\n");
        let settings = [
            ("ip_prefix", prefix.as_str()),
            ("ip_check_disabled", "false"),
            ("check_cmd", "/bin/true"),
            ("check_interval", "1"),
        ];
        lab.service(&format!("s{number}"), &settings);
    }
    lab.ip_batch(&batch);
}

#[test]
fn fifty_reloads_of_a_hundred_unchanged_services_move_no_route_and_run_no_check() {
    const SERVICES: u8 = 100;
    const INTERVAL: Duration = Duration::from_secs(1);
    let lab = Lab::new("fifty");
    let bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[("loglevel", "debug"), ("splay_startup", "1")]);
    every_second(&lab, SERVICES);
    let mut daemon = Daemon::start(&lab);
    wait_until("the peer has learned all", || {
        bgp.learned().len() == usize::from(SERVICES)
    });
    let (moved, told) = (bgp.moved(), bgp.reconfigured());
    let watches = ["4", "6"].map(|family| Watch::new(&lab.path(family)).expect("inotify"));
    let before = status::ask().expect("status").services;
    let begin = Instant::now();
    for count in 1..=50 {
        reload(&daemon, count);
    }
    let whole = begin.elapsed();
    wait_until("every service has run after the last reload", || {
        runs_since(&daemon, begin + whole).len() == usize::from(SERVICES)
    });
    let services = || status::ask().expect("status").services;
    wait_until("counters go on", || {
        let after = services();
        let mut pairs = before.iter().zip(&after);
        pairs.all(|(before, after)| after.checks.passed > before.checks.passed)
    });
    let (span, after) = (begin.elapsed(), services());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (
                &before.name,
                &before.since,
                before.changes,
                after.checks.failed
            ),
            (&after.name, &after.since, after.changes, 0)
        );
    }
    // The grid lets each service run once an interval, whatever happens; a late run changes nothing about that.
    let most = span.as_millis() / INTERVAL.as_millis() + 2;
    for (service, runs) in runs_since(&daemon, begin) {
        assert!(
            runs as u128 <= most,
            "{service} ran {runs} times in {span:?}"
        );
    }
    assert_eq!(bgp.moved(), moved, "a route has moved");
    assert_eq!(bgp.reconfigured(), told, "BIRD was told of nothing");
    assert_eq!(
        watches.map(|watch| watch.replacements("prefixes.conf")),
        [0, 0]
    );
    daemon.stop();
}

/// How often each service has started a run since `begin`.
fn runs_since(daemon: &Daemon, begin: Instant) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for (at, line) in daemon.out.with(&["DEBUG", "running /bin/true"]) {
        let words = line.split_once("] ").map_or("", |(_, rest)| rest);
        if let Some(service) = words.split_whitespace().nth(1).filter(|_| at >= begin) {
            *runs.entry(service.to_string()).or_default() += 1;
        }
    }
    runs
}

#[test]
fn a_fall_that_is_being_counted_survives_reloads() {
    let lab = Lab::new("counting");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("loglevel", "debug")]);
    lab.service("web", &[("ip_prefix", &v4(1)), ("check_fail", "6")]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1)]);
    lab.answer("web", 1);
    let failures = |daemon: &Daemon| {
        let history = daemon.history("web");
        history.iter().filter(|said| **said == Said::Fail).count()
    };
    // A reload after each failure: if it forgot the count, the service would never fall.
    let mut reloads = 0;
    while !daemon.history("web").contains(&Said::Down) {
        let seen = failures(&daemon);
        wait_until("a failure", || failures(&daemon) > seen);
        reloads += 1;
        reload(&daemon, reloads);
        assert!(reloads < 30, "it does not fall");
    }
    let history = daemon.history("web");
    let fall = history
        .iter()
        .position(|said| *said == Said::Down)
        .expect("just seen");
    let counted = history[..fall]
        .iter()
        .rev()
        .take_while(|said| **said == Said::Fail);
    assert_eq!(counted.count(), 6, "{history:?}");
    daemon.stop();
}

#[test]
fn added_removed_and_changed_services_at_the_peer() {
    let lab = Lab::new("exchange");
    let bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[]);
    lab.install_checks();
    for (name, number) in [
        ("gone", 1),
        ("same", 2),
        ("slower", 3),
        ("moved", 4),
        ("off", 5),
    ] {
        real_service(&lab, name, &v4(number), &[]);
    }
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v4(2), &v4(3), &v4(4), &v4(5)]);
    let (announced, withdrawn) = bgp.moved();
    let same = status::service("same");
    lab.remove("services/gone.conf");
    let check = format!(
        "/bin/sh -c 'until [ -e {}/go ]; do sleep 0.02; done'",
        lab.dir().display()
    );
    // What it has said so far counts no more, but its prefix stays until it speaks again.
    real_service(
        &lab,
        "slower",
        &v4(3),
        &[("check_cmd", &check), ("check_timeout", "60")],
    );
    real_service(&lab, "moved", &v6(4), &[]);
    real_service(&lab, "off", &v4(5), &[("check_disabled", "true")]);
    real_service(&lab, "new", &v6(6), &[]);
    reload(&daemon, 1);
    daemon.wait_line(&["1 added, 1 removed, 3 changed, 1 unchanged"]);
    bgp.wait_learned(&[&v4(2), &v4(3), &v6(4), &v6(6)]);
    assert_eq!(status::service("slower").status, "unknown");
    assert_eq!(status::service("same").since, same.since);
    lab.write("go", "");
    status::wait_service("slower", "up", "passed");
    assert_eq!(
        bgp.moved(),
        (announced + 2, withdrawn + 3),
        "two new ones came, three old ones went, nothing else"
    );
    let runs = lab.runs("same").len();
    wait_until("time goes by", || lab.runs("same").len() > runs + 2);
    let gone = lab.runs("gone").len();
    wait_until("time goes by", || lab.runs("same").len() > runs + 5);
    assert_eq!(
        lab.runs("gone").len(),
        gone,
        "a removed service runs no more"
    );
    daemon.stop();
}

#[test]
fn another_way_to_bird_is_taken_at_once() {
    let lab = Lab::new("way");
    let bgp = BgpLab::new(&lab);
    lab.install_checks();
    real_service(&lab, "web", &v4(1), &[]);
    real_service(&lab, "dns", &v6(1), &[]);
    // A command that can't work, as in a first attempt at a configuration.
    lab.daemon(&[
        ("bird_reconfigure_cmd", "/bin/false"),
        ("bird6_reconfigure_cmd", "/bin/false"),
    ]);
    let mut daemon = Daemon::start(&lab);
    daemon.wait_line(&["cannot reconfigure BIRD", "/bin/false"]);
    wait_until("both are up", || {
        lab.announced("4").len() + lab.announced("6").len() == 2
    });
    assert_eq!(bgp.learned(), [] as [String; 0]);
    let since = status::service("web").since;
    by_socket(&lab, &bgp, &[]);
    reload(&daemon, 1);
    daemon.wait_line(&["0 changed, 2 unchanged"]);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    assert_eq!(status::service("web").since, since);
    // And back to a command, a good one; and to one that hangs, from which a reload frees us.
    let command = bgp.configure_command();
    lab.daemon(&[
        ("bird_reconfigure_cmd", &command),
        ("bird6_reconfigure_cmd", &command),
    ]);
    reload(&daemon, 2);
    lab.answer("web", 1);
    bgp.wait_learned(&[&v6(1)]);
    let hanging = format!(
        "/bin/sh -c 'echo >{}/hangs; sleep 1000'",
        lab.dir().display()
    );
    lab.daemon(&[
        ("bird_reconfigure_cmd", &hanging),
        ("bird6_reconfigure_cmd", &hanging),
        ("bird_reconfigure_timeout", "600"),
    ]);
    reload(&daemon, 3);
    wait_until("it hangs", || lab.path("hangs").exists());
    lab.answer("web", 0);
    wait_until("the file says so or waits", || {
        lab.runs("web").last().is_some_and(|run| run.status == 0)
    });
    by_socket(&lab, &bgp, &[]);
    reload(&daemon, 4);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    daemon.stop();
    wait_until("the hanging command is gone", || lab.processes().len() == 2);
}

/// A file as an editor or scp leaves it for a moment: written in place, and cut in the middle of an address.
#[test]
fn a_file_that_is_being_written_is_taken_when_it_is_whole() {
    let lab = Lab::new("in-place");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.service("web", &[("ip_prefix", "10.60.0.12/32")]);
    lab.service("dns", &[("ip_prefix", &v4(2))]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(2), "10.60.0.12/32"]);
    let whole = lab.read("services/web.conf");
    let file = lab.path("services/web.conf");
    let reads = || {
        lab.processes().iter().any(|pid| {
            let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
            words.is_ok_and(|words| words.contains("--read-configuration"))
        })
    };
    for (round, cut) in ["ip_prefix = 10.60.0.1", "[web]\n", ""]
        .into_iter()
        .enumerate()
    {
        let end = whole.find(cut).expect("it is in it") + cut.len();
        std::fs::write(&file, &whole[..end]).expect("write");
        daemon.signal(libc::SIGHUP);
        wait_until("it is read", reads);
        std::fs::write(&file, &whole).expect("write");
        daemon.wait_lines(round + 1, &["configuration reloaded"]);
    }
    let said = daemon.out.with(&["configuration reloaded"]);
    assert!(
        said.iter()
            .all(|(_, line)| line.contains("0 added, 0 removed, 0 changed")),
        "{said:?}"
    );
    assert_eq!(lab.announced("4"), [v4(2), "10.60.0.12/32".to_string()]);
    // Without anybody who writes on, it is taken as it is, with a warning.
    std::fs::write(&file, whole.trim_end()).expect("write");
    reload(&daemon, 4);
    daemon.wait_line(&["web.conf", "the last line does not end"]);
    daemon.stop();
}

/// In /etc, on a file system of the test's own.
#[test]
fn what_was_there_before_must_not_be_missing_at_a_reload() {
    let lab = Lab::new("defaults");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "tmpfs", "/etc"])
        .status();
    assert!(mounted.expect("mount runs").success());
    lab.daemon(&[]);
    lab.service("web", &[("ip_prefix", &v4(1))]);
    let [file, dir] = [
        "/etc/anycast-healthchecker.conf",
        "/etc/anycast-healthchecker.d",
    ];
    let copy = |from: &str, to: &str| std::fs::write(to, lab.read(from)).expect("copy");
    copy("main.conf", file);
    std::fs::create_dir(dir).expect("mkdir");
    let web = format!("{dir}/web.conf");
    copy("services/web.conf", &web);
    let mut daemon = Daemon::spawn(lab.command(PROGRAM));
    bird.wait_exports("4", &[&v4(1)]);
    let missing = |path: &str, what: &str| {
        let away = format!("{path}.away");
        std::fs::rename(path, &away).expect("rename");
        let refused = daemon.out.with(&["configuration not reloaded"]).len();
        daemon.signal(libc::SIGHUP);
        daemon.wait_lines(refused + 1, &["configuration not reloaded"]);
        daemon.wait_line(&[path.trim_end_matches("/web.conf"), what]);
        std::fs::rename(&away, path).expect("rename");
    };
    missing(dir, "it does not exist");
    missing(file, "it does not exist");
    missing(&web, "no service would be left");
    assert_eq!(lab.announced("4"), [v4(1)]);
    reload(&daemon, 1);
    daemon.wait_line(&["0 added, 0 removed, 0 changed, 1 unchanged"]);
    daemon.stop();
}
