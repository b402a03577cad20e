//! THE TABLE: every setting there is, one row each, and the only place where a setting's name is spelt out.
//!
//! Reading, `-p`, the hints for unknown options, the README and the manual page all come from these rows or
//! are tested against them. A row says where the setting is kept, what it may be, what it is if nobody sets
//! it, whether the reference has it, and what it means, in one sentence. What a value means for other values
//! is `check.rs`'s.

use super::Family;

/// The section behind every other.
pub const DEFAULT_SECTION: &str = "DEFAULT";
/// The section of the daemon itself; every other is a service.
pub const DAEMON_SECTION: &str = "daemon";

/// The kind of section in which a setting has a meaning. Either may be given in `[DEFAULT]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Daemon,
    Service,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Flag,
    /// A whole number within bounds, both included.
    Whole {
        min: u64,
        max: u64,
    },
    /// Seconds with a fraction, more than zero.
    Seconds,
    /// Seconds with a fraction, or zero.
    SecondsOrZero,
    /// Whole seconds, one or more.
    WholeSeconds,
    /// The path of a file or socket.
    File,
    Directory,
    Prefix(Family),
    Prefixes,
    Command,
    Variable,
    Interface,
    Host,
    Level,
    OneOf(&'static [&'static str]),
}

impl Kind {
    /// The type in the words of a manual.
    pub fn describe(&self) -> String {
        match self {
            Kind::Flag => "boolean".to_string(),
            Kind::Whole { min, max } => match *max {
                max if max >= LARGE => format!("whole number, {min} or more"),
                max => format!("whole number, {min} to {max}"),
            },
            Kind::Seconds => "seconds, more than 0".to_string(),
            Kind::SecondsOrZero => "seconds, 0 or more".to_string(),
            Kind::WholeSeconds => "whole seconds, 1 or more".to_string(),
            Kind::File => "file".to_string(),
            Kind::Directory => "directory".to_string(),
            Kind::Prefix(Family::V4) => "IPv4 prefix".to_string(),
            Kind::Prefix(Family::V6) => "IPv6 prefix".to_string(),
            Kind::Prefixes => "one or more prefixes".to_string(),
            Kind::Command => "command".to_string(),
            Kind::Variable => "name".to_string(),
            Kind::Interface => "interface".to_string(),
            Kind::Host => "host name or address".to_string(),
            Kind::Level => "debug, info, warning, error or critical".to_string(),
            Kind::OneOf([rest @ .., last]) => format!("{} or {last}", rest.join(", ")),
            Kind::OneOf([]) => String::new(),
        }
    }
}

/// Bound of counters that only have to fit: more of anything than a host will ever see.
pub const LARGE: u64 = 1_000_000_000;

/// One row.
#[derive(Debug, PartialEq)]
pub struct Setting {
    pub kept: Kept,
    pub key: &'static str,
    pub kind: Kind,
    /// The text of the built-in value; `None`: unset.
    pub default: Option<&'static str>,
    /// Whether the reference knows it too.
    pub reference: bool,
    pub meaning: &'static str,
}

/// The row of that name, wherever it is kept.
pub fn find(key: &str) -> Option<&'static Setting> {
    ALL.iter().copied().find(|setting| setting.key == key)
}

macro_rules! table {
    ($($id:ident: $kept:ident $key:literal, $kind:expr, $default:expr, $since:ident, $meaning:literal;)*) => {
        $(pub static $id: Setting = Setting {
            kept: Kept::$kept,
            key: $key,
            kind: $kind,
            default: $default,
            reference: $since,
            meaning: $meaning,
        };)*
        /// All rows, in the order of `-p`.
        pub static ALL: &[&Setting] = &[$(&$id),*];
    };
}

const OLD: bool = true;
const NEW: bool = false;
const COUNT: Kind = Kind::Whole { min: 1, max: LARGE };
const AMOUNT: Kind = Kind::Whole { min: 0, max: LARGE };

table! {
    INTERFACE: Service "interface", Kind::Interface, Some("lo"), OLD,
        "The interface that must have an address of each prefix.";
    CHECK_INTERVAL: Service "check_interval", Kind::Seconds, Some("10"), OLD,
        "How often the check runs.";
    CHECK_TIMEOUT: Service "check_timeout", Kind::Seconds, Some("2"), OLD,
        "How long one run may take before it is killed and counts as failed.";
    CHECK_RISE: Service "check_rise", COUNT, Some("2"), OLD,
        "So many successful runs in a row bring the service up.";
    CHECK_FAIL: Service "check_fail", COUNT, Some("2"), OLD,
        "So many failed runs in a row bring the service down.";
    CHECK_DISABLED: Service "check_disabled", Kind::Flag, Some("true"), OLD,
        "Whether the check is switched off; `on_disabled` then says what happens to the prefixes.";
    ON_DISABLED: Service "on_disabled", Kind::OneOf(&["withdraw", "advertise"]), Some("withdraw"), OLD,
        "What to do with the prefixes while the check is switched off.";
    IP_CHECK_DISABLED: Service "ip_check_disabled", Kind::Flag, Some("false"), OLD,
        "Whether the prefixes may be announced although `interface` has no address of them.";
    CUSTOM_BIRD_RECONFIGURE_CMD_TIMEOUT: Service "custom_bird_reconfigure_cmd_timeout", Kind::Seconds, Some("2"), OLD,
        "How long `custom_bird_reconfigure_cmd` may take before it is killed.";
    CHECK_CMD: Service "check_cmd", Kind::Command, None, OLD,
        "The command that checks the service: exit status 0 means healthy. Required.";
    IP_PREFIX: Service "ip_prefix", Kind::Prefixes, None, OLD,
        "The prefixes that are announced while the service is up, separated by commas or white space; \
         without a length, /32 or /128. Required.";
    CUSTOM_BIRD_RECONFIGURE_CMD: Service "custom_bird_reconfigure_cmd", Kind::Command, None, OLD,
        "Runs instead of the reconfiguration of BIRD when this service changes, with `up` or `down` as last argument.";
    SHARED_PREFIX: Service "shared_prefix", Kind::Flag, Some("false"), NEW,
        "Whether other services that say so too may name the same prefix: it is announced only while all of them are up.";
    ON_START: Service "on_start", Kind::OneOf(&["keep", "withdraw", "advertise"]), Some("keep"), NEW,
        "What to do with the prefixes from the start of the daemon to the first verdict.";
    ON_EXIT: Service "on_exit", Kind::OneOf(&["none", "withdraw", "advertise"]), Some("none"), NEW,
        "What to do with the prefixes when the daemon is stopped.";
    CHECK_FAST_INTERVAL: Service "check_fast_interval", Kind::Seconds, None, NEW,
        "How often the check runs while a rise or a fall is being counted; unset: `check_interval`.";
    MAINTENANCE_FILE: Service "maintenance_file", Kind::File, None, NEW,
        "While this file exists the service counts as down, whatever its check says.";

    IPV4: Daemon "ipv4", Kind::Flag, Some("true"), OLD,
        "Whether services may have IPv4 prefixes.";
    IPV6: Daemon "ipv6", Kind::Flag, Some("false"), OLD,
        "Whether services may have IPv6 prefixes.";
    BIRD_CONF: Daemon "bird_conf", Kind::File,
        Some("/var/lib/anycast-healthchecker/anycast-prefixes.conf"), OLD,
        "The file with the list of IPv4 prefixes, which BIRD includes.";
    BIRD6_CONF: Daemon "bird6_conf", Kind::File,
        Some("/var/lib/anycast-healthchecker/6/anycast-prefixes.conf"), OLD,
        "The file with the list of IPv6 prefixes, which BIRD includes.";
    BIRD_VARIABLE: Daemon "bird_variable", Kind::Variable, Some("ACAST_PS_ADVERTISE"), OLD,
        "The name of the list in `bird_conf`.";
    BIRD6_VARIABLE: Daemon "bird6_variable", Kind::Variable, Some("ACAST6_PS_ADVERTISE"), OLD,
        "The name of the list in `bird6_conf`.";
    BIRD_RECONFIGURE_CMD: Daemon "bird_reconfigure_cmd", Kind::Command, Some("sudo /usr/sbin/birdc configure"), OLD,
        "The command that makes BIRD read `bird_conf` again.";
    BIRD6_RECONFIGURE_CMD: Daemon "bird6_reconfigure_cmd", Kind::Command,
        Some("sudo /usr/sbin/birdc6 configure"), OLD,
        "The command that makes BIRD read `bird6_conf` again.";
    DUMMY_IP_PREFIX: Daemon "dummy_ip_prefix", Kind::Prefix(Family::V4), Some("10.189.200.255/32"), OLD,
        "A prefix that always stands in `bird_conf`, since BIRD refuses an empty list; it has no service.";
    DUMMY_IP6_PREFIX: Daemon "dummy_ip6_prefix", Kind::Prefix(Family::V6), Some("2001:db8::1/128"), OLD,
        "A prefix that always stands in `bird6_conf`, since BIRD refuses an empty list; it has no service.";
    BIRD_KEEP_CHANGES: Daemon "bird_keep_changes", Kind::Flag, Some("false"), OLD,
        "Whether old versions of `bird_conf` are kept in the directory `history` beside it.";
    BIRD6_KEEP_CHANGES: Daemon "bird6_keep_changes", Kind::Flag, Some("false"), OLD,
        "Whether old versions of `bird6_conf` are kept in the directory `history` beside it.";
    BIRD_CHANGES_COUNTER: Daemon "bird_changes_counter", COUNT, Some("128"), OLD,
        "How many old versions of `bird_conf` are kept.";
    BIRD6_CHANGES_COUNTER: Daemon "bird6_changes_counter", COUNT, Some("128"), OLD,
        "How many old versions of `bird6_conf` are kept.";
    PURGE_IP_PREFIXES: Daemon "purge_ip_prefixes", Kind::Flag, Some("false"), OLD,
        "Whether prefixes without a service are removed from the lists at the start, not only reported.";
    PIDFILE: Daemon "pidfile", Kind::File, Some("/var/run/anycast-healthchecker/anycast-healthchecker.pid"), OLD,
        "The file that holds the process id; its directory must exist.";
    LOGLEVEL: Daemon "loglevel", Kind::Level, Some("debug"), OLD,
        "The least grave messages that are logged.";
    LOG_SERVER_PORT: Daemon "log_server_port", Kind::Whole { min: 1, max: 65535 }, Some("514"), OLD,
        "The UDP port of `log_server`.";
    JSON_STDOUT: Daemon "json_stdout", Kind::Flag, Some("false"), OLD,
        "Whether messages on standard output are JSON objects.";
    JSON_LOG_FILE: Daemon "json_log_file", Kind::Flag, Some("false"), OLD,
        "Whether messages in `log_file` are JSON objects.";
    JSON_LOG_SERVER: Daemon "json_log_server", Kind::Flag, Some("false"), OLD,
        "Whether messages to `log_server` are JSON objects.";
    LOG_MAXBYTES: Daemon "log_maxbytes", Kind::Whole { min: 0, max: i64::MAX as u64 }, Some("104857600"), OLD,
        "The size in bytes at which `log_file` is rotated; 0: never.";
    LOG_BACKUPS: Daemon "log_backups", AMOUNT, Some("8"), OLD,
        "How many rotated log files are kept.";
    LOG_FORMAT_JOURNALCTL: Daemon "log_format_journalctl", Kind::Flag, Some("false"), OLD,
        "Whether lines on standard output are made for the journal of systemd: with a priority, without time and pid.";
    PROMETHEUS_EXPORTER: Daemon "prometheus_exporter", Kind::Flag, Some("false"), OLD,
        "Whether metrics are written for Prometheus.";
    PROMETHEUS_COLLECTOR_TEXTFILE_DIR: Daemon "prometheus_collector_textfile_dir", Kind::Directory,
        Some("/var/cache/textfile_collector/"), OLD,
        "The directory for `anycast_healthchecker.prom`, which node_exporter reads.";
    PROMETHEUS_EXPORTER_INTERVAL: Daemon "prometheus_exporter_interval", Kind::WholeSeconds, Some("10"), OLD,
        "How often metrics are written; a change of state is written at once.";
    LOG_FILE: Daemon "log_file", Kind::File, None, OLD,
        "The file that takes the messages instead of standard output.";
    LOG_SERVER: Daemon "log_server", Kind::Host, None, OLD,
        "The syslog server (UDP) that takes the messages instead of standard output.";
    STDERR_FILE: Daemon "stderr_file", Kind::File, None, OLD,
        "The file that takes what would go to standard error.";
    STDERR_LOG_SERVER: Daemon "stderr_log_server", Kind::Flag, None, OLD,
        "Whether `log_server` takes what would go to standard error.";
    SPLAY_STARTUP: Daemon "splay_startup", Kind::SecondsOrZero, None, OLD,
        "The longest random delay of the first run of each check; unset: none.";
    ON_EXIT_WAIT: Daemon "on_exit_wait", Kind::SecondsOrZero, Some("0"), NEW,
        "How long to stay after a shutdown has withdrawn something, so that traffic has moved.";
    BIRD_UPDATE_INTERVAL: Daemon "bird_update_interval", Kind::SecondsOrZero, Some("0.25"), NEW,
        "The least time between two updates of BIRD; what changes meanwhile goes together.";
    BIRD_RECONFIGURE_TIMEOUT: Daemon "bird_reconfigure_timeout", Kind::Seconds, Some("5"), NEW,
        "How long one reconfiguration of BIRD may take.";
    MAX_RUNNING_CHECKS: Daemon "max_running_checks", AMOUNT, Some("0"), NEW,
        "At most so many checks run at a time, the rest wait their turn; 0: no limit.";
    LOG_SERVER_FORMAT: Daemon "log_server_format", Kind::OneOf(&["rfc5424", "rfc3164", "reference"]),
        Some("rfc5424"), NEW,
        "The form of a message to `log_server`; `reference` is that of the Python program.";
    BIRD_CONTROL_SOCKET: Daemon "bird_control_socket", Kind::File, None, NEW,
        "The control socket of BIRD, used instead of `bird_reconfigure_cmd`.";
    BIRD6_CONTROL_SOCKET: Daemon "bird6_control_socket", Kind::File, None, NEW,
        "The control socket of BIRD, used instead of `bird6_reconfigure_cmd`.";
}

#[cfg(test)]
mod tests;
