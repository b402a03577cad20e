use super::*;

const LOG: Lane = Lane::Log;
const METRICS: Lane = Lane::Metrics;
const V4: Lane = Lane::Prefixes(0);
const V6: Lane = Lane::Prefixes(1);

fn at(millis: u64) -> Mono {
    Mono::from_micros(10_000_000 + millis * 1000)
}

fn steps(pool: &mut Pool, millis: u64) -> Vec<Step> {
    std::iter::from_fn(|| pool.next_step(at(millis))).collect()
}

const fn process(number: u32) -> ProcessId {
    ProcessId(number)
}

/// A pool with one process that is busy with `lane` since moment 0.
fn busy(lane: Lane) -> Pool {
    let mut pool = Pool::new();
    pool.request(lane, at(0));
    let expected = [Step::Start(process(1)), Step::Send(lane, process(1))];
    assert_eq!(steps(&mut pool, 0), expected);
    pool
}

#[test]
fn one_process_serves_all_and_prefix_files_go_first() {
    let mut pool = busy(LOG);
    for lane in [METRICS, V6, V4] {
        pool.request(lane, at(1));
    }
    assert_eq!(steps(&mut pool, 249), []);
    for (lane, next) in [(LOG, V4), (V4, V6), (V6, METRICS)] {
        assert_eq!(pool.answered(process(1)), Some(lane));
        assert_eq!(
            steps(&mut pool, 249),
            [Step::Send(next, process(1))],
            "after {lane:?}"
        );
    }
    assert_eq!(pool.answered(process(1)), Some(METRICS));
    assert_eq!(steps(&mut pool, 10_000), [], "it stays, idle");
    assert!(pool.is_idle() && pool.next_deadline().is_none());
}

#[test]
fn what_waits_too_long_gets_a_process_which_is_ended_when_it_is_idle() {
    let mut pool = busy(LOG);
    pool.request(V4, at(100));
    assert_eq!(pool.next_deadline(), Some(at(350)));
    assert_eq!(steps(&mut pool, 349), []);
    assert_eq!(
        steps(&mut pool, 350),
        [Step::Start(process(2)), Step::Send(V4, process(2))]
    );
    assert_eq!(pool.answered(process(2)), Some(V4));
    assert_eq!(steps(&mut pool, 400), [], "the other is busy");
    assert_eq!(pool.answered(process(1)), Some(LOG));
    assert_eq!(steps(&mut pool, 500), [Step::End(process(2))]);
    assert_eq!(pool.gone(process(2)), None);
}

#[test]
fn a_hung_lane_refuses_until_its_process_is_gone_and_others_go_on() {
    let mut pool = busy(V4);
    assert_eq!(steps(&mut pool, 4_999), []);
    assert_eq!(steps(&mut pool, 5_000), [Step::Kill(V4, process(1))]);
    assert!(pool.is_hung(V4) && !pool.is_free(V4));
    assert!(
        pool.is_idle() && pool.next_deadline().is_none(),
        "nothing is waited for"
    );
    // The others do not wait for a process that is lost.
    pool.request(V6, at(6_000));
    assert_eq!(
        steps(&mut pool, 6_000),
        [Step::Start(process(2)), Step::Send(V6, process(2))]
    );
    assert_eq!(pool.answered(process(2)), Some(V6));
    assert_eq!(
        pool.answered(process(1)),
        None,
        "a late success is just the end"
    );
    assert!(pool.is_hung(V4));
    assert_eq!(pool.gone(process(1)), None, "that has been told already");
    assert!(pool.is_free(V4));
    pool.request(V4, at(7_000));
    assert_eq!(steps(&mut pool, 7_000), [Step::Send(V4, process(2))]);
}

#[test]
fn at_most_one_process_hangs_for_each_lane() {
    let mut pool = Pool::new();
    let mut started = 0;
    let mut now = 0;
    // A minute in which nothing ever answers, and everything is wanted all the time.
    while now < 60_000 {
        for lane in Lane::all() {
            if pool.is_free(lane) {
                pool.request(lane, at(now));
            }
        }
        let starts = |step: &Step| matches!(step, Step::Start(_));
        started += steps(&mut pool, now).into_iter().filter(starts).count();
        now += 50;
    }
    assert_eq!(started, LANES);
    assert!(Lane::all().all(|lane| pool.is_hung(lane)));
}

#[test]
fn only_a_request_without_progress_has_had_its_time() {
    let mut pool = busy(METRICS);
    pool.progress(process(1), at(4_000));
    assert_eq!(pool.next_deadline(), Some(at(9_000)));
    assert_eq!(steps(&mut pool, 8_999), []);
    assert_eq!(steps(&mut pool, 9_000), [Step::Kill(METRICS, process(1))]);
    pool.progress(process(1), at(9_001));
    assert!(pool.is_hung(METRICS), "too late");
}

#[test]
fn the_request_of_a_process_that_dies_has_failed_and_the_next_one_gets_another() {
    let mut pool = busy(V4);
    assert_eq!(pool.gone(process(1)), Some(V4));
    assert!(pool.is_free(V4));
    pool.request(V4, at(1));
    assert_eq!(
        steps(&mut pool, 1),
        [Step::Start(process(2)), Step::Send(V4, process(2))]
    );
    assert_eq!(pool.answered(process(2)), Some(V4));
    // One that dies while it is idle has failed nobody.
    assert_eq!(pool.gone(process(2)), None);
    assert_eq!(steps(&mut pool, 2), []);
}

#[test]
fn without_a_process_what_waits_has_failed_unless_there_is_another() {
    let mut pool = Pool::new();
    pool.request(V4, at(0));
    pool.request(LOG, at(0));
    assert_eq!(pool.next_step(at(0)), Some(Step::Start(process(1))));
    assert_eq!(pool.not_started(process(1), at(0)), [V4, LOG]);
    assert!(pool.is_free(V4) && pool.is_free(LOG));

    let mut pool = busy(LOG);
    pool.request(V4, at(0));
    assert_eq!(pool.next_step(at(250)), Some(Step::Start(process(2))));
    assert_eq!(pool.not_started(process(2), at(250)), []);
    assert_eq!(steps(&mut pool, 250), []);
    assert_eq!(pool.answered(process(1)), Some(LOG));
    assert_eq!(steps(&mut pool, 260), [Step::Send(V4, process(1))]);
}

#[test]
fn every_lane_has_its_place() {
    let places: Vec<usize> = Lane::all().map(Lane::index).collect();
    assert_eq!(places, Vec::from_iter(0..LANES));
}

#[test]
fn a_process_is_busy_with_one_lane_and_what_hangs_is_busy_with_none() {
    let mut pool = busy(LOG);
    assert!(!pool.is_idle());
    assert_eq!(pool.process_of(LOG), Some(process(1)));
    assert_eq!(pool.process_of(V4), None);
    assert_eq!(steps(&mut pool, 5_000), [Step::Kill(LOG, process(1))]);
    assert_eq!(pool.process_of(LOG), None);
}
