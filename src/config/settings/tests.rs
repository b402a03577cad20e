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
                .is_some_and(|n| (i128::from(min)..=i128::from(max)).contains(&n)),
            Kind::WholeSeconds => numbers::whole(text).is_some_and(|n| n > 0),
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
fn kinds_are_described_in_words() {
    assert_eq!(CHECK_RISE.kind.describe(), "whole number, 1 or more");
    assert_eq!(LOG_SERVER_PORT.kind.describe(), "whole number, 1 to 65535");
    assert_eq!(LOG_MAXBYTES.kind.describe(), "whole number, 0 or more");
    assert_eq!(ON_START.kind.describe(), "keep, withdraw or advertise");
}

/// The row of a setting as the README has it.
fn markdown(setting: &Setting) -> String {
    let default = setting
        .default
        .map_or("–".to_string(), |text| format!("`{text}`"));
    let (key, kind) = (setting.key, setting.kind.describe());
    format!("| `{key}` | {kind} | {default} | {} |", setting.meaning)
}

#[test]
fn the_readme_has_every_row() {
    let readme = include_str!("../../../README.md");
    let missing: Vec<String> = ALL
        .iter()
        .map(|row| markdown(row))
        .filter(|row| !readme.contains(row))
        .collect();
    assert!(
        missing.is_empty(),
        "missing in README.md:\n{}",
        missing.join("\n")
    );
}

/// Settings of a section of the manual page, with their defaults.
fn in_manual(page: &'static str, heading: &str) -> Vec<(&'static str, Option<&'static str>)> {
    let from = page.find(heading).expect("the page has that heading");
    let section = &page[from..];
    let section = &section[..section.find(".El\n").expect("the list ends")];
    let items = section.split(".It Cm ").skip(1);
    let item = |item: &'static str| {
        let key = item.split([' ', '\n']).next().unwrap_or_default();
        let default = item
            .split_once("Default:\n.Cm ")
            .map(|(_, text)| text.lines().next().unwrap_or_default());
        assert_eq!(
            default.is_none(),
            item.contains("Unset by default.") || item.contains("Required"),
            "{key}"
        );
        (
            key,
            default.map(|text| {
                text.strip_suffix(" .")
                    .expect("a full stop follows the default")
            }),
        )
    };
    items.map(item).collect()
}

#[test]
fn the_manual_page_has_every_setting_with_its_default() {
    let page = include_str!("../../../contrib/man/anycast-healthchecker.conf.5");
    let headings = [
        (Kept::Service, ".Ss Settings of services\n"),
        (Kept::Daemon, ".Ss Settings of the daemon\n"),
    ];
    for (kept, heading) in headings {
        let mut in_table: Vec<_> = ALL
            .iter()
            .filter(|row| row.kept == kept)
            .map(|row| (row.key, row.default))
            .collect();
        let mut in_manual = in_manual(page, heading);
        in_table.sort_unstable();
        in_manual.sort_unstable();
        assert_eq!(in_manual, in_table);
    }
}
