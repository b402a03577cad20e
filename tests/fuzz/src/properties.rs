//! What must hold for any bytes: no panic, no hang (`-timeout` of the run), bounded memory, and what each says below.

use std::path::Path;
use std::rc::Rc;

use crate::config::facts::{Executable, Place, Probes};
use crate::config::files::{Files, Found};
use crate::config::load::{Loaded, Source, load};
use crate::config::{CommandLine, Family, FamilyConfig, Severity, Via, print, report, words};
use crate::engine::addresses::{Addresses, Assigned};
use crate::engine::vocab::{Captured, Ended, Refusal, Repair};
use crate::host::addresses::message::{Body, Messages};
use crate::host::addresses::table;
use crate::memory::within;
use crate::render::bird_reply::{self, ReplyReader};
use crate::render::prefix_list::Content;
use crate::render::{prefix_list, status as document, table as status_table};
use crate::time::Calendar;

/// What any run may use beside a multiple of its input: tables, messages, the first blocks of vectors.
const BASE: usize = 256 * 1024;

/// Loads a configuration on a host on which everything exists that its settings name.
fn loaded(settings: &[u8], services: &[u8]) -> Loaded {
    let source = Source {
        file: Some("main".into()),
        dir: None,
        service_file: Some("services".into()),
    };
    let mut files = Files::default();
    files.add(Path::new("main"), Found::Text(settings));
    files.add(Path::new("services"), Found::Text(services));
    let probes = Probes {
        user: "nobody",
        place: &|path: &Path| match path.extension() {
            Some(_) => Place::File { writable: true },
            None => Place::Directory { writable: true },
        },
        target: &|path: &Path| path.to_path_buf(),
        foreign: &|_| None,
        executable: &|_| Executable::Runs,
        interface: &|_| Some(true),
        no_addresses: &|| None,
        assigned: &|_, _| Some(true),
        known_to_bird: &|_, _| Some(true),
    };
    load(&source, files, probes)
}

/// INI reader, interpolation, checks. A byte 0xFF divides settings from services. There is a configuration if and only
/// if no complaint is an error; complaints are one line each and harmless; what `-P` prints is read back to the same.
pub fn configuration(data: &[u8]) {
    let mut halves = data.splitn(2, |byte| *byte == 0xff);
    let (settings, services) = (
        halves.next().unwrap_or_default(),
        halves.next().unwrap_or_default(),
    );
    // A reference makes more of a value than stands in the file, up to a fixed bound each; [DEFAULT] is inherited.
    let sections = data.iter().filter(|byte| **byte == b'[').count() + 4;
    let limit = BASE + 128 * data.len() + sections * (data.len() + 4 * EXPANDED_MAX);
    let limit = match data.contains(&b'%') {
        true => limit,
        false => BASE + 128 * data.len() + sections * (4 * data.len() + 8192),
    };
    let loaded_once = within(limit, || loaded(settings, services));
    let errors = loaded_once
        .complaints
        .iter()
        .any(|complaint| complaint.severity == Severity::Error);
    assert_eq!(loaded_once.config.is_some(), !errors);
    let shown = report::render(&loaded_once.complaints);
    let lines = shown.lines().count();
    assert_eq!(lines, loaded_once.complaints.len() + usize::from(errors));
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
    if let Some(config) = &loaded_once.config {
        let _ = print::json(&loaded_once.document);
        let printed = print::configuration(&loaded_once.document);
        let again = loaded(printed.as_bytes(), b"");
        assert_eq!(again.config.as_ref(), Some(config), "{printed}");
    }
}

/// As `config::expand` has it.
const EXPANDED_MAX: usize = 256 * 1024;

/// The word splitter: words that are quoted are read back as they were.
pub fn words(data: &[u8]) {
    let line = String::from_utf8_lossy(data);
    let Ok(found) = within(BASE + 64 * data.len(), || words::split(&line)) else {
        return;
    };
    let quoted: Vec<String> = found
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
        .collect();
    assert_eq!(words::split(&quoted.join(" ")), Ok(found));
}

fn family_config(family: Family) -> FamilyConfig {
    let (dummy, variable) = match family {
        Family::V4 => ("10.189.200.255/32", "ACAST_PS_ADVERTISE"),
        Family::V6 => ("2001:db8::1/128", "ACAST6_PS_ADVERTISE"),
    };
    FamilyConfig {
        prefix_file: "/f".into(),
        variable: variable.to_string(),
        via: Via::Command(CommandLine::of(["true"])),
        dummy: dummy.parse().expect("a prefix"),
        history: None,
    }
}

/// The reader of prefix files: it finds only prefixes of the family; what is written is read back as it was, in order.
pub fn prefix_list(data: &[u8]) {
    for family in Family::ALL {
        let config = family_config(family);
        let read = |text: &[u8]| prefix_list::read(text, family, &config.variable, &config.dummy);
        let found = within(BASE + 64 * data.len(), || read(data));
        assert!(found.prefixes.iter().all(|net| Family::of(net) == family));
        assert!(!found.prefixes.contains(&config.dummy));
        if let Some(Repair::Malformed(words) | Repair::Unreadable(words)) = &found.repair {
            assert!(!words.chars().any(char::is_control), "{words:?}");
        }
        let mut written = String::new();
        let stamp = Calendar::default();
        prefix_list::write(&mut written, &config, &found.prefixes, &stamp, 1);
        let again = read(written.as_bytes());
        assert_eq!(again.prefixes, found.prefixes);
        assert_eq!(again.repair, None);
        assert_eq!(prefix_list::judge(written.as_bytes()), Content::List);
    }
    let content = within(BASE + 64 * data.len(), || prefix_list::judge(data));
    if let Content::Foreign { line, word } = content {
        let text = data.split(|byte| *byte == b'\n').nth(line - 1);
        assert!(text.is_some_and(|text| text.windows(word.len()).any(|part| part == word.as_bytes())));
    }
}

/// BIRD's replies: the verdict does not depend on how the bytes are cut, and what is quoted is harmless and short.
pub fn bird_reply(data: &[u8]) {
    let whole = within(BASE + 16 * data.len(), || ReplyReader::new().feed(data));
    let mut reader = ReplyReader::new();
    let bytewise = data.iter().find_map(|byte| reader.feed(&[*byte]));
    assert_eq!(whole, bytewise);
    let cut = data.len() / 2;
    let captured = |bytes: &[u8]| Captured {
        bytes: bytes.to_vec(),
        dropped: 0,
    };
    let (stdout, stderr) = (captured(&data[..cut]), captured(&data[cut..]));
    let judged = [Ended::Exit(0), Ended::Exit(1), Ended::Signal(9)]
        .map(|ended| bird_reply::judge_output(&stdout, &stderr, ended));
    assert!(judged[1].is_err() && judged[2].is_err());
    for refusal in judged.into_iter().chain(whole).filter_map(Result::err) {
        let shown = match refusal {
            Refusal::Said(said) | Refusal::Command { said, .. } | Refusal::Unreachable(said) => {
                said
            }
            Refusal::TimedOut => continue,
        };
        assert!(shown.len() <= 4096, "{} bytes", shown.len());
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}

/// The kernel's messages: each takes something away, and a table takes in whatever they say.
pub fn netlink(data: &[u8]) {
    let messages = || Messages::of(data);
    assert!(messages().count() <= data.len() / 16 + 1);
    let mut addresses = Rc::new(Addresses::default());
    within(BASE + 64 * data.len(), || {
        for message in messages().flatten() {
            table::apply(&mut addresses, &message.body);
        }
    });
    // What has been taken in twice changes nothing more, and all of it can be taken out again.
    for message in messages().flatten() {
        if let Body::Address {
            index,
            address,
            usable,
        } = message.body
        {
            let address: Assigned = address;
            let gone = Body::AddressGone { index, address };
            let there = Body::Address {
                index,
                address,
                usable,
            };
            for body in [there, gone] {
                table::apply(&mut addresses, &body);
                assert!(!table::apply(&mut addresses, &body));
            }
        }
    }
}

/// The status document of another process: read or refused; what was read can be shown and is read back.
pub fn status(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(mut found) = within(BASE + 128 * data.len(), || document::parse(&text)) else {
        return;
    };
    for screen in [None, Some(0), Some(1), Some(40), Some(200)] {
        let shown = status_table::status(&found, screen);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'));
    }
    document::exit_code(&found);
    let written = document::to_json(&mut found);
    let mut again = document::parse(&written).expect("what is written can be read");
    assert_eq!(document::to_json(&mut again), written);
}
