//! What checks leave behind: processes that have left the group of their check and outlive it.
//!
//! They would use up the limits of the daemon's user and control group, until other checks cannot be started. The daemon is a
//! child subreaper, so they become its children, and the kernel lists those. When checks have ended, a child that is
//! no job's is such a process. It is killed as soon as no check runs any more that ran when it turned up, and said once for
//! each service.
//!
//! Custom commands may leave something behind on purpose. The kernel does not say whose child an orphan was, so what turns
//! up while one of them runs, or in the turn in which it ends, is left alone for good; so is everything if the daemon is
//! process 1, to which the orphans of strangers come, too.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::host::sys::process::{self, Pid};
use crate::sorted::{Map, Set};

/// Checks that have ended since the last look and are remembered to name the service; more than end in one turn as a rule.
const MAX_ENDED: usize = 64;
/// Ends of checks between two looks where the kernel has no list of our children and all processes must be gone through.
const LOOK_EVERY: usize = 64;

/// A process that was left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    pub pid: u32,
    /// The kernel's name of it.
    pub name: String,
    /// Whose check it comes from, if that can be told.
    pub service: Option<String>,
}

struct Seen {
    /// The last job that had been started when it turned up.
    last: u64,
    service: Option<String>,
}

pub struct Leftovers {
    list: Option<File>,
    ended: Vec<(Pid, String)>,
    /// Ends of checks since the last look.
    count: usize,
    /// Custom commands that run.
    commands: usize,
    /// One has ended since the last look.
    command_ended: bool,
    /// Not killed yet: a check that may need it still runs.
    seen: Map<Pid, Seen>,
    spared: Set<Pid>,
    killed: Set<Pid>,
    reported: Set<String>,
}

impl Leftovers {
    pub fn new() -> Leftovers {
        // Without it, what is left behind goes to process 1, as ever.
        let _ = process::adopt_orphans();
        let own = Pid::own().number();
        Leftovers {
            list: File::open(format!("/proc/self/task/{own}/children")).ok(),
            ended: Vec::new(),
            count: 0,
            commands: 0,
            command_ended: false,
            seen: Map::new(),
            spared: Set::new(),
            killed: Set::new(),
            reported: Set::new(),
        }
    }

    /// A job has been started that may leave nothing behind (`sweep`), or may.
    pub fn started(&mut self, sweep: bool) {
        self.commands += usize::from(!sweep);
    }

    /// It has ended, with this process if there was one.
    pub fn ended(&mut self, pid: Option<Pid>, check: Option<String>, sweep: bool) {
        self.commands -= usize::from(!sweep);
        self.command_ended |= !sweep;
        if let (Some(pid), Some(service)) = (pid, check) {
            self.count += 1;
            if self.ended.len() < MAX_ENDED {
                self.ended.push((pid, service));
            }
        }
    }

    /// A child is gone that was no job's.
    pub fn reaped(&mut self, pid: Pid) {
        self.seen.remove(&pid);
        self.spared.remove(&pid);
        self.killed.remove(&pid);
    }

    /// Kills what checks have left behind, and returns the first of each service. `is_job`: children that are known;
    /// `checks`: those that run, by number and service; `last`: the number of the last job.
    pub fn look(
        &mut self,
        is_job: &dyn Fn(Pid) -> bool,
        checks: &[(u64, &str)],
        last: u64,
    ) -> Vec<Leftover> {
        let due = match self.list {
            Some(_) => 1,
            None => LOOK_EVERY,
        };
        if self.count < due {
            return Vec::new();
        }
        self.count = 0;
        let ended = std::mem::take(&mut self.ended);
        let unclear = std::mem::take(&mut self.command_ended) || self.commands > 0;
        let mut new = Vec::new();
        for pid in self.children() {
            if is_job(pid) || self.spared.contains(&pid) || self.killed.contains(&pid) {
                continue;
            }
            let about = about(pid);
            if Pid::new(about.group.into()).is_some_and(is_job) {
                // It ends with its group, or is seen again.
                continue;
            }
            let of_group = ended
                .iter()
                .find(|(leader, _)| leader.number() == about.group);
            let service = match of_group {
                Some((_, service)) => Some(service.clone()),
                None if unclear || Pid::own().number() == 1 => {
                    self.spared.insert(pid);
                    continue;
                }
                None => {
                    let seen = self.seen.get_or_insert_with(pid, || {
                        let names = ended.iter().map(|(_, service)| service.as_str());
                        let names: Set<&str> =
                            names.chain(checks.iter().map(|one| one.1)).collect();
                        let only = names.first().filter(|_| names.len() == 1);
                        Seen {
                            last,
                            service: only.map(|name| name.to_string()),
                        }
                    });
                    if checks.iter().any(|(run, _)| *run <= seen.last) {
                        // It may be of that check, which may need it.
                        continue;
                    }
                    seen.service.clone()
                }
            };
            // It is our child, and not reaped: the number is its own.
            let _ = process::kill_one(pid);
            self.killed.insert(pid);
            if self.reported.insert(service.clone().unwrap_or_default()) {
                new.push(Leftover {
                    pid: pid.number(),
                    name: about.name,
                    service,
                });
            }
        }
        new
    }

    /// At the end of the daemon: all its children but those that were spared.
    pub fn to_be_killed(&self) -> Vec<Pid> {
        if Pid::own().number() == 1 {
            // They end with us.
            return Vec::new();
        }
        let mut all = self.children();
        all.retain(|pid| !self.spared.contains(pid));
        all
    }

    /// Our children, as far as the kernel says so.
    fn children(&self) -> Vec<Pid> {
        let Some(list) = &self.list else {
            return all_with_parent(Pid::own().number());
        };
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = list.read_at(&mut chunk, text.len() as u64) {
            text.extend_from_slice(&chunk[..length]);
        }
        let text = String::from_utf8_lossy(&text);
        text.split_whitespace()
            .filter_map(|word| Pid::new(word.parse().ok()?))
            .collect()
    }
}

fn all_with_parent(parent: u32) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Pid::new(entry.file_name().to_str()?.parse().ok()?))
        .filter(|&pid| about(pid).parent == parent)
        .collect()
}

#[derive(Default)]
struct About {
    name: String,
    parent: u32,
    group: u32,
}

/// From /proc/PID/stat, which needs nothing of the memory of the process, so that it cannot hang.
fn about(pid: Pid) -> About {
    let text = fs::read(format!("/proc/{}/stat", pid.number())).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let parts = text
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(") "));
    let Some((name, rest)) = parts else {
        return About::default();
    };
    let mut numbers = rest
        .split(' ')
        .skip(1)
        .map(|word| word.parse().unwrap_or(0));
    About {
        name: name.to_string(),
        parent: numbers.next().unwrap_or(0),
        group: numbers.next().unwrap_or(0),
    }
}
