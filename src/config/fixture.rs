//! What tests share: a host that is made of words, the rules applied to a text, and configurations for the other wings.

use std::path::Path;
use std::time::Duration;

use super::check::check;
use super::complaints::Complaints;
use super::document::Document;
use super::facts::{Executable, Place, Probes};
use super::{Announce, CommandLine, Config, Level, LogConfig, ServiceConfig, ini, report};

/// A host on which everything is there, save what is called so.
pub fn probes() -> Probes<'static> {
    Probes {
        user: "tester",
        place: &|path| {
            let name = path.to_string_lossy();
            let writable = !name.contains("readonly") || name.ends_with("mounted.conf");
            match () {
                () if name.contains("missing") => Place::Missing,
                () if name.contains("hidden") => Place::Hidden("permission denied".to_string()),
                () if name.ends_with(".pid") || name.ends_with("new.conf") => Place::Missing,
                () if name.ends_with("history") => Place::Missing,
                () if name.ends_with(".conf")
                    || name.ends_with(".log")
                    || name.contains("file") =>
                {
                    Place::File { writable }
                }
                () if name.ends_with(".ctl") => Place::Other { writable },
                () => Place::Directory { writable },
            }
        },
        target: &Path::to_path_buf,
        foreign: &|path| {
            path.ends_with("bird.conf")
                .then(|| "it is BIRD's".to_string())
        },
        executable: &|command| match command {
            "gone" | "/gone" => Executable::NotFound,
            "/forbidden" => Executable::NotPermitted,
            "/text" => Executable::NoInterpreter,
            "/dir" => Executable::Directory,
            "/script" => Executable::InterpreterMissing("/no/sh".to_string()),
            _ => Executable::Runs,
        },
        interface: &|name| Some(name != "nope0"),
        no_addresses: &|| None,
        assigned: &|interface, _| Some(interface == "lo"),
        known_to_bird: &|_, name| (name != "SILENT").then_some(name != "UNKNOWN"),
    }
}

/// Checks a text as the file `f`.
pub fn checked(text: &str) -> (Option<Config>, Vec<String>) {
    let mut document = Document::built_in();
    let mut complaints = Complaints::default();
    let file = document.add_file("f");
    ini::read(text.as_bytes(), file, &mut document, &mut complaints);
    let config = check(&document, probes(), &mut complaints);
    let complaints = complaints.in_order(&document);
    (config, complaints.iter().map(report::line).collect())
}

/// A service that is all right, with these lines added.
pub fn service(lines: &str) -> String {
    format!("[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n{lines}")
}

/// The only complaint about `text`, without its place.
pub fn complaint(text: &str) -> String {
    let (config, lines) = checked(text);
    assert_eq!(lines.len(), 1, "{text}: {lines:?}");
    let is_warning = lines[0].contains(": warning: ");
    assert_eq!(config.is_some(), is_warning, "{lines:?}");
    lines[0]
        .split_once(": ")
        .map_or(lines[0].clone(), |(_, rest)| rest.to_string())
}

/// What a service has by default, or near to it; a test names what it cares about.
pub fn service_config(name: &str, prefixes: &[&str]) -> ServiceConfig {
    let parsed = prefixes.iter().map(|prefix| prefix.parse());
    ServiceConfig {
        name: name.to_string(),
        prefixes: parsed.collect::<Result<_, _>>().expect("prefixes"),
        prefix_texts: prefixes.iter().map(|text| text.to_string()).collect(),
        check_cmd: CommandLine::of(["/bin/check"]),
        interval: Duration::from_secs(10),
        fast_interval: None,
        timeout: Duration::from_secs(2),
        rise: 2,
        fall: 2,
        disabled: false,
        on_disabled: Announce::Withdraw,
        ip_check_disabled: false,
        interface: "lo".into(),
        shared_prefix: false,
        on_start: Announce::Keep,
        on_exit: Announce::Keep,
        maintenance_file: None,
        custom_cmd: None,
        custom_timeout: Duration::from_secs(2),
    }
}

/// A log that goes nowhere but to standard output.
pub fn log_config() -> LogConfig {
    LogConfig {
        level: Level::Info,
        file: None,
        max_bytes: 0,
        backups: 0,
        json_file: false,
        syslog: None,
        json_stdout: false,
        journal: false,
        stderr_file: None,
        stderr_to_syslog: false,
    }
}
