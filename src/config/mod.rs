//! What the operator asked for: typed, checked and immutable from here on.
//!
//! A [`Config`] exists only if every rule of `check.rs` holds, so the rest of the program never asks again
//! whether an interval is positive or a prefix has host bits. Reload makes a new one and compares.

mod bird;
mod check;
mod command_line;
mod complaints;
pub mod document;
mod expand;
pub mod facts;
pub mod files;
#[cfg(test)]
pub mod fixture;
mod hint;
mod ini;
pub mod load;
pub mod lookup;
mod lower;
mod names;
mod numbers;
mod prefix;
mod prefixes;
pub mod print;
mod read;
pub mod report;
pub mod rescue;
mod service;
pub mod settings;
pub mod text;
pub mod words;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;

pub use command_line::CommandLine;

/// The address family of a prefix, and so the file, the variable and the BIRD it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    pub fn of(prefix: &IpNetwork) -> Family {
        match prefix {
            IpNetwork::V4(_) => Family::V4,
            IpNetwork::V6(_) => Family::V6,
        }
    }

    pub fn index(self) -> usize {
        self as usize
    }

    /// As a list of one, beside [`Family::ALL`].
    pub fn alone(self) -> &'static [Family] {
        match self {
            Family::V4 => &[Family::V4],
            Family::V6 => &[Family::V6],
        }
    }
}

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub daemon: DaemonConfig,
    /// In the order in which the sections were first met.
    pub services: Vec<Rc<ServiceConfig>>,
}

impl Config {
    /// Whether some service counts only with its addresses.
    pub fn needs_addresses(&self) -> bool {
        let needs = |service: &Rc<ServiceConfig>| !service.ip_check_disabled && !service.disabled;
        self.services.iter().any(needs)
    }
}

/// How to have a BIRD read its configuration again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    Command(CommandLine),
    /// BIRD's control socket.
    Socket(PathBuf),
}

/// What one address family needs; absent when the family is switched off.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyConfig {
    /// `bird_conf`, `bird6_conf`: the prefix-list file.
    pub prefix_file: PathBuf,
    pub variable: String,
    pub via: Via,
    pub dummy: IpNetwork,
    /// How many old files are kept in `history/` beside the prefix file; `None`: no history.
    pub history: Option<u32>,
}

impl FamilyConfig {
    pub fn family(&self) -> Family {
        Family::of(&self.dummy)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogFormat {
    Rfc5424,
    Rfc3164,
    /// The reference's own datagram.
    Reference,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SyslogConfig {
    /// Address or host name.
    pub server: String,
    pub port: u16,
    pub format: SyslogFormat,
    pub json: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    pub level: Level,
    pub file: Option<PathBuf>,
    /// Bytes after which the file is rotated; 0: never.
    pub max_bytes: u64,
    pub backups: u32,
    pub json_file: bool,
    pub syslog: Option<SyslogConfig>,
    pub json_stdout: bool,
    /// `log_format_journalctl`.
    pub journal: bool,
    pub stderr_file: Option<PathBuf>,
    /// `stderr_log_server`.
    pub stderr_to_syslog: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MetricsConfig {
    pub directory: PathBuf,
    pub interval: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DaemonConfig {
    pub pidfile: PathBuf,
    /// Indexed by [`Family::index`].
    pub families: [Option<FamilyConfig>; 2],
    pub purge_ip_prefixes: bool,
    pub log: LogConfig,
    pub metrics: Option<MetricsConfig>,
    pub splay_startup: Option<Duration>,
    pub on_exit_wait: Duration,
    /// `bird_update_interval`; zero: no spacing.
    pub update_interval: Duration,
    pub reconfigure_timeout: Duration,
    /// `max_running_checks`; 0: no limit.
    pub max_running_checks: u32,
}

/// What to do with a prefix where no check decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announce {
    /// Leave it as it is: `keep` of `on_start`, `none` of `on_exit`.
    Keep,
    Withdraw,
    Advertise,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ServiceConfig {
    pub name: String,
    /// Normalised, at least one, in the order of the file.
    pub prefixes: Box<[IpNetwork]>,
    /// The words of `ip_prefix` as they were written, one for each of `prefixes`, because the reference puts them in a
    /// label; empty if they are the same as the prefixes.
    pub prefix_texts: Box<[String]>,
    pub check_cmd: CommandLine,
    pub interval: Duration,
    pub fast_interval: Option<Duration>,
    pub timeout: Duration,
    pub rise: u32,
    pub fall: u32,
    pub disabled: bool,
    /// Never `Keep`.
    pub on_disabled: Announce,
    pub ip_check_disabled: bool,
    /// Shared, because nearly all services name the same one; and with the threads of `-t`.
    pub interface: Arc<str>,
    pub shared_prefix: bool,
    pub on_start: Announce,
    pub on_exit: Announce,
    pub maintenance_file: Option<PathBuf>,
    pub custom_cmd: Option<CommandLine>,
    pub custom_timeout: Duration,
}

impl ServiceConfig {
    /// Whether a verdict on one is a verdict on the other: whatever it depends on is the same. All else may change under a
    /// service without its state being in doubt: how often it is checked, and what is done about its state. Every setting
    /// is named, so that a new one is thought about.
    pub fn checks_like(&self, other: &ServiceConfig) -> bool {
        let ServiceConfig {
            name,
            prefixes,
            check_cmd,
            timeout,
            rise,
            fall,
            disabled,
            on_disabled,
            ip_check_disabled,
            interface,
            prefix_texts: _,
            interval: _,
            fast_interval: _,
            shared_prefix: _,
            on_start: _,
            on_exit: _,
            maintenance_file: _,
            custom_cmd: _,
            custom_timeout: _,
        } = self;
        let same_check = *name == other.name
            && *prefixes == other.prefixes
            && *check_cmd == other.check_cmd
            && *timeout == other.timeout
            && (*rise, *fall) == (other.rise, other.fall);
        let same_circumstances = *disabled == other.disabled
            && (!*disabled || *on_disabled == other.on_disabled)
            && *ip_check_disabled == other.ip_check_disabled
            && *interface == other.interface;
        same_check && same_circumstances
    }

    /// A prefix as the configuration spells it.
    pub fn prefix_text(&self, index: usize) -> String {
        match (self.prefix_texts.get(index), self.prefixes.get(index)) {
            (Some(text), _) => text.clone(),
            (None, Some(prefix)) => prefix.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// How grave a complaint is: an error keeps the daemon from running, a warning does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong with the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub severity: Severity,
    /// Empty for what stands in no file (a built-in default, a missing directory).
    pub file: String,
    /// 1-based; 0 if no line is to blame.
    pub line: u32,
    pub section: String,
    /// Empty if the section as a whole is meant.
    pub option: String,
    pub message: String,
}
