//! What status, metrics and tests need to see of the engine, borrowed or copied, never more.
//!
//! Readers take the services in windows, since a turn of the loop has no time for all of fifty thousand.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::vocab::{LastRun, Obstacle, Reason, Status};
use crate::config::{Family, ServiceConfig};
use crate::sorted::Set;
use crate::time::Mono;

/// Somebody who can be looked at: the engine, and what tests put in its place.
pub trait Source {
    /// The present moment, with the services that have these places in the order of the configuration. A place
    /// means the same service as long as [`Reloads::good`] is the same. `prefixes`: whether they come with what is
    /// said of each of their prefixes, which takes most of the time.
    fn window(&self, places: Range<usize>, prefixes: bool) -> Snapshot<'_>;
    /// All services in a few words. `most`: how many are shown of those that are not well.
    fn overview(&self, now: Mono, most: usize) -> Overview<'_>;
}

#[derive(Clone, Debug)]
pub struct Overview<'a> {
    pub counts: Counts,
    /// The first that are down or overdue.
    pub ill: Vec<ServiceView<'a>>,
}

/// How many services are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub services: u64,
    pub up: u64,
    pub down: u64,
    pub unknown: u64,
    pub disabled: u64,
    /// Of those that are down: under maintenance.
    pub maintenance: u64,
    /// Of those that are unknown: a verdict should have come long ago.
    pub overdue: u64,
}

impl Counts {
    pub fn add(&mut self, status: Status, maintenance: bool, overdue: bool) {
        self.services += 1;
        match status {
            Status::Up => self.up += 1,
            Status::Down => {
                self.down += 1;
                self.maintenance += u64::from(maintenance);
            }
            Status::Unknown => {
                self.unknown += 1;
                self.overdue += u64::from(overdue);
            }
            Status::Disabled => self.disabled += 1,
        }
    }
}

/// The engine at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    pub started: Mono,
    /// Those that were asked for.
    pub services: Vec<ServiceView<'a>>,
    /// Enabled families, and those whose files are still to be withdrawn.
    pub families: Vec<FamilyView<'a>>,
    pub customs: CustomCounters,
    pub reloads: Reloads,
    /// Checks that run, and those that wait for their turn (`max_running_checks`).
    pub running: usize,
    pub waiting: usize,
    /// Child processes that were killed and have not died.
    pub abandoned: usize,
}

#[derive(Clone, Debug)]
pub struct ServiceView<'a> {
    pub config: &'a Rc<ServiceConfig>,
    pub status: Status,
    pub reason: Reason,
    /// Its maintenance file exists, whatever else holds it down.
    pub maintenance: bool,
    /// When it came into this status.
    pub since: Mono,
    /// For each prefix of the service, if that was asked for: assigned to the interface? `None` if that is not
    /// looked at.
    pub assigned: Vec<Option<bool>>,
    /// The same: does the prefix file on disk announce it?
    pub advertised: Vec<bool>,
    pub last: Option<LastRun<'a>>,
    /// `None`: no run is planned (disabled, no address).
    pub next_run: Option<Mono>,
    pub running: bool,
    /// Value of `service_state`: absent before the first verdict.
    pub state_value: Option<i32>,
    /// Duration of the last run that did not time out.
    pub duration: Option<Duration>,
    pub counters: ServiceCounters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceCounters {
    pub passed: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub not_started: u64,
    /// When `timed_out` went from 0 to 1.
    pub first_time_out: Option<Mono>,
    pub changes: u64,
    pub last_change: Option<Mono>,
}

#[derive(Clone, Debug)]
pub struct FamilyView<'a> {
    pub family: Family,
    /// What the file on disk announces, without the dummy.
    pub written: &'a Set<IpNetwork>,
    /// Whether file and BIRD are known to agree with what is wanted.
    pub settled: bool,
    /// What is wrong at present; it is being retried.
    pub trouble: Option<&'a Obstacle>,
    pub counters: FamilyCounters,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FamilyCounters {
    pub reconfigured: u64,
    pub reconfigure_failed: u64,
    pub last_reconfigure: Option<Duration>,
    pub files_written: u64,
    pub file_failures: u64,
}

/// Runs of `custom_bird_reconfigure_cmd`, of all services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CustomCounters {
    pub done: u64,
    pub failed: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    pub good: u64,
    pub refused: u64,
    /// When the configuration in force was read.
    pub last_good: Mono,
}

/// What only the host can count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    pub log_lines_dropped: u64,
    pub metrics_failures: u64,
    pub history_failures: u64,
}
