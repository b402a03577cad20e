//! What the daemon wants of prefix files, kept until the writer process takes it.
//!
//! Each file has a place, and each place a lane for its replacements and looks, one at a time in the order in which they
//! were asked for: what is read is never older than what was written before. What a file held goes to the history
//! afterwards, on a lane of its own, so that a copy that hangs holds nothing up. A start and a reload go on when the prefix
//! files that they name have been read, and their maintenance files looked for, or do not answer.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ipnetwork::IpNetwork;

use super::Reactor;
use super::start::followed;
use crate::config::{Complaint, Config, DaemonConfig, Family, FamilyConfig};
use crate::engine::notice::{Notice, What};
use crate::engine::vocab::{Event, FoundFile, JobId, Repair};
use crate::host::disk::{Outcome, PREFIX_FILE_MAX};
use crate::host::follow::{Follow, Kind, Seen};
use crate::host::job::Jobs;
use crate::host::sys::clock;
use crate::host::writer::{Done, Lane, NO_ANSWER, PLACES, Reply, Request, Writer, decode_outcome};
use crate::render::prefix_list;
use crate::sorted::Set;
use crate::time::{Mono, Wall};

/// What the text of a prefix file may take between two of them, 2,000 prefixes: fresh memory for each costs more time
/// than to write the text. Beyond that the memory counts.
const PREFIX_TEXT_KEPT: usize = 64 * 1024;

#[derive(Default)]
pub struct Files {
    tasks: Vec<Task>,
    /// Which file a lane is for. It keeps its place as long as something of it is under way.
    places: [Option<PathBuf>; PLACES],
    copies: Vec<Copy>,
    reload: Option<Reload>,
    /// Counts reloads, so that what was read for one is not taken for another.
    reloads: u32,
    /// The last prefix file, for its memory.
    text: String,
}

/// What is to be done with a prefix file.
struct Task {
    file: Rc<FamilyConfig>,
    wish: Wish,
    under_way: bool,
}

#[derive(Clone)]
enum Wish {
    Write(JobId, Rc<Set<IpNetwork>>),
    /// The engine wants to know what stands in it.
    Look(JobId),
    /// A reload wants to know.
    LookFor(u32),
    /// Room for a withdrawal is to be reserved beside it.
    Reserve,
}

/// What stood in a prefix file before it was replaced.
struct Copy {
    file: Rc<FamilyConfig>,
    content: Vec<u8>,
    at: Wall,
    under_way: bool,
}

/// A configuration that is valid, and waits for what stands in its prefix files.
struct Reload {
    number: u32,
    config: Config,
    warnings: Vec<Complaint>,
    found: [Option<FoundFile>; 2],
    /// What was followed before.
    before: Vec<(PathBuf, Kind)>,
}

impl Files {
    fn want(&mut self, file: Rc<FamilyConfig>, wish: Wish) {
        let under_way = false;
        self.tasks.push(Task {
            file,
            wish,
            under_way,
        });
    }

    /// The place of a file; a new one if there is one of which nothing is under way.
    fn place(&mut self, path: &Path, writer: &Writer) -> Option<usize> {
        let known = self
            .places
            .iter()
            .position(|known| known.as_deref() == Some(path));
        let is_free = |place: usize| {
            writer.is_free(Lane::Prefixes(place)) && writer.is_free(Lane::History(place))
        };
        let is_empty = |place: &usize| self.places[*place].is_none();
        let empty = || (0..PLACES).find(is_empty);
        let place = known
            .or_else(empty)
            .or_else(|| (0..PLACES).find(|place| is_free(*place)))?;
        self.places[place] = Some(path.to_path_buf());
        Some(place)
    }
}

/// Reads the prefix files at the start, when there is no loop yet, and looks at what is followed. Each has its limit, as
/// ever.
pub fn find_files(
    writer: &mut Writer,
    jobs: &mut Jobs,
    daemon: &DaemonConfig,
    follow: &mut Follow,
) -> ([FoundFile; 2], Vec<Seen>) {
    for family in Family::ALL {
        if let Some(settings) = &daemon.families[family.index()] {
            let (lane, request) = (Lane::Prefixes(family.index()), read(settings));
            writer.submit(clock::now().mono, lane, &request, jobs);
        }
    }
    let mut found = [FoundFile::default(), FoundFile::default()];
    let mut seen = Vec::new();
    loop {
        for Done { lane, reply } in writer.take_done() {
            match lane {
                Lane::Look(place) => {
                    seen.extend(follow.looked(place, reply, clock::now().mono));
                }
                Lane::Prefixes(place) => {
                    if let Some(settings) = daemon.families.get(place).and_then(Option::as_ref) {
                        found[place] = file_found(settings, reply);
                    }
                }
                _ => {}
            }
        }
        settle_looks(writer, jobs, follow, clock::now().mono);
        if writer.is_idle() {
            break;
        }
        writer.wait(Mono::from_micros(u64::MAX), jobs);
    }
    (found, seen)
}

/// Has looked for what is wanted, as far as there are free lanes.
fn settle_looks(writer: &mut Writer, jobs: &mut Jobs, follow: &mut Follow, now: Mono) {
    while let Some((place, looks)) = follow.next_request(&|place| writer.is_free(Lane::Look(place)))
    {
        writer.submit(now, Lane::Look(place), &Request::Look { looks }, jobs);
    }
}

fn read(settings: &FamilyConfig) -> Request<'_> {
    Request::Read {
        path: &settings.prefix_file,
        limit: PREFIX_FILE_MAX as u32,
    }
}

fn file_found(settings: &FamilyConfig, reply: Reply) -> FoundFile {
    let repair = |repair| FoundFile {
        prefixes: Set::new(),
        repair: Some(repair),
    };
    let (variable, dummy) = (&settings.variable, &settings.dummy);
    match reply {
        Ok(text) => prefix_list::read(&text, settings.family(), variable, dummy),
        Err((ErrorKind::NotFound, _)) => repair(Repair::Missing),
        Err((_, cause)) => repair(Repair::Unreadable(cause)),
    }
}

impl Reactor {
    pub(super) fn want_prefix_file(
        &mut self,
        job: JobId,
        file: Rc<FamilyConfig>,
        prefixes: Rc<Set<IpNetwork>>,
    ) {
        self.files.want(file, Wish::Write(job, prefixes));
        // BIRD waits for it: at once, before anything else is done.
        self.settle_tasks();
    }

    pub(super) fn want_look(&mut self, job: JobId, file: Rc<FamilyConfig>) {
        self.files.want(file, Wish::Look(job));
    }

    /// Has room for withdrawals reserved beside the files of the configuration.
    pub(super) fn want_reserves(&mut self) {
        for family in self.daemon.families.iter().flatten() {
            self.files.want(Rc::new(family.clone()), Wish::Reserve);
        }
    }

    /// Goes on with this configuration when its prefix files have been read.
    pub(super) fn want_reload(&mut self, config: Config, warnings: Vec<Complaint>) {
        self.files.reloads += 1;
        let number = self.files.reloads;
        let mut found = [None, None];
        for family in Family::ALL {
            match &config.daemon.families[family.index()] {
                Some(settings) => {
                    self.files
                        .want(Rc::new(settings.clone()), Wish::LookFor(number));
                }
                None => found[family.index()] = Some(FoundFile::default()),
            }
        }
        let before = self.follow.followed().collect();
        // Of a file that the engine does not know yet it is told when it takes the configuration over.
        self.follow.follow_others(followed(&config));
        self.files.reload = Some(Reload {
            number,
            config,
            warnings,
            found,
            before,
        });
    }

    /// A reload that has not come to its end is no more.
    pub(super) fn forget_reload(&mut self) {
        if let Some(reload) = self.files.reload.take() {
            self.follow.follow_others(reload.before);
        }
    }

    /// Whether all that was wanted is done or has failed, of what the log has as well.
    pub(super) fn files_are_done(&mut self) -> bool {
        self.writer.is_idle()
            && self.files.copies.is_empty()
            && !self.metrics.is_busy()
            && !self.voice.wants_writer(&self.writer)
    }

    /// Takes what has come of requests, and makes new ones of what is wanted.
    pub(super) fn settle_files(&mut self) {
        loop {
            for done in self.writer.take_done() {
                self.file_done(done);
            }
            self.settle_tasks();
            self.settle_copies();
            let now = self.now.mono;
            settle_looks(&mut self.writer, &mut self.jobs, &mut self.follow, now);
            if !self.writer.has_done() {
                break;
            }
        }
        let writer = &self.writer;
        let looked = (self.follow).is_settled(&|place| writer.is_hung(Lane::Look(place)));
        let complete = |reload: &mut Reload| looked && reload.found.iter().all(Option::is_some);
        if let Some(reload) = self.files.reload.take_if(complete) {
            let files = reload.found.map(Option::unwrap_or_default);
            self.take_over(reload.config, reload.warnings, files);
        }
    }

    fn settle_tasks(&mut self) {
        let mut at = 0;
        while let Some(task) = self.files.tasks.get(at) {
            at += 1;
            if task.under_way {
                continue;
            }
            let (file, wish) = (task.file.clone(), task.wish.clone());
            let place = self.files.place(&file.prefix_file, &self.writer);
            match place.map(Lane::Prefixes) {
                Some(lane) if self.writer.is_free(lane) => {
                    self.files.tasks[at - 1].under_way = true;
                    self.submit(lane, &file, &wish);
                }
                Some(lane) if !self.writer.is_hung(lane) => {}
                // Its disk does not answer.
                Some(_) | None => {
                    at -= 1;
                    let task = self.files.tasks.remove(at);
                    let cause = NO_ANSWER.to_string();
                    self.task_done(task, Err((ErrorKind::TimedOut, cause)));
                }
            }
        }
    }

    fn submit(&mut self, lane: Lane, file: &FamilyConfig, wish: &Wish) {
        let path = &file.prefix_file;
        let text = &mut self.files.text;
        let request = match wish {
            Wish::Write(_, prefixes) => {
                self.handled.files += 1;
                let stamp = clock::local_calendar(self.now.wall);
                prefix_list::write(text, file, prefixes, &stamp, std::process::id());
                Request::Replace {
                    path,
                    keep: file.history.is_some(),
                    content: text.as_bytes(),
                }
            }
            Wish::Look(_) | Wish::LookFor(_) => read(file),
            Wish::Reserve => Request::Reserve { path },
        };
        let now = self.now.mono;
        self.writer.submit(now, lane, &request, &mut self.jobs);
        if text.capacity() > PREFIX_TEXT_KEPT {
            *text = String::new();
        }
    }

    fn file_done(&mut self, done: Done) {
        let Done { lane, reply } = done;
        match lane {
            Lane::Prefixes(place) => {
                let path = self.files.places[place].as_deref();
                let is_it =
                    |task: &Task| task.under_way && Some(task.file.prefix_file.as_path()) == path;
                if let Some(at) = self.files.tasks.iter().position(is_it) {
                    let task = self.files.tasks.remove(at);
                    self.task_done(task, reply);
                }
            }
            Lane::History(place) => {
                let path = self.files.places[place].as_deref();
                let is_it =
                    |copy: &Copy| copy.under_way && Some(copy.file.prefix_file.as_path()) == path;
                if let Some(at) = self.files.copies.iter().position(is_it) {
                    self.files.copies.remove(at);
                }
                self.copied(reply.map(drop).map_err(|(_, cause)| cause));
            }
            Lane::Look(place) => {
                let seen = self.follow.looked(place, reply, self.now.mono);
                self.take_seen(seen);
            }
            Lane::Stderr | Lane::Stdout | Lane::Log => {
                self.voice.written(self.now.mono, lane, &reply);
            }
            Lane::Metrics => {
                self.handled.files += 1;
                self.metrics.done();
                match reply {
                    Ok(_) => self.troubles.metrics.works(self.now.mono),
                    Err((_, cause)) => self.metrics_failed(cause),
                }
            }
            Lane::Pidfile => {
                if let Err((_, cause)) = reply {
                    self.voice
                        .say_on_stderr(&format!("anycast-healthchecker: {cause}"));
                }
            }
        }
    }

    fn task_done(&mut self, task: Task, reply: Reply) {
        let family = task.file.family();
        match task.wish {
            Wish::Write(job, prefixes) => {
                let outcome = reply.map_err(|(_, cause)| cause);
                let outcome = outcome.map(|reply| decode_outcome(&reply).unwrap_or_default());
                if outcome.is_ok() {
                    self.found_is_older(&task.file, prefixes);
                }
                let outcome = outcome.map(|outcome| self.replaced(task.file, outcome));
                self.events.push_back(Event::FileWritten { job, outcome });
            }
            Wish::Look(job) => {
                let file = file_found(&task.file, reply);
                self.events.push_back(Event::FileFound { job, file });
            }
            Wish::LookFor(number) => {
                if let Some(reload) = self.files.reload.as_mut().filter(|r| r.number == number) {
                    reload.found[family.index()] = Some(file_found(&task.file, reply));
                }
            }
            Wish::Reserve => {
                let cause = reply.err().map(|(_, cause)| cause);
                self.troubles.reserves[family.index()].set(self.now.mono, cause);
            }
        }
    }

    /// What there is to say of a replacement that has succeeded, and to keep of what was replaced.
    fn replaced(&mut self, file: Rc<FamilyConfig>, outcome: Outcome) {
        let (now, family) = (self.now.mono, file.family());
        self.troubles.prefix_files[family.index()].set(now, outcome.flaw);
        match outcome.in_place {
            true => self.troubles.reserves[family.index()].works(now),
            false => self.files.want(file.clone(), Wish::Reserve),
        }
        if let Some(kept) = outcome.damaged {
            let path = file.prefix_file.clone();
            let notice = Notice::from(What::DamagedKept { path, kept });
            if let Some(level) = self.voice.wants(&notice) {
                self.unsaid.push((level, notice));
            }
        }
        match outcome.old {
            Some(Ok(content)) => self.files.copies.push(Copy {
                file,
                content,
                at: self.now.wall,
                under_way: false,
            }),
            Some(Err(cause)) => self.copied(Err(cause)),
            None => {}
        }
    }

    fn settle_copies(&mut self) {
        let mut at = 0;
        while let Some(copy) = self.files.copies.get(at) {
            at += 1;
            let Some(keep) = copy.file.history.filter(|_| !copy.under_way) else {
                continue;
            };
            let path = &copy.file.prefix_file;
            let place = self
                .files
                .places
                .iter()
                .position(|known| known.as_ref() == Some(path));
            match place.map(Lane::History) {
                Some(lane) if self.writer.is_free(lane) => {
                    let request = Request::Archive {
                        path,
                        keep,
                        now: copy.at,
                        content: &copy.content,
                    };
                    let now = self.now.mono;
                    self.writer.submit(now, lane, &request, &mut self.jobs);
                    let copy = &mut self.files.copies[at - 1];
                    (copy.under_way, copy.content) = (true, Vec::new());
                }
                // One at a time is kept while another is under way: the newest.
                Some(lane) if !self.writer.is_hung(lane) && !self.is_overtaken(at - 1) => {}
                Some(_) | None => {
                    at -= 1;
                    self.files.copies.remove(at);
                    self.copied(Err(NO_ANSWER.to_string()));
                }
            }
        }
    }

    fn is_overtaken(&self, at: usize) -> bool {
        let (copies, file) = (&self.files.copies, &self.files.copies[at].file);
        let mut newer = copies[at + 1..].iter();
        newer.any(|copy| copy.file.prefix_file == file.prefix_file)
    }

    fn copied(&mut self, outcome: Result<(), String>) {
        self.counters.history_failures += u64::from(outcome.is_err());
        self.troubles.history.set(self.now.mono, outcome.err());
    }

    pub(super) fn metrics_failed(&mut self, cause: String) {
        self.counters.metrics_failures += 1;
        self.troubles.metrics.failed(self.now.mono, || cause);
    }

    /// What was read for a reload is not what stands there any more.
    fn found_is_older(&mut self, file: &FamilyConfig, written: Rc<Set<IpNetwork>>) {
        let Some(reload) = &mut self.files.reload else {
            return;
        };
        let place = file.family().index();
        let named = reload.config.daemon.families[place].as_ref();
        let same = named.is_some_and(|named| named.prefix_file == file.prefix_file);
        if same && reload.found[place].is_some() {
            reload.found[place] = Some(FoundFile {
                prefixes: Rc::unwrap_or_clone(written),
                repair: None,
            });
        }
    }

    /// Has the pidfile removed: the last thing that is wanted.
    pub(super) fn want_pidfile_removed(&mut self, path: &Path) {
        let request = Request::RemovePidfile {
            path,
            pid: std::process::id(),
            clean: self.clean,
        };
        let now = self.now.mono;
        self.writer
            .submit(now, Lane::Pidfile, &request, &mut self.jobs);
    }
}
