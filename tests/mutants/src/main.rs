//! Would a test notice? Changes the daemon's code in one small place after the other and runs the unit tests on each.
//!
//!     mutants [--tests FILTER[,FILTER]] [--only NUMBER[,NUMBER]] FILE...
//!
//! A mutant meets the tests of its own part of the daemon (`near`), the slow ones last; --tests names others.
//! All mutants are compiled at once: each place asks at run time whether it is the one that is wrong in this run
//! (`MUTANT=N`). So a mutant costs one run of the tests and no build. The tree is changed in a copy below target/mutants.
//! Prints every mutant that no test noticed, then the counts; the whole list is in target/mutants/result.

mod rewrite;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rewrite::Mutant;
use serde_json::Value;

/// The part of the daemon that the mutants call.
const SWITCH: &str = r#"//! Which mutant is on in this run.
use std::sync::OnceLock;

static ON: OnceLock<u32> = OnceLock::new();

pub fn on(number: u32) -> bool {
    let chosen = || std::env::var("MUTANT").ok()?.parse().ok();
    *ON.get_or_init(|| chosen().unwrap_or(0)) == number
}
"#;

/// Tests that take long: what the others notice need not wait for them.
const SLOW: [&str; 8] = [
    "config::check::tests::a_small_file_can_not_make_the_program_large_or_slow",
    "config::lower::tests::every_letter_is_as_in_the_standard_library",
    "config::names::tests::many_names_are_found",
    "config::numbers::tests::",
    "config::rescue::tests::",
    "engine::tests::changes::a_reload_does_not_keep_the_loop_from_its_work",
    "engine::tests::enumerate::",
    "engine::tests::simulate::",
];

/// The tests of the part of the daemon that a file belongs to.
fn near(file: &str) -> String {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut names = path.split('/');
    let wing = names.next().unwrap_or_default();
    match (wing, names.next()) {
        ("host" | "render", Some(room)) => format!("{wing}::{room}::"),
        _ => format!("{wing}::"),
    }
}

/// The words of an option, by commas.
fn option(words: &mut Vec<String>, name: &str) -> Vec<String> {
    if words.len() < 2 || words[0] != name {
        return Vec::new();
    }
    let value = words.drain(..2).nth(1).unwrap_or_default();
    value.split(',').map(str::to_string).collect()
}

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let filters = option(&mut words, "--tests");
    let only = option(&mut words, "--only");
    if words.is_empty() {
        eprintln!("usage: mutants [--tests FILTER[,FILTER]] [--only NUMBER[,NUMBER]] FILE...");
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the tree");
    let lab = Lab {
        tree: root.join("target/mutants/tree"),
        target: root.join("target/mutants/build"),
        root,
        files: words,
        filters,
    };
    let (program, mutants) = lab.build();
    let mut rounds: BTreeMap<String, Vec<Round>> = BTreeMap::new();
    let list = lab.root.join("target/mutants/result");
    let mut list = fs::File::create(list).expect("result");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for mutant in &mutants {
        if !only.is_empty() && !only.contains(&mutant.number.to_string()) {
            continue;
        }
        let rounds = rounds
            .entry(near(&mutant.file))
            .or_insert_with_key(|near| lab.rounds(&program, near));
        let outcomes = rounds
            .iter()
            .map(|round| lab.run(&program, mutant.number, round));
        let outcome = outcomes
            .into_iter()
            .find(|outcome| *outcome != Outcome::Unnoticed);
        let (word, by) = match outcome.unwrap_or(Outcome::Unnoticed) {
            Outcome::Noticed(test) => ("noticed", test),
            Outcome::Hangs => ("hangs", String::new()),
            Outcome::Unnoticed => ("UNNOTICED", String::new()),
        };
        *counts.entry(word).or_default() += 1;
        let line = format!("{word}\t{mutant}\t{by}");
        writeln!(list, "{line}").expect("result");
        if word == "UNNOTICED" {
            println!("{line}");
        }
    }
    println!("{} mutants: {counts:?}", counts.values().sum::<usize>());
    ExitCode::SUCCESS
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// By this test, or by a crash.
    Noticed(String),
    Hangs,
    Unnoticed,
}

/// One run of some of the tests.
struct Round {
    words: Vec<String>,
    limit: Duration,
}

struct Lab {
    root: PathBuf,
    tree: PathBuf,
    target: PathBuf,
    files: Vec<String>,
    filters: Vec<String>,
}

impl Lab {
    /// Builds the tests with all mutants that compile.
    fn build(&self) -> (PathBuf, Vec<Mutant>) {
        let mut left_out = BTreeSet::new();
        loop {
            self.copy();
            let mutants = rewrite::rewrite(&self.tree, &self.files, &left_out);
            fs::write(self.tree.join("src/mutant.rs"), SWITCH).expect("src/mutant.rs");
            let main = self.tree.join("src/main.rs");
            let text = fs::read_to_string(&main).expect("src/main.rs");
            fs::write(&main, text.replacen("mod cli;", "mod cli;\nmod mutant;", 1))
                .expect("src/main.rs");
            match self.compile() {
                Ok(program) => return (program, mutants),
                Err(wrong) => left_out.extend(wrong),
            }
        }
    }

    fn copy(&self) {
        // What is gone from the tree is gone from the copy.
        let _ = fs::remove_dir_all(self.tree.join("src"));
        fs::create_dir_all(&self.tree).expect("target/mutants/tree");
        let copied = Command::new("cp")
            .args([
                "--archive",
                "src",
                "tests",
                "contrib",
                "Cargo.toml",
                "Cargo.lock",
            ])
            .args(["README.md", "LICENSE", "Makefile"])
            .arg(&self.tree)
            .current_dir(&self.root)
            .status();
        assert!(
            copied.is_ok_and(|status| status.success()),
            "copying the tree"
        );
    }

    /// The program with the tests, or the numbers of mutants that do not compile.
    fn compile(&self) -> Result<PathBuf, BTreeSet<u32>> {
        let built = Command::new("cargo")
            .args(["test", "--no-run", "--message-format=json", "--bin"])
            .arg("anycast-healthchecker")
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", "-Awarnings")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .stderr(Stdio::null())
            .output()
            .expect("cargo");
        let messages = || {
            let text = built.stdout.split(|byte| *byte == b'\n');
            text.filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        };
        if built.status.success() {
            let program =
                messages().find_map(|message| Some(message["executable"].as_str()?.into()));
            return Ok(program.expect("an executable"));
        }
        let (mut wrong, mut first) = (BTreeSet::new(), None);
        for message in messages().filter(|message| message["message"]["level"] == "error") {
            first.get_or_insert_with(|| message["message"]["rendered"].to_string());
            for span in message["message"]["spans"].as_array().into_iter().flatten() {
                wrong.extend(self.mutant_at(span));
            }
        }
        assert!(!wrong.is_empty(), "it does not compile: {first:?}");
        Err(wrong)
    }

    /// The mutants of a place that does not compile: those in its lines, or the last one before them.
    fn mutant_at(&self, span: &Value) -> Vec<u32> {
        let file = self
            .tree
            .join(span["file_name"].as_str().unwrap_or_default());
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = |key: &str| span[key].as_u64().unwrap_or(1) as usize;
        let lines: Vec<&str> = text.lines().collect();
        let end = line("line_end").min(lines.len());
        let inside = numbers(&lines[line("line_start").min(end) - 1..end]);
        match inside.is_empty() {
            true => numbers(&lines[..end]).pop().into_iter().collect(),
            false => inside,
        }
    }

    /// What a mutant near these tests has to pass, each seen to pass without one.
    fn rounds(&self, program: &Path, near: &str) -> Vec<Round> {
        let mut all = Vec::new();
        if self.filters.is_empty() {
            let slow = SLOW.iter().filter(|name| name.starts_with(near));
            let slow: Vec<String> = slow.map(|name| name.to_string()).collect();
            let skip = slow.iter().flat_map(|name| ["--skip", name.as_str()]);
            all.push([near].into_iter().chain(skip).map(str::to_string).collect());
            if !slow.is_empty() {
                all.push(slow);
            }
        } else {
            all.push(self.filters.clone());
        }
        let measured = all.into_iter().map(|words| {
            let mut round = Round {
                words,
                limit: Duration::from_secs(600),
            };
            let begin = Instant::now();
            let sound = self.run(program, 0, &round);
            assert_eq!(sound, Outcome::Unnoticed, "the tests fail without a mutant");
            round.limit = begin.elapsed() * 4 + Duration::from_secs(5);
            round
        });
        measured.collect()
    }

    /// Runs the tests with one mutant on, and stops at the first that fails.
    fn run(&self, program: &Path, number: u32, round: &Round) -> Outcome {
        let said = self.target.join("said");
        let mut child = Command::new(program)
            .args(&round.words)
            .current_dir(&self.tree)
            .env("MUTANT", number.to_string())
            .env("RUST_BACKTRACE", "0")
            .stdout(fs::File::create(&said).expect("said"))
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the tests");
        let begin = Instant::now();
        loop {
            let ended = child.try_wait().expect("the tests");
            let text = fs::read_to_string(&said).unwrap_or_default();
            let failed = text
                .lines()
                .find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
            let outcome = match (failed, ended) {
                (Some(test), _) => Outcome::Noticed(test.to_string()),
                (None, Some(status)) if status.success() => Outcome::Unnoticed,
                (None, Some(status)) => Outcome::Noticed(status.to_string()),
                (None, None) if begin.elapsed() > round.limit => Outcome::Hangs,
                (None, None) => {
                    std::thread::sleep(Duration::from_millis(30));
                    continue;
                }
            };
            // What it left is gone with it.
            let group = format!("-{}", child.id());
            let _ = Command::new("kill")
                .args(["-9", "--", &group])
                .stderr(Stdio::null())
                .status();
            let _ = child.wait();
            return outcome;
        }
    }
}

/// The numbers of all mutants in some lines of rewritten code.
fn numbers(lines: &[&str]) -> Vec<u32> {
    let calls = lines
        .iter()
        .flat_map(|line| line.split("mutant::on(").skip(1));
    calls
        .filter_map(|rest| rest.split(')').next()?.trim().parse().ok())
        .collect()
}
