//! BIRD's control socket with a stand-in behind it: every answer, and everything that is none.

use std::time::Instant;

use crate::support::daemon::Daemon;
use crate::support::fake_socket::{FakeSocket, Manner, RECONFIGURED};
use crate::support::{Lab, status, wait_until};
use crate::{v4, v6};

fn start(lab: &Lab, timeout: &str) -> (FakeSocket, Daemon) {
    let bird = FakeSocket::listen(lab, "bird.ctl");
    lab.daemon(&[
        ("bird_control_socket", &bird.path()),
        ("bird6_control_socket", &bird.path()),
        ("bird_reconfigure_timeout", timeout),
        ("bird_update_interval", "0.05"),
    ]);
    lab.install_checks();
    lab.service("web", &[("ip_prefix", &v4(1))]);
    lab.service("dns", &[("ip_prefix", &v6(1))]);
    let daemon = Daemon::start(lab);
    bird.wait_exports("4", &[&v4(1)]);
    bird.wait_exports("6", &[&v6(1)]);
    wait_until("settled", settled);
    (bird, daemon)
}

fn settled() -> bool {
    status::ask().is_some_and(|doc| doc.families.iter().all(|family| family.settled))
}

#[test]
fn every_way_to_say_yes_is_success() {
    let lab = Lab::new("yes");
    let (bird, mut daemon) = start(&lab, "5");
    let mut up = true;
    for manner in [
        Manner::Takes(
            "0002-Reading configuration from /etc/bird/bird.conf\n0004 Reconfiguration in progress\n",
        ),
        Manner::Takes("0005 Reconfiguration already in progress, queueing new config\n"),
        Manner::Takes("0003 Reconfigured\r\n"),
        Manner::Takes(
            "0002-Reading configuration from /x\n8000-<line overflow>\n0003 Reconfigured\n",
        ),
        Manner::TakesSlowly(RECONFIGURED),
        Manner::TakesSlowly(
            "0002-Reading configuration from /x\n a second line\n+async\n0004 Reconfiguration in progress\n",
        ),
        Manner::Takes("0003 Reconfigured\n0000 what comes after that is nobody's business\n"),
    ] {
        up = !up;
        bird.manner(manner);
        let asked = bird.commands().len();
        lab.answer("web", u8::from(!up));
        let wanted = if up { vec![v4(1)] } else { vec![] };
        wait_until(&format!("{manner:?}"), || {
            bird.exports("4") == wanted && settled()
        });
        assert_eq!(
            bird.commands().len(),
            asked + 1,
            "{manner:?} is no reason to ask again"
        );
        assert!(
            daemon.out.with(&["cannot reconfigure"]).is_empty(),
            "{manner:?}"
        );
    }
    assert!(bird.commands().iter().all(|command| command == "configure"));
    daemon.stop();
}

/// BIRD does this until it is mended; `words` are in the log, and everything agrees again without help.
fn retried(name: &str, manner: Manner, words: &[&str], timeout: &str) {
    let lab = Lab::new(name);
    let (bird, mut daemon) = start(&lab, timeout);
    bird.manner(manner);
    lab.answer("web", 1);
    daemon.wait_line(&[&["cannot reconfigure BIRD", "bird.ctl"], words].concat());
    let begin = Instant::now();
    let runs = lab.runs("dns").len();
    wait_until("checks go on", || lab.runs("dns").len() > runs + 3);
    wait_until("it is tried again", || {
        status::ask().is_some_and(|doc| {
            doc.families
                .iter()
                .any(|family| family.reconfigure_failed >= 2)
        })
    });
    assert!(!settled());
    assert_eq!(bird.exports("4"), [v4(1)], "BIRD cannot know yet");
    assert_eq!(lab.announced("4"), [] as [String; 0], "the file is right");
    // A trouble that stays is said once.
    assert_eq!(
        daemon.out.with(&["cannot reconfigure BIRD"]).len(),
        1,
        "after {:?}",
        begin.elapsed()
    );
    assert!(
        daemon.status_number("VmHWM") < 32 * 1024,
        "a limit on everything"
    );
    bird.manner(Manner::Takes(RECONFIGURED));
    wait_until("BIRD knows", || bird.exports("4").is_empty() && settled());
    daemon.wait_line(&["BIRD reconfigured", "at last"]);
    let before = daemon.descriptors();
    lab.answer("web", 0);
    bird.wait_exports("4", &[&v4(1)]);
    wait_until("no descriptor is left open", || {
        daemon.descriptors() <= before
    });
    daemon.stop();
}

#[test]
fn a_bird_that_shuts_down_has_not_taken_it() {
    let answer =
        "0002-Reading configuration from /x\n0006 Reconfiguration ignored, shutting down\n";
    retried("0006", Manner::Refuses(answer), &["shutting down"], "5");
}

#[test]
fn a_syntax_error_is_logged_in_birds_words() {
    let answer = "0002-Reading configuration from /x\n8002 /x:7:12 syntax error, unexpected '}'\n";
    retried(
        "8002",
        Manner::Refuses(answer),
        &["/x:7:12 syntax error, unexpected '}'"],
        "5",
    );
}

#[test]
fn a_restricted_socket_is_no_success() {
    retried(
        "8007",
        Manner::Refuses("8007 Access denied\n"),
        &["Access denied"],
        "5",
    );
}

#[test]
fn garbage_is_no_answer() {
    let garbage = "\u{1b}[31mHTTP/1.1 400 Bad Request\r\n\r\n\u{7}\u{0}0003\n\n0003Reconfigured\n";
    retried(
        "garbage",
        Manner::Sends(garbage),
        &["what answers there is not BIRD"],
        "5",
    );
}

#[test]
fn a_flood_without_a_line_end_is_cut_off() {
    retried("flood", Manner::Floods, &["longer than"], "5");
}

#[test]
fn lines_without_an_end_of_the_reply_are_cut_off() {
    retried("babble", Manner::Babbles, &["longer than"], "5");
}

#[test]
fn a_connection_that_is_closed_at_once_is_tried_again() {
    retried(
        "close",
        Manner::Closes,
        &["BIRD closed the connection"],
        "5",
    );
}

#[test]
fn a_connection_that_is_closed_instead_of_an_answer_is_tried_again() {
    retried(
        "hang-up",
        Manner::HangsUp,
        &["BIRD closed the connection"],
        "5",
    );
}

#[test]
fn half_an_answer_is_none() {
    retried(
        "half",
        Manner::Refuses("0002-Reading configuration\n0003 Reconf"),
        &["BIRD closed"],
        "5",
    );
}

#[test]
fn a_socket_that_accepts_and_says_nothing_has_its_time() {
    retried("silent", Manner::Silent, &["no answer in time"], "0.5");
}

/// In the place of the socket there is for a while what `place` puts there.
fn displaced(name: &str, words: &str, place: impl Fn(&Lab)) {
    let lab = Lab::new(name);
    let (bird, mut daemon) = start(&lab, "5");
    std::fs::rename(lab.path("bird.ctl"), lab.path("away.ctl")).expect("rename");
    place(&lab);
    lab.answer("web", 1);
    daemon.wait_line(&["cannot reconfigure BIRD", "bird.ctl", words]);
    std::fs::rename(lab.path("away.ctl"), lab.path("bird.ctl")).expect("rename");
    wait_until("BIRD is told", settled);
    assert_eq!(bird.exports("4"), [] as [String; 0]);
    daemon.stop();
}

#[test]
fn a_socket_that_is_not_there_is_waited_for() {
    displaced("no-socket", "No such file", |_| ());
}

#[test]
fn a_socket_that_is_no_socket_is_waited_for() {
    let file = |lab: &Lab| drop(lab.write("bird.ctl", ""));
    displaced("file", "Connection refused", file);
}
