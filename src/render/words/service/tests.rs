use std::time::Duration;

use super::super::{level, message};
use super::*;
use crate::config::Level;
use crate::engine::notice::Notice;
use crate::engine::vocab::{Captured, Ended};
use crate::render::sample::{config, net};

const MS: Duration = Duration::from_millis(5);

fn of_service(status: Status, what: What) -> Notice {
    let prefixes = ["192.0.2.1/32", "2001:db8::1/128"];
    Notice {
        about: Some((config("svc.example", &prefixes), status)),
        what,
    }
}

fn changed(from: Status, to: Status, reason: Reason, took: Option<Duration>, line: &str) -> Notice {
    let first_line = line.to_string();
    let what = What::StateChanged {
        from,
        to,
        reason,
        took,
        first_line,
    };
    of_service(to, what)
}

fn failed(verdict: Verdict, count: u32, cause: &str) -> What {
    What::CheckFailed {
        verdict,
        took: MS,
        count,
        of: 3,
        cause: cause.to_string(),
    }
}

fn captured(bytes: &[u8], dropped: u64) -> Captured {
    Captured {
        bytes: bytes.to_vec(),
        dropped,
    }
}

#[rustfmt::skip]
#[test]
fn changes_of_state() {
    use Status::{Disabled, Down, Unknown, Up};
    let down = |count, verdict| Reason::Failed { count, verdict };
    for (notice, at, text) in [
        (changed(Unknown, Up, Reason::Passed { count: 2 }, Some(MS), ""), Level::Info, "unknown -> up (192.0.2.1/32, 2001:db8::1/128): 2 checks passed (5 ms)"),
        (changed(Down, Up, Reason::Passed { count: 1 }, Some(MS), ""), Level::Info, "down -> up (192.0.2.1/32, 2001:db8::1/128): the check passed (5 ms)"),
        (changed(Up, Down, down(3, Verdict::Fail(2)), Some(MS), "connection refused\n"), Level::Warning, "up -> down (192.0.2.1/32, 2001:db8::1/128): 3 checks failed, the last with exit status 2 (5 ms): connection refused"),
        (changed(Up, Down, down(1, Verdict::Fail(2)), Some(MS), ""), Level::Warning, "up -> down (192.0.2.1/32, 2001:db8::1/128): the check failed with exit status 2 (5 ms)"),
        (changed(Up, Down, down(3, Verdict::TimedOut), Some(MS), ""), Level::Warning, "up -> down (192.0.2.1/32, 2001:db8::1/128): 3 checks failed, the last timed out after 2 s"),
        (changed(Up, Down, down(2, Verdict::Signal(11)), Some(MS), ""), Level::Warning, "up -> down (192.0.2.1/32, 2001:db8::1/128): 2 checks failed, the last was killed by SIGSEGV (5 ms)"),
        (changed(Up, Down, down(1, Verdict::NotStarted(127)), None, "no such file"), Level::Warning, "up -> down (192.0.2.1/32, 2001:db8::1/128): the check could not be started (status 127): no such file"),
        (changed(Up, Down, Reason::AddressMissing { prefix: net("192.0.2.1/32") }, None, ""), Level::Warning, "up -> down (192.0.2.1/32, 2001:db8::1/128): 192.0.2.1/32 is not assigned to interface lo"),
        (changed(Up, Down, Reason::Maintenance, None, ""), Level::Warning, "up -> down (192.0.2.1/32, 2001:db8::1/128): maintenance file /run/drain me is there"),
        (changed(Up, Disabled, Reason::Disabled, None, ""), Level::Info, "up -> disabled (192.0.2.1/32, 2001:db8::1/128): check is disabled"),
        (changed(Up, Unknown, Reason::NotChecked, None, ""), Level::Info, "up -> unknown (192.0.2.1/32, 2001:db8::1/128): no verdict yet"),
    ] {
        assert_eq!(message(&notice), text);
        assert_eq!(level(&notice.what), at, "{text}");
    }
}

#[rustfmt::skip]
#[test]
fn runs_of_a_check() {
    let debug = Level::Debug;
    let info = Level::Info;
    let up = Status::Up;
    for (status, what, at, text) in [
        (up, What::CheckStarted, debug, "running /usr/bin/curl --fail"),
        (up, What::CheckEnded { verdict: Verdict::Pass, took: MS }, debug, "check passed (5 ms)"),
        (up, What::CheckEnded { verdict: Verdict::Fail(1), took: MS }, debug, "check failed: exit status 1 (5 ms)"),
        (up, What::FirstRunIn { delay: Duration::from_millis(3200) }, debug, "first check in 3.2 s"),
        (up, failed(Verdict::Fail(7), 1, "refused"), info, "failure 1 of 3: exit status 7 (5 ms): refused"),
        (up, failed(Verdict::Signal(9), 2, ""), info, "failure 2 of 3: killed by SIGKILL (5 ms)"),
        (up, failed(Verdict::Signal(40), 2, ""), info, "failure 2 of 3: killed by signal 40 (5 ms)"),
        (up, failed(Verdict::TimedOut, 1, ""), info, "failure 1 of 3: timed out after 2 s"),
        (up, failed(Verdict::NotStarted(126), 1, "permission denied"), info, "failure 1 of 3: could not be started (status 126): permission denied"),
        (Status::Down, failed(Verdict::Fail(7), 3, "\x1b[31mrefused"), info, "still down: exit status 7 (5 ms): \\x1b[31mrefused"),
        (up, What::FailureRepeated { times: 31, verdict: Verdict::TimedOut }, info, "the same failure repeated 31 times: timed out after 2 s"),
        (up, What::CheckRecovered { after: 1 }, info, "check passes again after 1 failure, before the service fell"),
        (up, What::CheckOutput { stream: Stream::Stderr, captured: captured(b"a\nb\xff\n", 0) }, info, "check wrote to stderr: a\\nb\\xff"),
        (up, What::CheckOutput { stream: Stream::Stdout, captured: captured(b"x", 1000) }, info, "check wrote to stdout: x (and 1000 bytes more)"),
        (up, What::CheckOverran { running_for: Duration::from_secs(12) }, Level::Warning, "check is still running after 12 s: the run that is due now is skipped"),
        (up, What::NotKilled { pid: 99, cause: "operation not permitted".to_string() }, Level::Warning, "cannot kill process 99: operation not permitted; it is left to end by itself"),
        (up, What::MaintenanceOver { path: "/run/m".into() }, info, "maintenance file /run/m is gone: checking again"),
        (up, What::Disabled { then: Announce::Withdraw }, info, "check is disabled: 192.0.2.1/32, 2001:db8::1/128 withdrawn"),
        (up, What::Disabled { then: Announce::Advertise }, info, "check is disabled: 192.0.2.1/32, 2001:db8::1/128 advertised"),
        (up, What::CustomDone { up: true, took: MS }, info, "'/usr/local/bin/tell me up' done (5 ms)"),
    ] {
        assert_eq!(level(&what), at, "{text}");
        assert_eq!(message(&of_service(status, what)), text);
    }
}

#[test]
fn failed_custom_commands() {
    for (ended, timed_out, stderr, text) in [
        (
            Ok(Ended::Exit(3)),
            false,
            "no peer\n",
            "'/usr/local/bin/tell me down' failed: exit status 3: no peer",
        ),
        (
            Ok(Ended::Signal(15)),
            false,
            "",
            "'/usr/local/bin/tell me down' failed: killed by SIGTERM",
        ),
        (
            Ok(Ended::Signal(9)),
            true,
            "",
            "'/usr/local/bin/tell me down' timed out after 1.5 s",
        ),
        (
            Err("permission denied".to_string()),
            false,
            "",
            "cannot start '/usr/local/bin/tell me down': permission denied",
        ),
    ] {
        let what = What::CustomFailed {
            up: false,
            ended,
            timed_out,
            stderr: captured(stderr.as_bytes(), 0),
        };
        assert_eq!(level(&what), Level::Error);
        assert_eq!(message(&of_service(Status::Down, what)), text);
    }
}
