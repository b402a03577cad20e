//! What a run amounts to: the verdict, what it does to its service, and what is said of it.
//!
//! A failure is logged once with what the check wrote; those that are like it are only counted, until something else
//! comes. A verdict never waits for a process to be gone: a run that has had its time has failed at that moment, and if
//! it cannot be killed it fails again with each slot of the grid.

use std::time::Duration;

use super::notice::{Stream, What};
use super::service::{Awaited, Change, Input, Service, State};
use super::vocab::{Captured, Ended, JobId, LastRun, Output, StartFailure, Verdict};
use super::{Desk, Engine, ServiceId};
use crate::time::Mono;

/// Bytes kept of the first line of a check's output, for the log and the status.
const FIRST_LINE_MAX: usize = 200;

impl Engine {
    pub(super) fn check_ended(
        &mut self,
        now: Mono,
        id: ServiceId,
        job: JobId,
        ended: Result<Ended, StartFailure>,
        output: Output,
    ) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        let Some(run) = service.run.take_if(|run| run.job == job) else {
            return;
        };
        service.overruns &= run.overran;
        let (verdict, first_line) = match ended {
            Ok(ended) => (Verdict::from(ended), first_line(&output)),
            Err(failure) => (Verdict::NotStarted(failure.status), failure.cause),
        };
        match run.awaited {
            Awaited::Verdict => {
                let last = LastRun {
                    verdict,
                    took: now.since(run.started),
                    ended: now,
                    first_line: &first_line,
                };
                self.judge(now, id, last, output);
            }
            Awaited::Output => {
                service.timed_out_with(&first_line);
                if service.repeated == 0 && service.logged == Some(Verdict::TimedOut) {
                    log_output(&mut self.desk, service, output);
                }
            }
            Awaited::Nothing => {}
        }
        self.after_run(now, id, run.started);
    }

    /// The verdict is passed at once; that the group is gone is only a matter of tidiness.
    pub(super) fn check_timed_out(&mut self, now: Mono, id: ServiceId, job: JobId) {
        self.desk.kill(now, job);
        self.judge_hanging(now, id);
    }

    /// A slot of the grid has found the run of an earlier one, which was killed and does not die.
    pub(super) fn hangs_still(&mut self, now: Mono, id: ServiceId) {
        self.judge_hanging(now, id);
        self.hasten(now, id, now);
    }

    /// A time-out of the run that is going on, not necessarily its first.
    fn judge_hanging(&mut self, now: Mono, id: ServiceId) {
        let Some(run) = self
            .services
            .get_mut(id)
            .and_then(|service| service.run.as_mut())
        else {
            return;
        };
        if run.awaited == Awaited::Verdict {
            run.awaited = Awaited::Output;
        }
        let last = LastRun {
            verdict: Verdict::TimedOut,
            took: now.since(run.started),
            ended: now,
            first_line: "",
        };
        self.judge(now, id, last, Output::default());
    }

    /// What a verdict means for the service, and what is said of it.
    fn judge(&mut self, now: Mono, id: ServiceId, last: LastRun<'_>, output: Output) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        let desk = &mut self.desk;
        let (verdict, took) = (last.verdict, last.took);
        service.ran(last);
        desk.say_of(service, What::CheckEnded { verdict, took });
        let failures_before = service.failures();
        let input = match verdict.passed() {
            true => Input::Pass,
            false => Input::Fail(verdict),
        };
        let change = service.input(input, now);
        match (verdict.passed(), &change) {
            (true, None) => log_pass(desk, service, failures_before),
            (true, Some(_)) => log_repeats(desk, service),
            (false, change) => log_failure(desk, service, last, change.is_some(), output),
        }
        if let Some(change) = change {
            self.changed(id, change, Some(took), last.first_line);
        }
    }

    /// Says a change of state and has it carried out.
    pub(super) fn changed(
        &mut self,
        id: ServiceId,
        change: Change,
        took: Option<Duration>,
        first_line: &str,
    ) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        let (from, to, reason) = (change.from, change.to, service.reason());
        self.desk.say_of(
            service,
            What::StateChanged {
                from,
                to,
                reason,
                took,
                first_line: first_line.to_string(),
            },
        );
        self.route(id);
    }
}

fn log_pass(desk: &mut Desk, service: &mut Service, failures_before: u32) {
    if service.state() == State::Up && failures_before > 0 {
        service.logged = None;
        let after = failures_before;
        desk.say_of(service, What::CheckRecovered { after });
    }
}

/// Says how often the last failure was repeated in silence, and forgets it.
pub(super) fn log_repeats(desk: &mut Desk, service: &mut Service) {
    let times = std::mem::take(&mut service.repeated);
    if let Some(verdict) = service.logged.take().filter(|_| times > 0) {
        desk.say_of(service, What::FailureRepeated { times, verdict });
    }
}

/// A failure is told with what it wrote, unless it is like the one before. `told`: the change of state that follows
/// tells of it.
fn log_failure(
    desk: &mut Desk,
    service: &mut Service,
    last: LastRun<'_>,
    told: bool,
    output: Output,
) {
    let verdict = last.verdict;
    if service.logged == Some(verdict) {
        service.repeated = service.repeated.saturating_add(u32::from(!told));
        return;
    }
    log_repeats(desk, service);
    service.logged = Some(verdict);
    if !told {
        let cause = match verdict {
            Verdict::NotStarted(_) => last.first_line.to_string(),
            _ => String::new(),
        };
        let what = What::CheckFailed {
            verdict,
            took: last.took,
            count: service.failures(),
            of: service.config.fall,
            cause,
        };
        desk.say_of(service, what);
    }
    log_output(desk, service, output);
}

fn log_output(desk: &mut Desk, service: &Service, output: Output) {
    for (stream, captured) in [
        (Stream::Stderr, output.stderr),
        (Stream::Stdout, output.stdout),
    ] {
        if !captured.bytes.is_empty() {
            desk.say_of(service, What::CheckOutput { stream, captured });
        }
    }
}

/// The first line that says something: of stderr, else of stdout.
pub fn first_line(output: &Output) -> String {
    let line_of = |captured: &Captured| {
        let line = captured
            .bytes
            .split(|byte| *byte == b'\n')
            .find(|line| !line.trim_ascii().is_empty())?;
        let line = line.trim_ascii();
        Some(String::from_utf8_lossy(&line[..line.len().min(FIRST_LINE_MAX)]).into_owned())
    };
    line_of(&output.stderr)
        .or_else(|| line_of(&output.stdout))
        .unwrap_or_default()
}
