//! When checks run, how their verdicts are counted, and what a disabled one means.

use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, Said};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, holds_for, status, wait_until};

/// What the log must say of a service whose runs end with `verdicts`.
fn expected(verdicts: &[u8], rise: usize, fall: usize) -> Vec<Said> {
    let (mut state, mut passes, mut failures) = (None, 0, 0);
    let mut said = Vec::new();
    for &verdict in verdicts {
        (passes, failures) = if verdict == 0 {
            (passes + 1, 0)
        } else {
            (0, failures + 1)
        };
        said.push(if verdict == 0 { Said::Pass } else { Said::Fail });
        let now = match (passes >= rise, failures >= fall) {
            (true, _) => Some(Said::Up),
            (_, true) => Some(Said::Down),
            _ => state,
        };
        said.extend(now.filter(|_| now != state));
        state = now;
    }
    said
}

#[test]
fn rise_and_fall_are_counted_exactly() {
    let lab = Lab::new("rise-fall");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("ipv6", "false")]);
    let plans: [(&str, &str, usize, usize, &[u8]); 3] = [
        (
            "three-two",
            "10.1.0.1/32",
            3,
            2,
            &[0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0],
        ),
        (
            "one-one",
            "10.1.0.2/32",
            1,
            1,
            &[0, 1, 0, 1, 1, 1, 0, 0, 0, 3, 3, 3, 0, 0, 1, 1],
        ),
        (
            "two-three",
            "10.1.0.3/32",
            2,
            3,
            &[1, 1, 1, 0, 0, 0, 2, 2, 0, 5, 5, 5, 0, 1, 0, 0],
        ),
    ];
    for (name, prefix, rise, fall, plan) in plans {
        lab.plan(name, plan);
        let (rise, fall) = (rise.to_string(), fall.to_string());
        lab.service(
            name,
            &[
                ("ip_prefix", prefix),
                ("check_rise", &rise),
                ("check_fail", &fall),
            ],
        );
    }
    let mut daemon = Daemon::start(&lab);
    for (name, _, rise, fall, plan) in plans {
        let expected = expected(plan, rise, fall);
        wait_until("all runs of the plan", || {
            daemon.history(name).len() > expected.len()
        });
        assert_eq!(daemon.history(name)[..expected.len()], expected, "{name}");
        let verdicts: Vec<u8> = lab.runs(name).iter().map(|run| run.status).collect();
        assert_eq!(verdicts[..plan.len()], *plan);
    }
    // The last verdict of each plan goes on for ever.
    bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.3/32"]);
    daemon.stop();
    assert!(!bird.overlapped());
}

#[test]
fn ipv6_is_counted_and_written_like_ipv4() {
    let lab = Lab::new("v6");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("ipv4", "false")]);
    lab.service(
        "six",
        &[
            ("ip_prefix", "2001:DB8:53:0::53"),
            ("check_rise", "2"),
            ("check_fail", "2"),
        ],
    );
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("6", &["2001:db8:53::53/128"]);
    lab.answer("six", 1);
    bird.wait_exports("6", &[]);
    lab.answer("six", 0);
    bird.wait_exports("6", &["2001:db8:53::53/128"]);
    daemon.stop();
    assert!(
        !lab.path("4/prefixes.conf").exists(),
        "ipv4 is off, its file is not ours"
    );
}

#[test]
fn a_disabled_check_never_runs_and_its_prefix_is_as_on_disabled_says() {
    let lab = Lab::new("disabled");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    let disabled = ("check_disabled", "true");
    lab.service(
        "advertised",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            disabled,
            ("on_disabled", "advertise"),
        ],
    );
    lab.service(
        "withdrawn",
        &[
            ("ip_prefix", "10.1.0.2/32"),
            disabled,
            ("on_disabled", "withdraw"),
        ],
    );
    lab.service("default", &[("ip_prefix", "10.1.0.3/32"), disabled]);
    lab.service("checked", &[("ip_prefix", "10.1.0.4/32")]);
    lab.write(
        "4/prefixes.conf",
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.1.0.2/32, 10.1.0.3/32 ];\n",
    );
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.4/32"]);
    wait_until("some runs", || lab.runs("checked").len() >= 3);
    for name in ["advertised", "withdrawn", "default"] {
        assert!(lab.runs(name).is_empty(), "{name} is disabled and has run");
    }
    daemon.stop();
}

#[test]
fn sigurg_runs_every_enabled_check_now_and_leaves_the_grid_alone() {
    let lab = Lab::new("sigurg");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.service(
        "slow",
        &[("ip_prefix", "10.1.0.1/32"), ("check_interval", "1000")],
    );
    lab.service(
        "off",
        &[("ip_prefix", "10.1.0.3/32"), ("check_disabled", "true")],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("the first run", || lab.runs("slow").len() == 1);
    let next = || status::service("slow").next_run_in_seconds.expect("a slot");
    // A grid that began anew with the signal would be this far from the old one.
    wait_until("a part of the interval has passed", || next() < 998.0);
    let before = next();
    for round in 2..5 {
        daemon.signal(libc::SIGURG);
        wait_until("a run at once", || lab.runs("slow").len() == round);
    }
    assert!(
        next() <= before,
        "the grid has moved by {}",
        next() - before
    );
    holds_for(
        "no run without a reason",
        Duration::from_millis(300),
        || lab.runs("slow").len() == 4,
    );
    assert!(lab.runs("off").is_empty());
    daemon.stop();
}

#[test]
fn sigurg_while_a_check_runs_makes_it_run_once_more_when_it_ends() {
    let lab = Lab::new("sigurg-running");
    FakeBird::install(&lab);
    lab.daemon(&[]);
    // Runs until the file `go` is there.
    lab.script(
        "waits",
        "#!/bin/sh\ncd \"$ANYCAST_TEST_LAB\"\necho run >>waits.runs\nuntil [ -e go ]; do sleep 0.02; done\n",
    );
    let command = lab.path("waits").display().to_string();
    lab.service(
        "waits",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_cmd", &command),
            ("check_interval", "60"),
            ("check_timeout", "30"),
        ],
    );
    let mut daemon = Daemon::start(&lab);
    let runs = || lab.read("waits.runs").lines().count();
    wait_until("the first run", || runs() == 1);
    for _ in 0..3 {
        daemon.signal(libc::SIGURG);
    }
    holds_for(
        "never two runs of one check",
        Duration::from_millis(200),
        || runs() == 1,
    );
    lab.write("go", "");
    wait_until("one more run", || runs() == 2);
    holds_for(
        "three signals are one run",
        Duration::from_millis(300),
        || runs() == 2,
    );
    daemon.stop();
}

#[test]
fn a_run_that_overruns_skips_the_slots_it_missed() {
    let lab = Lab::new("overrun");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    // The first run lasts until the file `go` is there.
    lab.script(
        "long",
        "#!/bin/sh\ncd \"$ANYCAST_TEST_LAB\"\necho run >>long.runs\nuntil [ -e go ]; do sleep 0.02; done\n",
    );
    let command = lab.path("long").display().to_string();
    let interval = Duration::from_millis(100);
    for (name, prefix, command) in [
        ("long", "10.1.0.1/32", command.as_str()),
        ("clock", "10.1.0.2/32", "/bin/true"),
    ] {
        let settings = [
            ("ip_prefix", prefix),
            ("check_cmd", command),
            ("check_interval", "0.1"),
            ("check_timeout", "100"),
        ];
        lab.service(name, &settings);
    }
    let mut daemon = Daemon::start(&lab);
    let runs = || lab.read("long.runs").lines().count();
    daemon.wait_line(&["long", "the run that is due now is skipped"]);
    daemon.wait_lines(20, &["clock", "check passed"]);
    assert_eq!(runs(), 1);
    let begin = Instant::now();
    lab.write("go", "");
    wait_until("it runs again", || runs() >= 4);
    daemon.stop();
    // One a slot, and none for the twenty slots that it missed; a busy machine has fewer.
    let most = 2 + begin.elapsed().as_millis() / interval.as_millis();
    assert!(
        runs() as u128 <= 1 + most,
        "{} runs in {:?}",
        runs() - 1,
        begin.elapsed()
    );
}

#[test]
fn splay_spreads_the_first_runs() {
    let lab = Lab::new("splay");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("splay_startup", "1000")]);
    for number in 0..12 {
        let prefix = format!("10.1.0.{number}/32");
        lab.service(
            &format!("s{number}"),
            &[("ip_prefix", &prefix), ("check_interval", "9000")],
        );
    }
    let mut daemon = Daemon::start(&lab);
    let services = status::ask().expect("the daemon answers").services;
    daemon.stop();
    let waits: Vec<f64> = (services.iter())
        .map(|service| service.next_run_in_seconds.expect("a first run"))
        // The one in hundreds that comes while the test is under way has its second run before it.
        .filter(|wait| *wait < 8000.0)
        .collect();
    let (least, most) = waits
        .iter()
        .fold((f64::MAX, 0.0_f64), |(least, most), &wait| {
            (least.min(wait), most.max(wait))
        });
    // Twelve random delays of up to 1000 s lie within 100 s of each other once in ten thousand million times.
    assert!(
        waits.len() >= 10 && most - least > 100.0,
        "not spread: {waits:?}"
    );
    assert!(most <= 1000.0, "later than splay_startup allows: {waits:?}");
}
