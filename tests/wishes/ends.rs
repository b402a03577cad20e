//! What happens to prefixes at both ends of the daemon: `on_start`, `on_exit`, `on_exit_wait`.

use std::time::{Duration, Instant};

use crate::support::bgp::BgpLab;
use crate::support::daemon::Daemon;
use crate::support::fake_bird::{FakeBird, Mood};
use crate::support::prefixes::{DUMMY4, DUMMY6};
use crate::support::sys::Watch;
use crate::support::{Lab, holds_for, status, wait_until};
use crate::{by_socket, real_service, v4, v6};

/// Room for a busy machine beyond what the contract promises.
const SLACK: Duration = Duration::from_secs(8);

fn leaves(name: &str, socket: bool) {
    let lab = Lab::new(name);
    let bgp = BgpLab::new(&lab);
    let command = bgp.configure_command();
    match socket {
        true => by_socket(&lab, &bgp, &[("on_exit_wait", "3")]),
        false => lab.daemon(&[
            ("bird_reconfigure_cmd", &command),
            ("bird6_reconfigure_cmd", &command),
            ("on_exit_wait", "3"),
        ]),
    }
    lab.install_checks();
    real_service(&lab, "leaves", &v4(1), &[("on_exit", "withdraw")]);
    real_service(&lab, "leaves6", &v6(1), &[("on_exit", "withdraw")]);
    real_service(&lab, "stays", &v4(2), &[]);
    real_service(&lab, "comes", &v6(3), &[("on_exit", "advertise")]);
    real_service(&lab, "sick", &v6(4), &[]);
    lab.answer("comes", 1);
    lab.answer("sick", 1);
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(1)]);
    status::wait_service("comes", "down", "failed");
    status::wait_service("sick", "down", "failed");
    wait_until("settled", || {
        status::ask().is_some_and(|doc| doc.families.iter().all(|family| family.settled))
    });
    let watches = ["4", "6"].map(|family| Watch::new(&lab.path(family)).expect("inotify"));
    let told = bgp.reconfigured();
    let begin = Instant::now();
    daemon.signal(libc::SIGTERM);
    bgp.wait_learned(&[&v4(2), &v6(3)]);
    assert!(
        daemon.is_running(),
        "the peer must know before the daemon ends, {:?} after the signal",
        begin.elapsed()
    );
    assert_eq!(daemon.wait_end().code(), Some(0));
    let took = begin.elapsed();
    let wait = Duration::from_secs(3);
    assert!(took >= wait, "it stayed for {took:?} only");
    assert!(took < wait + SLACK, "it stayed for {took:?}");
    assert_eq!(
        watches.map(|watch| watch.replacements("prefixes.conf")),
        [1, 1],
        "one update of each file"
    );
    assert_eq!(bgp.reconfigured() - told, 1, "one reconfiguration for both");
    assert_eq!(bgp.learned(), [v4(2), v6(3)]);
    assert!(!lab.path("pid").exists());
}

#[test]
fn the_peer_knows_before_the_daemon_ends() {
    // Side by side, since it is mostly waiting; each thread has its own namespaces.
    std::thread::scope(|scope| {
        scope.spawn(|| leaves("exit-command", false));
        scope.spawn(|| leaves("exit-socket", true));
    });
}

#[test]
fn without_a_withdrawal_there_is_nothing_to_wait_for() {
    let lab = Lab::new("exit-nothing");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("on_exit_wait", "60")]);
    lab.service("none", &[("ip_prefix", &v4(1))]);
    lab.service("down", &[("ip_prefix", &v4(2)), ("on_exit", "withdraw")]);
    lab.answer("down", 1);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1)]);
    status::wait_service("down", "down", "failed");
    let calls = bird.calls();
    // Nobody waits for a whole minute here.
    daemon.stop();
    assert_eq!(bird.calls(), calls, "nothing to tell");
    assert_eq!(lab.announced("4"), [v4(1)]);
}

/// At most `bird_reconfigure_timeout` + `on_exit_wait` + 1 s, whatever BIRD does; and the file is right all the same.
fn bounded(name: &str, mood: Mood, in_flight: bool) {
    let lab = Lab::new(name);
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[
        ("bird_reconfigure_timeout", "1"),
        ("on_exit_wait", "1"),
        ("ipv6", "false"),
    ]);
    lab.service("web", &[("ip_prefix", &v4(1)), ("on_exit", "withdraw")]);
    lab.service("dns", &[("ip_prefix", &v4(2)), ("on_exit", "withdraw")]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1), &v4(2)]);
    bird.mood(mood);
    if in_flight {
        // A reconfiguration is going on, or has failed already, when the signal comes.
        let calls = bird.calls();
        lab.answer("web", 1);
        wait_until("BIRD is asked", || bird.calls() > calls);
    }
    let begin = Instant::now();
    daemon.stop();
    let took = begin.elapsed();
    assert!(
        took < Duration::from_secs(3) + SLACK,
        "{took:?} for a BIRD that is {mood:?}"
    );
    assert_eq!(
        lab.announced("4"),
        [] as [String; 0],
        "the file is right for the next BIRD"
    );
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn the_end_is_bounded_whatever_bird_does() {
    std::thread::scope(|scope| {
        scope.spawn(|| bounded("exit-dead", Mood::Down, false));
        scope.spawn(|| bounded("exit-dead-before", Mood::Down, true));
        scope.spawn(|| bounded("exit-hangs", Mood::Hanging, false));
        scope.spawn(|| bounded("exit-hangs-before", Mood::Hanging, true));
    });
}

#[test]
fn a_second_signal_does_not_hurry_the_wait_nor_lengthen_it() {
    let lab = Lab::new("exit-twice");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("on_exit_wait", "1")]);
    lab.service("web", &[("ip_prefix", &v4(1)), ("on_exit", "withdraw")]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &[&v4(1)]);
    let begin = Instant::now();
    daemon.signal(libc::SIGTERM);
    bird.wait_exports("4", &[]);
    for signal in [libc::SIGINT, libc::SIGURG, libc::SIGTERM, libc::SIGHUP] {
        daemon.signal(signal);
    }
    let runs = lab.runs("web").len();
    assert_eq!(daemon.wait_end().code(), Some(0));
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(2) + SLACK,
        "{took:?}"
    );
    assert_eq!(lab.runs("web").len(), runs, "no check runs any more");
    assert_eq!(lab.announced("4"), [] as [String; 0]);
}

/// Prefix files as another daemon may have left them, with the addresses of these numbers.
fn announce(lab: &Lab, numbers: &[u8]) {
    for (family, name, dummy, prefix) in [
        ("4", "ACAST_PS_ADVERTISE", DUMMY4, v4 as fn(u8) -> String),
        ("6", "ACAST6_PS_ADVERTISE", DUMMY6, v6),
    ] {
        let mut all = vec![dummy.to_string()];
        all.extend(numbers.iter().map(|number| prefix(*number)));
        lab.write(
            &format!("{family}/prefixes.conf"),
            &format!("define {name} = [ {} ];\n", all.join(", ")),
        );
    }
}

/// Waits until the peer has learned the addresses of these numbers, in both families, and no other.
#[track_caller]
fn wait_numbers(bgp: &BgpLab, numbers: &[u8]) {
    let both = |number: &u8| [v4(*number), v6(*number)];
    let wanted: Vec<String> = numbers.iter().flat_map(both).collect();
    bgp.wait_learned(&wanted.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn on_start_decides_until_the_first_verdict() {
    let lab = Lab::new("start");
    let bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[]);
    lab.install_checks();
    let check = format!(
        "/bin/sh -c 'until [ -e {}/go ]; do sleep 0.02; done'",
        lab.dir().display()
    );
    let slow = [("check_cmd", check.as_str()), ("check_timeout", "60")];
    for (number, on_start) in [(1, "keep"), (3, "withdraw"), (5, "advertise")] {
        // One that the file announces and one that it does not.
        for (number, family) in [(number, 'v'), (number + 1, 'n')] {
            let own = [("on_start", on_start)];
            let name = format!("{family}{on_start}");
            real_service(
                &lab,
                &name,
                &format!("{}, {}", v4(number), v6(number)),
                &[&slow[..], &own].concat(),
            );
        }
    }
    announce(&lab, &[1, 3, 5]);
    assert!(bgp.node(&["configure"]).contains("Reconfigured"));
    wait_numbers(&bgp, &[1, 3, 5]);
    let (_, withdrawn) = bgp.moved();
    let mut daemon = Daemon::start(&lab);
    wait_numbers(&bgp, &[1, 5, 6]);
    assert_eq!(
        bgp.moved().1,
        withdrawn + 2,
        "nothing else was ever withdrawn"
    );
    let unknown =
        || status::ask().is_some_and(|doc| doc.services.iter().all(|s| s.status == "unknown"));
    holds_for("no verdict yet", Duration::from_millis(200), unknown);
    lab.write("go", "");
    wait_numbers(&bgp, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(
        bgp.moved().1,
        withdrawn + 2,
        "a verdict that agrees moves nothing"
    );
    daemon.stop();
}
