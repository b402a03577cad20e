//! Follows files of others: which maintenance files exist, and which prefix files another program has touched.
//!
//! inotify(7) tells when something may have changed. A look decides whether a maintenance file is there, so an event too
//! many does no harm and a file of any type counts; looks are the writer process's, since a disk may hang: see
//! [`Follow::next_request`]. What can't be seen (no answer, no permission, a stale handle) is as it was; that is said once,
//! as is a watch that the kernel refuses. What does not answer is looked at again as soon as it does, everything else
//! every second until it can be seen and watched.
//!
//! Each directory is looked at before it is watched: to set a watch walks the way there, in this process, and what has
//! just answered can be walked. It is looked at again after that, so that nothing is missed in between. One watch serves
//! all files of a directory. Every directory and symbolic link on the way is watched for being moved or removed, which
//! wakes nobody in quiet times; where a directory is missing, its nearest existing ancestor is watched until it appears.
//! inotify knows nothing of a file system that is mounted over a directory, nor of what another host does on a network
//! file system: so a maintenance file is also looked at at each run of a check that it concerns.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;

use super::news::{Health, News};
use super::sys::cause;
use super::sys::inotify::{self, Inotify};
use super::writer::{LOOKS, Look, Presence, Reply, decode_presences};
use crate::engine::notice::Part;
use crate::sorted::{Map, Set};
use crate::time::Mono;

/// How often is looked while the kernel grants no watch, or a file can't be seen.
const RESCAN: Duration = Duration::from_secs(1);
/// Links and missing directories on the way to one directory: what the kernel follows (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// What is followed of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Whether it exists.
    Maintenance,
    /// Whether somebody else has changed it, perhaps.
    Prefixes,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A maintenance file has come or gone.
    Presence { path: PathBuf, present: bool },
    /// A prefix file may hold something else than it did.
    Touched(PathBuf),
}

#[derive(Debug)]
pub struct Follow {
    inotify: Option<Inotify>,
    /// In the order of their paths and kinds.
    files: Vec<File>,
    directories: Vec<Directory>,
    /// The files of each name, by index, whatever the directory; of prefix files also the names that links lead to.
    names: Map<OsString, Vec<usize>>,
    /// Names of missing directories: when one appears, the watches are set anew.
    missing: Set<OsString>,
    /// Requests that are under way, or hang, by their lane.
    asked: [Option<Asked>; LOOKS],
    /// The last rename away from a temporary file of ours.
    our_rename: Option<u32>,
    rescan_at: Option<Mono>,
    health: Health,
}

#[derive(Debug)]
struct File {
    /// As configured.
    path: PathBuf,
    kind: Kind,
    /// Index of its directory.
    directory: usize,
    /// `None`: it has never been seen or missed.
    present: Option<bool>,
    /// It is to be looked at.
    wanted: bool,
    /// An event has told of it since the last look.
    told: bool,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody knows whether it answers.
    New,
    /// It has answered and is watched since, as far as the kernel allows.
    Watched,
    /// It has been looked at since.
    Known,
}

#[derive(Debug)]
struct Asked {
    directory: PathBuf,
    files: Vec<(PathBuf, Kind)>,
    hangs: bool,
}

impl Follow {
    pub fn new(files: impl IntoIterator<Item = (PathBuf, Kind)>) -> Follow {
        let nowhere = Part::Watch(PathBuf::new());
        let health = Health::new(nowhere, Duration::ZERO);
        Follow::with(files, health, &|_, _| None)
    }

    /// Starts over with these files. A trouble that has been told of is not told again, but its end is; a file that
    /// can't be seen now is as it was.
    pub fn follow_others(&mut self, files: impl IntoIterator<Item = (PathBuf, Kind)>) {
        let before = |path: &Path, kind| self.files[self.index(path, kind)?].present;
        let mut other = Follow::with(files, self.health.clone(), &before);
        std::mem::swap(&mut other.asked, &mut self.asked);
        *self = other;
    }

    fn with(
        files: impl IntoIterator<Item = (PathBuf, Kind)>,
        health: Health,
        before: &dyn Fn(&Path, Kind) -> Option<bool>,
    ) -> Follow {
        let all: Set<(PathBuf, Kind)> = files.into_iter().collect();
        let mut directories: Vec<Directory> = Vec::new();
        let mut places: Map<PathBuf, usize> = Map::new();
        let mut files = Vec::new();
        for (path, kind) in all {
            let whole = absolute(&path).unwrap_or_else(|_| path.clone());
            let parent = whole.parent().unwrap_or(Path::new("/")).to_path_buf();
            let directory = *places.get_or_insert_with(parent.clone(), || directories.len());
            if directory == directories.len() {
                directories.push(Directory {
                    path: parent,
                    stage: Stage::New,
                });
            }
            files.push(File {
                directory,
                present: before(&path, kind),
                path,
                kind,
                wanted: false,
                told: false,
            });
        }
        let mut follow = Follow {
            inotify: None,
            files,
            directories,
            names: Map::new(),
            missing: Set::new(),
            asked: [const { None }; LOOKS],
            our_rename: None,
            rescan_at: None,
            health,
        };
        follow.start_over();
        follow
    }

    pub fn followed(&self) -> impl Iterator<Item = (PathBuf, Kind)> + '_ {
        self.files.iter().map(|file| (file.path.clone(), file.kind))
    }

    /// The maintenance files that existed when last looked at.
    pub fn present(&self) -> Set<PathBuf> {
        let is_there = |file: &&File| file.kind == Kind::Maintenance && file.present == Some(true);
        let present = self.files.iter().filter(is_there);
        present.map(|file| file.path.clone()).collect()
    }

    /// Says how the files are to be taken that nobody has seen or missed yet.
    pub fn assume(&mut self, present: impl Fn(&Path) -> bool) {
        for file in &mut self.files {
            file.present = file.present.or_else(|| Some(present(&file.path)));
        }
    }

    /// The descriptor to wait for reading on; `None` if nothing is watched.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// The descriptor is ready. `ours` knows the names that our own replacements have while they are made.
    pub fn readable(&mut self, now: Mono, ours: &dyn Fn(&OsStr) -> bool) -> Vec<Seen> {
        let Some(inotify) = &mut self.inotify else {
            return Vec::new();
        };
        let events = match inotify.read() {
            Ok(events) => events,
            Err(error) => {
                self.inotify = None;
                self.fail(0, now, || cause(&error));
                self.rescan_at = Some(now);
                return Vec::new();
            }
        };
        let everything = inotify::ITSELF | inotify::DROPPED | inotify::OVERFLOW;
        let mut touched = Set::new();
        for event in events {
            if event.mask & everything != 0 || self.missing.contains(&event.name) {
                self.start_over();
                return Vec::new();
            }
            if event.mask & inotify::MOVED_FROM != 0 && ours(&event.name) {
                self.our_rename = Some(event.cookie);
            }
            // The last one who has touched it counts.
            let is_ours =
                event.mask & inotify::MOVED_TO != 0 && self.our_rename == Some(event.cookie);
            let named = self.names.get(&event.name);
            for &index in named.into_iter().flatten() {
                let file = &mut self.files[index];
                match file.kind {
                    Kind::Maintenance => (file.wanted, file.told) = (true, true),
                    Kind::Prefixes if is_ours => _ = touched.remove(&index),
                    Kind::Prefixes => _ = touched.insert(index),
                }
            }
        }
        let touched = touched.into_iter();
        touched
            .map(|index| {
                let file = &mut self.files[index];
                // If it is a link, it leads elsewhere, perhaps.
                file.wanted = true;
                Seen::Touched(file.path.clone())
            })
            .collect()
    }

    /// Has a maintenance file looked at, whatever inotify says.
    pub fn look(&mut self, path: &Path) {
        if let Some(index) = self.index(path, Kind::Maintenance) {
            self.files[index].wanted = true;
        }
    }

    /// What is to be looked at now, and the lane for it: all that is wanted of one directory. A directory that hangs is not
    /// asked for a second time, and holds up no other while there is a free lane.
    pub fn next_request(&mut self, is_free: &dyn Fn(usize) -> bool) -> Option<(usize, Vec<Look>)> {
        for (lane, asked) in self.asked.iter_mut().enumerate() {
            if is_free(lane) {
                asked.take_if(|asked| asked.hangs);
            }
        }
        let busy: Set<&Path> = (self.asked.iter().flatten())
            .map(|asked| asked.directory.as_path())
            .collect();
        let can_be_asked =
            |directory: usize| !busy.contains(self.directories[directory].path.as_path());
        let wanted = |file: &&File| file.wanted && can_be_asked(file.directory);
        let directory = self.files.iter().find(wanted)?.directory;
        let lane = (0..LOOKS).find(|lane| self.asked[*lane].is_none() && is_free(*lane))?;
        let mut files = Vec::new();
        for file in &mut self.files {
            if file.directory == directory && std::mem::take(&mut file.wanted) {
                files.push((file.path.clone(), file.kind));
            }
        }
        let looks = files.iter().map(|(path, kind)| Look {
            path: path.clone(),
            // To watch a prefix file is to watch what it leads to.
            follow: *kind == Kind::Prefixes,
        });
        let looks = looks.collect();
        self.asked[lane] = Some(Asked {
            directory: self.directories[directory].path.clone(),
            files,
            hangs: false,
        });
        Some((lane, looks))
    }

    /// Whether everything has been looked at that answers.
    pub fn is_settled(&self, is_hung: &dyn Fn(usize) -> bool) -> bool {
        let hangs = |directory: &Directory| {
            let mut asked = self.asked.iter().flatten();
            asked.any(|asked| asked.hangs && asked.directory == directory.path)
        };
        let known = |directory: &Directory| directory.stage == Stage::Known;
        let mut directories = self.directories.iter();
        (0..LOOKS).all(is_hung) || directories.all(|directory| known(directory) || hangs(directory))
    }

    /// What the look of a lane has come to.
    pub fn looked(&mut self, lane: usize, reply: Reply, now: Mono) -> Vec<Seen> {
        let Some(asked) = self.asked[lane].as_mut() else {
            return Vec::new();
        };
        let place = (self.directories.iter()).position(|one| one.path == asked.directory);
        let presences = reply.map(|content| decode_presences(&content).unwrap_or_default());
        let presences = match presences {
            Ok(presences) => presences,
            Err((kind, words)) => {
                let hangs = kind == ErrorKind::TimedOut;
                let asked = match hangs {
                    true => {
                        asked.hangs = true;
                        std::mem::take(&mut asked.files)
                    }
                    false => self.asked[lane]
                        .take()
                        .map(|asked| asked.files)
                        .unwrap_or_default(),
                };
                for (path, kind) in asked {
                    if let Some(index) = self.index(&path, kind) {
                        self.files[index].wanted = hangs;
                    }
                }
                if let Some(place) = place {
                    let rescan_at = self.rescan_at;
                    self.fail(place, now, || words);
                    match hangs {
                        // As soon as it answers.
                        true => self.rescan_at = rescan_at,
                        false => self.directories[place].stage = Stage::Known,
                    }
                }
                return Vec::new();
            }
        };
        let files = self.asked[lane].take().map(|asked| asked.files);
        let mut seen = Vec::new();
        let mut links = Vec::new();
        for ((path, kind), presence) in files.unwrap_or_default().into_iter().zip(presences) {
            if let Some(index) = self.index(&path, kind) {
                seen.extend(self.is_seen(index, presence, now));
                if kind == Kind::Prefixes && fs::read_link(&path).is_ok() {
                    links.push(Seen::Touched(path));
                }
            }
        }
        if let Some(place) = place {
            self.advance(place, now, links, &mut seen);
        }
        let well = |directory: &Directory| directory.stage == Stage::Known;
        let hangs = self.asked.iter().flatten().any(|asked| asked.hangs);
        if self.rescan_at.is_none() && !hangs && self.directories.iter().all(well) {
            self.health.works(now);
        }
        seen
    }

    /// What the look at one file says.
    fn is_seen(&mut self, index: usize, presence: Presence, now: Mono) -> Option<Seen> {
        let file = &mut self.files[index];
        let present = match presence {
            Presence::Present => true,
            Presence::Absent => false,
            Presence::Unknown(cause) => {
                let directory = file.directory;
                self.fail(directory, now, || cause);
                return None;
            }
        };
        let told = match file.wanted {
            true => file.told,
            false => std::mem::take(&mut file.told),
        };
        let before = file.present.replace(present);
        if file.kind == Kind::Prefixes || before == Some(present) {
            return None;
        }
        let path = file.path.clone();
        if before.is_some() && !told && self.directories[file.directory].stage == Stage::Known {
            // Nothing has told of it: what is watched is no longer what the path leads to.
            self.rescan_at = Some(now);
        }
        Some(Seen::Presence { path, present })
    }

    /// A directory has answered.
    fn advance(&mut self, place: usize, now: Mono, links: Vec<Seen>, seen: &mut Vec<Seen>) {
        let stage = self.directories[place].stage;
        if stage == Stage::New || !links.is_empty() {
            if let Err(error) = self.watch(place) {
                self.fail(place, now, || reason(&error));
            }
        }
        match stage {
            Stage::New => {
                self.directories[place].stage = Stage::Watched;
                let files = self.files.iter_mut();
                let here = files.filter(|file| file.directory == place);
                here.for_each(|file| file.wanted = true);
            }
            Stage::Watched => {
                self.directories[place].stage = Stage::Known;
                let here = |file: &&File| file.directory == place && file.kind == Kind::Prefixes;
                let files = self.files.iter().filter(here);
                seen.extend(files.map(|file| Seen::Touched(file.path.clone())));
            }
            // What they lead to by now is watched only since this moment.
            Stage::Known => seen.extend(links),
        }
    }

    /// When [`Self::rescan`] is to be called: only while something can't be watched or seen.
    pub fn next_rescan(&self) -> Option<Mono> {
        self.rescan_at
    }

    /// Has the watches set again, and every file looked at, if it is time.
    pub fn rescan(&mut self, now: Mono) {
        if self.rescan_at.is_some_and(|due| due <= now) {
            self.start_over();
        }
    }

    pub fn take_news(&mut self) -> Vec<News> {
        self.health.take_news()
    }

    fn index(&self, path: &Path, kind: Kind) -> Option<usize> {
        let found = self
            .files
            .binary_search_by(|file| (file.path.as_path(), file.kind).cmp(&(path, kind)));
        found.ok()
    }

    /// Says which directory the trouble began with.
    fn fail(&mut self, directory: usize, now: Mono, cause: impl FnOnce() -> String) {
        self.rescan_at = self.rescan_at.or(Some(now + RESCAN));
        if let Some(directory) = self.directories.get(directory) {
            self.health.rename(Part::Watch(directory.path.clone()));
        }
        self.health.failed(now, cause);
    }

    /// Drops all watches, and has every directory looked at, watched and looked at again.
    fn start_over(&mut self) {
        self.rescan_at = None;
        self.inotify = None;
        self.missing = Set::new();
        self.names = Map::new();
        for (index, file) in self.files.iter_mut().enumerate() {
            file.wanted = true;
            let name = file.path.file_name().unwrap_or_default().to_os_string();
            self.names.get_or_insert_with(name, Vec::new).push(index);
        }
        for directory in &mut self.directories {
            directory.stage = Stage::New;
        }
    }

    /// Watches whatever is on the way to the files of a directory now. What can be watched is watched also if something
    /// else cannot.
    fn watch(&mut self, place: usize) -> io::Result<()> {
        let inotify = match self.inotify.take() {
            Some(inotify) => inotify,
            None => Inotify::new()?,
        };
        let missing = &mut self.missing;
        let directory = &self.directories[place].path;
        let mut outcome = watch_directory(&inotify, directory, inotify::NAMES, missing);
        for (index, file) in self.files.iter().enumerate() {
            if file.directory != place || file.kind != Kind::Prefixes {
                continue;
            }
            let mut target = directory.join(file.path.file_name().unwrap_or_default());
            for _ in 0..MAX_LINKS {
                let parent = target.parent().unwrap_or(Path::new("/")).to_path_buf();
                let mask = inotify::NAMES | inotify::WRITTEN;
                let watched = watch_directory(&inotify, &parent, mask, missing);
                outcome = outcome.and(watched);
                let name = target.file_name().unwrap_or_default().to_os_string();
                let named = self.names.get_or_insert_with(name, Vec::new);
                if !named.contains(&index) {
                    named.push(index);
                }
                match fs::read_link(&target) {
                    Ok(next) => target = parent.join(next),
                    Err(_) => break,
                }
            }
        }
        self.inotify = Some(inotify);
        outcome
    }
}

/// Watches a directory for this, and the way to it.
fn watch_directory(
    inotify: &Inotify,
    directory: &Path,
    mask: u32,
    missing: &mut Set<OsString>,
) -> io::Result<()> {
    let mut links = MAX_LINKS;
    match watch_way(inotify, directory, missing, &mut links)? {
        true => inotify.add(directory, mask | inotify::ITSELF),
        false => Ok(()),
    }
}

/// Watches everything that is passed on the way to `directory`, and the directory, for being moved or removed, each
/// before what lies behind it. `Ok(false)`: something is missing, and the directory where it would be is watched for it.
fn watch_way(
    inotify: &Inotify,
    directory: &Path,
    missing: &mut Set<OsString>,
    links: &mut u32,
) -> io::Result<bool> {
    let mut passed: Vec<&Path> = directory.ancestors().collect();
    while let Some(path) = passed.pop() {
        let parent = path.parent().unwrap_or(Path::new("/"));
        match inotify.add(path, inotify::ITSELF | inotify::NO_FOLLOW) {
            Ok(()) => {}
            Err(error) if is_absence(&error) => {
                missing.insert(path.file_name().unwrap_or_default().to_os_string());
                match inotify.add(parent, inotify::NAMES | inotify::ITSELF) {
                    // Its parent is gone, too, in this moment: something above has told of that.
                    Err(error) if !is_absence(&error) => return Err(error),
                    _ => {}
                }
                // It may have come before the watch.
                if !is_present(path)? {
                    return Ok(false);
                }
                count_down(links)?;
                passed.push(path);
                continue;
            }
            Err(error) => return Err(error),
        }
        if let Ok(target) = fs::read_link(path) {
            count_down(links)?;
            if !watch_way(inotify, &parent.join(target), missing, links)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn count_down(links: &mut u32) -> io::Result<()> {
    *links = links.checked_sub(1).ok_or_else(inotify::too_many_links)?;
    Ok(())
}

/// Whether something has that name; the error says why nobody can tell.
fn is_present(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(inotify::NO_MORE_WATCHES) => "the limit fs.inotify.max_user_watches is reached".into(),
        Some(inotify::NO_MORE_INSTANCES) => {
            "the limit fs.inotify.max_user_instances, or that of descriptors, is reached".into()
        }
        _ => cause(error),
    }
}

#[cfg(test)]
mod tests;
