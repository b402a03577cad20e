//! Follows maintenance files: which of them exist now, and which came or went, without polling.
//!
//! inotify(7) tells when something may have changed; a fresh lstat(2) decides, so an event too many does no
//! harm and a file of any type counts. One watch serves all files of a directory. Every directory and
//! symbolic link on the way to it is watched for being moved or removed, which wakes nobody in quiet times;
//! where a directory is missing, its nearest existing ancestor is watched until it appears. inotify knows nothing of a
//! file system that is mounted over a directory, nor of what another host does on a network file system: so a file is
//! also looked at by [`Watch::look`], at each run of a check that it concerns. What can't be seen (no permission, an
//! error of the disk, a stale handle) is as it was; that is said once, as is a watch that the kernel refuses, and
//! everything is looked at every second until that is over.

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

/// How often is looked while the kernel grants no watch, or a file can't be seen.
const RESCAN: Duration = Duration::from_secs(1);
/// Links and missing directories on the way to one directory: what the kernel follows (path_resolution(7)).
const MAX_LINKS: u32 = 40;

#[derive(Debug)]
pub struct Watch {
    inotify: Option<Inotify>,
    /// In the order of their paths.
    files: Vec<MaintenanceFile>,
    /// The directories of `files`, each once.
    directories: Vec<PathBuf>,
    /// The files of each name, by index, whatever the directory.
    names: Map<OsString, Vec<usize>>,
    /// Names of missing directories: when one appears, the watches are set anew.
    missing: Set<OsString>,
    rescan_at: Option<Mono>,
    health: Health,
}

#[derive(Debug)]
struct MaintenanceFile {
    /// As configured.
    path: PathBuf,
    /// Index of its directory.
    directory: usize,
    /// `None`: it has never been seen or missed.
    present: Option<bool>,
}

impl Watch {
    pub fn new(paths: impl IntoIterator<Item = PathBuf>, now: Mono) -> Watch {
        let nowhere = Part::Maintenance(PathBuf::new());
        Watch::with(paths, now, Health::new(nowhere, Duration::ZERO), &|_| None)
    }

    /// Starts over with these files. A trouble that has been told of is not told again, but its end is; a file that
    /// can't be seen now is as it was.
    pub fn watch_others(&mut self, paths: impl IntoIterator<Item = PathBuf>, now: Mono) {
        let before = |path: &Path| self.files[self.index(path)?].present;
        *self = Watch::with(paths, now, self.health.clone(), &before);
    }

    fn with(
        paths: impl IntoIterator<Item = PathBuf>,
        now: Mono,
        health: Health,
        before: &dyn Fn(&Path) -> Option<bool>,
    ) -> Watch {
        let paths: Set<PathBuf> = paths.into_iter().collect();
        let mut directories: Map<PathBuf, usize> = Map::new();
        let mut names: Map<OsString, Vec<usize>> = Map::new();
        let mut files = Vec::new();
        for path in paths {
            let whole = absolute(&path).unwrap_or_else(|_| path.clone());
            let parent = whole.parent().unwrap_or(Path::new("/")).to_path_buf();
            let name = whole.file_name().unwrap_or_default().to_os_string();
            names.get_or_insert_with(name, Vec::new).push(files.len());
            let count = directories.len();
            files.push(MaintenanceFile {
                directory: *directories.get_or_insert_with(parent, || count),
                present: before(&path),
                path,
            });
        }
        let mut in_order = vec![PathBuf::new(); directories.len()];
        for (path, index) in directories {
            in_order[index] = path;
        }
        let mut watch = Watch {
            inotify: None,
            files,
            directories: in_order,
            names,
            missing: Set::new(),
            rescan_at: None,
            health,
        };
        watch.start_over(now);
        watch
    }

    /// The files that existed when last looked at.
    pub fn present(&self) -> Set<PathBuf> {
        let present = self.files.iter().filter(|file| file.present == Some(true));
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

    /// The descriptor is ready: which files came (`true`) or went.
    pub fn readable(&mut self, now: Mono) -> Vec<(PathBuf, bool)> {
        let Some(inotify) = &mut self.inotify else {
            return Vec::new();
        };
        let events = match inotify.read() {
            Ok(events) => events,
            Err(error) => {
                self.inotify = None;
                self.rescan_at = Some(now);
                self.fail(0, now, || cause(&error));
                return Vec::new();
            }
        };
        let everything = inotify::ITSELF | inotify::DROPPED | inotify::OVERFLOW;
        let mut touched = Set::new();
        for event in events {
            if event.mask & everything != 0 || self.missing.contains(&event.name) {
                return self.start_over(now);
            }
            if let Some(files) = self.names.get(&event.name) {
                touched.extend(files.iter().copied());
            }
        }
        let touched = touched.into_iter();
        touched.filter_map(|file| self.look_at(file, now)).collect()
    }

    /// Looks at one file, whatever inotify says, and returns which files came or went.
    pub fn look(&mut self, path: &Path, now: Mono) -> Vec<(PathBuf, bool)> {
        let Some(index) = self.index(path) else {
            return Vec::new();
        };
        if is_present(path).ok() == self.files[index].present {
            return Vec::new();
        }
        let mut changes = self.readable(now);
        if let Some(change) = self.look_at(index, now) {
            // Nothing has told of it: what is watched is no longer what the path leads to.
            changes.push(change);
            self.rescan_at = Some(now);
        }
        changes
    }

    /// When [`Self::rescan`] is to be called: only while something can't be watched or seen.
    pub fn next_rescan(&self) -> Option<Mono> {
        self.rescan_at
    }

    /// Tries to set the watches again, and looks at every file.
    pub fn rescan(&mut self, now: Mono) -> Vec<(PathBuf, bool)> {
        if self.rescan_at.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.start_over(now)
    }

    pub fn take_news(&mut self) -> Vec<News> {
        self.health.take_news()
    }

    fn index(&self, path: &Path) -> Option<usize> {
        let found = self
            .files
            .binary_search_by(|file| file.path.as_path().cmp(path));
        found.ok()
    }

    /// Says which directory the trouble began with.
    fn fail(&mut self, directory: usize, now: Mono, cause: impl FnOnce() -> String) {
        self.rescan_at = self.rescan_at.or(Some(now + RESCAN));
        if let Some(path) = self.directories.get(directory) {
            self.health.rename(Part::Maintenance(path.clone()));
        }
        self.health.failed(now, cause);
    }

    /// The change of one file, if there is one. What can't be seen at present stays as it was.
    fn look_at(&mut self, index: usize, now: Mono) -> Option<(PathBuf, bool)> {
        let file = self.files.get_mut(index)?;
        let present = match is_present(&file.path) {
            Ok(present) => present,
            Err(error) => {
                let directory = file.directory;
                self.fail(directory, now, || cause(&error));
                return None;
            }
        };
        let before = file.present.replace(present);
        (before != Some(present)).then(|| (file.path.clone(), present))
    }

    /// Sets all watches anew, then looks at every file: what happens in between shows as an event.
    fn start_over(&mut self, now: Mono) -> Vec<(PathBuf, bool)> {
        self.rescan_at = None;
        if self.files.is_empty() {
            return Vec::new();
        }
        if let Err((directory, error)) = self.try_to_watch() {
            self.fail(directory, now, || reason(&error));
        }
        let files = 0..self.files.len();
        let changes = files.filter_map(|index| self.look_at(index, now)).collect();
        if self.rescan_at.is_none() {
            self.health.works(now);
        }
        changes
    }

    /// Watches whatever is on the way to each file now. What can be watched is watched also if something else cannot.
    fn try_to_watch(&mut self) -> Result<(), (usize, io::Error)> {
        self.inotify = None;
        self.missing = Set::new();
        let inotify = Inotify::new().map_err(|error| (0, error))?;
        let mut outcome = Ok(());
        for (index, directory) in self.directories.iter().enumerate() {
            let mut links = MAX_LINKS;
            let watched = watch_way(&inotify, directory, &mut self.missing, &mut links).and_then(
                |is_there| match is_there {
                    true => inotify.add(directory, inotify::NAMES | inotify::ITSELF),
                    false => Ok(()),
                },
            );
            if let Err(error) = watched {
                outcome = outcome.and(Err((index, error)));
            }
        }
        self.inotify = Some(inotify);
        outcome
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
