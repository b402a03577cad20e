//! The real binary with real BIRD and a real BGP peer: what counts is what the peer's table holds.
//!
//! Every test has its own two BIRDs (`support::bgp`): BIRD 2 here, BIRD 3 in bird/three.rs; BIRD 1.6 is in
//! wishes/bird.rs. Nothing is skipped: without BIRD 2 and 3 these tests fail.

mod support;

#[path = "bird/three.rs"]
mod three;

use std::fs;
use std::time::{Duration, Instant};

use support::bgp::{BgpLab, Version};
use support::daemon::{Daemon, Said};
use support::sys::Watch;
use support::{Lab, holds_for, wait_until};

const V4: &str = "192.0.2.53/32";
const V6: &str = "2001:db8:53::53/128";

/// How the daemon talks to BIRD.
#[derive(Clone, Copy, Debug)]
enum Way {
    Command,
    Socket,
}

fn configure(lab: &Lab, bgp: &BgpLab, way: Way, more: &[(&str, &str)]) {
    let command = bgp.configure_command();
    let socket = bgp.control().display().to_string();
    let mut settings = match way {
        Way::Command => vec![
            ("bird_reconfigure_cmd", command.as_str()),
            ("bird6_reconfigure_cmd", &command),
        ],
        Way::Socket => vec![
            ("bird_control_socket", socket.as_str()),
            ("bird6_control_socket", &socket),
        ],
    };
    settings.extend_from_slice(more);
    lab.daemon(&settings);
}

/// One service of each family, checked every `interval` seconds, with its address on `lo`.
fn two_services(lab: &Lab, interval: &str) {
    for (name, prefix) in [("four", V4), ("six", V6)] {
        let settings = [
            ("ip_prefix", prefix),
            ("ip_check_disabled", "false"),
            ("check_interval", interval),
            ("check_rise", "3"),
            ("check_fail", "2"),
        ];
        lab.service(name, &settings);
    }
    lab.ip(&format!("addr add {V4} dev lo"));
    lab.ip(&format!("addr add {V6} dev lo"));
    lab.install_checks();
}

fn announces_and_withdraws(version: Version, way: Way) {
    let lab = Lab::new("announce");
    let bgp = BgpLab::with(&lab, version);
    configure(&lab, &bgp, way, &[]);
    two_services(&lab, "0.3");
    for name in ["four", "six"] {
        lab.answer(name, 1);
    }
    let mut daemon = Daemon::start(&lab);
    wait_until("both are down", || {
        ["four", "six"]
            .iter()
            .all(|name| daemon.history(name).contains(&Said::Down))
    });
    assert_eq!(bgp.learned(), [] as [String; 0]);
    lab.answer("four", 0);
    bgp.wait_learned(&[V4]);
    lab.answer("six", 0);
    bgp.wait_learned(&[V4, V6]);
    lab.answer("four", 1);
    bgp.wait_learned(&[V6]);
    lab.answer("six", 1);
    bgp.wait_learned(&[]);
    daemon.stop();
    for name in ["four", "six"] {
        let history = daemon.history(name);
        let before = |change: Said, run: Said| {
            let at = history
                .iter()
                .rposition(|said| *said == change)
                .expect("the change");
            history[..at]
                .iter()
                .rev()
                .take_while(|said| **said == run)
                .count()
        };
        assert_eq!(
            before(Said::Up, Said::Pass),
            3,
            "check_rise of {name}: {history:?}"
        );
        assert_eq!(
            before(Said::Down, Said::Fail),
            2,
            "check_fail of {name}: {history:?}"
        );
    }
}

#[test]
fn each_family_is_announced_and_withdrawn_at_the_peer_by_command() {
    announces_and_withdraws(Version::Two, Way::Command);
}

#[test]
fn each_family_is_announced_and_withdrawn_at_the_peer_by_socket() {
    announces_and_withdraws(Version::Two, Way::Socket);
}

#[test]
fn a_removed_address_withdraws_without_waiting_for_the_interval() {
    let lab = Lab::new("address");
    let bgp = BgpLab::new(&lab);
    configure(&lab, &bgp, Way::Command, &[]);
    // Longer than this test may take.
    two_services(&lab, "1000");
    // SIGURG counts up to check_rise without waiting for the grid.
    let mut daemon = Daemon::start(&lab);
    for round in 1..3 {
        wait_until("a run", || {
            lab.runs("four").len() >= round && lab.runs("six").len() >= round
        });
        daemon.signal(libc::SIGURG);
    }
    bgp.wait_learned(&[V4, V6]);
    // BIRD itself drops a route with its address; what the daemon owes is the file.
    lab.ip(&format!("addr del {V4} dev lo"));
    wait_until("withdrawn from the file", || lab.announced("4").is_empty());
    lab.ip(&format!("addr del {V6} dev lo"));
    wait_until("withdrawn from the file", || lab.announced("6").is_empty());
    bgp.wait_learned(&[]);
    // The address alone does not bring the route back: the check must have passed three times again.
    let runs = lab.runs("four").len();
    lab.ip(&format!("addr add {V4} dev lo"));
    wait_until("a run at once", || lab.runs("four").len() > runs);
    holds_for("not yet up", Duration::from_millis(300), || {
        bgp.learned().is_empty()
    });
    daemon.stop();
}

#[test]
fn a_restart_moves_no_route_of_a_healthy_service() {
    for way in [Way::Command, Way::Socket] {
        let lab = Lab::new("restart");
        let bgp = BgpLab::new(&lab);
        configure(&lab, &bgp, way, &[("ipv6", "true")]);
        two_services(&lab, "0.2");
        let mut daemon = Daemon::start(&lab);
        bgp.wait_learned(&[V4, V6]);
        let before = bgp.moves();
        assert!(
            before.contains("Import updates"),
            "the peer's counters: {before:?}"
        );
        for round in 0..8 {
            if round % 2 == 0 {
                daemon.stop();
            } else {
                daemon.kill();
            }
            let runs = lab.runs("four").len();
            daemon = Daemon::start(&lab);
            wait_until("past check_rise", || lab.runs("four").len() >= runs + 4);
        }
        assert_eq!(bgp.moves(), before, "a route has moved");
        assert_eq!(bgp.learned(), [V4, V6]);
        assert_eq!(
            (lab.list("4"), lab.list("6")),
            (vec!["prefixes.conf".into()], vec!["prefixes.conf".into()])
        );
        daemon.stop();
    }
}

#[test]
fn a_restart_finds_out_what_fell_meanwhile() {
    let lab = Lab::new("fell");
    let bgp = BgpLab::new(&lab);
    configure(&lab, &bgp, Way::Command, &[]);
    two_services(&lab, "0.2");
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[V4, V6]);
    daemon.kill();
    lab.answer("four", 1);
    lab.ip(&format!("addr del {V6} dev lo"));
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[]);
    wait_until("the files agree", || {
        lab.announced("4").is_empty() && lab.announced("6").is_empty()
    });
    daemon.stop();
}

#[test]
fn five_hundred_services_that_flip_agree_with_bird_afterwards() {
    let lab = Lab::new("many");
    let bgp = BgpLab::new(&lab);
    configure(&lab, &bgp, Way::Socket, &[("loglevel", "info")]);
    let mut batch = String::new();
    let mut prefixes = Vec::new();
    let check = format!("/usr/bin/test -e {}", lab.path("up").display());
    for number in 0..500 {
        let prefix = format!("10.50.{}.{}/32", number / 250, number % 250);
        let settings = [
            ("ip_prefix", prefix.as_str()),
            ("ip_check_disabled", "false"),
            ("check_cmd", &check),
            ("check_interval", "1"),
        ];
        lab.service(&format!("s{number}"), &settings);
        batch += &format!("addr add {prefix} dev lo\n");
        prefixes.push(prefix);
    }
    prefixes.sort();
    lab.ip_batch(&batch);
    let mut daemon = Daemon::start(&lab);
    let file = || {
        let mut announced = lab.announced("4");
        announced.sort();
        announced
    };
    for _ in 0..2 {
        lab.write("up", "");
        wait_until("all announced", || file() == prefixes);
        wait_until("BIRD agrees", || bgp.exported("4") == file());
        wait_until("the peer agrees", || bgp.learned() == file());
        let watch = Watch::new(&lab.path("4")).expect("inotify");
        let begin = Instant::now();
        lab.remove("up");
        wait_until("none announced", || file().is_empty());
        let whole = begin.elapsed();
        wait_until("BIRD agrees", || bgp.exported("4").is_empty());
        let replaced = watch.replacements("prefixes.conf");
        // The first at once, then one each quarter of a second.
        let most = 2 + whole.as_millis() as usize / 250;
        assert!(
            (1..=most).contains(&replaced),
            "{replaced} replacements in {whole:?}"
        );
    }
    daemon.stop();
}

/// BIRD fails in some way while `four` goes down; once mended it must agree with the file without help.
fn recovers(
    name: &str,
    way: Way,
    fail: impl Fn(&mut BgpLab),
    said: &[&str],
    mend: impl Fn(&mut BgpLab),
) {
    let lab = Lab::new(name);
    let mut bgp = BgpLab::new(&lab);
    configure(&lab, &bgp, way, &[("bird_reconfigure_timeout", "1")]);
    two_services(&lab, "0.2");
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[V4, V6]);
    recovery(&lab, &mut bgp, &mut daemon, fail, said, mend);
    daemon.stop();
}

/// One failure and its end; both services are announced before and after.
fn recovery(
    lab: &Lab,
    bgp: &mut BgpLab,
    daemon: &mut Daemon,
    fail: impl Fn(&mut BgpLab),
    said: &[&str],
    mend: impl Fn(&mut BgpLab),
) {
    fail(bgp);
    lab.answer("four", 1);
    wait_until("the file says so", || lab.announced("4").is_empty());
    daemon.wait_line(said);
    let runs = lab.runs("six").len();
    wait_until("checks go on", || lab.runs("six").len() > runs + 5);
    assert!(daemon.is_running());
    mend(bgp);
    wait_until("BIRD agrees with the file", || {
        bgp.exported("4").is_empty() && bgp.exported("6") == [V6]
    });
    bgp.wait_learned(&[V6]);
    lab.answer("four", 0);
    bgp.wait_learned(&[V4, V6]);
}

fn break_configuration(bgp: &mut BgpLab) {
    bgp.append_to_node("protocol nonsense {\n");
}

#[test]
fn a_configuration_broken_by_hand_is_retried_by_command() {
    recovers(
        "broken",
        Way::Command,
        break_configuration,
        &["syntax error"],
        |bgp| bgp.restore_node(),
    );
}

#[test]
fn a_configuration_broken_by_hand_is_retried_by_socket() {
    recovers(
        "broken-socket",
        Way::Socket,
        break_configuration,
        &["syntax error"],
        |bgp| bgp.restore_node(),
    );
}

#[test]
fn a_bird_that_does_not_answer_is_retried_by_command() {
    let [stop, go] = [libc::SIGSTOP, libc::SIGCONT]
        .map(|signal| move |bgp: &mut BgpLab| bgp.signal_node(signal));
    recovers("stopped", Way::Command, stop, &["birdc"], go);
}

#[test]
fn a_bird_that_does_not_answer_is_retried_by_socket() {
    let [stop, go] = [libc::SIGSTOP, libc::SIGCONT]
        .map(|signal| move |bgp: &mut BgpLab| bgp.signal_node(signal));
    recovers("stopped-socket", Way::Socket, stop, &["node.ctl"], go);
}

#[test]
fn a_bird_that_was_killed_finds_the_right_file_and_is_told_by_command() {
    recovers(
        "killed",
        Way::Command,
        |bgp| bgp.kill_node(),
        &["Connection refused"],
        |bgp| bgp.restart_node(),
    );
}

#[test]
fn a_bird_that_was_killed_finds_the_right_file_and_is_told_by_socket() {
    recovers(
        "killed-socket",
        Way::Socket,
        |bgp| bgp.kill_node(),
        &["onnection refused"],
        |bgp| bgp.restart_node(),
    );
}

/// Without one file BIRD takes neither, and does not even start.
#[test]
fn a_prefix_file_that_somebody_spoiled_keeps_no_change_from_bird() {
    let lab = Lab::new("spoiled");
    let mut bgp = BgpLab::new(&lab);
    configure(&lab, &bgp, Way::Socket, &[]);
    two_services(&lab, "0.2");
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[V4, V6]);
    lab.remove("6/prefixes.conf");
    lab.answer("four", 1);
    bgp.wait_learned(&[V6]);
    lab.write("6/prefixes.conf", "define NOTHING = [ ,\n");
    lab.answer("four", 0);
    bgp.wait_learned(&[V4, V6]);
    // One that BIRD takes is written again as soon as it is seen.
    let empty = format!(
        "define ACAST_PS_ADVERTISE = [ {} ];\n",
        support::prefixes::DUMMY4
    );
    lab.write("4/prefixes.conf", &empty);
    bgp.node(&["configure"]);
    daemon.wait_line(&["another program has changed IPv4 prefix file"]);
    bgp.wait_learned(&[V4, V6]);
    bgp.kill_node();
    lab.answer("four", 1);
    wait_until("the file says so", || lab.announced("4").is_empty());
    lab.remove("6/prefixes.conf");
    wait_until("it is there again", || lab.announced("6") == [V6]);
    bgp.restart_node();
    bgp.wait_learned(&[V6]);
    daemon.stop();
}

#[test]
fn every_form_of_the_file_that_is_kept_is_one_that_bird_reads() {
    let lab = Lab::new("parse");
    let bgp = BgpLab::new(&lab);
    configure(&lab, &bgp, Way::Command, &[]);
    two_services(&lab, "0.2");
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[V4, V6]);
    daemon.stop();
    for family in ["4", "6"] {
        let text =
            fs::read_to_string(lab.path(&format!("{family}/prefixes.conf"))).expect("prefix file");
        assert!(support::prefixes::is_whole(&text), "{text}");
    }
    let checked = bgp.node(&["configure", "check"]);
    assert!(checked.contains("Configuration OK"), "{checked}");
}
