//! The same configurations through the reference and through us.
//!
//! Every case is read by both: the verdicts must agree, and what `-P` prints must be, for Python's own reader, what the
//! reference has read. Where they may differ stands in `DIFFERENCES`, with the reason; a row that no case needs any more
//! fails the test. The reference is expected in `target/reference-venv` (`make test` puts it there) or at `$REFERENCE`;
//! without it nothing can be compared, and the test fails.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[path = "reference/corpus.rs"]
mod corpus;
#[path = "reference/differences.rs"]
mod differences;

use corpus::Case;
use differences::{DIFFERENCES, Way};

const DRIVER: &str = include_str!("data/reference_driver.py");
const BINARY: &str = env!("CARGO_BIN_EXE_anycast-healthchecker");

/// The interpreter of the virtual environment in which the reference is installed.
fn interpreter() -> PathBuf {
    let script = match std::env::var_os("REFERENCE") {
        Some(script) => PathBuf::from(script),
        None => {
            let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            root.join(target)
                .join("reference-venv/bin/anycast-healthchecker")
        }
    };
    let python = script.with_file_name("python");
    assert!(
        python.exists(),
        "{python:?} is missing: run `make test` (tests/support/prepare.sh test)"
    );
    python
}

/// A directory for this run, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_nanos());
        let path = std::env::temp_dir().join(format!("reference-{}-{now}", std::process::id()));
        fs::create_dir(&path).expect("a scratch directory can be made");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What one of the programs made of a case.
struct Ours {
    valid: bool,
    /// Standard error of `-c`.
    said: String,
}

/// Lays a case out in a directory of its own.
fn lay_out(root: &Path, number: usize, case: &Case) -> PathBuf {
    let home = root.join(number.to_string());
    for sub in ["", "d", "bird", "bird/6", "metrics"] {
        fs::create_dir(home.join(sub)).expect("the directory is new");
    }
    let fill = |bytes: &[u8]| replace(bytes, b"{dir}", home.as_os_str().as_encoded_bytes());
    write(home.join("main.conf"), &fill(&case.main));
    for (name, bytes) in &case.services {
        write(home.join("d").join(name), &fill(bytes));
    }
    write(home.join("no-exec"), b"#!/bin/sh\n");
    make_old(&home.join("d"));
    home
}

fn write(path: PathBuf, bytes: &[u8]) {
    fs::write(&path, bytes).unwrap();
    make_old(&path);
}

/// Ours waits for what changed within the last second, since it may be changing still.
fn make_old(path: &Path) {
    let then = SystemTime::now() - Duration::from_secs(60);
    let file = fs::File::open(path).unwrap();
    file.set_modified(then).unwrap();
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        match rest.strip_prefix(from) {
            Some(tail) => {
                out.extend_from_slice(to);
                rest = tail;
            }
            None => {
                out.push(rest[0]);
                rest = &rest[1..];
            }
        }
    }
    out
}

/// Runs ours with `-c` and `-P`, and checks that what `-P` prints is read back to the same.
fn run_ours(home: &Path) -> Ours {
    let run = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args(arguments)
            .current_dir(home)
            .output();
        output.expect("the program runs")
    };
    let check = run(&["-f", "main.conf", "-d", "d", "-c"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned();
    let valid = check.status.code() == Some(0);
    let name = home.display();
    if valid {
        assert_eq!(check.stdout, b"OK\n", "{name}");
        let printed = run(&["-f", "main.conf", "-d", "d", "-P"]);
        assert_eq!(printed.status.code(), Some(0), "{name}");
        write(home.join("ours.ini"), &printed.stdout);
        write(home.join("empty.conf"), b"");
        let again = run(&["-f", "ours.ini", "-F", "empty.conf", "-P"]);
        assert_eq!(
            String::from_utf8_lossy(&printed.stdout),
            String::from_utf8_lossy(&again.stdout),
            "{name}: what -P prints is not read back to the same"
        );
    } else {
        assert_eq!(check.status.code(), Some(1), "{name}: {said}");
        assert!(said.starts_with("Invalid configuration"), "{name}: {said}");
        assert!(check.stdout.is_empty(), "{name}");
    }
    Ours { valid, said }
}

/// Runs the reference over these cases: verdict and difference.
fn run_reference(python: &Path, homes: &[PathBuf]) -> Vec<(String, String)> {
    let mut child = Command::new(python)
        .args(["-c", DRIVER])
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter of the reference runs");
    let list: String = homes
        .iter()
        .map(|home| format!("{}\n", home.display()))
        .collect();
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin
        .write_all(list.as_bytes())
        .expect("the driver reads its list");
    drop(stdin);
    let output = child.wait_with_output().expect("the driver ends");
    assert!(output.status.success(), "the driver failed");
    let text = String::from_utf8(output.stdout).expect("the driver prints ASCII");
    let rows = text.lines().map(|line| {
        let (verdict, difference) = line.split_once('\t').unwrap_or((line, ""));
        (verdict.to_string(), difference.to_string())
    });
    rows.collect()
}

#[test]
fn both_programs_agree() {
    let python = interpreter();
    let cases = corpus::all();
    assert!(cases.len() >= 200);
    let scratch = Scratch::new();
    let numbered = cases.iter().enumerate();
    let homes: Vec<PathBuf> = numbered
        .map(|(n, case)| lay_out(&scratch.0, n, case))
        .collect();
    let middle = homes.len() / 2;
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    // Ours goes first, so that it is the reference that finds traces, and not the other way round.
    std::thread::scope(|scope| {
        let halves = [&homes[..middle], &homes[middle..]].map(|half| {
            let python = &python;
            scope.spawn(move || {
                let ours: Vec<Ours> = half.iter().map(|home| run_ours(home)).collect();
                (ours, run_reference(python, half))
            })
        });
        for half in halves {
            let (our_half, their_half) = half.join().expect("no run panics");
            ours.extend(our_half);
            theirs.extend(their_half);
        }
    });
    assert_eq!(theirs.len(), cases.len());
    let wrong = judge(&cases, &ours, &theirs);
    assert!(
        wrong.is_empty(),
        "{} disagreements:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What is neither agreement nor a known difference.
fn judge(cases: &[Case], ours: &[Ours], theirs: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut used = vec![false; DIFFERENCES.len()];
    for ((case, ours), (verdict, difference)) in cases.iter().zip(ours).zip(theirs) {
        let title = &case.title;
        let way = match (ours.valid, verdict.as_str()) {
            (true, "valid") | (false, "invalid" | "crash") => None,
            (false, _) => Some(Way::OnlyOursRefuses),
            (true, _) => Some(Way::OnlyOursAccepts),
        };
        let row = DIFFERENCES
            .iter()
            .position(|row| row.cases.contains(&title.as_str()));
        match (way, row) {
            (None, None) => {}
            (Some(way), Some(row)) if DIFFERENCES[row].way == way => used[row] = true,
            (Some(way), _) => wrong.push(format!("{title:?}: {way:?} ({verdict}): {}", ours.said)),
            (None, Some(_)) => wrong.push(format!("{title:?}: no difference any more")),
        }
        if !difference.is_empty() && ours.valid {
            wrong.push(format!("{title:?}: -P differs: {difference}"));
        }
    }
    for (row, used) in DIFFERENCES.iter().zip(used) {
        if !used {
            wrong.push(format!("no case needs the row: {}", row.reason));
        }
    }
    wrong
}

#[test]
fn both_print_the_same_defaults() {
    let python = interpreter();
    let ours = Command::new(BINARY)
        .arg("-p")
        .output()
        .expect("the program runs");
    let theirs = Command::new(python.with_file_name("anycast-healthchecker"))
        .arg("-p")
        .output()
        .expect("the reference runs");
    let (ours, theirs) = (settings_of(&ours.stdout), settings_of(&theirs.stdout));
    assert_eq!(theirs.len(), 9 + 27);
    for setting in &theirs {
        assert!(ours.contains(setting), "{setting}");
    }
}

/// `[section] name = value` of each setting that is set.
fn settings_of(ini: &[u8]) -> Vec<String> {
    let mut section = String::new();
    let mut all = Vec::new();
    for line in String::from_utf8_lossy(ini).lines() {
        if line.starts_with('[') {
            section = line.to_string();
        } else if !line.is_empty() && !line.starts_with('#') {
            all.push(format!("{section} {line}"));
        }
    }
    all
}
