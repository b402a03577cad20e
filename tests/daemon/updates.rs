//! How often files are replaced and BIRD is told, and the commands that replace the reconfiguration.

use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, is_alive};
use crate::support::fake_bird::{FakeBird, Mood};
use crate::support::sys::Watch;
use crate::support::{Lab, holds_for, wait_until};

#[test]
fn five_hundred_changes_at_once_are_four_updates_at_most_and_the_first_comes_at_once() {
    let lab = Lab::new("burst");
    let bird = FakeBird::install(&lab);
    lab.daemon(&[("loglevel", "info"), ("ipv6", "false")]);
    let check = format!("/usr/bin/test -e {}", lab.path("up").display());
    for number in 0..500 {
        let prefix = format!("10.50.{}.{}/32", number / 250, number % 250);
        lab.service(
            &format!("s{number}"),
            &[
                ("ip_prefix", &prefix),
                ("check_cmd", &check),
                ("check_interval", "60"),
            ],
        );
    }
    let mut daemon = Daemon::start(&lab);
    daemon.wait_lines(500, &["-> down"]);
    for up in [true, false] {
        let watch = Watch::new(&lab.path("4")).expect("inotify");
        let (calls, before) = (bird.calls(), lab.announced("4").len());
        if up {
            lab.write("up", "");
        } else {
            lab.remove("up");
        }
        let begin = Instant::now();
        daemon.signal(libc::SIGURG);
        wait_until("the first change is written", || {
            lab.announced("4").len() != before
        });
        let first = begin.elapsed();
        let announced = lab.announced("4").len();
        wait_until("BIRD knows all", || {
            bird.exports("4").len() == if up { 500 } else { 0 }
        });
        let whole = begin.elapsed();
        holds_for("and that is all", Duration::from_millis(300), || true);
        let (files, calls) = (watch.replacements("prefixes.conf"), bird.calls() - calls);
        // Spaced by 0.25 s: four updates cover what happens within half a second. A machine that is too busy to run 500
        // checks in that time has one more for each further quarter.
        let most = 4.max(2 + whole.as_millis() as usize / 250);
        assert!(
            (1..=most).contains(&files),
            "{files} replacements of the file in {whole:?}"
        );
        assert!(
            (1..=most).contains(&calls),
            "{calls} reconfigurations in {whole:?}"
        );
        assert!(
            first < Duration::from_secs(2) || (1..500).contains(&announced),
            "the first update came after {first:?} of {whole:?}"
        );
    }
    daemon.stop();
    assert!(!bird.overlapped());
}

#[test]
fn never_two_reconfigurations_at_once_and_the_last_one_knows_all() {
    let lab = Lab::new("one-at-a-time");
    let bird = FakeBird::install(&lab);
    bird.mood(Mood::Slow);
    lab.install_checks();
    lab.daemon(&[("bird_update_interval", "0"), ("ipv6", "false")]);
    let names: Vec<String> = (0..6).map(|number| format!("s{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        lab.plan(
            name,
            &[
                &[0, 1][..],
                &[0; 3],
                &[1; 3],
                &[0, 1, 0, 0][..],
                &[u8::from(number % 2 == 1)],
            ]
            .concat(),
        );
        lab.service(
            name,
            &[
                ("ip_prefix", &format!("10.1.0.{number}/32")),
                ("check_interval", "0.1"),
            ],
        );
    }
    let mut daemon = Daemon::start(&lab);
    wait_until("all plans are through", || {
        names.iter().all(|name| lab.runs(name).len() > 13)
    });
    bird.wait_exports("4", &["10.1.0.0/32", "10.1.0.2/32", "10.1.0.4/32"]);
    daemon.stop();
    assert!(!bird.overlapped(), "two reconfigurations at a time");
}

#[test]
fn equal_commands_for_both_families_run_once_and_different_ones_each() {
    for same in [true, false] {
        let lab = Lab::new("families");
        let bird = FakeBird::install(&lab);
        lab.install_checks();
        let other = format!("{} configure other", lab.path("birdc").display());
        let settings: &[(&str, &str)] = if same {
            &[]
        } else {
            &[("bird6_reconfigure_cmd", &other)]
        };
        lab.daemon(settings);
        // One check decides for both families, so that both change together.
        lab.service("both", &[("ip_prefix", "10.1.0.1/32, 2001:db8:53::53/128")]);
        let mut daemon = Daemon::start(&lab);
        bird.wait_exports("4", &["10.1.0.1/32"]);
        bird.wait_exports("6", &["2001:db8:53::53/128"]);
        let settled = lab.runs("both").len();
        wait_until("settled", || lab.runs("both").len() > settled + 4);
        let calls = bird.calls();
        lab.answer("both", 1);
        bird.wait_exports("4", &[]);
        bird.wait_exports("6", &[]);
        let settled = lab.runs("both").len();
        wait_until("settled", || lab.runs("both").len() > settled + 4);
        assert_eq!(
            bird.calls() - calls,
            if same { 1 } else { 2 },
            "same command: {same}"
        );
        daemon.stop();
    }
}

/// A service with a custom command that notes its words, and then does what `more` says.
fn custom_lab(name: &str, more: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("ipv6", "false")]);
    lab.script(
        "custom",
        &format!("#!/bin/sh\necho \"$*\" >>\"$ANYCAST_TEST_LAB/custom.calls\"\n{more}\n"),
    );
    let command = format!("{} 'first word'", lab.path("custom").display());
    let own = [
        ("ip_prefix", "10.1.0.1/32"),
        ("custom_bird_reconfigure_cmd", command.as_str()),
    ];
    lab.service("own", &[&own, settings].concat());
    lab
}

fn custom_calls(lab: &Lab) -> Vec<String> {
    lab.read("custom.calls")
        .lines()
        .map(str::to_string)
        .collect()
}

#[test]
fn a_custom_command_replaces_the_reconfiguration_of_its_service() {
    let lab = custom_lab("custom", "", &[]);
    lab.service("plain", &[("ip_prefix", "10.1.0.2/32")]);
    lab.answer("plain", 1);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    wait_until("up", || custom_calls(&lab) == ["first word up"]);
    // BIRD is told of neither before the other one has changed.
    lab.answer("plain", 0);
    bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    let calls = bird.calls();
    lab.answer("own", 1);
    wait_until("down", || {
        custom_calls(&lab) == ["first word up", "first word down"]
    });
    assert_eq!(lab.announced("4"), ["10.1.0.2/32"], "the file comes first");
    lab.answer("own", 0);
    wait_until("up again", || custom_calls(&lab).len() == 3);
    let runs = lab.runs("own").len();
    wait_until("settled", || lab.runs("own").len() > runs + 4);
    assert_eq!(bird.calls(), calls, "BIRD is left to the custom command");
    lab.answer("plain", 1);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    assert_eq!(
        custom_calls(&lab).len(),
        3,
        "another service is no business of it"
    );
    daemon.stop();
}

#[test]
fn a_custom_command_that_hangs_is_killed_with_its_group_and_one_that_fails_is_logged() {
    let more = concat!(
        "echo trouble at the mill >&2\ncase $2 in down) exit 7 ;; esac\ntrap '' TERM\nsleep 1000 &\n",
        "echo $$ $! >\"$ANYCAST_TEST_LAB/pids\"\nwhile :; do sleep 1000; done"
    );
    let lab = custom_lab(
        "custom-hangs",
        more,
        &[("custom_bird_reconfigure_cmd_timeout", "3")],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("it hangs", || lab.read("pids").contains(' '));
    let text = lab.read("pids");
    let pids: Vec<u32> = text
        .split_whitespace()
        .map(|pid| pid.parse().expect("pid"))
        .collect();
    wait_until("its group is killed", || {
        pids.iter().all(|&pid| !is_alive(pid))
    });
    let runs = lab.runs("own").len();
    lab.answer("own", 1);
    wait_until("down", || {
        custom_calls(&lab) == ["first word up", "first word down"]
    });
    daemon.wait_line(&["trouble at the mill"]);
    wait_until("checks go on", || lab.runs("own").len() > runs + 5);
    assert_eq!(custom_calls(&lab).len(), 2, "its failure is not retried");
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn only_the_newest_of_several_waiting_states_reaches_a_custom_command() {
    let more = "until [ -e \"$ANYCAST_TEST_LAB/go\" ]; do sleep 0.02; done";
    let lab = custom_lab(
        "custom-newest",
        more,
        &[("custom_bird_reconfigure_cmd_timeout", "30")],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("the first one runs", || custom_calls(&lab).len() == 1);
    for (status, wanted) in [(1, 0), (0, 1), (1, 0)] {
        lab.answer("own", status);
        wait_until("the file follows", || lab.announced("4").len() == wanted);
    }
    assert_eq!(custom_calls(&lab).len(), 1, "one at a time");
    lab.write("go", "");
    wait_until("the newest one", || {
        custom_calls(&lab) == ["first word up", "first word down"]
    });
    let runs = lab.runs("own").len();
    wait_until("settled", || lab.runs("own").len() > runs + 4);
    assert_eq!(custom_calls(&lab), ["first word up", "first word down"]);
    daemon.stop();
}

/// A wrapper may print what it likes before BIRD answers.
#[test]
fn an_answer_at_the_end_of_a_long_output_counts() {
    let lab = Lab::new("long-output");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    let script = "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x | fold -w 79\necho\nexec ./birdc \"$@\"\n";
    let wrapper = lab.script("wrapper", script);
    let command = format!("{} configure", wrapper.display());
    lab.daemon(&[("ipv6", "false"), ("bird_reconfigure_cmd", &command)]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    daemon.wait_line(&["BIRD reconfigured for IPv4"]);
    lab.answer("web", 1);
    bird.wait_exports("4", &[]);
    daemon.wait_lines(2, &["BIRD reconfigured for IPv4"]);
    daemon.stop();
    assert!(daemon.out.with(&["cannot reconfigure"]).is_empty());
}
