//! What a client of the running daemon asks the configuration: where its pidfile is, and what drains a
//! service.
//!
//! Taken from what was read, not from a checked [`Config`](super::Config): whoever drains a service is often
//! not the daemon's user and would be refused for permissions that only the daemon needs, and in an emergency
//! a mistake in the file of another service must not stand in the way. What is asked for is checked itself.

use std::path::{Path, PathBuf};

use super::complaints::Complaints;
use super::document::{Document, View};
use super::read::Reader;
use super::text::quoted;
use super::{Complaint, hint, settings};

/// A service that can be drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drainable {
    pub file: PathBuf,
    /// Other services that are drained by the same file.
    pub others: Vec<String>,
}

static PREFIX_FILES: [&settings::Setting; 2] = [&settings::BIRD_CONF, &settings::BIRD6_CONF];

/// Where the daemon keeps its pid; `None` if the setting can't be read.
pub fn pidfile(document: &Document) -> Option<PathBuf> {
    let mut complaints = Complaints::default();
    let mut reader = Reader {
        view: document.daemon(),
        complaints: &mut complaints,
    };
    reader.path(&settings::PIDFILE)
}

/// Whether a prefix file is the one that the built-in defaults name, and no file does.
pub fn is_default_prefix_file(document: &Document, path: &Path) -> bool {
    PREFIX_FILES.iter().any(|setting| {
        let entry = document.daemon().entry(setting.key);
        entry.is_some_and(|entry| entry.origin.file == 0 && Path::new(&entry.raw) == path)
    })
}

/// Whether a complaint is about which prefix files there are.
pub fn is_about_a_prefix_file(complaint: &Complaint) -> bool {
    PREFIX_FILES
        .iter()
        .any(|setting| setting.key == complaint.option)
}

/// The maintenance file of a service, or why it can't be drained and what to do about it.
pub fn drainable(document: &Document, name: &str) -> Result<Drainable, String> {
    let shown = quoted(name);
    let Some(service) = document.services().find(|service| service.name() == name) else {
        return Err(unknown(document, name));
    };
    let setting = &settings::MAINTENANCE_FILE;
    let in_words = |cause: String| format!("service {shown}: {cause}");
    let (file, disabled) = look(document, service).map_err(in_words)?;
    if disabled {
        return Err(format!(
            "service {shown} is disabled ({}): there is nothing to drain",
            settings::CHECK_DISABLED.key
        ));
    }
    let Some(file) = file else {
        return Err(format!(
            "service {shown} has no {0}: set {0} in its section to a path where you may make a file, and reload the \
             daemon (SIGHUP)",
            setting.key
        ));
    };
    if !file.is_absolute() {
        return Err(format!(
            "service {shown}: {} {} depends on the directory the daemon was started in: write the whole path, and reload \
             the daemon (SIGHUP)",
            setting.key,
            quoted(&file.to_string_lossy())
        ));
    }
    let mut others = Vec::new();
    for other in document.services() {
        let drained = look(document, other);
        let same = drained.is_ok_and(|(other, off)| !off && other.as_ref() == Some(&file));
        if same && other.name() != name {
            others.push(other.name().to_string());
        }
    }
    Ok(Drainable { file, others })
}

/// The maintenance file and whether the check is disabled; the first complaint about them.
fn look(document: &Document, view: View<'_>) -> Result<(Option<PathBuf>, bool), String> {
    let mut complaints = Complaints::default();
    let mut reader = Reader {
        view,
        complaints: &mut complaints,
    };
    let file = reader.optional_path(&settings::MAINTENANCE_FILE);
    let disabled = reader.flag(&settings::CHECK_DISABLED).unwrap_or(false);
    match complaints.in_order(document).into_iter().next() {
        Some(complaint) => Err(format!("{}: {}", complaint.option, complaint.message)),
        None => Ok((file, disabled)),
    }
}

fn unknown(document: &Document, name: &str) -> String {
    let mut known = document.services().map(|service| service.name());
    let hint = match hint::name(name, &mut known) {
        Some(nearest) => format!(" (did you mean {}?)", quoted(nearest)),
        None => String::new(),
    };
    format!("no service {} in the configuration{hint}", quoted(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ini;

    fn document(text: &str) -> Document {
        let mut document = Document::built_in();
        let file = document.add_file("a.conf");
        ini::read(
            text.as_bytes(),
            file,
            &mut document,
            &mut Complaints::default(),
        );
        document
    }

    const SERVICES: &str = "\
[DEFAULT]
check_disabled = false
base = /run/x
[web]
maintenance_file = %(base)s/web
[dns]
maintenance_file = /run/x/web
[off]
check_disabled = yes
maintenance_file = /run/x/web
[bare]
[near]
maintenance_file = drain
[odd]
maintenance_file = %(nothing)s
";

    #[test]
    fn finds_the_file_and_who_shares_it() {
        let found = drainable(&document(SERVICES), "web").unwrap();
        let expected = Drainable {
            file: PathBuf::from("/run/x/web"),
            others: vec!["dns".to_string()],
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn says_why_there_is_nothing_to_drain() {
        let document = document(SERVICES);
        for (name, words) in [
            (
                "wbe",
                "no service 'wbe' in the configuration (did you mean 'web'?)",
            ),
            ("a\x1b", "no service 'a\\u{1b}' in the configuration"),
            ("daemon", "no service 'daemon' in the configuration"),
            ("off", "service 'off' is disabled (check_disabled)"),
            (
                "bare",
                "service 'bare' has no maintenance_file: set maintenance_file in its section",
            ),
            (
                "near",
                "service 'near': maintenance_file 'drain' depends on the directory",
            ),
            ("odd", "service 'odd': maintenance_file: "),
        ] {
            let said = drainable(&document, name).unwrap_err();
            assert!(said.starts_with(words), "{said}");
        }
    }

    #[test]
    fn the_pidfile_has_a_default() {
        let found = pidfile(&document("")).unwrap();
        assert!(found.ends_with("anycast-healthchecker.pid"));
        let found = pidfile(&document("[daemon]\npidfile = /run/a.pid\n"));
        assert_eq!(found, Some(PathBuf::from("/run/a.pid")));
        assert_eq!(pidfile(&document("[daemon]\npidfile = %(no)s\n")), None);
    }
}
