use super::*;
use crate::config::{numbers, prefix, words};

#[test]
fn every_name_stands_once_and_in_lower_case() {
    for (at, setting) in ALL.iter().enumerate() {
        assert_eq!(setting.key, setting.key.to_lowercase());
        assert!(
            !ALL[..at].iter().any(|other| other.key == setting.key),
            "{}",
            setting.key
        );
        assert_eq!(find(setting.key), Some(*setting));
    }
    assert_eq!(find("Check_cmd"), None);
    assert_eq!(
        ALL.iter().filter(|setting| setting.reference).count(),
        32 + 12
    );
    assert_eq!(ALL.len(), 44 + 12);
}

#[test]
fn every_default_is_of_its_kind() {
    for setting in ALL {
        let Some(text) = setting.default else {
            continue;
        };
        let good = match setting.kind {
            Kind::Flag => numbers::flag(text).is_some(),
            Kind::Whole { min, max } => numbers::whole(text)
                .flatten()
                .is_some_and(|n| (i128::from(min)..=i128::from(max)).contains(&n)),
            Kind::WholeSeconds => numbers::whole(text).flatten().is_some_and(|n| n > 0),
            Kind::Seconds => numbers::float(text).is_some_and(|n| n > 0.0),
            Kind::SecondsOrZero => numbers::float(text).is_some_and(|n| n >= 0.0),
            Kind::Prefix(family) => prefix::parse(text).is_ok_and(|p| Family::of(&p) == family),
            Kind::Command => words::split(text).is_ok_and(|words| !words.is_empty()),
            Kind::File | Kind::Directory => text.starts_with('/'),
            Kind::OneOf(words) => words.contains(&text),
            Kind::Level => text == "debug",
            Kind::Interface => text == "lo",
            Kind::Variable | Kind::Host | Kind::Prefixes => !text.is_empty(),
        };
        assert!(good, "{} = {text}", setting.key);
    }
}

#[test]
fn every_meaning_is_a_sentence() {
    for setting in ALL {
        assert!(setting.meaning.ends_with('.'), "{}", setting.key);
        assert!(
            setting.meaning.starts_with(char::is_uppercase),
            "{}",
            setting.key
        );
        assert!(!setting.kind.describe().is_empty());
    }
}

#[test]
fn rows_can_be_printed_for_manuals() {
    assert_eq!(
        CHECK_RISE.markdown(),
        "| `check_rise` | whole number, 1 or more | `2` | So many successful runs in a row bring the service up. |"
    );
    assert_eq!(
        LOG_FILE.markdown(),
        "| `log_file` | file | – | The file that takes the messages instead of standard output. |"
    );
    assert_eq!(
        PIDFILE.roff(),
        ".TP\n.B pidfile\nfile; default\n.BR /var/run/anycast\\-healthchecker/anycast\\-healthchecker.pid\n.br\n\
         The file that holds the process id; its directory must exist.\n"
    );
    assert_eq!(LOG_SERVER_PORT.kind.describe(), "whole number, 1 to 65535");
    assert_eq!(LOG_MAXBYTES.kind.describe(), "whole number, 0 or more");
    assert_eq!(ON_START.kind.describe(), "keep, withdraw or advertise");
}
