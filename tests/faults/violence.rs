//! Killed at any moment, flooded with signals, stopped and continued, its netlink socket overrun.

use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::FakeBird;
use crate::support::prefixes::is_whole;
use crate::support::{Lab, wait_until};
use crate::{Random, lab};

/// A lab whose prefix file changes all the time, and is not small.
fn changing_lab() -> Lab {
    let lab = Lab::new("killed");
    FakeBird::install(&lab);
    lab.daemon(&[
        ("ipv6", "false"),
        ("loglevel", "error"),
        ("bird_update_interval", "0"),
        ("bird_reconfigure_cmd", "/bin/echo Reconfigured"),
    ]);
    for number in 0..300 {
        let prefix = format!("10.50.{}.{}/32", number / 250, number % 250);
        lab.service(
            &format!("s{number}"),
            &[
                ("ip_prefix", &prefix),
                (
                    "check_disabled",
                    if number < 290 { "true" } else { "false" },
                ),
                ("on_disabled", "advertise"),
                ("check_cmd", "/bin/sh -c 'exit $(($$ %% 2))'"),
                ("check_interval", "0.01"),
            ],
        );
    }
    lab.write(
        "bird.conf",
        "include \"4/prefixes.conf\";\nprotocol device { }\n",
    );
    lab
}

#[test]
fn killed_while_it_writes_the_file_is_always_whole_and_bird_reads_it() {
    let lab = changing_lab();
    // A thousand with `make soak`; in CI a tenth of it.
    let rounds = if std::env::var_os("SOAK_SECONDS").is_some() {
        1000
    } else {
        100
    };
    let mut random = Random(2_463_534_242);
    for round in 0..rounds {
        let moment = Duration::from_micros(u64::from(random.below(60_000)));
        let begin = Instant::now();
        let mut daemon = Daemon::spawn(daemon_command(&lab));
        while begin.elapsed() < moment {
            std::hint::spin_loop();
        }
        daemon.kill();
        let text = lab.read("4/prefixes.conf");
        assert!(
            text.is_empty() && !lab.path("4/prefixes.conf").exists() || is_whole(&text),
            "round {round}: {text:?}"
        );
        if !text.is_empty() && round % 10 == 0 {
            let parsed = lab
                .command("bird")
                .args(["-p", "-c", "bird.conf"])
                .output()
                .expect("bird");
            assert!(
                parsed.status.success(),
                "round {round}: {}",
                String::from_utf8_lossy(&parsed.stderr)
            );
        }
    }
    // A later start leaves no trace of all that.
    let mut daemon = Daemon::start(&lab);
    wait_until("written", || lab.announced("4").len() >= 290);
    daemon.stop();
    assert_eq!(
        lab.list("4"),
        ["prefixes.conf"],
        "temporary files stay behind"
    );
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn a_flood_of_sigurg_and_sighup_changes_nothing() {
    let lab = lab("flood", &[]);
    lab.service(
        "hangs",
        &[
            ("ip_prefix", "10.1.0.2/32"),
            ("check_cmd", "/bin/sleep 100"),
            ("check_timeout", "0.3"),
        ],
    );
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let runs = lab.runs("web").len();
    wait_until("settled", || lab.runs("web").len() > runs + 5);
    let (descriptors, calls) = (daemon.descriptors(), bird.calls());
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        for _ in 0..50 {
            daemon.signal(libc::SIGURG);
            daemon.signal(libc::SIGHUP);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let runs = lab.runs("web").len();
    wait_until("checks go on", || lab.runs("web").len() > runs + 5);
    assert_eq!(lab.announced("4"), ["10.1.0.1/32"]);
    assert_eq!(
        bird.calls(),
        calls,
        "nothing changed, so BIRD need not know"
    );
    assert!(
        daemon.descriptors() <= descriptors + 6,
        "{descriptors} descriptors, then {}",
        daemon.descriptors()
    );
    lab.answer("web", 1);
    bird.wait_exports("4", &[]);
    daemon.stop();
}

#[test]
fn stopped_for_a_while_it_goes_on_where_it_was_without_a_burst() {
    let lab = lab("stopped", &[]);
    lab.service(
        "web",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_interval", "0.3"),
            ("check_timeout", "2"),
        ],
    );
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    wait_until("some runs", || lab.runs("web").len() >= 3);
    daemon.signal(libc::SIGSTOP);
    let before = lab.runs("web").len();
    // Ten missed slots, and more than a time-out.
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let begin = Instant::now();
    daemon.signal(libc::SIGCONT);
    wait_until("it goes on", || lab.runs("web").len() >= before + 4);
    let runs = lab.runs("web");
    // One a slot, and the ten that it missed are not made up for; a busy machine has fewer.
    let most = 3 + begin.elapsed().as_millis() as usize / 300;
    assert!(
        runs.len() - before <= most,
        "missed runs are made up for: {runs:?}"
    );
    assert_eq!(
        lab.announced("4"),
        ["10.1.0.1/32"],
        "a check that ended in time was not called late"
    );
    daemon.stop();
}

#[test]
fn an_overrun_of_netlink_ends_in_the_right_state() {
    let lab = lab("netlink", &[]);
    lab.service(
        "web",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("ip_check_disabled", "false"),
            ("check_interval", "60"),
        ],
    );
    let bird = FakeBird::install(&lab);
    lab.ip("addr add 10.1.0.1/32 dev lo");
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let mut batch = String::new();
    for number in 0..4000 {
        batch += &format!(
            "addr add 10.70.{}.{}/32 dev lo\n",
            number / 250,
            number % 250
        );
    }
    // More notifications than its socket holds, and the one that matters somewhere among them.
    for (change, wanted) in [("del", &[][..]), ("add", &["10.1.0.1/32"][..])] {
        daemon.signal(libc::SIGSTOP);
        lab.ip_batch(&format!(
            "{batch}addr {change} 10.1.0.1/32 dev lo\n{}",
            batch.replace("addr add", "addr del")
        ));
        daemon.signal(libc::SIGCONT);
        bird.wait_exports("4", wanted);
    }
    assert!(daemon.is_running());
    daemon.stop();
}
