use super::*;
use crate::config::fixture::service_config;

/// Checked every second, with a rise of 3 and a fall of 2.
fn service() -> Service {
    let config = ServiceConfig {
        rise: 3,
        fall: 2,
        ..service_config("a", &["192.0.2.1/32"])
    };
    Service::new(Rc::new(config), Announce::Keep, Mono::from_micros(1))
}

fn at(second: u64) -> Mono {
    Mono::from_micros(second * 1_000_000)
}

/// What the inputs, one a second, lead to: the seconds in which the state changes, and the states.
fn changes(service: &mut Service, inputs: &[Input]) -> Vec<(u64, Status)> {
    let mut changes = Vec::new();
    for (second, input) in (0..).zip(inputs) {
        let change = service.input(input.clone(), at(second));
        changes.extend(change.map(|change| (second, change.to)));
    }
    changes
}

const PASS: Input = Input::Pass;
const HOLD: Input = Input::Hold(Reason::Maintenance);
const RELEASE: Input = Input::Release;

fn fail(code: u8) -> Input {
    Input::Fail(Verdict::Fail(code))
}

/// There may be ten thousand of them, beside their configuration.
#[test]
fn a_service_is_small() {
    let bytes = size_of::<Option<Service>>();
    assert!(bytes <= 168, "{bytes}");
}

#[test]
fn what_was_counted_before_it_was_held_counts_no_more() {
    for before in [
        &[PASS, PASS][..],
        &[fail(1)],
        &[fail(1), fail(1), PASS, PASS],
    ] {
        let mut service = service();
        changes(&mut service, before);
        assert!(service.counting());
        changes(&mut service, &[HOLD, RELEASE]);
        assert!(!service.counting());
        assert_eq!(
            changes(&mut service, &[fail(1), PASS, PASS, PASS]),
            [(3, Status::Up)]
        );
        assert_eq!(service.reason(), Reason::Passed { count: 3 });
    }
}

#[test]
fn the_reason_is_that_of_the_present() {
    let mut service = service();
    let missing = Reason::AddressMissing {
        prefix: service.config.prefixes[0],
    };
    changes(&mut service, &[HOLD, Input::Hold(missing)]);
    assert_eq!(service.reason(), missing);
    changes(&mut service, &[RELEASE, PASS, PASS]);
    assert_eq!(service.reason(), Reason::Returning { count: 2, of: 3 });
    changes(&mut service, &[fail(7)]);
    let verdict = Verdict::Fail(7);
    assert_eq!(service.reason(), Reason::Failed { count: 1, verdict });
}

/// What was counted before counts no more, and who is down already does not come down once more.
#[test]
fn held_down_is_down() {
    let mut service = service();
    changes(&mut service, &[fail(1), HOLD, RELEASE, fail(3)]);
    let verdict = Verdict::Fail(3);
    assert_eq!(service.reason(), Reason::Failed { count: 1, verdict });
    assert_eq!(service.state_value(), Some(1));
    let inputs = [PASS, PASS, PASS, fail(1), fail(1), HOLD, RELEASE];
    let wanted = [(2, Status::Up), (4, Status::Down)];
    assert_eq!(changes(&mut service, &inputs), wanted);
    assert_eq!(service.since(), at(4));
}

/// As the reference has it: the metric follows a failure only when `fall` of them have come in a row.
#[test]
fn the_metric_follows_the_state() {
    let mut service = service();
    let mut after = |input: Input| {
        changes(&mut service, &[input]);
        service.state_value()
    };
    assert_eq!([after(PASS), after(fail(9))], [None, None]);
    assert_eq!([after(fail(4)), after(fail(5))], [Some(4), Some(5)]);
    assert_eq!([after(PASS), after(fail(6))], [Some(5), Some(5)]);
    assert_eq!([after(fail(6)), after(PASS)], [Some(6), Some(6)]);
    assert_eq!([after(PASS), after(PASS)], [Some(6), Some(0)]);
    assert_eq!([after(fail(8)), after(PASS)], [Some(0), Some(0)]);
    assert_eq!([after(HOLD), after(RELEASE)], [Some(1), Some(1)]);
}

#[test]
fn runs_and_changes_are_counted() {
    let mut service = service();
    assert_eq!(service.counters(), ServiceCounters::default());
    let runs = [
        (Verdict::Pass, 1),
        (Verdict::Fail(1), 2),
        (Verdict::Signal(9), 3),
        (Verdict::TimedOut, 4),
        (Verdict::NotStarted(127), 5),
        (Verdict::TimedOut, 6),
    ];
    for (verdict, second) in runs {
        service.ran(LastRun {
            verdict,
            took: Duration::from_secs(second),
            ended: at(second),
            first_line: "said",
        });
        let by_itself = second.min(3);
        assert_eq!(service.duration(), Some(Duration::from_secs(by_itself)));
    }
    changes(&mut service, &[PASS, PASS, PASS, HOLD]);
    let counters = ServiceCounters {
        passed: 1,
        failed: 2,
        timed_out: 2,
        not_started: 1,
        first_time_out: Some(at(4)),
        changes: 2,
        last_change: Some(at(3)),
    };
    assert_eq!((service.counters(), service.since()), (counters, at(3)));
}

#[test]
fn only_what_comes_in_a_row_counts() {
    for (inputs, wanted) in [
        (
            &[fail(1), PASS, fail(1), fail(1)][..],
            &[(3, Status::Down)][..],
        ),
        (&[PASS, PASS, fail(1), PASS, PASS, PASS], &[(5, Status::Up)]),
        (
            &[PASS, PASS, PASS, fail(1), PASS, fail(1), fail(1)],
            &[(2, Status::Up), (6, Status::Down)],
        ),
        (
            &[
                fail(1),
                fail(1),
                PASS,
                PASS,
                fail(1),
                PASS,
                PASS,
                PASS,
                fail(1),
            ],
            &[(1, Status::Down), (7, Status::Up)],
        ),
    ] {
        assert_eq!(changes(&mut service(), inputs), wanted);
    }
}
