//! `--test`: what runs, how, and what is said about it.
#![allow(clippy::question_mark)] // nanoserde derives it so.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nanoserde::DeJson;

use super::support::daemon::{PROGRAM, daemon_command, finish};
use super::support::{Lab, sys};
use super::{err, once, out, quiet, scripted, trial_lab};

#[derive(DeJson)]
struct Report {
    passed: usize,
    failed: usize,
    services: Vec<Row>,
}

#[derive(DeJson)]
struct Row {
    name: String,
    prefixes: Vec<Prefix>,
    passed: bool,
    result: String,
    code: i32,
    duration_ms: f64,
    first_line: String,
}

#[derive(DeJson)]
struct Prefix {
    prefix: String,
    assigned: Option<bool>,
}

fn report(lab: &Lab) -> (Report, Option<i32>) {
    let output = once(lab, &["-t", "--json"]);
    assert_eq!(err(&output), "");
    let text = out(&output);
    let report = Report::deserialize_json(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    (report, output.status.code())
}

#[test]
fn all_that_pass_make_a_table_and_nothing_else() {
    let lab = trial_lab("trial-pass", &[]);
    scripted(
        &lab,
        "web",
        "192.0.2.1/32",
        "echo; echo fine; echo more",
        &[],
    );
    scripted(&lab, "dns", "192.0.2.2/32 2001:db8::2/128", "exit 0", &[]);
    scripted(
        &lab,
        "off",
        "192.0.2.3/32",
        "touch ran",
        &[("check_disabled", "true")],
    );
    let before = lab.list("");
    let output = once(&lab, &["--test"]);
    quiet(&output, 0);
    let text = out(&output);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(text.lines().next(), Some("2 checks: 2 passed, 0 failed"));
    assert_eq!(
        lines[2],
        ["SERVICE", "PREFIX", "ASSIGNED", "RESULT", "OUTPUT"]
    );
    // As configured: the files in the order of their names.
    assert_eq!(lines[3][..4], ["dns", "192.0.2.2/32", "-", "pass"]);
    assert_eq!(lines[4], ["2001:db8::2/128", "-"]);
    assert_eq!(lines[5][..4], ["web", "192.0.2.1/32", "-", "pass"]);
    assert_eq!(lines[5].last(), Some(&"fine"));
    assert_eq!(lines.len(), 6, "{text}");
    assert_eq!(lab.list(""), before, "nothing is made");
    assert!(lab.list("4").is_empty());
}

#[test]
fn every_kind_of_failure_is_told_apart() {
    let lab = trial_lab("trial-fail", &[("max_running_checks", "1")]);
    let next = lab.path("b.sh");
    let remove = format!("rm {}", next.display());
    scripted(&lab, "a", "192.0.2.1/32", &remove, &[]);
    scripted(&lab, "b", "192.0.2.2/32", "exit 0", &[]);
    scripted(
        &lab,
        "c",
        "192.0.2.3/32",
        "echo out; printf 'b\\033[31mad\\n' >&2; exit 3",
        &[],
    );
    scripted(&lab, "d", "192.0.2.4/32", "kill -9 $$", &[]);
    scripted(
        &lab,
        "e",
        "192.0.2.5/32",
        "echo waits; sleep 1000",
        &[("check_timeout", "2")],
    );
    let (report, status) = report(&lab);
    assert_eq!((report.passed, report.failed, status), (1, 4, Some(1)));
    let found: Vec<_> = report
        .services
        .iter()
        .map(|row| (row.name.as_str(), row.passed, row.result.as_str(), row.code))
        .collect();
    assert_eq!(
        found,
        [
            ("a", true, "pass", 0),
            ("b", false, "not_started", 127),
            ("c", false, "fail", 3),
            ("d", false, "signal", -9),
            ("e", false, "timeout", 126),
        ]
    );
    let said: Vec<&str> = report
        .services
        .iter()
        .map(|row| row.first_line.as_str())
        .collect();
    assert!(said[1].starts_with("cannot run "), "{}", said[1]);
    assert_eq!(said[2], "b\x1b[31mad", "stderr comes first");
    assert_eq!(said[4], "waits");
    assert!(report.services[4].duration_ms >= 2000.0);
}

#[test]
fn a_terminal_is_not_written_to_by_a_check() {
    let lab = trial_lab("trial-escape", &[]);
    scripted(
        &lab,
        "a",
        "192.0.2.1/32",
        "printf 'b\\033[31mad\\233\\n'; exit 3",
        &[],
    );
    for arguments in [&["-t"][..], &["-t", "--json"]] {
        let output = once(&lab, arguments);
        quiet(&output, 1);
        let text = out(&output);
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{text:?}"
        );
        assert!(text.contains("ad"), "{text:?}");
    }
}

#[test]
fn checks_run_as_the_daemon_runs_them() {
    let lab = trial_lab("trial-environment", &[]);
    // The fifth field of stat is the process group; a shell has no blanks in its name.
    let script = "\
        read -r pid _ _ _ group _ </proc/self/stat\n\
        masks=$(sed -n 's/^Sig\\(Blk\\|Ign\\):\\t//p' /proc/self/status | tr -d '\\n')\n\
        [ \"$(cat)\" = '' ] && input=empty\n\
        [ $group = $$ ] && group=own\n\
        echo \"$ANYCAST_SERVICE $ANYCAST_IP_PREFIX $input $group $masks ${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none} $KEPT\"";
    scripted(&lab, "web", "192.0.2.1/32, 2001:db8::/64", script, &[]);
    let mut command = daemon_command(&lab);
    command
        .args(["-t", "--json"])
        .env("NOTIFY_SOCKET", "/proc/nowhere")
        .env("WATCHDOG_USEC", "1")
        .env("ANYCAST_SERVICE", "other")
        .env("KEPT", "kept");
    sys::ignore(&mut command, &[libc::SIGHUP, libc::SIGUSR1, libc::SIGCHLD]);
    let output = finish(command);
    let report = Report::deserialize_json(&out(&output)).expect("a report");
    let said = &report.services[0].first_line;
    let words: Vec<&str> = said.split(' ').collect();
    let group = ["web", "192.0.2.1/32,2001:db8::/64", "empty", "own"];
    assert_eq!(words[..4], group, "{said}");
    // Two signals belong to libc, which lets nobody touch them.
    let libc_s_own = 0b11 << 31;
    let masks = u128::from_str_radix(words[4], 16).expect("a number") & !libc_s_own;
    assert_eq!(
        (masks, &words[5..]),
        (0, &["none", "none", "kept"][..]),
        "{said}"
    );
}

#[test]
fn no_more_run_at_a_time_than_may() {
    let lab = trial_lab("trial-limit", &[("max_running_checks", "3")]);
    let script = format!(
        "echo + >>{0}; sleep 0.1; echo - >>{0}",
        lab.path("log").display()
    );
    for number in 10..30 {
        scripted(
            &lab,
            &format!("s{number}"),
            &format!("192.0.2.{number}/32"),
            &script,
            &[],
        );
    }
    let (report, status) = report(&lab);
    assert_eq!((report.passed, status), (20, Some(0)));
    let names: Vec<String> = report.services.into_iter().map(|row| row.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    let log = lab.read("log");
    let running = log.lines().scan(0, |running, line| {
        *running += if line == "+" { 1 } else { -1 };
        Some(*running)
    });
    // Two would do, but with one after the other it would never be two.
    let most = running.max().expect("they have run");
    assert!((2..=3).contains(&most), "{most} at a time");
}

#[test]
fn a_missing_address_fails_the_service_though_the_check_passes() {
    let lab = trial_lab("trial-address", &[]);
    let looked_at = [("ip_check_disabled", "false")];
    scripted(
        &lab,
        "web",
        "192.0.2.1/32 2001:db8:1::1/128",
        "exit 0",
        &looked_at,
    );
    lab.ip("addr add 192.0.2.1/32 dev lo");
    let (before, status) = report(&lab);
    let row = &before.services[0];
    assert_eq!((row.passed, row.code, status), (false, 0, Some(1)));
    let assigned: Vec<_> = row
        .prefixes
        .iter()
        .map(|p| (p.prefix.as_str(), p.assigned))
        .collect();
    assert_eq!(
        assigned,
        [
            ("192.0.2.1/32", Some(true)),
            ("2001:db8:1::1/128", Some(false))
        ]
    );
    let table = out(&once(&lab, &["-t"]));
    assert!(
        table.contains("lo has no address in 2001:db8:1::1/128"),
        "{table}"
    );
    lab.ip("addr add 2001:db8:1::1/128 dev lo nodad");
    assert_eq!(report(&lab).1, Some(0));
}

#[test]
fn without_services_it_says_so() {
    let lab = trial_lab("trial-none", &[]);
    let output = once(&lab, &["-t"]);
    quiet(&output, 0);
    assert_eq!(out(&output), "no check is enabled\n");
    let (report, status) = report(&lab);
    assert_eq!((report.services.len(), status), (0, Some(0)));
}

#[test]
fn an_invalid_configuration_is_refused_as_by_check() {
    let lab = trial_lab("trial-invalid", &[("loglevel", "loud")]);
    let marker = lab.path("ran");
    let script = format!("touch {}", marker.display());
    scripted(&lab, "web", "192.0.2.1/32", &script, &[("check_rise", "0")]);
    let (check, test) = (once(&lab, &["-c"]), once(&lab, &["-t"]));
    assert!(
        err(&test).starts_with("Invalid configuration"),
        "{}",
        err(&test)
    );
    assert_eq!((err(&test), test.status), (err(&check), check.status));
    assert_eq!((out(&test).as_str(), marker.exists()), ("", false));
}

#[test]
fn a_reader_that_has_left_is_no_failure() {
    let lab = trial_lab("trial-pipe", &[]);
    scripted(&lab, "web", "192.0.2.1/32", "exit 0", &[]);
    for arguments in [&["-t"][..], &["-t", "--json"]] {
        let (reader, writer) = UnixStream::pair().expect("pair");
        drop(reader);
        let mut command = daemon_command(&lab);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(writer))
            .stderr(Stdio::piped());
        let output = command
            .spawn()
            .expect("start")
            .wait_with_output()
            .expect("wait");
        quiet(&output, 0);
    }
}

#[test]
fn progress_is_for_terminals() {
    let lab = trial_lab("trial-progress", &[]);
    for number in 1..4 {
        scripted(
            &lab,
            &format!("s{number}"),
            &format!("192.0.2.{number}/32"),
            "exit 0",
            &[],
        );
    }
    let (mut master, slave) = sys::terminal().expect("openpty");
    let mut command = daemon_command(&lab);
    command
        .arg("-t")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(slave);
    let child = command.spawn().expect("start");
    // It keeps the terminal open.
    drop(command);
    let output = child.wait_with_output().expect("wait");
    assert_eq!(output.status.code(), Some(0));
    let mut seen = Vec::new();
    // A terminal that nobody has open any more is an error, not an end.
    let _ = master.read_to_end(&mut seen);
    let seen = String::from_utf8(seen).expect("UTF-8");
    assert!(seen.contains("2 of 3 checks done"), "{seen:?}");
    assert!(seen.ends_with("\r\x1b[K"), "{seen:?}");
    assert!(!out(&output).contains('\x1b'));
}

/// Issue 5: whoever tests needs no more than to read, so no file may be made by anything but the checks.
#[test]
fn a_read_only_place_is_no_hindrance() {
    let lab = trial_lab("trial-read-only", &[]);
    scripted(&lab, "web", "192.0.2.1/32", "exit 0", &[]);
    let times = || {
        let meta = fs::metadata(lab.dir()).expect("metadata");
        (
            meta.modified().expect("mtime"),
            lab.list(""),
            lab.list("4"),
            lab.list("6"),
        )
    };
    let before = times();
    let mut command = lab.command(PROGRAM);
    command.args(["-f", "main.conf", "-d", "services", "-t"]);
    quiet(&finish(command), 0);
    assert_eq!(times(), before);
}
