//! The rules: from a [`Document`] to a [`Config`], or to everything that is wrong with it.
//!
//! An error is what keeps the daemon from doing its work, or what the reference refuses; all else is a
//! warning. No rule stops another: each looks at what it needs and leaves the rest to the others. Facts about
//! the host come as answers.

use std::path::PathBuf;
use std::rc::Rc;

use super::complaints::Complaints;
use super::document::{Document, View};
use super::facts::{Facts, Place, Probes, names_directory, parent, quoted_path};
use super::names::Names;
use super::read::Reader;
use super::settings::{self, DAEMON_SECTION, DEFAULT_SECTION, Kept, Setting};
use super::text::shown;
use super::{
    CommandLine, Config, DaemonConfig, Family, Level, LogConfig, MetricsConfig, ServiceConfig,
    SyslogConfig, SyslogFormat, bird, expand, hint, prefixes, service,
};

/// Services of one daemon: each costs memory and a process now and then, and a million is a mistake.
const MAX_SERVICES: usize = 50_000;
/// Bytes of all their values together: a kilobyte for each. [DEFAULT] and references can make far more of a small file.
const MAX_VALUES: usize = 50 << 20;
/// Bytes of the name of a service: far more than anybody has, and far less than the kernel takes as one variable
/// (MAX_ARG_STRLEN).
const MAX_NAME: usize = 8 * 1024;
/// Complaints after which nothing is suggested any more: each suggestion looks at every known name.
const MAX_SUGGESTIONS: usize = 1000;

/// Checks everything; the configuration is there if there is no error.
pub fn check(
    document: &Document,
    probes: Probes<'_>,
    complaints: &mut Complaints,
) -> Option<Config> {
    let mut facts = Facts::new(probes);
    let names = references(document);
    let mut reader = Reader {
        view: document.daemon(),
        complaints,
    };
    let (daemon, enabled) = daemon(&mut reader, &mut facts);
    unknown_options(document.daemon(), &names, complaints);
    unknown_options(document.defaults(), &names, complaints);

    let mut claims = bird::dummies(&daemon);
    let mut services = Vec::new();
    let mut bytes = 0;
    for view in document.services() {
        let mut reader = Reader { view, complaints };
        let service = service::service(&mut reader, &mut facts, enabled);
        prefixes::claim(&service, view, &mut claims);
        bytes += size(&service);
        services.push(Rc::new(service));
        unknown_options(view, &names, complaints);
        mistaken_section(view, complaints);
        impossible_name(view, complaints);
        if bytes > MAX_VALUES {
            let message =
                format!("up to here the values of all services have more than {MAX_VALUES} bytes");
            complaints.error(view.section.origin, view.name(), "", message);
            break;
        }
        if complaints.too_many() {
            break;
        }
    }
    if services.len() > MAX_SERVICES {
        let origin = document.daemon().section.origin;
        let message = format!("there are more than {MAX_SERVICES} services");
        complaints.error(origin, "", "", message);
    }
    prefixes::check(&claims, document, complaints);
    (!complaints.any_error()).then_some(Config { daemon, services })
}

/// What the values of a service take that can be long.
fn size(service: &ServiceConfig) -> usize {
    let prefixes = size_of_val(&*service.prefixes);
    let texts: usize = service.prefix_texts.iter().map(String::len).sum();
    let custom = service.custom_cmd.as_ref().map_or(0, CommandLine::bytes);
    let file = service.maintenance_file.as_ref();
    let file = file.map_or(0, |path| path.as_os_str().len());
    service.check_cmd.bytes() + custom + file + prefixes + texts
}

/// `[daemon]`, and which families are enabled as far as that could be read.
fn daemon(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>) -> (DaemonConfig, [bool; 2]) {
    let (families, enabled) = bird::families(reader, facts);
    let daemon = DaemonConfig {
        pidfile: pidfile(reader, facts),
        families,
        purge_ip_prefixes: reader.is_on(&settings::PURGE_IP_PREFIXES),
        log: log(reader, facts),
        metrics: metrics(reader, facts),
        splay_startup: reader.seconds(&settings::SPLAY_STARTUP),
        on_exit_wait: reader.span(&settings::ON_EXIT_WAIT),
        update_interval: reader.span(&settings::BIRD_UPDATE_INTERVAL),
        reconfigure_timeout: reader.span(&settings::BIRD_RECONFIGURE_TIMEOUT),
        max_running_checks: reader.count(&settings::MAX_RUNNING_CHECKS),
    };
    (daemon, enabled)
}

fn pidfile(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>) -> PathBuf {
    let setting = &settings::PIDFILE;
    let Some(path) = reader.path(setting) else {
        return PathBuf::new();
    };
    let place = facts.place(&path);
    let why = match place {
        // It is replaced at the start and removed at the end: no device may be.
        Place::Other { .. } => Some(format!("{} is no regular file", quoted_path(&path))),
        Place::File { .. } | Place::Missing if !names_directory(&path) => {
            facts.why_not_usable(&parent(&path))
        }
        _ => facts.why_not_writable(&path),
    };
    match place {
        // It can be filled but not replaced or removed where the directory is not ours; the daemon copes.
        Place::File { writable: true } => reader.warn_if(setting, why),
        _ => reader.error_if(setting, why),
    }
    path
}

fn log(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>) -> LogConfig {
    let json_server = reader.is_on(&settings::JSON_LOG_SERVER);
    let port = reader.whole(&settings::LOG_SERVER_PORT);
    let format = match reader.one_of(&settings::LOG_SERVER_FORMAT).as_deref() {
        Some("rfc3164") => SyslogFormat::Rfc3164,
        Some("reference") => SyslogFormat::Reference,
        _ => SyslogFormat::Rfc5424,
    };
    let server = reader.filled(&settings::LOG_SERVER);
    if let Some(name) = &server {
        if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            reader.refuse(&settings::LOG_SERVER, name, "is no host name or address");
        }
    } else if reader.is_set(&settings::LOG_SERVER) {
        reader.warn(
            &settings::LOG_SERVER,
            "empty, so it is not used".to_string(),
        );
    }
    let syslog = server.map(|server| SyslogConfig {
        server: server.into_owned(),
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(514),
        format,
        json: json_server,
    });
    let stderr_to_syslog = reader.is_on(&settings::STDERR_LOG_SERVER);
    if stderr_to_syslog && syslog.is_none() {
        let message = format!("has no effect without {}", settings::LOG_SERVER.key);
        reader.warn(&settings::STDERR_LOG_SERVER, message);
    }
    LogConfig {
        level: level(reader),
        file: writable_file(reader, facts, &settings::LOG_FILE),
        max_bytes: amount(reader, &settings::LOG_MAXBYTES),
        backups: u32::try_from(amount(reader, &settings::LOG_BACKUPS)).unwrap_or(u32::MAX),
        json_file: reader.is_on(&settings::JSON_LOG_FILE),
        syslog,
        json_stdout: reader.is_on(&settings::JSON_STDOUT),
        journal: reader.is_on(&settings::LOG_FORMAT_JOURNALCTL),
        stderr_file: writable_file(reader, facts, &settings::STDERR_FILE),
        stderr_to_syslog,
    }
}

/// The names that Python's logging knows, in any case; `notset` lets its root logger decide, which says
/// warning.
const LEVELS: [(&str, Level); 8] = [
    ("DEBUG", Level::Debug),
    ("INFO", Level::Info),
    ("WARNING", Level::Warning),
    ("WARN", Level::Warning),
    ("NOTSET", Level::Warning),
    ("ERROR", Level::Error),
    ("CRITICAL", Level::Critical),
    ("FATAL", Level::Critical),
];

fn level(reader: &mut Reader<'_, '_>) -> Level {
    let setting = &settings::LOGLEVEL;
    let text = reader.text(setting).unwrap_or_default();
    // As Python's upper() has it, which writes the i without a dot and the long s so.
    let upper = |c| match c {
        'ı' => 'I',
        'ſ' => 'S',
        c => c.to_ascii_uppercase(),
    };
    let known = LEVELS
        .iter()
        .find(|(name, _)| text.chars().map(upper).eq(name.chars()));
    match known {
        Some((_, level)) => *level,
        None => {
            if reader.view.value(setting.key).is_some_and(|v| v.is_ok()) {
                reader.refuse_kind(setting, &text);
            }
            Level::Debug
        }
    }
}

/// A number of which the reference takes negative ones as zero.
fn amount(reader: &mut Reader<'_, '_>, setting: &'static Setting) -> u64 {
    let negative = match reader.view.value(setting.key) {
        Some(Ok(text)) => super::numbers::whole(&text).is_some_and(|number| number < 0),
        _ => false,
    };
    if negative {
        reader.warn(setting, "less than 0 is taken as 0".to_string());
        return 0;
    }
    reader.whole(setting).unwrap_or(0)
}

fn writable_file(
    reader: &mut Reader<'_, '_>,
    facts: &mut Facts<'_>,
    setting: &'static Setting,
) -> Option<PathBuf> {
    let path = reader.path(setting)?;
    reader.error_if(setting, facts.why_not_writable(&path));
    Some(path)
}

/// A missing directory costs the metrics, not the announcements: a warning.
fn metrics(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>) -> Option<MetricsConfig> {
    let wanted = reader.is_on(&settings::PROMETHEUS_EXPORTER);
    let interval = reader.seconds(&settings::PROMETHEUS_EXPORTER_INTERVAL);
    let setting = &settings::PROMETHEUS_COLLECTOR_TEXTFILE_DIR;
    if !wanted {
        // Only read, so that a value that can't be expanded is reported.
        reader.text(setting);
        return None;
    }
    let directory = reader.path(setting)?;
    if let Some(why) = facts.why_not_usable(&directory) {
        reader.warn(setting, format!("{why}; there will be no metrics"));
    }
    Some(MetricsConfig {
        directory,
        interval: interval?,
    })
}

/// Every name that some value refers to: such an option has a use, even if nobody knows it.
fn references(document: &Document) -> Names {
    let mut names = Names::default();
    for view in document.all() {
        for (_, entry) in view.section.in_order() {
            for name in expand::references(&entry.raw) {
                names.add(&name);
            }
        }
    }
    names
}

/// Warns of options that do nothing where they stand.
fn unknown_options(view: View<'_>, used: &Names, complaints: &mut Complaints) {
    let in_default = view.name() == DEFAULT_SECTION;
    let kept_here = if view.name() == DAEMON_SECTION {
        Kept::Daemon
    } else {
        Kept::Service
    };
    for (key, entry) in view.section.in_order() {
        let known = settings::find(key);
        if in_default && known.is_some_and(|row| row.kept == Kept::Daemon && row.default.is_some())
        {
            let message = format!(
                "has no effect here, since the built-in value stands in [{DAEMON_SECTION}]: set it there"
            );
            complaints.warn(entry.origin, DEFAULT_SECTION, key, message);
            continue;
        }
        // The reference takes it, but can't print it.
        if let (None, Some(Err(trouble))) = (known, view.value(key)) {
            let message = format!("unknown option with a broken value: {trouble}");
            complaints.warn(entry.origin, view.name(), key, message);
            continue;
        }
        let fits = known.is_some_and(|setting| in_default || setting.kept == kept_here);
        if fits || used.place(key).is_some() {
            continue;
        }
        let message = match known {
            // What repeats [DEFAULT] misleads nobody; -P of both programs prints it so.
            Some(_) if view.default_entry(key).is_some_and(|d| d.raw == entry.raw) => continue,
            Some(setting) if setting.kept == Kept::Daemon => {
                format!("belongs into [{DAEMON_SECTION}], and has no effect here")
            }
            Some(_) => {
                format!("belongs to a service or into [{DEFAULT_SECTION}], and has no effect here")
            }
            None if complaints.count() > MAX_SUGGESTIONS => "unknown option".to_string(),
            None => match hint::setting(key) {
                Some(meant) => format!("unknown option: did you mean {}?", meant.key),
                None => "unknown option".to_string(),
            },
        };
        complaints.warn(entry.origin, view.name(), key, message);
    }
}

/// The name goes into the environment of each run, which otherwise can't be started.
fn impossible_name(view: View<'_>, complaints: &mut Complaints) {
    let origin = view.section.origin;
    if view.name().contains('\0') {
        let message = "a NUL character is in the name".to_string();
        complaints.error(origin, view.name(), "", message);
    }
    if view.name().len() > MAX_NAME {
        let message = format!("the name has more than {MAX_NAME} bytes");
        complaints.error(origin, view.name(), "", message);
    }
}

/// A section that nobody meant as a service: `[Daemon]`, `[default]`.
fn mistaken_section(view: View<'_>, complaints: &mut Complaints) {
    if complaints.count() > MAX_SUGGESTIONS {
        return;
    }
    let Some(meant) = hint::section(view.name()) else {
        return;
    };
    let whole = view.entry(settings::CHECK_CMD.key).is_some()
        && view.entry(settings::IP_PREFIX.key).is_some();
    if !whole {
        let message = format!(
            "this is taken for a service called {}: did you mean [{meant}]?",
            shown(view.name())
        );
        complaints.warn(view.section.origin, view.name(), "", message);
    }
}

/// What is wrong with a history directory beside a prefix file, as a message.
pub fn why_no_history(facts: &mut Facts<'_>, directory: &std::path::Path) -> Option<String> {
    match facts.place(directory) {
        Place::Missing => facts.why_not_usable(&parent(directory)),
        Place::File { .. } | Place::Other { .. } => Some(format!(
            "{} is no directory, so no history can be kept in it",
            quoted_path(directory)
        )),
        _ => facts.why_not_usable(directory),
    }
}

/// Whether a family is enabled, for messages.
pub fn family_switch(family: Family) -> &'static Setting {
    match family {
        Family::V4 => &settings::IPV4,
        Family::V6 => &settings::IPV6,
    }
}

#[cfg(test)]
mod tests;
