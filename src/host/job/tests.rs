//! Each test runs in a process of its own: reaping takes any child of the process, so tests in one process
//! would steal each other's.

use std::collections::BTreeSet;
use std::process::Command as Program;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::pipe::{CAPTURE_MAX, TAIL_MAX};
use super::*;
use crate::config::fixture::service_config;
use crate::engine::vocab::Captured;
use crate::host::disk::tests::Dir;
use crate::host::sys::signal::SignalFd;

mod leftovers;
mod starter;
mod starts;

/// No wait of a test takes longer; what they wait for takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

const MARK: &str = "ANYCAST_TEST_ALONE";

fn alone(test: &str, body: fn()) {
    alone_under("exec \"$0\" \"$@\"", test, body);
}

/// Runs this test again in a process that a shell prepares.
fn alone_under(shell: &str, test: &str, body: fn()) {
    if env::var_os(MARK).is_some() {
        return body();
    }
    let output = Program::new("/bin/sh")
        .args(["-c", shell])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("host::job::tests::{test}")])
        .args(["--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .env("NOTIFY_SOCKET", "/proc/nowhere")
        .env("WATCHDOG_USEC", "1")
        .env("WATCHDOG_PID", "1")
        .env("ANYCAST_SERVICE", "another")
        .env("KEPT", "as it is")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn words(list: &[&str]) -> CommandLine {
    CommandLine::of(list)
}

fn start(jobs: &mut Jobs, job: u64, list: &[&str]) -> Result<(), StartFailure> {
    let words = words(list);
    let command = Command {
        words: &words,
        argument: None,
        service: None,
        stdio: None,
    };
    jobs.start(JobId(job), &command)
}

fn shell(jobs: &mut Jobs, job: u64, script: &str) {
    start(jobs, job, &["/bin/sh", "-c", script]).unwrap();
}

/// Turns of a loop until nothing runs any more.
fn finish(jobs: &mut Jobs) -> Vec<Finished> {
    let started = Instant::now();
    let mut finished = Vec::new();
    while !jobs.running.is_empty() {
        assert!(
            started.elapsed() < PATIENCE,
            "{} run on",
            jobs.running.len()
        );
        turn(jobs);
        finished.append(&mut jobs.take_finished());
    }
    finished
}

fn turn(jobs: &mut Jobs) {
    let mut set = PollSet::default();
    jobs.poll(&mut set);
    set.wait(Some(Duration::from_millis(5))).unwrap();
    jobs.reap();
    jobs.read(&set);
}

fn of_end(finished: Finished) -> (Ended, Output) {
    match finished.outcome {
        Outcome::Ended { ended, output } => (ended, output),
        Outcome::NotStarted(failure) => panic!("{failure:?}"),
    }
}

/// The ends of all.
fn ends(jobs: &mut Jobs) -> Vec<(Ended, Output)> {
    finish(jobs).into_iter().map(of_end).collect()
}

/// The one job's end.
fn run(script: &str) -> (Ended, Output) {
    let mut jobs = Jobs::new().unwrap();
    shell(&mut jobs, 1, script);
    let mut ends = ends(&mut jobs);
    assert_eq!(ends.len(), 1);
    ends.remove(0)
}

/// The pid of a job that has been asked for.
fn pid_of(jobs: &mut Jobs, job: u64) -> Pid {
    let started = Instant::now();
    loop {
        jobs.read_records();
        let run = jobs.run_of(JobId(job)).unwrap();
        if let State::Running(pid) = jobs.running.get(&run).unwrap().state {
            return pid;
        }
        assert!(started.elapsed() < PATIENCE, "it does not start");
        thread::yield_now();
    }
}

fn stdout(script: &str) -> String {
    String::from_utf8(run(script).1.stdout.bytes).unwrap()
}

/// Whether a process runs: a zombie whose parent is slow to reap it does not.
fn is_running(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn the_end_is_reported_as_it_was() {
    alone("the_end_is_reported_as_it_was", || {
        assert_eq!(run("exit 0").0, Ended::Exit(0));
        assert_eq!(run("exit 3").0, Ended::Exit(3));
        assert_eq!(run("exit 255").0, Ended::Exit(255));
        assert_eq!(run("kill -9 $$").0, Ended::Signal(9));
        assert_eq!(run("kill -15 $$").0, Ended::Signal(15));
    });
}

#[test]
fn both_streams_are_kept_apart() {
    alone("both_streams_are_kept_apart", || {
        let (_, output) = run("echo out; echo err >&2; echo more");
        assert_eq!(output.stdout.bytes, b"out\nmore\n");
        assert_eq!(output.stderr.bytes, b"err\n");
        assert_eq!((output.stdout.dropped, output.stderr.dropped), (0, 0));

        let (_, silent) = run("exit 0");
        assert_eq!(silent, Output::default());
        assert_eq!(silent.stdout.bytes.capacity(), 0);
    });
}

#[test]
fn a_child_that_prints_100_mb_is_read_and_cut() {
    alone("a_child_that_prints_100_mb_is_read_and_cut", || {
        let (ended, output) = run("head -c 100000000 /dev/zero; echo; echo last; echo end >&2");
        assert_eq!(ended, Ended::Exit(0));
        let Captured { bytes, dropped } = output.stdout;
        let kept = CAPTURE_MAX + TAIL_MAX;
        assert_eq!(bytes.len(), kept + Captured::GAP.len());
        assert_eq!(dropped, 100_000_006 - kept as u64);
        assert!(bytes[CAPTURE_MAX..].starts_with(Captured::GAP));
        assert!(bytes.ends_with(b"\0\nlast\n"));
        assert_eq!(output.stderr.bytes, b"end\n");
    });
}

/// Nothing is dropped, and nothing marked as missing, while beginning and end overlap.
#[test]
fn a_child_that_prints_a_little_too_much_is_kept_whole() {
    alone(
        "a_child_that_prints_a_little_too_much_is_kept_whole",
        || {
            let length = CAPTURE_MAX + TAIL_MAX;
            for (more, dropped) in [(0, 0), (1, 1)] {
                let command = format!("head -c {} /dev/zero | tr '\\0' x", length + more);
                let Captured {
                    bytes,
                    dropped: was,
                } = run(&command).1.stdout;
                let marks = if dropped > 0 { Captured::GAP.len() } else { 0 };
                assert_eq!((bytes.len(), was), (length + marks, dropped));
            }
        },
    );
}

#[test]
fn what_was_written_just_before_the_end_is_kept() {
    alone("what_was_written_just_before_the_end_is_kept", || {
        // Never polled: all of it is still in the pipe, which it fills, when the child is reaped.
        let mut jobs = Jobs::new().unwrap();
        shell(&mut jobs, 1, "head -c 65536 /dev/zero");
        let mut finished = Vec::new();
        let started = Instant::now();
        while finished.is_empty() {
            assert!(started.elapsed() < PATIENCE);
            jobs.reap();
            finished = jobs.take_finished();
        }
        let captured = of_end(finished.remove(0)).1.stdout;
        let read = captured.bytes.len() - Captured::GAP.len();
        assert_eq!(read as u64 + captured.dropped, 65536);
    });
}

#[test]
fn closing_stdout_is_not_the_end() {
    alone("closing_stdout_is_not_the_end", || {
        let (ended, _) = run("exec >&- 2>&-; for i in 1 2 3 4 5; do /bin/true; done; exit 7");
        assert_eq!(ended, Ended::Exit(7));
    });
}

#[test]
fn the_end_is_told_by_the_signal_alone() {
    alone("the_end_is_told_by_the_signal_alone", || {
        let mut jobs = Jobs::new().unwrap();
        start(&mut jobs, 1, &["/bin/true"]).unwrap();
        let pid = pid_of(&mut jobs, 1).number().to_string();
        wait_until("it ends", || !is_running(&pid));
        let mut set = PollSet::default();
        jobs.poll(&mut set);
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), 0);
        assert_eq!(finish(&mut jobs).len(), 1);
    });
}

#[test]
fn a_grandchild_that_holds_the_pipes_delays_nothing() {
    alone("a_grandchild_that_holds_the_pipes_delays_nothing", || {
        let before = open_descriptors();
        let started = Instant::now();
        let mut jobs = Jobs::new().unwrap();
        shell(&mut jobs, 1, "sleep 60 & echo $!");
        let (ended, output) = ends(&mut jobs).remove(0);
        assert!(started.elapsed() < Duration::from_secs(30));
        assert_eq!(ended, Ended::Exit(0));
        let grandchild = String::from_utf8_lossy(&output.stdout.bytes).into_owned();
        wait_until("the grandchild lives on", || !is_running(grandchild.trim()));
        drop(jobs);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_kill_takes_the_whole_group() {
    alone("a_kill_takes_the_whole_group", || {
        let mut jobs = Jobs::new().unwrap();
        shell(
            &mut jobs,
            1,
            "trap '' TERM INT HUP; sleep 60 & echo $!; wait; sleep 60",
        );
        let pipe_of = |jobs: &Jobs| {
            jobs.running
                .values()
                .next()
                .unwrap()
                .stdout
                .as_ref()
                .unwrap()
                .length()
        };
        let started = Instant::now();
        while pipe_of(&jobs) == 0 {
            assert!(
                started.elapsed() < PATIENCE,
                "it does not tell its grandchild"
            );
            turn(&mut jobs);
        }
        jobs.kill(JobId(1)).unwrap();
        let (ended, output) = ends(&mut jobs).remove(0);
        assert_eq!(ended, Ended::Signal(9));
        let grandchild = String::from_utf8_lossy(&output.stdout.bytes).into_owned();
        let grandchild = grandchild.trim();
        assert!(!grandchild.is_empty());
        wait_until("the grandchild lives", || !is_running(grandchild));
        assert_eq!(jobs.kill(JobId(1)), Ok(()), "killing what is over is fine");
    });
}

#[test]
fn what_still_runs_at_the_end_is_killed() {
    alone("what_still_runs_at_the_end_is_killed", || {
        let mut jobs = Jobs::new().unwrap();
        shell(&mut jobs, 1, "exec sleep 60");
        let pid = pid_of(&mut jobs, 1).number().to_string();
        assert!(is_running(&pid));
        drop(jobs);
        wait_until("it lives", || !is_running(&pid));
    });
}

#[test]
fn a_child_has_a_mask_and_dispositions_of_its_own() {
    alone("a_child_has_a_mask_and_dispositions_of_its_own", || {
        let _blocked = SignalFd::open().unwrap();
        let status = stdout("exec cat /proc/self/status");
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
        };
        assert_eq!(field("SigBlk:"), 0);
        // glibc leaves its internal signals 32 and 33 ignored.
        assert_eq!(field("SigIgn:") & !(3 << 31), 0);
    });
}

#[test]
fn a_child_has_a_group_of_its_own_and_no_descriptors_of_ours() {
    alone(
        "a_child_has_a_group_of_its_own_and_no_descriptors_of_ours",
        || {
            let ids = stdout("exec cut -d' ' -f1,5 /proc/self/stat");
            let (pid, group) = ids.trim().split_once(' ').unwrap();
            assert_eq!(pid, group);
            assert_eq!(stdout("readlink /proc/self/fd/0"), "/dev/null\n");
            // The fourth is the directory that ls reads.
            assert_eq!(stdout("exec ls /proc/self/fd"), "0\n1\n2\n3\n");
        },
    );
}

#[test]
fn the_environment_is_ours_without_what_is_ours_alone() {
    alone("the_environment_is_ours_without_what_is_ours_alone", || {
        let service = ServiceConfig {
            check_cmd: words(&["/bin/sh", "-c", "env; echo $0"]),
            ..service_config("a b=c", &["192.0.2.1/32", "2001:db8::/64"])
        };
        let mut jobs = Jobs::new().unwrap();
        let command = Command {
            words: &service.check_cmd,
            argument: Some("down"),
            service: Some(&service),
            stdio: None,
        };
        jobs.start(JobId(1), &command).unwrap();
        let output = ends(&mut jobs).remove(0).1.stdout.bytes;
        let output = String::from_utf8(output).unwrap();
        let lines: BTreeSet<&str> = output.lines().collect();
        for line in [
            "ANYCAST_SERVICE=a b=c",
            "ANYCAST_IP_PREFIX=192.0.2.1/32,2001:db8::/64",
            "KEPT=as it is",
            "down",
        ] {
            assert!(lines.contains(line), "{line} is not in {output}");
        }
        for name in ["NOTIFY_SOCKET", "WATCHDOG_", "ANYCAST_SERVICE=another"] {
            assert!(!output.contains(name), "{name} is in {output}");
        }
    });
}

#[test]
fn only_what_procd_preloads_is_taken_away() {
    assert!(is_ours_alone(b"LD_PRELOAD", b"/lib/libsetlbf.so"));
    assert!(!is_ours_alone(b"LD_PRELOAD", b"/lib/libother.so"));
    assert!(!is_ours_alone(b"PATH", b"/bin"));
}

#[test]
fn many_that_end_at_once_are_all_reaped() {
    alone("many_that_end_at_once_are_all_reaped", || {
        let before = open_descriptors();
        let mut jobs = Jobs::new().unwrap();
        for job in 0..100 {
            shell(&mut jobs, job, &format!("echo {job}; exit {job}"));
        }
        let mut finished = finish(&mut jobs);
        finished.sort_by_key(|one| one.job);
        assert_eq!(finished.len(), 100);
        for (number, one) in (0u8..).zip(finished) {
            assert_eq!(one.job, JobId(number.into()));
            let (ended, output) = of_end(one);
            assert_eq!(ended, Ended::Exit(number));
            assert_eq!(output.stdout.bytes, format!("{number}\n").into_bytes());
        }
        drop(jobs);
        assert_eq!(open_descriptors(), before);
    });
}
