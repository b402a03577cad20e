//! A disk that stops answering: whoever touches it hangs in the kernel, and the daemon goes on.

use std::fs;
use std::time::{Duration, Instant};

use super::Random;
use crate::support::daemon::{Daemon, daemon_command, time};
use crate::support::fake_bird::FakeBird;
use crate::support::frozen_disk::FrozenDisk;
use crate::support::{Lab, holds_for, status, sys, wait_until, wait_within};

const NO_ANSWER: &str = "the disk did not answer within 5 s";
/// Far more than a change takes that no disk delays, and less than the time after which a disk is given up.
const SOON: Duration = Duration::from_secs(3);

/// Two services, each of a family with a BIRD of its own; what `parts` names is on the disk.
fn lab_on(parts: &[&str], settings: &[(&str, &str)]) -> (Lab, FrozenDisk) {
    let lab = Lab::new("frozen");
    FakeBird::install(&lab);
    lab.install_checks();
    let place = match parts {
        ["history"] => "4/history",
        _ if parts.contains(&"prefixes") => "4",
        _ => "disk",
    };
    let disk = FrozenDisk::mount(&lab, place);
    let path = |name: &str| lab.path(name).display().to_string();
    let other = format!("{} configure other", path("birdc"));
    let (log, metrics) = (
        path(&format!("{place}/log")),
        path(&format!("{place}/metrics")),
    );
    let mut all = vec![("bird6_reconfigure_cmd", other.as_str())];
    for part in parts {
        match *part {
            "log" => all.push(("log_file", &log)),
            "metrics" => {
                fs::create_dir(&metrics).expect("a directory");
                all.push(("prometheus_exporter", "true"));
                all.push(("prometheus_exporter_interval", "1"));
                all.push(("prometheus_collector_textfile_dir", &metrics));
            }
            "history" => all.push(("bird_keep_changes", "true")),
            _ => {}
        }
    }
    lab.daemon(&[&all, settings].concat());
    lab.service("web4", &[("ip_prefix", "10.1.0.1/32")]);
    lab.service("web6", &[("ip_prefix", "2001:db8:53::53/128")]);
    (lab, disk)
}

fn said(lab: &Lab, daemon: &Daemon, words: &str) -> bool {
    let lines = [daemon.out.all(), daemon.err.all()].concat();
    let log = ["disk/log", "4/log"].map(|log| lab.read(log)).concat();
    log.contains(words) || lines.iter().any(|line| line.contains(words))
}

fn settled(family: usize) -> bool {
    status::ask().is_some_and(|document| document.families[family].settled)
}

fn goes_on(parts: &[&str]) {
    let (lab, mut disk) = lab_on(parts, &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    bird.wait_exports("6", &["2001:db8:53::53/128"]);
    let hangs = parts.contains(&"prefixes");

    disk.freeze();
    let frozen = Instant::now();
    lab.answer("web6", 1);
    lab.answer("web4", 1);
    wait_within("the other family is withdrawn", SOON, || {
        bird.exports("6").is_empty()
    });
    if !hangs {
        wait_within("the service is withdrawn", SOON, || {
            bird.exports("4").is_empty()
        });
    }
    let (mut runs, mut asked) = (lab.runs("web4").len(), Instant::now());
    holds_for(
        "checks run and the status is told",
        Duration::from_secs(6),
        || {
            let (took, answer) = time(status::ask);
            assert!(took < Duration::from_secs(1), "an answer took {took:?}");
            if asked.elapsed() > Duration::from_secs(1) {
                let more = lab.runs("web4").len();
                assert!(more > runs, "no check in a second");
                (runs, asked) = (more, Instant::now());
            }
            answer.is_some()
        },
    );
    wait_until("the trouble is told", || said(&lab, &daemon, NO_ANSWER));
    assert!(frozen.elapsed() > Duration::from_secs(5));
    assert_eq!(settled(0), !hangs);
    let stuck = daemon.writers().len();
    assert!(stuck <= parts.len() + 1, "{stuck} writer processes");
    if hangs {
        // What changes again meanwhile is what counts in the end, and not what hangs.
        lab.answer("web4", 0);
        wait_until("web4 is up", || status::service("web4").status == "up");
        lab.answer("web4", 1);
        wait_until("web4 is down", || status::service("web4").status == "down");
    }

    disk.thaw();
    wait_until("the file is as the checks ask for", || {
        lab.announced("4").is_empty() && bird.exports("4").is_empty() && settled(0)
    });
    // Those that hung end; if all did, the next one is started when there is something to write.
    wait_until("one process is left", || daemon.writers().len() <= 1);
    lab.answer("web4", 0);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    if parts.contains(&"log") {
        wait_until("the end of the trouble is in the log", || {
            said(&lab, &daemon, "is written again")
        });
    }
    daemon.stop();
    if parts.contains(&"log") {
        assert!(said(&lab, &daemon, "stopped after"));
    }
}

#[test]
fn a_frozen_disk_under_the_log_holds_up_nothing() {
    goes_on(&["log"]);
}

#[test]
fn a_frozen_disk_under_the_metrics_holds_up_nothing() {
    goes_on(&["metrics"]);
}

#[test]
fn a_frozen_disk_under_the_history_holds_up_no_prefix_file() {
    goes_on(&["history"]);
}

#[test]
fn a_frozen_disk_under_a_prefix_file_holds_up_no_other() {
    goes_on(&["prefixes"]);
}

#[test]
fn a_frozen_disk_under_everything_holds_up_what_is_on_it() {
    goes_on(&["log", "metrics", "history", "prefixes"]);
}

#[test]
fn on_a_frozen_disk_the_daemon_ends_in_time_and_can_be_killed_and_started() {
    let all = ["log", "metrics", "history", "prefixes"];
    let (lab, mut disk) = lab_on(&all, &[("bird_reconfigure_timeout", "1")]);
    let bird = FakeBird::install(&lab);
    let mut random = Random(17);
    for end in ["SIGTERM", "SIGKILL", "SIGTERM, and hung for long"] {
        lab.answer("web4", 0);
        lab.answer("web6", 0);
        let mut daemon = Daemon::start(&lab);
        bird.wait_exports("4", &["10.1.0.1/32"]);
        bird.wait_exports("6", &["2001:db8:53::53/128"]);
        disk.freeze();
        lab.answer("web4", 1);
        let moment = Duration::from_millis(u64::from(random.below(600)));
        match end {
            "SIGTERM, and hung for long" => {
                wait_until("the trouble is told", || said(&lab, &daemon, NO_ANSWER));
            }
            _ => holds_for("a moment", moment, || true),
        }
        if end == "SIGKILL" {
            let (took, ()) = time(|| daemon.kill());
            assert!(took < Duration::from_secs(2), "{end}: {took:?}");
        } else {
            let (took, ()) = time(|| daemon.stop());
            // The reconfiguration's time and a second, and another one for a busy machine.
            assert!(took < Duration::from_secs(3), "{end}: {took:?}");
        }
        // The next one comes up, on the frozen disk, and does what it can.
        lab.answer("web6", 1);
        let mut next = Daemon::spawn(daemon_command(&lab));
        wait_until(&format!("web6 is withdrawn after {end}"), || {
            bird.exports("6").is_empty()
        });
        disk.thaw();
        wait_until(&format!("web4 is withdrawn after {end}"), || {
            lab.announced("4").is_empty() && bird.exports("4").is_empty()
        });
        holds_for(
            "no old content comes back",
            Duration::from_millis(500),
            || lab.announced("4").is_empty(),
        );
        next.stop();
    }
}

#[test]
fn a_writer_that_is_killed_or_stopped_is_replaced() {
    let lab = super::lab("writer-killed", &[("bird_update_interval", "0")]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    for round in 0..4 {
        let [writer] = daemon.writers()[..] else {
            panic!("one writer process");
        };
        // What ends the other processes of the unit, or of the terminal, is not for it.
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            sys::kill(writer, signal).expect("alive");
        }
        if round % 2 == 0 {
            sys::kill(writer, libc::SIGKILL).expect("alive");
            wait_until("it is reaped", || !daemon.children().contains(&writer));
        } else {
            sys::kill(writer, libc::SIGSTOP).expect("alive");
        }
        let (answer, wanted): (u8, &[&str]) = match round % 2 {
            0 => (1, &[]),
            _ => (0, &["10.1.0.1/32"]),
        };
        lab.answer("web", answer);
        bird.wait_exports("4", wanted);
        wait_until("one is left", || daemon.writers().len() == 1);
    }
    assert!(said(&lab, &daemon, NO_ANSWER), "the one that was stopped");
    daemon.stop();
}

#[test]
fn a_frozen_disk_under_standard_output_and_error_holds_up_nothing() {
    let (lab, mut disk) = lab_on(&[], &[]);
    let bird = FakeBird::install(&lab);
    let out = fs::File::create(lab.path("disk/out")).expect("a file");
    let mut command = daemon_command(&lab);
    command.stdout(out.try_clone().expect("a copy")).stderr(out);
    let mut daemon = command.spawn().expect("the program");
    bird.wait_exports("4", &["10.1.0.1/32"]);
    wait_until("its log is there", || {
        lab.read("disk/out").contains("web4        unknown -> up")
    });
    disk.freeze();
    for status in [1, 0, 1] {
        lab.answer("web4", status);
        let announced = usize::from(status == 0);
        wait_within("BIRD has what the check asks for", SOON, || {
            bird.exports("4").len() == announced
        });
    }
    disk.thaw();
    wait_until("what waited is there", || {
        lab.read("disk/out").contains("web4        up -> down")
    });
    sys::kill(daemon.id(), libc::SIGTERM).expect("it is there");
    assert!(daemon.wait().expect("its end").success());
    assert!(lab.read("disk/out").contains("stopped after"));
}
