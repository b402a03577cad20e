//! A starter that hangs, is killed, or has more to do than it can take.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::*;

fn signal_starter(jobs: &Jobs, signal: &str) {
    let pid = jobs.starter.as_ref().unwrap().pid().number().to_string();
    let status = Program::new("/bin/kill").args([signal, &pid]).status();
    assert!(status.unwrap().success());
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next()
    };
    match signal {
        "-STOP" => wait_until("it stops", || state() == Some('T')),
        "-KILL" => wait_until("it ends", || state() == Some('Z')),
        _ => {}
    }
}

#[test]
fn a_start_waits_for_nothing() {
    alone("starter::a_start_waits_for_nothing", || {
        let mut jobs = Jobs::new().unwrap();
        signal_starter(&jobs, "-STOP");
        // More than its socket takes.
        for job in 0..300 {
            start(&mut jobs, job, &["/bin/echo", &"x".repeat(2000)]).unwrap();
        }
        assert!(!jobs.starter.as_ref().unwrap().is_idle());
        // One that it has not been asked for yet, and one that it has.
        jobs.kill(JobId(299)).unwrap();
        jobs.kill(JobId(0)).unwrap();
        let refused = jobs.take_finished().remove(0);
        assert_eq!(refused.job, JobId(299));
        assert!(matches!(refused.outcome, Outcome::NotStarted(_)));
        signal_starter(&jobs, "-CONT");
        let finished = finish(&mut jobs);
        assert_eq!(finished.len(), 299);
        for one in finished {
            let doomed = one.job == JobId(0);
            let (ended, output) = of_end(one);
            match ended {
                Ended::Exit(0) => assert_eq!(output.stdout.bytes.len(), 2001),
                ended => assert!(doomed && ended == Ended::Signal(9), "{ended:?}"),
            }
        }
    });
}

#[test]
fn one_that_is_killed_fails_what_it_was_asked_for_and_is_made_again() {
    alone(
        "starter::one_that_is_killed_fails_what_it_was_asked_for_and_is_made_again",
        || {
            let before = open_descriptors();
            let mut jobs = Jobs::new().unwrap();
            shell(&mut jobs, 1, "exec sleep 0.1");
            pid_of(&mut jobs, 1);
            signal_starter(&jobs, "-STOP");
            start(&mut jobs, 2, &["/bin/true"]).unwrap();
            signal_starter(&jobs, "-KILL");
            // Nobody reads this one any more, and that is not known yet.
            start(&mut jobs, 3, &["/bin/true"]).unwrap();
            let mut finished = finish(&mut jobs);
            finished.sort_by_key(|one| one.job);
            let outcomes: Vec<Outcome> = finished.into_iter().map(|one| one.outcome).collect();
            let [
                Outcome::Ended { ended, .. },
                Outcome::NotStarted(second),
                Outcome::NotStarted(third),
            ] = &outcomes[..]
            else {
                panic!("{outcomes:?}");
            };
            assert_eq!(
                *ended,
                Ended::Exit(0),
                "what runs is the daemon's own child"
            );
            assert_eq!((second.status, third.status), (126, 126));
            assert!(second.cause.contains("was killed"), "{second:?}");
            start(&mut jobs, 4, &["/bin/true"]).unwrap();
            assert_eq!(ends(&mut jobs)[0].0, Ended::Exit(0));
            drop(jobs);
            assert_eq!(open_descriptors(), before);
            assert!(process::reap_any().is_none(), "nothing is left to reap");
        },
    );
}

#[test]
fn one_that_is_abandoned_holds_nothing_but_its_number() {
    alone(
        "starter::one_that_is_abandoned_holds_nothing_but_its_number",
        || {
            let mut jobs = Jobs::new().unwrap();
            let before = open_descriptors();
            shell(&mut jobs, 1, "exec sleep 60");
            let pid = pid_of(&mut jobs, 1).number().to_string();
            signal_starter(&jobs, "-STOP");
            shell(&mut jobs, 2, "exec sleep 60");
            jobs.abandon(JobId(1));
            jobs.abandon(JobId(2));
            assert_eq!(jobs.abandoned(), 2);
            assert_eq!(open_descriptors(), before);
            signal_starter(&jobs, "-CONT");
            assert_eq!(finish(&mut jobs), [], "nobody hears of them");
            assert_eq!(jobs.abandoned(), 0);
            assert!(!is_running(&pid));
        },
    );
}

#[test]
fn a_command_may_have_a_socket_as_its_input() {
    alone("starter::a_command_may_have_a_socket_as_its_input", || {
        let mut jobs = Jobs::new().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let words = words(&["/bin/sh", "-c", "read word; echo \"got $word\" >&0"]);
        let command = Command {
            words: &words,
            argument: None,
            service: None,
            stdio: Some([far.as_fd(), null.as_fd(), null.as_fd()]),
        };
        jobs.start(JobId(1), &command).unwrap();
        drop(far);
        near.write_all(b"this\n").unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "got this\n");
        assert_eq!(ends(&mut jobs), [(Ended::Exit(0), Output::default())]);
    });
}

#[test]
fn what_is_too_long_for_a_request_is_refused() {
    alone("starter::what_is_too_long_for_a_request_is_refused", || {
        let mut jobs = Jobs::new().unwrap();
        let failure = start(&mut jobs, 1, &["/bin/true", &"x".repeat(200_000)]).unwrap_err();
        assert_eq!(failure.status, 126, "{failure:?}");
        // exec refuses one word of this length, the starter would pass it on.
        start(&mut jobs, 2, &["/bin/true", &"x".repeat(140_000)]).unwrap();
        let outcome = finish(&mut jobs).remove(0).outcome;
        assert!(
            matches!(&outcome, Outcome::NotStarted(failure) if failure.status == 126),
            "{outcome:?}"
        );
    });
}

#[test]
fn a_stop_of_a_traced_child_is_not_its_end() {
    alone("starter::a_stop_of_a_traced_child_is_not_its_end", || {
        let mut jobs = Jobs::new().unwrap();
        let trace = format!(
            "syscall({}, 0, 0, 0, 0); kill 'STOP', $$; exit 3",
            libc::SYS_ptrace
        );
        start(&mut jobs, 1, &["/usr/bin/perl", "-e", &trace]).unwrap();
        let pid = pid_of(&mut jobs, 1).number();
        wait_until("it is stopped", || {
            fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| stat.rsplit(") ").next().unwrap().starts_with('t'))
        });
        turn(&mut jobs);
        turn(&mut jobs);
        assert_eq!(jobs.take_finished(), []);
        jobs.kill(JobId(1)).unwrap();
        assert_eq!(ends(&mut jobs)[0].0, Ended::Signal(9));
        assert!(process::reap_any().is_none(), "nothing is left to reap");
    });
}
