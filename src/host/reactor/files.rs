//! What the daemon wants of files, kept until the writer process takes it: the newest of each, and nothing twice.
//!
//! Reading and replacing a prefix file are one lane, so what is read is never older than what was written before. The copy
//! for the history comes first and on a lane of its own: if its disk hangs, the prefix file waits [`PATIENCE`] and no
//! longer. A reload goes on when both prefix files have been read.

use std::io::ErrorKind;
use std::path::Path;
use std::rc::Rc;

use ipnetwork::IpNetwork;

use super::Reactor;
use crate::config::{Complaint, Config, Family, FamilyConfig};
use crate::engine::vocab::{Event, FoundFile, Repair, WriteId};
use crate::host::sys::clock;
use crate::host::writer::{Done, Lane, NO_ANSWER, PATIENCE, Reply, Request, Writer};
use crate::render::{metrics, prefix_list};
use crate::sorted::Set;
use crate::time::Mono;

/// The name that the reference gives it.
const METRICS_FILE: &str = "anycast_healthchecker.prom";
/// A prefix file has some 20 bytes a prefix; what is longer was not written by us.
const PREFIX_FILE_MAX: u32 = 16 * 1024 * 1024;
/// What the text of a prefix file may take between two of them, 2,000 prefixes: fresh memory for each costs more time
/// than to write the text. Beyond that the memory counts.
const PREFIX_TEXT_KEPT: usize = 64 * 1024;

#[derive(Default)]
pub struct Files {
    /// By [`Family::index`].
    prefix_files: [PrefixFile; 2],
    /// The metrics are to be written; whether the daemon lives on.
    metrics: Option<bool>,
    reload: Option<Reload>,
    /// Counts reloads, so that what was read for one is not taken for another.
    reloads: u32,
    /// The last prefix file, for its memory.
    text: String,
}

#[derive(Default)]
struct PrefixFile {
    write: Option<Write>,
    /// The engine wants to know what stands in it.
    look: bool,
    /// This reload wants to know.
    look_for: Option<u32>,
    under_way: Option<UnderWay>,
}

/// A replacement that waits.
struct Write {
    id: WriteId,
    prefixes: Rc<Set<IpNetwork>>,
    copy: Backup,
}

/// The copy of what stands in the file before that.
enum Backup {
    Wanted,
    /// It is waited for until then.
    UnderWay(Mono),
    /// The one before it is; waited for until then.
    Behind(Mono),
    Done,
}

enum UnderWay {
    Write(WriteId, Rc<Set<IpNetwork>>),
    Look,
    LookFor(u32),
}

/// A configuration that is valid, and waits for what stands in its prefix files.
struct Reload {
    number: u32,
    config: Config,
    warnings: Vec<Complaint>,
    found: [Option<FoundFile>; 2],
}

impl Files {
    /// When something here is due although nothing happens.
    pub fn next_deadline(&self) -> Option<Mono> {
        let until = |file: &PrefixFile| match file.write.as_ref()?.copy {
            Backup::UnderWay(until) | Backup::Behind(until) => Some(until),
            Backup::Wanted | Backup::Done => None,
        };
        self.prefix_files.iter().filter_map(until).min()
    }

    /// A reload that has not come to its end is no more.
    pub fn forget_reload(&mut self) {
        self.reload = None;
    }
}

/// Reads the prefix files at the start, when there is no loop yet. Each has its limit, as ever.
pub fn find_files(writer: &mut Writer, config: &Config) -> [FoundFile; 2] {
    for family in Family::ALL {
        if let Some(settings) = &config.daemon.families[family.index()] {
            let request = read(settings, true);
            writer.submit(clock::now().mono, Lane::Prefixes(family), &request);
        }
    }
    let mut found = [FoundFile::default(), FoundFile::default()];
    while !writer.is_idle() {
        for Done { lane, reply } in writer.take_done() {
            if let Lane::Prefixes(family) = lane {
                if let Some(settings) = &config.daemon.families[family.index()] {
                    found[family.index()] = file_found(family, settings, reply);
                }
            }
        }
        if !writer.is_idle() {
            writer.wait(Mono::from_micros(u64::MAX));
        }
    }
    found
}

fn read(settings: &FamilyConfig, sweep: bool) -> Request<'_> {
    Request::Read {
        path: &settings.prefix_file,
        limit: PREFIX_FILE_MAX,
        sweep,
    }
}

fn file_found(family: Family, settings: &FamilyConfig, reply: Reply) -> FoundFile {
    let repair = |repair| FoundFile {
        prefixes: Set::new(),
        repair: Some(repair),
    };
    match reply {
        Ok(text) => prefix_list::read(&text, family, &settings.variable, &settings.dummy),
        Err((ErrorKind::NotFound, _)) => repair(Repair::Missing),
        Err((_, cause)) => repair(Repair::Unreadable(cause)),
    }
}

impl Reactor {
    pub(super) fn want_prefix_file(
        &mut self,
        id: WriteId,
        family: Family,
        prefixes: Rc<Set<IpNetwork>>,
    ) {
        let copy = match &self.daemon.families[family.index()] {
            Some(config) if config.history.is_some() => Backup::Wanted,
            _ => Backup::Done,
        };
        let write = Write { id, prefixes, copy };
        if let Some(older) = self.files.prefix_files[family.index()].write.replace(write) {
            self.file_written(
                family,
                older.id,
                Err("overtaken by a newer one".to_string()),
            );
        }
        // BIRD waits for it: at once, before anything else is done.
        self.settle_prefix_file(family);
    }

    pub(super) fn want_look(&mut self, family: Family) {
        self.files.prefix_files[family.index()].look = true;
    }

    pub(super) fn want_metrics(&mut self, alive: bool) {
        self.files.metrics = Some(alive);
    }

    /// Goes on with this configuration when its prefix files have been read.
    pub(super) fn want_reload(&mut self, config: Config, warnings: Vec<Complaint>) {
        self.files.reloads += 1;
        let number = self.files.reloads;
        let mut found = [None, None];
        for family in Family::ALL {
            let file = &mut self.files.prefix_files[family.index()];
            let enabled = config.daemon.families[family.index()].is_some();
            file.look_for = enabled.then_some(number);
            if !enabled {
                found[family.index()] = Some(FoundFile::default());
            }
        }
        self.files.reload = Some(Reload {
            number,
            config,
            warnings,
            found,
        });
    }

    /// Whether all that was wanted is done or has failed, of what the log has as well.
    pub(super) fn files_are_done(&mut self) -> bool {
        self.writer.is_idle()
            && self.files.metrics.is_none()
            && !self.voice.wants_writer(&self.writer)
    }

    /// Takes what has come of requests, and makes new ones of what is wanted.
    pub(super) fn settle_files(&mut self) {
        loop {
            for done in self.writer.take_done() {
                self.file_done(done);
            }
            for family in Family::ALL {
                self.settle_prefix_file(family);
            }
            self.settle_metrics();
            if !self.writer.has_done() {
                break;
            }
        }
        let complete = |reload: &mut Reload| reload.found.iter().all(Option::is_some);
        if let Some(reload) = self.files.reload.take_if(complete) {
            let files = reload.found.map(Option::unwrap_or_default);
            self.take_over(reload.config, reload.warnings, files);
        }
    }

    fn settle_prefix_file(&mut self, family: Family) {
        let lane = Lane::Prefixes(family);
        if self.writer.is_hung(lane) {
            self.refuse_prefix_file(family);
            return;
        }
        self.settle_copy(family);
        let now = self.now.mono;
        let file = &mut self.files.prefix_files[family.index()];
        if file.under_way.is_some() || !self.writer.is_free(lane) {
            return;
        }
        let config = self.daemon.families[family.index()].as_ref();
        let ready = |write: &mut Write| matches!(write.copy, Backup::Done);
        if let Some(write) = file.write.take_if(ready) {
            let Some(config) = config else {
                // It has been switched off since.
                return self.file_written(family, write.id, Ok(()));
            };
            let text = &mut self.files.text;
            let stamp = clock::local_calendar(self.now.wall);
            prefix_list::write(text, config, &write.prefixes, &stamp, std::process::id());
            let request = Request::Replace {
                path: &config.prefix_file,
                content: text.as_bytes(),
            };
            self.handled.files += 1;
            file.under_way = Some(UnderWay::Write(write.id, write.prefixes));
            self.writer.submit(now, lane, &request);
            if text.capacity() > PREFIX_TEXT_KEPT {
                *text = String::new();
            }
        } else if std::mem::take(&mut file.look) {
            if let Some(config) = config {
                file.under_way = Some(UnderWay::Look);
                self.writer.submit(now, lane, &read(config, false));
            }
        } else if let Some(number) = file.look_for.take() {
            let reload = self.files.reload.as_ref();
            let config = reload.and_then(|r| r.config.daemon.families[family.index()].as_ref());
            if let Some(config) = config {
                file.under_way = Some(UnderWay::LookFor(number));
                self.writer.submit(now, lane, &read(config, false));
            }
        }
    }

    /// Its disk does not answer.
    fn refuse_prefix_file(&mut self, family: Family) {
        let file = &mut self.files.prefix_files[family.index()];
        file.look = false;
        if let Some(number) = file.look_for.take() {
            self.found_for_reload(family, number, no_answer());
        }
        if let Some(write) = self.files.prefix_files[family.index()].write.take() {
            self.file_written(family, write.id, Err(NO_ANSWER.to_string()));
        }
    }

    /// Sees to the copy that comes before the next write.
    fn settle_copy(&mut self, family: Family) {
        let (now, lane) = (self.now.mono, Lane::History(family));
        let file = &mut self.files.prefix_files[family.index()];
        let Some(write) = &mut file.write else {
            return;
        };
        let config = self.daemon.families[family.index()].as_ref();
        let until = match write.copy {
            Backup::Done => return,
            Backup::UnderWay(until) if now < until => return,
            Backup::UnderWay(_) => {
                write.copy = Backup::Done;
                return;
            }
            // What is being written is what is to be copied.
            Backup::Wanted if file.under_way.is_some() => return,
            Backup::Wanted => now + PATIENCE,
            Backup::Behind(until) => until,
        };
        let Some((config, keep)) = config.and_then(|c| Some((c, c.history?))) else {
            write.copy = Backup::Done;
            return;
        };
        if self.writer.is_free(lane) {
            write.copy = Backup::UnderWay(until);
            let request = Request::Archive {
                path: &config.prefix_file,
                keep,
                now: self.now.wall,
            };
            self.writer.submit(now, lane, &request);
        } else if self.writer.is_hung(lane) || now >= until {
            write.copy = Backup::Done;
            self.history_failed(NO_ANSWER.to_string());
        } else {
            write.copy = Backup::Behind(until);
        }
    }

    fn history_failed(&mut self, cause: String) {
        self.counters.history_failures += 1;
        self.troubles.history.failed(self.now.mono, || cause);
    }

    fn settle_metrics(&mut self) {
        let Some(config) = &self.daemon.metrics else {
            self.files.metrics = None;
            return;
        };
        let (now, lane) = (self.now.mono, Lane::Metrics);
        if self.writer.is_hung(lane) && self.files.metrics.take().is_some() {
            self.metrics_failed(NO_ANSWER.to_string());
            return;
        }
        if !self.writer.is_free(lane) {
            return;
        }
        let Some(alive) = self.files.metrics.take() else {
            return;
        };
        self.handled.files += 1;
        let path = config.directory.join(METRICS_FILE);
        self.writer
            .submit(now, lane, &Request::Stream { path: &path });
        let (snapshot, counters) = (self.engine.snapshot(), self.count());
        let writer = &mut self.writer;
        let rendered = metrics::metrics(&snapshot, &counters, (self.now, alive), &mut |piece| {
            writer.feed(now, lane, Some(piece));
            Ok(())
        });
        debug_assert!(rendered.is_ok(), "the buffer takes everything");
        self.writer.feed(now, lane, None);
    }

    fn metrics_failed(&mut self, cause: String) {
        self.counters.metrics_failures += 1;
        self.troubles.metrics.failed(self.now.mono, || cause);
    }

    fn file_done(&mut self, done: Done) {
        let Done { lane, reply } = done;
        let now = self.now.mono;
        match lane {
            Lane::Prefixes(family) => self.prefix_file_done(family, reply),
            Lane::History(family) => {
                if let Some(write) = &mut self.files.prefix_files[family.index()].write {
                    if let Backup::UnderWay(_) = write.copy {
                        write.copy = Backup::Done;
                    }
                }
                match reply {
                    Ok(_) => self.troubles.history.works(now),
                    Err((_, cause)) => self.history_failed(cause),
                }
            }
            Lane::Stderr | Lane::Stdout | Lane::Log => self.voice.written(now, lane, &reply),
            Lane::Metrics => match reply {
                Ok(_) => self.troubles.metrics.works(now),
                Err((_, cause)) => self.metrics_failed(cause),
            },
            Lane::Pidfile => {
                if let Err((_, cause)) = reply {
                    self.voice
                        .say_on_stderr(&format!("anycast-healthchecker: {cause}"));
                }
            }
        }
    }

    fn prefix_file_done(&mut self, family: Family, reply: Reply) {
        let file = &mut self.files.prefix_files[family.index()];
        match file.under_way.take() {
            Some(UnderWay::Write(id, prefixes)) => {
                let outcome = reply.map(drop).map_err(|(_, cause)| cause);
                if outcome.is_ok() {
                    self.found_is_older(family, prefixes);
                }
                self.file_written(family, id, outcome);
            }
            Some(UnderWay::Look) => {
                if let Some(config) = &self.daemon.families[family.index()] {
                    let file = file_found(family, config, reply);
                    self.events.push_back(Event::FileFound { family, file });
                }
            }
            Some(UnderWay::LookFor(number)) => self.found_for_reload(family, number, reply),
            None => {}
        }
    }

    fn found_for_reload(&mut self, family: Family, number: u32, reply: Reply) {
        if let Some(reload) = self.files.reload.as_mut().filter(|r| r.number == number) {
            let settings = reload.config.daemon.families[family.index()].as_ref();
            let found = settings.map(|settings| file_found(family, settings, reply));
            reload.found[family.index()] = Some(found.unwrap_or_default());
        }
    }

    /// What was read for a reload is not what stands there any more.
    fn found_is_older(&mut self, family: Family, written: Rc<Set<IpNetwork>>) {
        let Some(reload) = &mut self.files.reload else {
            return;
        };
        let place = |families: &[Option<FamilyConfig>; 2]| {
            let settings = families[family.index()].as_ref();
            settings.map(|settings| settings.prefix_file.clone())
        };
        let found = &mut reload.found[family.index()];
        if found.is_some() && place(&reload.config.daemon.families) == place(&self.daemon.families)
        {
            let prefixes = Rc::unwrap_or_clone(written);
            *found = Some(FoundFile {
                prefixes,
                repair: None,
            });
        }
    }

    fn file_written(&mut self, family: Family, write: WriteId, outcome: Result<(), String>) {
        self.events.push_back(Event::FileWritten {
            write,
            family,
            outcome,
        });
    }

    /// Has the pidfile removed: the last thing that is wanted.
    pub(super) fn want_pidfile_removed(&mut self, path: &Path) {
        let request = Request::RemovePidfile {
            path,
            pid: std::process::id(),
            bird_knows: self.bird_knows,
        };
        self.writer.submit(self.now.mono, Lane::Pidfile, &request);
    }
}

fn no_answer() -> Reply {
    Err((ErrorKind::TimedOut, NO_ANSWER.to_string()))
}
