//! When checks run, how their verdicts are counted, and what a disabled one means.

use std::time::Duration;

use crate::support::daemon::{Daemon, Said};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, holds_for, wait_until};

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
        &[("ip_prefix", "10.1.0.1/32"), ("check_interval", "60")],
    );
    lab.service(
        "grid",
        &[("ip_prefix", "10.1.0.2/32"), ("check_interval", "1")],
    );
    lab.service(
        "off",
        &[("ip_prefix", "10.1.0.3/32"), ("check_disabled", "true")],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("the first runs", || {
        lab.runs("slow").len() == 1 && !lab.runs("grid").is_empty()
    });
    for round in 2..5 {
        daemon.signal(libc::SIGURG);
        wait_until("a run at once", || lab.runs("slow").len() == round);
    }
    wait_until("three more of the grid", || lab.runs("grid").len() >= 7);
    holds_for(
        "no run without a reason",
        Duration::from_millis(300),
        || lab.runs("slow").len() == 4,
    );
    assert!(lab.runs("off").is_empty());
    // The runs of the grid keep their distance of whole seconds from the first one; three others came by signal.
    let runs = lab.runs("grid");
    let off_grid = |at: u64| {
        let phase = (at - runs[0].at_ms) % 1000;
        (150..850).contains(&phase)
    };
    let on_grid = runs.iter().filter(|run| !off_grid(run.at_ms)).count();
    assert!(on_grid >= 4, "the grid has moved: {runs:?}");
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
    lab.daemon(&[]);
    lab.script(
        "long",
        "#!/bin/sh\nread -r up _ </proc/uptime\necho \"$up 0 up\" >>$ANYCAST_TEST_LAB/checks/long.runs\nsleep 0.6\n",
    );
    let command = lab.path("long").display().to_string();
    lab.service(
        "long",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_cmd", &command),
            ("check_interval", "0.5"),
        ],
    );
    let begin = up_ms();
    let mut daemon = Daemon::start(&lab);
    // Every second slot of half a second. A machine that is busy may cost more slots, so it is waited for.
    wait_until("three runs in a row, a second apart", || {
        let runs = lab.runs("long");
        runs.windows(3)
            .any(|row| (1900..2100).contains(&(row[2].at_ms - row[0].at_ms)))
    });
    wait_until("five runs", || lab.runs("long").len() >= 5);
    daemon.stop();
    // Never more often, however late each of them was: the grid begins after the daemon has.
    for (number, run) in lab.runs("long").iter().enumerate() {
        let earliest = begin + 1000 * number as u64;
        assert!(
            run.at_ms + 20 >= earliest,
            "run {number} came {} ms too early",
            earliest - run.at_ms
        );
    }
}

/// The clock by which the checks say when they ran.
fn up_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").expect("/proc/uptime");
    let seconds = text.split(' ').next().expect("two numbers");
    seconds.replace('.', "").parse::<u64>().expect("a number") * 10
}

#[test]
fn splay_spreads_the_first_runs() {
    let lab = Lab::new("splay");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("splay_startup", "1.5")]);
    for number in 0..12 {
        let prefix = format!("10.1.0.{number}/32");
        lab.service(
            &format!("s{number}"),
            &[("ip_prefix", &prefix), ("check_interval", "60")],
        );
    }
    let mut daemon = Daemon::start(&lab);
    let first = |number: usize| lab.runs(&format!("s{number}")).first().map(|run| run.at_ms);
    wait_until("all first runs", || {
        (0..12).all(|number| first(number).is_some())
    });
    daemon.stop();
    let times: Vec<u64> = (0..12).filter_map(first).collect();
    let (earliest, latest) = (
        *times.iter().min().expect("12"),
        *times.iter().max().expect("12"),
    );
    // Twelve random delays of up to 1.5 s lie within 0.3 s of each other once in ten million times.
    assert!(latest - earliest > 300, "not spread: {times:?}");
    assert!(
        latest - earliest < 3000,
        "later than splay_startup allows: {times:?}"
    );
}
