use std::time::Duration;

use super::super::tests::says;
use super::super::{level, message};
use super::*;
use crate::config::{Complaint, Level, Severity};
use crate::engine::notice::{End, Errand, Notice};

#[test]
fn the_daemon_itself() {
    use Level::{Error, Info, Warning};
    let version = env!("CARGO_PKG_VERSION");
    let started = |services, disabled| What::Started { services, disabled };
    says(
        started(1, 0),
        Info,
        &format!("version {version} started with 1 service"),
    );
    says(
        started(12, 2),
        Info,
        &format!("version {version} started with 12 services, 2 of them disabled"),
    );
    says(
        What::NoServices,
        Warning,
        "no service is configured: nothing is checked and nothing is announced",
    );
    says(
        What::Stopping { signal: "SIGTERM" },
        Info,
        "stopping, because of SIGTERM",
    );
    says(
        What::Stopped {
            uptime: Duration::from_secs(3725),
            end: End::Clean,
        },
        Info,
        "stopped after 1 h 2 min",
    );
    says(
        What::Stopped {
            uptime: Duration::from_secs(5),
            end: End::BirdDoesNotKnow,
        },
        Warning,
        "stopped after 5 s; BIRD could not be told of the prefix files, so the next start tells it",
    );
    says(
        What::Stopped {
            uptime: Duration::from_secs(5),
            end: End::FilesAreWrong,
        },
        Error,
        "stopped after 5 s; not all prefix files could be written, so BIRD may go on announcing what they held before",
    );
    for (errand, text) in [
        (
            Errand::Check,
            "the check was killed and does not die, so it hangs in the kernel (a dead disk or network file system?); until it ends, each time that it is due counts as timed out",
        ),
        (
            Errand::Reconfiguration,
            "the reconfiguration was killed and does not die, so it hangs in the kernel (a dead disk or network file system?); another is tried without waiting for its end",
        ),
        (
            Errand::Custom,
            "custom_bird_reconfigure_cmd was killed and does not die, so it hangs in the kernel (a dead disk or network file system?); what is to be delivered next does not wait for its end",
        ),
    ] {
        says(What::DoesNotDie { errand }, Warning, text);
    }
    says(
        What::Reloaded {
            added: 1,
            removed: 0,
            changed: 2,
            unchanged: 30,
        },
        Info,
        "configuration reloaded: 1 added, 0 removed, 2 changed, 30 unchanged",
    );
    says(
        What::ReloadRefused { problems: 1 },
        Error,
        "configuration not reloaded because of 1 problem; the old one stays in force",
    );
    says(
        What::RunNow { services: 5 },
        Info,
        "running 5 checks now, because of SIGURG",
    );
    says(
        What::SlowTurn {
            took: Duration::from_millis(130),
            handled: "2 timers".to_string(),
            unsaid: 0,
        },
        Warning,
        "one turn of the loop took 130 ms (2 timers); checks may have been late",
    );
    says(
        What::SlowTurn {
            took: Duration::from_millis(130),
            handled: "2 timers".to_string(),
            unsaid: 13,
        },
        Warning,
        "one turn of the loop took 130 ms (2 timers), and 13 more were slow since this was last said; \
         checks may have been late",
    );
}

#[test]
fn complaints_say_where() {
    let about = |severity, file: &str, line, section: &str, option: &str| Complaint {
        severity,
        file: file.to_string(),
        line,
        section: section.to_string(),
        option: option.to_string(),
        message: "is wrong".to_string(),
    };
    let error = about(Severity::Error, "a.conf", 7, "svc", "check_cmd");
    says(
        What::Configuration(error),
        Level::Error,
        "a.conf:7: [svc] check_cmd: is wrong",
    );
    let warning = about(Severity::Warning, "a.conf", 0, "sv\nc", "");
    says(
        What::Configuration(warning),
        Level::Warning,
        "a.conf: [sv\\nc] is wrong",
    );
    let nowhere = about(Severity::Warning, "", 0, "", "");
    says(What::Configuration(nowhere), Level::Warning, "is wrong");
}

#[test]
fn troubles_of_the_host_and_their_end() {
    let parts = [
        Part::LogFile("/l".into()),
        Part::Syslog("log.example".to_string()),
        Part::Metrics("/m".into()),
        Part::History("/h".into()),
        Part::PrefixFile("/p".into()),
        Part::Reserve("/p".into()),
        Part::Addresses,
        Part::Watch("/d".into()),
        Part::StatusSocket,
        Part::Descriptors,
        Part::Events,
    ];
    for part in parts {
        let cause = "no\nspace".to_string();
        let what = What::Trouble {
            part: part.clone(),
            cause,
        };
        assert_eq!(level(&what), Level::Warning);
        let text = message(&Notice::from(what));
        assert!(
            text.starts_with("cannot ") && text.contains(": no\\nspace; "),
            "{text}"
        );
        let what = What::TroubleOver {
            part: part.clone(),
            lost: 0,
        };
        assert_eq!(level(&what), Level::Info);
        let over = message(&Notice::from(what));
        assert!(over.ends_with("again"), "{over}");
        let lost = message(&Notice::from(What::TroubleOver { part, lost: 31 }));
        assert_eq!(lost, format!("{over}; 31 were lost"));
    }
    says(
        What::TroubleOver {
            part: Part::LogFile("/var/log/x".into()),
            lost: 1,
        },
        Level::Info,
        "log file /var/log/x is written again; 1 was lost",
    );
}
