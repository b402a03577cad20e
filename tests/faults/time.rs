//! The wall clock steps by a year either way: no run is lost, none comes early.

use crate::lab;
use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::FakeBird;
use crate::support::tools::libfaketime;
use crate::support::wait_until;

#[test]
fn a_step_of_the_wall_clock_changes_no_schedule() {
    let lab = lab("clock", &[("loglevel", "info")]);
    lab.service(
        "web",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_interval", "0.3"),
            ("check_timeout", "3"),
        ],
    );
    let bird = FakeBird::install(&lab);
    lab.write("clock", "+0\n");
    let mut command = daemon_command(&lab);
    command
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", lab.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut daemon = Daemon::spawn(command);
    daemon.wait_ready(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let year = |line: &str| line.get(..4).and_then(|year| year.parse::<i32>().ok());
    let this_year = daemon
        .out
        .all()
        .iter()
        .find_map(|line| year(line))
        .expect("a year");
    for (step, wanted) in [("+400d", 1), ("-400d", -1), ("+0", 0)] {
        lab.write("clock.new", &format!("{step}\n"));
        std::fs::rename(lab.path("clock.new"), lab.path("clock")).expect("rename");
        let from = lab.runs("web").len();
        wait_until("eight runs", || lab.runs("web").len() >= from + 8);
        let runs = lab.runs("web");
        let span = runs[from + 7].at_ms - runs[from].at_ms;
        // Less what the first of them came late; none comes ever if the schedule has moved by a year.
        assert!(
            span > 1000,
            "seven intervals of 0.3 s took {span} ms after a step of {step}"
        );
        let lines = daemon.out.all().len();
        lab.answer("web", 1);
        bird.wait_exports("4", &[]);
        lab.answer("web", 0);
        bird.wait_exports("4", &["10.1.0.1/32"]);
        let news = || daemon.out.all()[lines..].iter().find_map(|line| year(line));
        wait_until("it has said so", || news().is_some());
        let seen = news().expect("a year");
        let off = seen - this_year;
        assert!(
            off == wanted || off == wanted * 2,
            "the log shows the clock as it is: {seen} after {step}"
        );
    }
    daemon.stop();
    assert!(
        !daemon
            .out
            .all()
            .iter()
            .any(|line| line.contains("panicked"))
    );
}
