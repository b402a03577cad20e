//! What keeps a command from being started, and where it is looked for.

use super::*;

fn refused(jobs: &mut Jobs, list: &[&str]) -> StartFailure {
    match start(jobs, 1, list) {
        Err(failure) => failure,
        Ok(()) => match finish(jobs).remove(0).outcome {
            Outcome::NotStarted(failure) => failure,
            Outcome::Ended { ended, .. } => panic!("{list:?} was run: {ended:?}"),
        },
    }
}

#[test]
fn what_cannot_be_started_says_why() {
    alone("starts::what_cannot_be_started_says_why", || {
        let dir = Dir::new("job-start");
        let file = |name: &str, content: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path.to_str().unwrap().to_string()
        };
        let plain = file("plain", "#!/bin/sh\n", 0o644);
        let headless = file("headless", "exit 0\n", 0o755);
        let orphan = file("orphan", "#!/proc/nowhere/sh\n", 0o755);
        let before = open_descriptors();
        let mut jobs = Jobs::new().unwrap();
        for (command, status, part) in [
            (&["/proc/nowhere/check"][..], 127, "No such file"),
            (&["nowhere-check"], 127, "along PATH"),
            (&[], 127, "the command is empty"),
            (&[&plain], 126, "is it executable"),
            (&[dir.path().to_str().unwrap()], 126, "Permission denied"),
            (&[&headless], 126, "begin with #!"),
            (&[&orphan], 127, "interpreter"),
            (&[&format!("{plain}/x")], 127, "Not a directory"),
            (&["/bin/true", "a\0b"], 126, "NUL"),
            (&["/bin/tr\x1bue"], 127, "\\u{1b}"),
        ] {
            let failure = refused(&mut jobs, command);
            assert_eq!(failure.status, status, "{failure:?}");
            assert!(failure.cause.contains(part), "{failure:?}");
        }
        assert_eq!(jobs.running.len(), 0);
        drop(jobs);
        assert_eq!(open_descriptors(), before);
        assert!(process::reap_any().is_none(), "nothing is left to reap");
    });
}

#[test]
fn a_name_without_a_slash_is_looked_up() {
    alone("starts::a_name_without_a_slash_is_looked_up", || {
        let mut jobs = Jobs::new().unwrap();
        start(&mut jobs, 1, &["true"]).unwrap();
        assert_eq!(ends(&mut jobs)[0].0, Ended::Exit(0));

        // What may not be executed is passed over, and is the reason if there is no other.
        let dir = Dir::new("job-path");
        fs::write(dir.path().join("true"), "").unwrap();
        let mut path = dir.path().as_os_str().to_owned();
        path.push(":/proc/nowhere:/dev/null");
        jobs.path = path.clone();
        let failure = refused(&mut jobs, &["true"]);
        assert_eq!(failure.status, 126, "{failure:?}");
        path.push("::/bin");
        jobs.path = path;
        start(&mut jobs, 3, &["true"]).unwrap();
        assert_eq!(ends(&mut jobs)[0].0, Ended::Exit(0));
        jobs.path = ":/proc/nowhere:/dev/null".into();
        let failure = refused(&mut jobs, &["true"]);
        assert_eq!(failure.status, 127, "{failure:?}");
    });
}

#[test]
fn too_few_descriptors_fail_one_start_and_nothing_else() {
    alone_under(
        "ulimit -n 20; exec \"$0\" \"$@\"",
        "starts::too_few_descriptors_fail_one_start_and_nothing_else",
        || {
            let mut jobs = Jobs::new().unwrap();
            let mut started = 0;
            let failure = loop {
                match start(&mut jobs, started, &["/bin/true"]) {
                    Ok(()) => started += 1,
                    Err(failure) => break failure,
                }
                assert!(started < 20, "the limit did not hold");
            };
            assert_eq!(failure.status, 126);
            assert!(failure.cause.contains("limit on open files"), "{failure:?}");
            assert_eq!(finish(&mut jobs).len() as u64, started);
            start(&mut jobs, 100, &["/bin/true"]).unwrap();
            assert_eq!(ends(&mut jobs)[0].0, Ended::Exit(0));
        },
    );
}
