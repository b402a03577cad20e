//! The rules of the house, as a test: where things may stand and what may import what.
//!
//! The scanner (tidy/scan.rs) is rough: it blanks comments and the contents of strings and counts braces. It need not
//! understand Rust, only this tree; where it cannot follow, write the code more plainly.

#[path = "tidy/scan.rs"]
mod scan;

use std::collections::BTreeSet;
use std::fs;

use scan::{blank, holds_word, root, sources, without_tests, word_character};

const COLUMNS_MAX: usize = 130;

#[test]
fn every_source_file_begins_with_its_promise() {
    let mut found = Vec::new();
    for source in sources(&["src", "tests"]) {
        // The data of tests and a module that only continues another's tests need no promise of their own.
        if !(source.text.starts_with("//!") || source.is_test() && source.path.starts_with("src/"))
        {
            found.push(format!("{}:1: begins without `//!`", source.path));
        }
    }
    nothing(found);
}

#[test]
fn lines_are_short_and_clean() {
    let mut found = Vec::new();
    for source in sources(&["src", "tests"]) {
        for (number, line) in source.text.lines().enumerate() {
            // What a test expects to read stands there as it is, also in the middle of a text of several lines.
            if line.chars().count() > COLUMNS_MAX && !source.is_test() {
                found.push(format!(
                    "{}:{}: more than {COLUMNS_MAX} columns",
                    source.path,
                    number + 1
                ));
            }
            if line.ends_with([' ', '\t']) || line.contains('\t') {
                found.push(format!(
                    "{}:{}: tab or trailing blank",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    nothing(found);
}

#[test]
fn unsafe_code_is_below_host_sys_and_explained() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (at, line) in source.code.lines().enumerate() {
            if !holds_word(line, "unsafe") {
                continue;
            }
            let here = format!("{}:{}", source.path, at + 1);
            if !source.path.starts_with("src/host/sys") {
                found.push(format!("{here}: unsafe outside src/host/sys"));
            }
            let before = &lines[at.saturating_sub(8)..=at];
            let explained = before.iter().any(|l| l.contains("SAFETY:"));
            // `unsafe extern` declares, it does not act.
            if !explained && !line.contains("extern") {
                found.push(format!("{here}: unsafe without `// SAFETY:` above it"));
            }
        }
    }
    nothing(found);
}

#[test]
fn what_has_a_better_way_is_not_used() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        source.forbid(
            &["println!", "eprintln!", "print!", "eprint!", "dbg!"],
            "panics on a closed pipe; write and ignore the error",
            &mut found,
        );
        source.forbid(&["todo!", "unimplemented!"], "unfinished", &mut found);
        source.forbid(
            &[".unwrap()"],
            "handle it, or expect() with the reason",
            &mut found,
        );
        source.forbid(
            &["AtomicU64", "AtomicI64"],
            "not there on 32-bit targets",
            &mut found,
        );
        source.forbid(
            &["thread::spawn", "async fn"],
            "one thread, one loop",
            &mut found,
        );
        if !source.path.starts_with("src/host/sys") {
            source.forbid(
                &[
                    "Instant::now",
                    "SystemTime::now",
                    "clock_gettime",
                    "UNIX_EPOCH",
                ],
                "clocks are read in host/sys",
                &mut found,
            );
            source.forbid(&["libc::"], "the kernel is behind host/sys", &mut found);
        }
        for (number, line) in source.text.lines().enumerate() {
            for word in ["FIXME", "XXX", "TODO"] {
                if holds_word(line, word) {
                    found.push(format!("{}:{}: {word}", source.path, number + 1));
                }
            }
            // Not every compiler that is supported knows it.
            if line.trim_start().starts_with("&& let ") {
                found.push(format!("{}:{}: a let chain", source.path, number + 1));
            }
        }
    }
    nothing(found);
}

#[test]
fn tests_copy_programs_in_one_place() {
    let mut found = Vec::new();
    for source in sources(&["tests"]) {
        for (number, line) in source.code.lines().enumerate() {
            if holds_word(line, "fs::copy") {
                found.push(format!(
                    "{}:{}: the copy may be busy when it is executed; use executable::copy",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    nothing(found);
}

/// Who may name whom: (begin of the path, modules of ours, other crates).
/// Host and main may use everything.
const IMPORTS: [(&str, &[&str], &[&str]); 7] = [
    ("src/time.rs", &[], &[]),
    ("src/wheel.rs", &["time"], &[]),
    ("src/sorted.rs", &[], &[]),
    ("src/cli", &["config", "cli"], &["lexopt"]),
    ("src/config/", &["config", "sorted"], &["ipnetwork"]),
    (
        "src/engine/",
        &["engine", "config", "sorted", "time", "wheel"],
        &["ipnetwork"],
    ),
    (
        "src/render/",
        &[
            "render",
            "engine::vocab",
            "engine::snapshot",
            "engine::notice",
            "config",
            "sorted",
            "time",
        ],
        &["ipnetwork", "nanoserde"],
    ),
];

const CRATES: [&str; 5] = ["ipnetwork", "lexopt", "libc", "nanoserde", "wait_timeout"];

#[test]
fn data_flows_in_one_direction() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        let Some((_, modules, crates)) = IMPORTS
            .iter()
            .find(|(path, ..)| source.path.starts_with(path))
        else {
            continue;
        };
        let code = if source.is_test() {
            &source.code
        } else {
            &source.shipped()
        };
        for (number, line) in code.lines().enumerate() {
            let here = format!("{}:{}", source.path, number + 1);
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let fits = |module: &&&str| {
                    rest.strip_prefix(**module)
                        .is_some_and(|more| !more.starts_with(word_character))
                };
                // `crate::engine::{snapshot, vocab}` names its parts in braces.
                let in_braces = modules.iter().any(|module| {
                    module
                        .split_once("::")
                        .is_some_and(|(wing, _)| rest.starts_with(&format!("{wing}::{{")))
                });
                if !modules.iter().any(|module| fits(&module)) && !in_braces {
                    found.push(format!(
                        "{here}: may not import crate::{}",
                        rest.trim_end_matches(';')
                    ));
                }
            }
            for name in CRATES {
                if holds_word(line, &format!("{name}::"))
                    && !crates.contains(&name)
                    && !source.is_test()
                {
                    found.push(format!("{here}: may not use the crate {name}"));
                }
            }
        }
    }
    nothing(found);
}

#[test]
fn only_the_host_touches_the_kernel() {
    // What a path, an address or a byte is may be known everywhere; what acts stands in host/.
    let acting = "std::fs fs:: std::process process:: std::thread std::env env:: std::os::unix::net UdpSocket TcpStream
        TcpListener UnixStream UnixListener UnixDatagram ToSocketAddrs stdout() stderr() stdin()";
    let acting: Vec<&str> = acting.split_whitespace().collect();
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        let free = ["src/host/", "src/main.rs", "src/oneshot", "src/config/load"];
        if !free.iter().any(|path| source.path.starts_with(path)) {
            source.forbid(&acting, "only host/ does this", &mut found);
        }
    }
    nothing(found);
}

#[test]
fn the_settings_table_is_the_only_place_of_their_names() {
    let mut found = Vec::new();
    for source in sources(&["src"]) {
        // What is said may name a setting that the operator has to change.
        let speaks = source.path.starts_with("src/render/words");
        if source.path.starts_with("src/config/settings") || speaks || source.is_test() {
            continue;
        }
        let shipped = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in SETTINGS.split_whitespace() {
            for (number, line) in shipped.lines().enumerate() {
                if line.contains(&format!("\"{name}\"")) && !line.trim_start().starts_with("//") {
                    found.push(format!(
                        "{}:{}: \"{name}\" stands in settings.rs",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    nothing(found);
}

/// Every setting of SPEC 2 whose name is not an ordinary word as well.
const SETTINGS: &str = "
    pidfile bird_conf bird6_conf bird_variable bird6_variable bird_reconfigure_cmd bird6_reconfigure_cmd
    dummy_ip_prefix dummy_ip6_prefix bird_keep_changes bird6_keep_changes bird_changes_counter bird6_changes_counter
    purge_ip_prefixes loglevel log_file log_maxbytes log_backups stderr_file stderr_log_server log_server
    log_server_port json_stdout json_log_file json_log_server log_format_journalctl prometheus_exporter
    prometheus_collector_textfile_dir prometheus_exporter_interval splay_startup check_cmd check_interval
    check_timeout check_rise check_fail check_disabled on_disabled custom_bird_reconfigure_cmd
    custom_bird_reconfigure_cmd_timeout shared_prefix check_fast_interval on_start on_exit maintenance_file
    on_exit_wait bird_control_socket bird6_control_socket bird_update_interval bird_reconfigure_timeout
    max_running_checks log_server_format
";

#[test]
fn the_crate_depends_on_five_others_and_no_more() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut section = "";
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            let other = section.contains("dependencies") && section != "dependencies";
            assert!(
                !other,
                "[{section}]: dependencies of another kind are not agreed"
            );
        } else if section == "dependencies" {
            names.extend(line.split_once('=').map(|(name, _)| name.trim()));
        }
    }
    let agreed = BTreeSet::from(["ipnetwork", "lexopt", "libc", "nanoserde", "wait-timeout"]);
    assert_eq!(names, agreed);
}

#[test]
fn the_top_level_holds_what_was_agreed() {
    let agreed = ".ci .git .gitignore Cargo.lock Cargo.toml LICENSE Makefile README.md contrib dist src target tests";
    let agreed: Vec<&str> = agreed.split_whitespace().collect();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root()).expect("root").flatten() {
        names.insert(entry.file_name().to_string_lossy().into_owned());
    }
    let odd: Vec<_> = names
        .iter()
        .filter(|name| !agreed.contains(&name.as_str()))
        .collect();
    assert!(odd.is_empty(), "not agreed at the top level: {odd:?}");
    for needed in agreed
        .iter()
        .filter(|name| !["dist", "target", ".git"].contains(name))
    {
        assert!(
            names.contains(*needed),
            "missing at the top level: {needed}"
        );
    }
}

#[test]
fn the_scanner_sees_what_it_should() {
    let text = concat!(
        "fn a() {\n    let b = \"} // no\"; // }\n    /* fn c() { */ let d = '{';\n",
        "    let e = r#\"}\"#;\n}\nfn f<'a>() {}\n"
    );
    let code = blank(text);
    assert!(!code.contains("no") && !code.contains("fn c"));
    assert!(holds_word("let x = unsafe {", "unsafe") && !holds_word("unsafe_code", "unsafe"));
    assert!(holds_word("println!(", "println!") && !holds_word("eprintln!(", "println!"));
    let shipped = without_tests(
        "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nfn t() {\n    x;\n}\nstruct S {\n    #[cfg(test)]\n    n: usize,\n    m: u8,\n}\n",
    );
    assert_eq!(shipped.lines().count(), 12);
    let kept = |word| shipped.lines().any(|line| holds_word(line, word));
    assert!(kept("a") && kept("S") && kept("m"));
    assert!(!kept("tests") && !kept("x") && !kept("n"));
}

fn nothing(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
