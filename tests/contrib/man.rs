//! The manual pages: clean for both formatters, and complete.

use crate::tools::{NAME, command, read, run, source};

const PAGES: [&str; 2] = [
    "contrib/man/anycast-healthchecker.8",
    "contrib/man/anycast-healthchecker.conf.5",
];

#[test]
fn both_formatters_have_nothing_to_say() {
    for page in PAGES {
        let lint = run(command("mandoc")
            .args(["-T", "lint", "-W", "style"])
            .arg(page));
        // Whether other pages are installed here is not this page's fault.
        let complaints: Vec<&str> = (lint.out.lines().chain(lint.err.lines()))
            .filter(|line| {
                !line.contains("referenced manual not found") && !line.contains("mandoc.db")
            })
            .collect();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
        run(command("groff")
            .args(["-mandoc", "-Tutf8", "-ww", "-z"])
            .arg(page))
        .silent();
        assert!(
            read(source(page)).lines().all(|line| line.len() <= 80),
            "{page}: a long line"
        );
    }
}

/// The rows of the settings table: name, and the built-in value if there is one.
fn settings() -> Vec<(String, Option<String>)> {
    let table = read(source("src/config/settings.rs"));
    let (_, rows) = table.split_once("\ntable! {").expect("the table is there");
    let mut found = Vec::new();
    for row in rows.split(";\n") {
        // The strings outside of the row's Kind: the name, Some("default"), the meaning.
        let Some(kept) = ["Service \"", "Daemon \""]
            .iter()
            .find_map(|word| row.split_once(word))
        else {
            continue;
        };
        let (key, rest) = kept.1.split_once('"').expect("a name ends");
        let default = rest
            .split_once("Some(\"")
            .map(|(_, text)| text.split_once('"').expect("a value ends").0.to_string());
        found.push((key.to_string(), default));
    }
    assert!(found.len() > 50, "only {} settings found", found.len());
    found
}

/// Every `.It Cm NAME` of the page with the text up to the next.
fn described(page: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix(".It Cm ") {
            let name = rest.split(' ').next().expect("split gives one at least");
            found.push((name.to_string(), String::new()));
        } else if line.starts_with(".El") || line.starts_with(".S") {
            found.push((String::new(), String::new()));
        } else if let Some((_, text)) = found.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    found.retain(|(name, _)| !name.is_empty());
    found
}

#[test]
fn every_setting_stands_in_the_page_with_its_default_and_no_other() {
    let page = described(&read(source(PAGES[1])));
    let table = settings();
    for (key, default) in &table {
        let texts: Vec<&String> = page
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, text)| text)
            .collect();
        assert_eq!(texts.len(), 1, "{key} is described {} times", texts.len());
        let said = match default {
            Some(value) => format!("Default:\n.Cm {value} .\n"),
            None => "Unset by default.\n".to_string(),
        };
        let required = default.is_none() && texts[0].contains("Required");
        assert!(
            required || texts[0].ends_with(&said),
            "{key}: the page lacks {said:?}"
        );
        assert!(
            !texts[0].contains("Default:") || default.is_some(),
            "{key} has no default"
        );
    }
    for (name, _) in &page {
        assert!(
            table.iter().any(|(key, _)| key == name),
            "{name} is no setting"
        );
    }
}

#[test]
fn every_option_stands_in_the_page_and_the_completions() {
    let page = read(source(PAGES[0]));
    let shells = ["bash", "zsh", "fish"]
        .map(|shell| read(source("contrib/completions").join(format!("{NAME}.{shell}"))));
    for (short, long) in [
        ("f", "file"),
        ("d", "dir"),
        ("F", "service-file"),
        ("c", "check"),
        ("p", "print"),
        ("P", "print-conf"),
        ("t", "test"),
        ("s", "status"),
        ("", "drain"),
        ("", "undrain"),
        ("", "withdraw"),
        ("", "after"),
        ("", "watch"),
        ("", "create-files"),
        ("", "empty"),
        ("", "json"),
        ("v", "version"),
        ("h", "help"),
    ] {
        assert!(
            page.contains(&format!("Fl -{long}")),
            "the page lacks --{long}"
        );
        assert!(
            short.is_empty() || page.contains(&format!(".It Fl {short} ")),
            "the page lacks -{short}"
        );
        assert!(
            shells[0].contains(&format!("--{long}")),
            "bash lacks --{long}"
        );
        assert!(
            shells[1].contains(&format!("--{long}")),
            "zsh lacks --{long}"
        );
        assert!(
            shells[2].contains(&format!("-l {long} ")),
            "fish lacks --{long}"
        );
    }
}
