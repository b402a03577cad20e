use super::*;
use crate::host::test_dir::TestDir;
use std::cell::Cell;

fn seen(maintenance: bool, advertised: bool, settled: bool) -> Observed {
    Observed {
        state: if maintenance { "down" } else { "up" }.into(),
        maintenance,
        advertised,
        settled,
    }
}

/// Runs with scripted answers, the last of which is repeated; returns the outcome and the pauses.
fn play(path: &Path, on: bool, answers: &[Answer]) -> (Outcome, Vec<Duration>) {
    let time = Cell::new(Mono::from_micros(1_000_000));
    let mut pauses = Vec::new();
    let mut asked = 0;
    let means = Means {
        ask: &mut || {
            asked += 1;
            answers[(asked - 1).min(answers.len() - 1)].clone()
        },
        clock: &|| time.get(),
        pause: &mut |span| {
            pauses.push(span);
            time.set(time.get() + span);
        },
    };
    let outcome = run(path, on, LIMIT, means);
    (outcome, pauses)
}

fn report(path: &Path, on: bool, outcome: &Outcome) -> String {
    let service = "web";
    Report {
        service,
        path,
        on,
        outcome,
    }
    .to_string()
}

#[test]
fn drain_waits_for_maintenance_then_file_then_bird() {
    let dir = TestDir::new();
    let path = dir.join("drain");
    let answers = [
        Answer::Service(seen(false, true, true)),
        Answer::Service(seen(true, true, false)),
        Answer::Service(seen(true, false, false)),
        Answer::Service(seen(true, false, true)),
    ];
    let (outcome, pauses) = play(&path, true, &answers);
    assert!(path.exists());
    let millis: Vec<u128> = pauses.iter().map(Duration::as_millis).collect();
    assert_eq!(millis, [20, 40, 80]);
    let took = Duration::from_millis(140);
    let expected = Outcome::Done {
        seen: seen(true, false, true),
        took,
    };
    assert_eq!((&outcome, outcome.exit_status()), (&expected, 0));
    assert!(report(&path, true, &outcome).starts_with("web: drained after 0.1 s: "));
}

#[test]
fn undrain_waits_for_the_end_of_maintenance_only() {
    let dir = TestDir::new();
    let path = dir.join("drain");
    fs::write(&path, "").unwrap();
    let mut risen = seen(false, false, true);
    risen.state = "down".into();
    let answers = [
        Answer::Service(seen(true, false, true)),
        Answer::Service(risen),
    ];
    let (outcome, pauses) = play(&path, false, &answers);
    assert!(!path.exists());
    assert_eq!((pauses.len(), outcome.exit_status()), (1, 0));
    assert!(report(&path, false, &outcome).contains("it is down now, and rises when"));
}

#[test]
fn that_it_is_so_already_is_fine() {
    let dir = TestDir::new();
    let path = dir.join("drain");
    fs::write(&path, "kept").unwrap();
    let (outcome, _) = play(&path, true, &[Answer::Service(seen(true, false, true))]);
    assert_eq!(outcome.exit_status(), 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    fs::remove_file(&path).unwrap();
    let (outcome, _) = play(&path, false, &[Answer::Service(seen(false, true, true))]);
    assert_eq!(outcome.exit_status(), 0);
    assert!(report(&path, false, &outcome).ends_with("it is up now"));
}

#[test]
fn without_a_daemon_the_file_stays() {
    let dir = TestDir::new();
    let path = dir.join("drain");
    let (outcome, pauses) = play(&path, true, &[Answer::NoDaemon("no daemon answers".into())]);
    assert!(path.exists() && pauses.is_empty());
    assert_eq!(outcome.exit_status(), 3);
    let text = report(&path, true, &outcome);
    assert_eq!(
        text,
        format!("web: {} is made, but no daemon answers", path.display())
    );
    let (outcome, _) = play(&path, true, &[Answer::NoSuchService]);
    assert_eq!(outcome.exit_status(), 1);
}

#[test]
fn the_wait_has_an_end_and_says_what_was_missing() {
    let dir = TestDir::new();
    let path = dir.join("drain");
    for (on, last, words) in [
        (true, seen(false, true, true), "not in maintenance"),
        (true, seen(true, true, false), "still in the prefix file"),
        (true, seen(true, false, false), "BIRD not reconfigured yet"),
        (false, seen(true, false, true), "down, in maintenance"),
    ] {
        let (outcome, pauses) = play(&path, on, &[Answer::Service(last.clone())]);
        let expected = Outcome::TimedOut {
            seen: last,
            limit: LIMIT,
        };
        assert_eq!((&outcome, outcome.exit_status()), (&expected, 1));
        assert_eq!(pauses.iter().sum::<Duration>(), LIMIT);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        let text = report(&path, on, &outcome);
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_changed_is_said_and_nobody_is_asked() {
    let dir = TestDir::new();
    let path = dir.join("none/drain");
    let (outcome, _) = play(&path, true, &[Answer::NoSuchService]);
    assert_eq!(
        outcome,
        Outcome::CannotChange("No such file or directory".into())
    );
    assert_eq!(outcome.exit_status(), 1);
    let text = report(&path, true, &outcome);
    assert!(text.starts_with("web: cannot make "), "{text}");
    let (outcome, _) = play(dir.path(), false, &[Answer::NoSuchService]);
    assert!(matches!(outcome, Outcome::CannotChange(_)));
    assert!(dir.path().exists());
}
