//! What jobs leave behind in sessions of their own.

use super::*;

/// Starts a check of `service`, or the custom command of it.
fn of_service(jobs: &mut Jobs, job: u64, service: &str, script: &str, argument: Option<&str>) {
    let service = service_config(service, &["192.0.2.1/32"]);
    let words = words(&["/bin/sh", "-c", script]);
    let command = Command {
        words: &words,
        argument,
        service: Some(&service),
        stdio: None,
    };
    jobs.start(JobId(job), &command).unwrap();
}

/// The pid that is on the first line of what the one job has printed.
fn printed(jobs: &mut Jobs) -> String {
    let (ended, output) = ends(jobs).remove(0);
    assert_eq!(ended, Ended::Exit(0));
    let text = String::from_utf8(output.stdout.bytes).unwrap();
    text.lines().next().unwrap().to_string()
}

/// Ends when what it leaves is in its own session.
const LEAVES: &str = "pid=$(setsid sh -c 'echo $$; exec sleep 60 >/dev/null 2>&1' &); echo $pid";

#[test]
fn of_a_check_it_is_killed_and_the_service_is_named_once() {
    alone(
        "leftovers::of_a_check_it_is_killed_and_the_service_is_named_once",
        || {
            let mut jobs = Jobs::new().unwrap();
            for round in 0..3 {
                of_service(&mut jobs, round, "web", LEAVES, None);
                let pid = printed(&mut jobs);
                let found = jobs.take_leftovers();
                match round {
                    0 => {
                        assert_eq!(found.len(), 1);
                        assert_eq!(found[0].pid.to_string(), pid);
                        assert_eq!(found[0].service.as_deref(), Some("web"));
                    }
                    _ => assert_eq!(found, []),
                }
                wait_until("it lives on", || !is_running(&pid));
                assert_eq!(jobs.take_leftovers(), []);
            }
            of_service(&mut jobs, 9, "dns", LEAVES, None);
            printed(&mut jobs);
            assert_eq!(jobs.take_leftovers().len(), 1);
        },
    );
}

#[test]
fn it_lives_as_long_as_a_check_runs_that_may_need_it() {
    alone(
        "leftovers::it_lives_as_long_as_a_check_runs_that_may_need_it",
        || {
            let mut jobs = Jobs::new().unwrap();
            of_service(&mut jobs, 1, "slow", "exec sleep 60", None);
            of_service(&mut jobs, 2, "web", LEAVES, None);
            let pid = loop {
                turn(&mut jobs);
                if let Some(one) = jobs.take_finished().pop() {
                    break String::from_utf8(of_end(one).1.stdout.bytes).unwrap();
                }
            };
            assert_eq!(jobs.take_leftovers(), []);
            assert!(is_running(pid.trim()));
            jobs.kill(JobId(1)).unwrap();
            finish(&mut jobs);
            assert_eq!(jobs.take_leftovers().len(), 1);
            wait_until("it lives on", || !is_running(pid.trim()));
        },
    );
}

#[test]
fn of_a_custom_command_it_is_left_alone() {
    alone("leftovers::of_a_custom_command_it_is_left_alone", || {
        let mut jobs = Jobs::new().unwrap();
        of_service(&mut jobs, 1, "web", LEAVES, Some("down"));
        let pid = printed(&mut jobs);
        for round in 2..4 {
            of_service(&mut jobs, round, "web", "exit 0", None);
            assert_eq!(finish(&mut jobs).len(), 1);
            assert_eq!(jobs.take_leftovers(), []);
        }
        drop(jobs);
        assert!(is_running(&pid));
        let status = Program::new("/bin/kill").args(["-KILL", &pid]).status();
        assert!(status.unwrap().success());
    });
}

#[test]
fn at_the_end_nothing_of_a_check_that_runs_is_left() {
    // As in the daemon no thread takes SIGCHLD, or the end of a child would wake nobody.
    alone_under(
        "exec env --block-signal=CHLD \"$0\" \"$@\"",
        "leftovers::at_the_end_nothing_of_a_check_that_runs_is_left",
        || {
            let mut jobs = Jobs::new().unwrap();
            let script = "for n in 1 2 3; do setsid sh -c 'sleep 60; :' >/dev/null 2>&1 & done; echo .; sleep 60";
            of_service(&mut jobs, 1, "web", script, None);
            let started = Instant::now();
            while jobs
                .running
                .values()
                .next()
                .unwrap()
                .stdout
                .as_ref()
                .unwrap()
                .length()
                == 0
            {
                assert!(started.elapsed() < PATIENCE);
                turn(&mut jobs);
            }
            drop(jobs);
            let own = std::process::id();
            let children = fs::read_to_string(format!("/proc/self/task/{own}/children")).unwrap();
            assert_eq!(children, "");
        },
    );
}
