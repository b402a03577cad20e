//! The loop: waits, asks each room what happened, hands it to the engine, performs what the engine says.
//!
//! A turn has a fixed order: signals, ended children, pipes and sockets, due timers, actions. So a check that ended in
//! time is never called late because the loop was: nothing is due but by a reading of the clock that is older than the last
//! look at ended children. The clock is read when a turn begins, and again before anything is started: what is started then
//! has all its time. Files are left to the writer process, so that no disk holds a turn. Everything that is decided is
//! decided by the engine; the one `match` that performs its [`Action`]s is in `perform`.

mod files;
mod hear;
mod perform;
mod reload;
mod slow_turns;
mod start;
mod troubles;
mod voice;

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::time::Duration;

use super::addresses::Watch;
use super::bird_socket::Conversation;
use super::follow::Follow;
use super::instance::Instance;
use super::job::Jobs;
use super::metrics_file::{MetricsFile, ToWriter};
use super::news::Calm;
use super::notify::Notify;
use super::status_socket::StatusSocket;
use super::sys::clock;
use super::sys::poll::{Interest, PollSet, Slot};
use super::sys::signal::SignalFd;
use super::writer::{Lane, NO_ANSWER, Writer};
use crate::config::load::Source;
use crate::config::{Config, DaemonConfig, Level};
use crate::engine::notice::{Notice, What};
use crate::engine::snapshot::{HostCounters, Source as _};
use crate::engine::vocab::{Event, JobId};
use crate::engine::{Engine, Progress};
use crate::render::bird_reply::ReplyReader;
use crate::render::table;
use crate::sorted::Map;
use crate::time::{Mono, Now};
use files::Files;
use slow_turns::SlowTurns;
use troubles::Troubles;
use voice::Voice;

pub use start::{RESOLVE_OPTION, run, withdraw};

/// How soon the addresses are asked for again after the kernel could not tell them.
const ADDRESSES_RETRY: Duration = Duration::from_secs(1);
/// How long the look-up of the log server may take: the resolver's own time-outs are 5 s for each of its servers.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two looks at everything while the kernel refuses to wait for us.
const BLIND_PAUSE: Duration = Duration::from_millis(10);
/// What the last metrics, the last lines and the pidfile may take after the end: with what the engine allows itself it is
/// a second.
const LEAVE_LIMIT: Duration = Duration::from_millis(300);
/// The job that looks the log server up; the engine counts its own jobs from 1.
const RESOLVER: JobId = JobId(u64::MAX);
/// The job that reads the configuration.
const READER: JobId = JobId(u64::MAX - 1);

/// A reconfiguration over BIRD's control socket.
struct Talk {
    job: JobId,
    conversation: Conversation,
    reader: ReplyReader,
    slot: Slot,
}

/// What a child is for, if it is not a check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Errand {
    /// Its output is BIRD's answer.
    Reconfigure,
    /// Its output is the address of the log server.
    Resolve,
    /// Its output is what a reload has to know.
    Read,
}

/// What the loop is for.
enum Mission {
    /// To serve as the daemon, alone.
    Daemon(Instance),
    /// To withdraw everything in place of a daemon that is gone, or only seems to be there: without its lock, its
    /// pidfile and its status socket.
    Withdrawal,
}

pub struct Reactor {
    source: Source,
    daemon: DaemonConfig,
    engine: Engine,
    now: Now,
    events: VecDeque<Event>,
    signals: SignalFd,
    jobs: Jobs,
    errands: Map<JobId, Errand>,
    /// When the child that looks up the log server has had its time.
    resolver_until: Option<Mono>,
    /// When the child that reads the configuration has had its time.
    reading_until: Option<Mono>,
    /// Whether the configuration in force has any.
    has_services: bool,
    talks: Vec<Talk>,
    /// `None` if no service needs them, or while the kernel does not tell.
    addresses: Option<Watch>,
    addresses_retry: Option<Mono>,
    follow: Follow,
    status: StatusSocket,
    metrics: MetricsFile,
    notify: Notify,
    watchdog_at: Option<Mono>,
    voice: Voice,
    writer: Writer,
    files: Files,
    /// What the engine has to say of this turn.
    unsaid: Vec<(Level, Notice)>,
    mission: Mission,
    counters: HostCounters,
    troubles: Troubles,
    calm: Calm,
    /// What this turn handled, for the report of a slow one.
    handled: Handled,
    slow_turns: SlowTurns,
    status_changed: bool,
    /// SIGTERM or SIGINT has come: nothing is read again.
    stopping: bool,
    done: bool,
    /// Whether the end has left nothing to the next start.
    clean: bool,
}

#[derive(Default)]
struct Handled {
    ended: usize,
    started: usize,
    files: usize,
    documents: usize,
}

/// Where in the poll set this turn's descriptors stand.
struct Slots {
    signals: Slot,
    addresses: Slot,
    follow: Slot,
    status: Vec<Slot>,
}

impl Reactor {
    fn live(mut self) -> ExitCode {
        let mut set = PollSet::default();
        while !self.done {
            set.clear();
            let slots = self.fill(&mut set);
            let timeout = self
                .deadline()
                .map(|deadline| deadline.since(self.now.mono));
            match set.wait(timeout) {
                Ok(_) => self.troubles.events.works(self.now.mono),
                Err(error) => self.look_without_waiting(&mut set, timeout, &error),
            }
            self.now = clock::now();
            let begin = self.now.mono;
            self.handled = Handled::default();
            self.collect(&set, &slots);
            self.finish_turn();
            self.tell_readers();
            self.now = clock::now();
            self.report_turn(begin);
            self.done |= self.is_withdrawn();
        }
        self.leave()
    }

    fn is_withdrawn(&self) -> bool {
        match self.mission {
            Mission::Daemon(_) => false,
            Mission::Withdrawal => self.engine.progress() != Progress::Retrying,
        }
    }

    /// Poll fails if there is no memory, or if somebody has lowered our limit on open files below what we wait for. Until
    /// that is over, everything is looked at a hundred times a second.
    fn look_without_waiting(
        &mut self,
        set: &mut PollSet,
        timeout: Option<Duration>,
        error: &std::io::Error,
    ) {
        let cause = || super::sys::cause(error);
        self.troubles.events.failed(self.now.mono, cause);
        std::thread::sleep(timeout.map_or(BLIND_PAUSE, |timeout| timeout.min(BLIND_PAUSE)));
        set.assume_all_ready();
    }

    fn fill(&mut self, set: &mut PollSet) -> Slots {
        let signals = set.add(self.signals.fd(), Interest::Read);
        let addresses = match &self.addresses {
            Some(addresses) => set.add(addresses.fd(), Interest::Read),
            None => Slot::NONE,
        };
        let follow = match self.follow.fd() {
            Some(fd) => set.add(fd, Interest::Read),
            None => Slot::NONE,
        };
        let mut status = Vec::new();
        for (fd, write) in self.status.fds(self.now.mono) {
            let interest = match write {
                true => Interest::Write,
                false => Interest::Read,
            };
            status.push(set.add(fd, interest));
        }
        self.jobs.poll(set);
        for talk in &mut self.talks {
            talk.slot = set.add(talk.conversation.fd(), Interest::Read);
        }
        self.writer.fill(set);
        Slots {
            signals,
            addresses,
            follow,
            status,
        }
    }

    /// The earliest moment at which something is due, whoever waits for it.
    fn deadline(&mut self) -> Option<Mono> {
        let now = self.now.mono;
        let all = [
            self.engine.next_deadline(now),
            self.voice.next_deadline(),
            self.status.next_deadline(now),
            self.calm.next_deadline(),
            self.notify.next_deadline(),
            self.follow.next_rescan(),
            self.addresses_retry,
            self.watchdog_at,
            self.resolver_until,
            self.reading_until,
            self.writer.next_deadline(),
            (self.metrics).next_deadline(self.writer.stream(Lane::Metrics)),
        ];
        all.into_iter().flatten().min()
    }

    /// What has happened, in the order that is a rule, each as an event that is taken in at once.
    fn collect(&mut self, set: &PollSet, slots: &Slots) {
        let now = self.now.mono;
        let due = self.engine.next_deadline(now).is_some_and(|at| at <= now);
        if set.ready(slots.signals) || due {
            self.take_signals();
        }
        self.jobs.read(set);
        self.take_finished();
        self.hear_bird(set);
        self.writer.ready(set, self.now.mono, &mut self.jobs);
        if set.ready(slots.addresses) {
            if let Some(addresses) = &mut self.addresses {
                let result = addresses.readable();
                self.take_addresses(result);
            }
        }
        if set.ready(slots.follow) {
            let (writer, jobs) = (&self.writer, &self.jobs);
            let ours = |name: &OsStr| writer.makes(name, jobs);
            let seen = self.follow.readable(self.now.mono, &ours);
            self.take_seen(seen);
        }
        if slots.status.iter().any(|slot| set.ready(*slot)) {
            self.status.ready(self.now.mono);
        }
        self.do_what_is_due();
        self.settle_files();
        self.work_off();
    }

    fn do_what_is_due(&mut self) {
        let now = self.now.mono;
        let is_due = |at: Option<Mono>| at.is_some_and(|at| at <= now);
        if is_due(self.addresses_retry) {
            let result = self.ask_addresses();
            self.take_addresses(result);
        }
        if is_due(self.follow.next_rescan()) {
            self.follow.rescan(now);
        }
        if is_due(self.status.next_deadline(now)) {
            self.status.tick(now);
        }
        if is_due(self.notify.next_deadline()) {
            self.notify.flush(now);
        }
        if is_due(self.watchdog_at) {
            self.notify.watchdog(now);
            self.watchdog_at = self
                .notify
                .watchdog_interval()
                .map(|interval| now + interval);
        }
        if is_due(self.resolver_until) {
            self.resolver_until = None;
            // It is reaped as an errand that failed. One that can't be killed ends by itself, at last.
            let _ = self.jobs.kill(RESOLVER);
        }
        if is_due(self.reading_until) {
            self.reading_timed_out();
        }
        if is_due(self.voice.next_deadline()) {
            self.voice.tick(now);
        }
        if is_due(self.writer.next_deadline()) {
            self.writer.tick(now, &mut self.jobs);
        }
        if is_due(self.engine.next_deadline(now)) {
            self.events.push_back(Event::Due);
        }
    }

    /// Hands all waiting events to the engine, and those that its actions lead to.
    fn work_off(&mut self) {
        while let Some(event) = self.events.pop_front() {
            let actions = self.engine.step(self.now.mono, event);
            self.perform(actions);
        }
    }

    /// Has the engine end the turn, until nothing more comes of it.
    fn finish_turn(&mut self) {
        loop {
            // What has delayed the turn is not taken off the time of what is started now.
            self.now = clock::now();
            let actions = self.engine.finish_turn(self.now.mono);
            self.perform(actions);
            self.settle_files();
            if self.events.is_empty() || self.done {
                break;
            }
            self.work_off();
        }
        for (level, notice) in std::mem::take(&mut self.unsaid) {
            self.voice.say(self.now, level, &notice);
        }
        self.tell_news();
        self.voice
            .flush(self.now.mono, &mut self.writer, &mut self.jobs);
        if let Some((host, port)) = self.voice.needs_resolution(self.now.mono) {
            self.resolve(&host, port);
        }
        if std::mem::take(&mut self.status_changed) {
            let counts = self.engine.overview(self.now.mono, 0).counts;
            let mut line = table::counts_line(&counts.into());
            if self.engine.has_trouble() {
                line.push_str("; BIRD does not have what the checks ask for");
            }
            self.notify.status(self.now.mono, &line);
        }
    }

    /// Says what the rooms have to say about their troubles.
    fn tell_news(&mut self) {
        let mut news = self.voice.take_news();
        news.append(&mut self.troubles.take_news());
        news.append(&mut self.follow.take_news());
        news.append(&mut self.status.take_news());
        for item in self.calm.pass(self.now.mono, news) {
            self.voice.say_news(&item);
            self.say(What::from(item));
        }
    }

    fn report_turn(&mut self, begin: Mono) {
        let took = self.now.mono.since(begin);
        if let Some(unsaid) = self.slow_turns.heed(self.now.mono, took) {
            let Handled {
                ended,
                started,
                files,
                documents,
            } = self.handled;
            let handled = format!(
                "processes ended: {ended}, started: {started}, files written: {files}, status answers: {documents}"
            );
            self.say(What::SlowTurn {
                took,
                handled,
                unsaid,
            });
        }
    }

    fn say(&mut self, what: What) {
        let notice = Notice::from(what);
        if let Some(level) = self.voice.wants(&notice) {
            self.voice.say(self.now, level, &notice);
        }
    }

    fn count(&self) -> HostCounters {
        HostCounters {
            log_lines_dropped: self.voice.dropped(),
            ..self.counters
        }
    }

    /// What costs as much as there are services, in slices, when everything else is done.
    fn tell_readers(&mut self) {
        let clock = || clock::now().mono;
        let (engine, host, now) = (&self.engine, self.count(), self.now);
        let who = (now, std::process::id());
        self.handled.documents += self.status.serve(now.mono, &clock, &mut |cursor, text| {
            cursor.next(engine, &host, who, text)
        });
        self.make_metrics(false);
    }

    /// `last`: at once, as far as the writer takes it, and as what is said when there is no daemon any more.
    fn make_metrics(&mut self, last: bool) {
        let mut sink = ToWriter {
            writer: &mut self.writer,
            jobs: &mut self.jobs,
        };
        let Some(config) = &self.daemon.metrics else {
            return self.metrics.give_up(&mut sink, self.now.mono);
        };
        let clock = || clock::now().mono;
        let alive = !last && matches!(self.mission, Mission::Daemon(_));
        let host = HostCounters {
            log_lines_dropped: self.voice.dropped(),
            ..self.counters
        };
        let (engine, when) = (&self.engine, (self.now, alive));
        let hung = (self.metrics).advance(
            &config.directory,
            &mut sink,
            (&clock, last),
            &mut |cursor, text| cursor.next(engine, &host, when, text),
        );
        if hung {
            self.metrics_failed(NO_ANSWER.to_string());
        }
    }

    /// The orderly end: what the others read says that nobody is there any more. A disk that does not answer is given up.
    fn leave(mut self) -> ExitCode {
        let until = self.now.mono + LEAVE_LIMIT;
        let progress = self.engine.progress();
        // Whoever stopped a withdrawal did so because a daemon works again, which writes them itself.
        if matches!(self.mission, Mission::Daemon(_)) || progress != Progress::Retrying {
            self.metrics.want();
        }
        if let Mission::Daemon(instance) = &mut self.mission {
            if let Some(path) = instance.take_pidfile() {
                self.want_pidfile_removed(&path);
            }
        }
        loop {
            self.settle_files();
            self.make_metrics(true);
            self.tell_news();
            self.voice
                .flush(self.now.mono, &mut self.writer, &mut self.jobs);
            if self.files_are_done() || self.now.mono >= until {
                break;
            }
            self.writer.wait(until, &mut self.jobs);
            self.now = clock::now();
        }
        self.writer.close(until, &mut self.jobs);
        match (&self.mission, progress) {
            (Mission::Daemon(_), _) | (Mission::Withdrawal, Progress::Done) => ExitCode::SUCCESS,
            (Mission::Withdrawal, Progress::Retrying | Progress::CommandFailed) => {
                ExitCode::FAILURE
            }
        }
    }
}
