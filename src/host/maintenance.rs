//! Follows maintenance files: which of them exist now, and which came or went, without polling.
//!
//! inotify(7) tells when something may have changed; a fresh lstat(2) decides, so an event too many does no
//! harm and a file of any type counts. One watch serves all files of a directory. Every directory and
//! symbolic link on the way to it is watched for being moved or removed, which wakes nobody in quiet times;
//! where a directory is missing, its nearest existing ancestor is watched until it appears. If the kernel
//! refuses a watch (limits, permission) that is said once, and the files are looked at every second until it
//! is granted. Not seen: another file system mounted over a directory, and changes that another host makes on
//! a network file system, since inotify knows of neither.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf, absolute};
use std::time::Duration;

use super::news::{Health, News};
use super::sys::cause;
use super::sys::inotify::{self, Inotify};
use crate::engine::notice::Part;
use crate::sorted::{Map, Set};
use crate::time::Mono;

mod walk;
use walk::{Object, Way};

/// How often is looked while the kernel grants no watch, or a directory changes faster than it can be
/// watched.
const RESCAN: Duration = Duration::from_secs(1);
/// Tries to set watches on a path that changes at the same time, before [`RESCAN`] takes over.
const TRIES: usize = 4;

#[derive(Debug)]
pub struct Watch {
    inotify: Option<Inotify>,
    files: Vec<MaintenanceFile>,
    /// The directories of `files`, each once.
    directories: Vec<PathBuf>,
    nodes: Map<i32, Node>,
    rescan_at: Option<Mono>,
    health: Health,
}

#[derive(Debug)]
struct MaintenanceFile {
    /// As configured.
    path: PathBuf,
    /// Index of its directory.
    directory: usize,
    name: OsString,
    present: bool,
}

/// What a watched directory is watched for, besides itself.
#[derive(Debug, Default)]
struct Node {
    names: Map<OsString, Meaning>,
}

#[derive(Clone, Debug)]
enum Meaning {
    /// Maintenance files, by index.
    Files(Vec<usize>),
    /// A missing component of the way, or something in its place.
    Step,
}

/// A watch that is wanted: by inode, because the kernel gives one watch to each.
struct Wanted {
    path: PathBuf,
    mask: u32,
    node: Node,
    /// Index of a directory that needs it, to name in trouble.
    directory: usize,
}

impl Watch {
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, now: Mono) -> Watch {
        let nowhere = Part::Maintenance(PathBuf::new());
        Watch::with(paths, now, Health::new(nowhere, Duration::ZERO))
    }

    /// Starts over with these files. A trouble that has been told of is not told again, but its end is.
    pub fn watch_others(&mut self, paths: impl IntoIterator<Item = PathBuf>, now: Mono) {
        *self = Watch::with(paths, now, self.health.clone());
    }

    fn with(paths: impl IntoIterator<Item = PathBuf>, now: Mono, health: Health) -> Watch {
        let paths: Set<PathBuf> = paths.into_iter().collect();
        let mut directories: Vec<PathBuf> = Vec::new();
        let mut files = Vec::new();
        for path in paths {
            let whole = absolute(&path).unwrap_or_else(|_| path.clone());
            let parent = whole.parent().unwrap_or(Path::new("/")).to_path_buf();
            let known = directories
                .iter()
                .position(|directory| *directory == parent);
            let directory = known.unwrap_or(directories.len());
            if known.is_none() {
                directories.push(parent);
            }
            files.push(MaintenanceFile {
                directory,
                name: whole.file_name().unwrap_or_default().to_os_string(),
                present: false,
                path,
            });
        }
        let mut watch = Watch {
            inotify: None,
            files,
            directories,
            nodes: Map::new(),
            rescan_at: None,
            health,
        };
        watch.set_watches(now);
        watch.look_at_all();
        watch
    }

    /// The files that existed when last looked at.
    pub fn present(&self) -> Set<PathBuf> {
        let present = self.files.iter().filter(|file| file.present);
        present.map(|file| file.path.clone()).collect()
    }

    /// The descriptor to wait for reading on; `None` if nothing is watched.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// The descriptor is ready: which files came (`true`) or went.
    pub fn readable(&mut self, now: Mono) -> Vec<(PathBuf, bool)> {
        let Some(inotify) = &mut self.inotify else {
            return Vec::new();
        };
        let events = match inotify.read() {
            Ok(events) => events,
            Err(error) => {
                self.start_over(now, &error);
                return Vec::new();
            }
        };
        let mut changed_ways = false;
        let mut touched = Set::new();
        for event in events {
            let Some(node) = self.nodes.get(&event.watch) else {
                changed_ways |= event.mask & inotify::OVERFLOW != 0;
                continue;
            };
            changed_ways |= event.mask & (inotify::ITSELF | inotify::DROPPED) != 0;
            match node.names.get(&event.name) {
                Some(Meaning::Files(files)) => touched.extend(files.iter().copied()),
                Some(Meaning::Step) => changed_ways = true,
                None => {}
            }
        }
        if changed_ways {
            self.set_watches(now);
            return self.look_at_all();
        }
        touched
            .into_iter()
            .filter_map(|index| self.look_at(index))
            .collect()
    }

    /// When [`Self::rescan`] is to be called: only while the kernel does not tell us everything.
    pub fn next_rescan(&self) -> Option<Mono> {
        self.rescan_at
    }

    /// Tries to set the watches again, and looks at every file.
    pub fn rescan(&mut self, now: Mono) -> Vec<(PathBuf, bool)> {
        if self.rescan_at.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.set_watches(now);
        self.look_at_all()
    }

    pub fn take_news(&mut self) -> Vec<News> {
        self.health.take_news()
    }

    fn start_over(&mut self, now: Mono, error: &io::Error) {
        self.inotify = None;
        self.nodes.clear();
        self.rescan_at = Some(now);
        self.fail(0, now, || cause(error));
    }

    /// Says which directory the trouble began with.
    fn fail(&mut self, directory: usize, now: Mono, cause: impl FnOnce() -> String) {
        if let Some(path) = self.directories.get(directory) {
            self.health.rename(Part::Maintenance(path.clone()));
        }
        self.health.failed(now, cause);
    }

    fn look_at_all(&mut self) -> Vec<(PathBuf, bool)> {
        (0..self.files.len())
            .filter_map(|index| self.look_at(index))
            .collect()
    }

    /// The change of one file, if there is one. What can't be seen at present stays as it was.
    fn look_at(&mut self, index: usize) -> Option<(PathBuf, bool)> {
        let file = self.files.get_mut(index)?;
        let present = match fs::symlink_metadata(&file.path) {
            Ok(_) => true,
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => false,
                _ => return None,
            },
        };
        if present == file.present {
            return None;
        }
        file.present = present;
        Some((file.path.clone(), present))
    }

    /// Watches whatever is on the way to each file now. Files are to be looked at after it, never before:
    /// what happens in between then shows as an event.
    fn set_watches(&mut self, now: Mono) {
        self.rescan_at = None;
        if self.files.is_empty() {
            return;
        }
        let outcome = self.try_to_watch();
        match outcome {
            Ok(true) => self.health.works(now),
            Ok(false) => self.rescan_at = Some(now + RESCAN),
            Err((directory, error)) => {
                self.rescan_at = Some(now + RESCAN);
                self.fail(directory, now, || reason(&error));
            }
        }
    }

    /// `Ok(false)`: the ways changed each time, as they were being watched.
    fn try_to_watch(&mut self) -> Result<bool, (usize, io::Error)> {
        if self.inotify.is_none() {
            self.inotify = Some(Inotify::new().map_err(|error| (0, error))?);
        }
        let (mut ways, _) = self.ways();
        for _ in 0..TRIES {
            let wanted = self.wanted(&ways);
            let complete = self.apply(wanted)?;
            let (after, failure) = self.ways();
            if complete && after == ways {
                return failure.map_or(Ok(true), Err);
            }
            ways = after;
        }
        Ok(false)
    }

    /// The way to each directory that can be walked to, and the first failure.
    fn ways(&self) -> (Vec<Option<Way>>, Option<(usize, io::Error)>) {
        let mut failure = None;
        let mut ways = Vec::with_capacity(self.directories.len());
        for (index, directory) in self.directories.iter().enumerate() {
            let way = walk::to(directory);
            ways.push(match way {
                Ok(way) => Some(way),
                Err(error) => {
                    failure = failure.or(Some((index, error)));
                    None
                }
            });
        }
        (ways, failure)
    }

    fn wanted(&self, ways: &[Option<Way>]) -> Map<(u64, u64), Wanted> {
        let mut wanted: Map<(u64, u64), Wanted> = Map::new();
        for (directory, way) in ways.iter().enumerate() {
            let Some(way) = way else {
                continue;
            };
            for object in &way.objects {
                let slot = slot(&mut wanted, object, directory);
                slot.mask |= inotify::ITSELF;
            }
            let end = slot(&mut wanted, &way.end, directory);
            end.mask |= inotify::ITSELF | inotify::NAMES;
            if let Some(step) = &way.missing {
                end.node.names.insert(step.clone(), Meaning::Step);
                continue;
            }
            for (index, file) in self.files.iter().enumerate() {
                if file.directory == directory {
                    let names = &mut end.node.names;
                    let none = || Meaning::Files(Vec::new());
                    match names.get_or_insert_with(file.name.clone(), none) {
                        Meaning::Files(files) => files.push(index),
                        // To set the watches again looks at every file as well.
                        Meaning::Step => {}
                    }
                }
            }
        }
        wanted
    }

    /// Sets these watches and ends all others; `Ok(false)` if something was gone by then.
    fn apply(&mut self, wanted: Map<(u64, u64), Wanted>) -> Result<bool, (usize, io::Error)> {
        let Some(inotify) = &self.inotify else {
            return Ok(false);
        };
        let mut complete = true;
        let mut outcome = Ok(());
        let mut nodes = Map::new();
        for (_, want) in wanted {
            match inotify.add(&want.path, want.mask | inotify::NO_FOLLOW) {
                Ok(watch) => {
                    nodes.insert(watch, want.node);
                }
                Err(error) if error.kind() == ErrorKind::NotFound => complete = false,
                // What can be watched is watched all the same.
                Err(error) => outcome = Err((want.directory, error)),
            }
        }
        for watch in self.nodes.keys() {
            if !nodes.contains_key(watch) {
                inotify.remove(*watch);
            }
        }
        self.nodes = nodes;
        outcome.map(|()| complete)
    }
}

fn slot<'a>(
    wanted: &'a mut Map<(u64, u64), Wanted>,
    object: &Object,
    directory: usize,
) -> &'a mut Wanted {
    wanted.get_or_insert_with(object.inode, || Wanted {
        path: object.path.clone(),
        mask: 0,
        node: Node::default(),
        directory,
    })
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
