//! BIRD or the disk is not there for a while: the daemon goes on, says so, and everything agrees again without help.

use crate::support::daemon::Daemon;
use crate::support::fake_bird::{FakeBird, Mood};
use crate::support::{Lab, sys, wait_until};

fn lab(name: &str) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("ipv6", "false")]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    lab.service("dns", &[("ip_prefix", "10.1.0.2/32")]);
    lab
}

const BOTH: [&str; 2] = ["10.1.0.1/32", "10.1.0.2/32"];

/// BIRD fails in some way while `web` goes down; it must be told until it listens, and `words` must be in the log.
fn recovers(name: &str, words: &[&str], fail: impl Fn(&FakeBird), mend: impl Fn(&FakeBird)) {
    let lab = lab(name);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &BOTH);
    fail(&bird);
    lab.answer("web", 1);
    wait_until("the file says so", || lab.announced("4") == ["10.1.0.2/32"]);
    daemon.wait_line(words);
    // Checks go on meanwhile, and so do changes of the file.
    let runs = lab.runs("dns").len();
    lab.answer("dns", 1);
    wait_until("the file says so", || lab.announced("4").is_empty());
    wait_until("checks go on", || lab.runs("dns").len() > runs + 5);
    assert!(daemon.is_running());
    assert_eq!(bird.exports("4"), BOTH, "BIRD cannot know yet");
    mend(&bird);
    bird.wait_exports("4", &[]);
    // And from now on at once.
    lab.answer("web", 0);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    daemon.stop();
    assert!(!bird.overlapped(), "two reconfigurations at a time");
    wait_until("nothing is left", || lab.processes().is_empty());
}

fn mood_recovers(name: &str, mood: Mood, words: &[&str]) {
    recovers(
        name,
        words,
        |bird| bird.mood(mood),
        |bird| bird.mood(Mood::Good),
    );
}

#[test]
fn a_broken_configuration_of_bird_is_retried_until_it_is_mended() {
    mood_recovers("broken", Mood::Broken, &["syntax error, unexpected '}'"]);
}

#[test]
fn an_exit_status_of_zero_is_no_success_if_bird_says_otherwise() {
    mood_recovers(
        "broken-old",
        Mood::BrokenOld,
        &["syntax error, unexpected '}'"],
    );
}

#[test]
fn a_bird_that_is_shutting_down_has_not_taken_it() {
    mood_recovers(
        "shutting-down",
        Mood::ShuttingDown,
        &["Reconfiguration ignored, shutting down"],
    );
}

#[test]
fn a_bird_that_is_down_is_told_when_it_is_back() {
    mood_recovers(
        "down",
        Mood::Down,
        &["Unable to connect to server control socket"],
    );
}

#[test]
fn a_bird_that_denies_access_is_asked_again() {
    mood_recovers("denied", Mood::Denied, &["Access denied"]);
}

#[test]
fn a_birdc_that_hangs_is_killed_with_its_group_and_tried_again() {
    mood_recovers("hanging", Mood::Hanging, &["birdc"]);
}

#[test]
fn a_birdc_that_is_missing_is_tried_again() {
    recovers(
        "missing",
        &["birdc"],
        |bird| bird.missing(true),
        |bird| bird.missing(false),
    );
}

/// Its file does not change any more, so that alone would give the next daemon no reason to say anything.
#[test]
fn what_bird_could_not_be_told_before_the_end_the_next_daemon_tells_it() {
    let lab = lab("owed");
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &BOTH);
    bird.mood(Mood::Broken);
    lab.answer("web", 1);
    wait_until("the file says so", || lab.announced("4") == ["10.1.0.2/32"]);
    daemon.stop();
    assert!(!lab.path("pid").exists());
    assert!(lab.path("pid.bird-not-told").exists());
    daemon.wait_line(&["WARNING", "stopped after", "the next start tells it"]);
    bird.mood(Mood::Good);
    assert_eq!(bird.exports("4"), BOTH);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.2/32"]);
    daemon.stop();
    assert!(!lab.path("pid.bird-not-told").exists());
}

#[test]
fn progress_and_queueing_are_success() {
    for mood in [Mood::InProgress, Mood::Queued] {
        let lab = lab("progress");
        let bird = FakeBird::install(&lab);
        bird.mood(mood);
        let mut daemon = Daemon::start(&lab);
        bird.wait_exports("4", &BOTH);
        let calls = bird.calls();
        let runs = lab.runs("dns").len();
        wait_until("time goes by", || lab.runs("dns").len() > runs + 10);
        assert_eq!(bird.calls(), calls, "{mood:?} was retried");
        daemon.stop();
    }
}

/// The directory of the prefix file cannot be written while `web` goes down.
fn disk_recovers(name: &str, size: &str, fail: impl Fn(&Lab), mend: impl Fn(&Lab)) {
    let lab = lab(name);
    sys::mount_tmpfs(&lab.path("4"), size).expect("tmpfs");
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &BOTH);
    fail(&lab);
    lab.answer("web", 1);
    daemon.wait_line(&["4/prefixes.conf", "cannot"]);
    let runs = lab.runs("dns").len();
    wait_until("checks go on", || lab.runs("dns").len() > runs + 5);
    assert!(daemon.is_running());
    mend(&lab);
    bird.wait_exports("4", &["10.1.0.2/32"]);
    lab.answer("web", 0);
    bird.wait_exports("4", &BOTH);
    daemon.stop();
    assert_eq!(
        lab.list("4"),
        ["prefixes.conf"],
        "no temporary file is left"
    );
    sys::unmount(&lab.path("4")).expect("unmount");
}

#[test]
fn a_read_only_file_system_is_waited_for() {
    let remount = |lab: &Lab, read_only| sys::remount(&lab.path("4"), read_only).expect("remount");
    disk_recovers(
        "read-only",
        "64k",
        |lab| remount(lab, true),
        |lab| remount(lab, false),
    );
}

#[test]
fn a_directory_that_is_gone_is_waited_for() {
    let lab = lab("vanished");
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &BOTH);
    let move_directory = |from, to| std::fs::rename(lab.path(from), lab.path(to)).expect("rename");
    move_directory("4", "away");
    lab.answer("web", 1);
    daemon.wait_line(&["4/prefixes.conf", "cannot"]);
    move_directory("away", "4");
    bird.wait_exports("4", &["10.1.0.2/32"]);
    daemon.stop();
}
