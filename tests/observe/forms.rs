//! The forms of a log line on stdout, and what is worth a line.

use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::FakeBird;
use crate::support::tools::python;
use crate::support::wait_until;
use crate::{flip, lab};

#[test]
fn a_text_line_has_time_program_pid_level_service_and_message() {
    let lab = lab("text", &[("loglevel", "info")]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    daemon.stop();
    let lines = daemon.out.all();
    assert!(
        daemon.err.all().is_empty(),
        "stderr: {:?}",
        daemon.err.all()
    );
    let program = format!("anycast-healthchecker[{}]", daemon.pid());
    for line in &lines {
        let (date, rest) = line.split_once(' ').expect("date");
        let (time, rest) = rest.split_once(' ').expect("time");
        let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "9");
        assert_eq!(
            (shape(date).as_str(), shape(time).as_str()),
            ("9999-99-99", "99:99:99,999"),
            "{line}"
        );
        let (name, rest) = rest.split_once(' ').expect("program");
        assert_eq!(name, program);
        assert!(
            rest.is_char_boundary(9) && rest.as_bytes()[8] == b' ',
            "the level is padded to 8: {line}"
        );
        assert!(
            ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"].contains(&rest[..8].trim_end()),
            "{line}"
        );
        let service = rest[9..].split(' ').next().expect("service");
        assert!(["MainThread", "web", "dns"].contains(&service), "{line}");
        assert!(
            rest[9 + service.len()..]
                .trim_start()
                .starts_with(|c: char| c.is_ascii()),
            "{line}"
        );
    }
    let text = lines.join("\n");
    for wanted in [
        " web ",
        " dns ",
        " MainThread ",
        "WARNING  web",
        "INFO     web",
        "10.1.0.1/32",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is missing in\n{text}");
    }
}

/// A file of tzfile(5) with one zone, so many hours east of Greenwich.
fn zone(hours: i32) -> Vec<u8> {
    let mut half = b"TZif2".to_vec();
    half.extend([0; 15]);
    // Indicators, leap seconds and transitions: none. One type, whose name has four bytes.
    for count in [0u32, 0, 0, 0, 1, 4] {
        half.extend(count.to_be_bytes());
    }
    half.extend((hours * 3600).to_be_bytes());
    half.extend(b"\0\0XXX\0");
    let rule = format!("\n<XXX>{}\n", -hours);
    [half.as_slice(), half.as_slice(), rule.as_bytes()].concat()
}

#[test]
fn a_change_of_the_time_zone_is_seen_at_a_reload() {
    let lab = lab("zone", &[("loglevel", "info")]);
    let put = |hours| {
        std::fs::write(lab.path("zone.new"), zone(hours)).expect("a file");
        std::fs::rename(lab.path("zone.new"), lab.path("zone")).expect("rename");
    };
    // Seconds of the day by the last line, less those in Greenwich.
    let offset = |line: &str| {
        let number = |at: usize| line[at..at + 2].parse::<i64>().expect("digits");
        let said = number(11) * 3600 + number(14) * 60 + number(17);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("a time").as_secs() as i64 % 86_400;
        // A minute for the way from there to here.
        ((said - now + 60).rem_euclid(86_400)) / 3600
    };
    put(9);
    let mut command = daemon_command(&lab);
    command.env("TZ", format!(":{}", lab.path("zone").display()));
    let mut daemon = Daemon::spawn(command);
    daemon.wait_ready(&lab);
    assert_eq!(offset(&daemon.wait_line(&["started"])), 9);
    for (times, hours) in [(1, 5), (2, 20)] {
        put(hours);
        daemon.signal(libc::SIGHUP);
        daemon.wait_lines(times, &["configuration reloaded"]);
        let lines = daemon.out.with(&["configuration reloaded"]);
        assert_eq!(offset(&lines[times - 1].1), i64::from(hours));
    }
    daemon.stop();
}

#[test]
fn json_lines_are_objects_with_the_documented_keys() {
    let lab = lab("json", &[("json_stdout", "true"), ("loglevel", "debug")]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    daemon.stop();
    let code = r#"
import json, re, sys
own = {"asctime", "levelname", "process", "message", "version", "program", "service_name"}
more = {"ip_address", "prefix_length", "ip_check_disabled", "status"}
seen = set()
for line in sys.stdin:
    assert line[0] == "{" and line.endswith("}\n"), line
    record = json.loads(line)
    keys = own if record["service_name"] == "MainThread" else own | more
    assert set(record) == keys, (set(record) ^ keys, line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", record["asctime"]), line
    assert type(record["process"]) is int and record["program"] == "anycast-healthchecker", line
    assert record["message"], line
    if "status" in record:
        assert record["status"] in ("up", "down", "unknown"), line
        assert type(record["prefix_length"]) is int and record["ip_check_disabled"] is True, line
    seen.add((record["service_name"], record.get("ip_address"), record.get("prefix_length"), record.get("status")))
print(sorted(map(str, seen)))
"#;
    let seen = python(code, &(daemon.out.all().join("\n") + "\n"));
    for wanted in [
        "('MainThread', None, None, None)",
        "('web', '10.1.0.1', 32, 'up')",
        "('web', '10.1.0.1', 32, 'down')",
        "('dns', '2001:db8:53::53', 128, 'up')",
    ] {
        assert!(seen.contains(wanted), "{wanted} is missing in {seen}");
    }
}

#[test]
fn journald_lines_begin_with_the_severity_and_leave_out_time_and_pid() {
    let lab = lab(
        "journal",
        &[("log_format_journalctl", "true"), ("loglevel", "debug")],
    );
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    daemon.stop();
    let lines = daemon.out.all();
    for line in &lines {
        let severity = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (severity, rest) = severity.unwrap_or_else(|| panic!("no <N>: {line}"));
        assert!(["7", "6", "4", "3", "2"].contains(&severity), "{line}");
        assert!(
            !rest.contains(&format!("[{}]", daemon.pid())) && !rest.starts_with("20"),
            "{line}"
        );
    }
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("<4>") && line.contains("web")),
        "DOWN is a warning: {lines:?}"
    );
}

#[test]
fn hostile_output_of_a_check_is_harmless_in_every_form() {
    for (form, setting) in [
        ("text", ("json_stdout", "false")),
        ("json", ("json_stdout", "true")),
        ("journal", ("log_format_journalctl", "true")),
    ] {
        let lab = lab(
            &format!("hostile-{form}"),
            &[setting, ("loglevel", "debug")],
        );
        let script = concat!(
            "#!/bin/sh\n",
            "printf 'first\\033[2J\\033]0;title\\007 \\\"quoted\\\" back\\\\slash\\nsecond {\"a\": 1}\\n'\n",
            "printf '\\000nul \\377\\376 \\302\\205 \\342\\200\\250 <3>forged\\r\\n2017-01-01 forged line\\n' >&2\n",
            "exit 3\n"
        );
        lab.script("hostile", script);
        let command = lab.path("hostile").display().to_string();
        lab.service(
            "web",
            &[("ip_prefix", "10.1.0.1/32"), ("check_cmd", &command)],
        );
        let mut daemon = Daemon::start(&lab);
        daemon.wait_line(&["web", "quoted"]);
        daemon.wait_line(&["web", "forged"]);
        daemon.stop();
        for line in daemon.out.all() {
            assert!(
                !line.contains(|c: char| c.is_control()),
                "{form}: control characters in {line:?}"
            );
            let begins = match form {
                "json" => line.starts_with('{') && line.ends_with('}'),
                "journal" => line.starts_with('<') && !line.starts_with("<3>forged"),
                _ => line.contains("anycast-healthchecker["),
            };
            assert!(begins, "{form}: a forged line {line:?}");
        }
        if form == "json" {
            python(
                "import json, sys\nfor line in sys.stdin: json.loads(line)",
                &(daemon.out.all().join("\n") + "\n"),
            );
        }
    }
}

#[test]
fn a_quiet_day_with_one_failure_is_a_short_log() {
    let lab = lab("quiet", &[("loglevel", "info")]);
    lab.service(
        "web",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_fail", "2"),
            ("check_rise", "2"),
            ("check_interval", "0.2"),
        ],
    );
    lab.service(
        "dns",
        &[
            ("ip_prefix", "2001:db8:53::53/128"),
            ("check_interval", "0.2"),
        ],
    );
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    bird.wait_exports("6", &["2001:db8:53::53/128"]);
    let runs = |more: usize| {
        let from = lab.runs("web").len();
        wait_until("more runs", || lab.runs("web").len() > from + more);
    };
    runs(3);
    let morning = news(&daemon).len();
    runs(15);
    assert_eq!(
        news(&daemon)[morning..],
        [] as [String; 0],
        "runs that pass are no news"
    );
    lab.answer("web", 7);
    bird.wait_exports("4", &[]);
    runs(15);
    lab.answer("web", 0);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    daemon.stop();
    assert_short_and_telling(&news(&daemon)[morning..]);
}

/// The log without what it says of a machine that is busy with other tests.
fn news(daemon: &Daemon) -> Vec<String> {
    let busy = |line: &String| {
        line.contains("may have been late") || line.contains("that is due now is skipped")
    };
    daemon
        .out
        .all()
        .into_iter()
        .filter(|line| !busy(line))
        .collect()
}

/// The log of a day on which one service fell with status 7 and came back.
fn assert_short_and_telling(day: &[String]) {
    assert!(
        day.len() <= 14,
        "{} lines for one failure:\n{}",
        day.len(),
        day.join("\n")
    );
    let changes: Vec<&String> = day.iter().filter(|line| line.contains("-> ")).collect();
    assert_eq!(
        changes.len(),
        2,
        "one line for each change of state:\n{}",
        day.join("\n")
    );
    assert!(
        changes[0].contains("10.1.0.1/32")
            && changes[0].contains("up -> down")
            && changes[0].contains('7'),
        "{}",
        changes[0]
    );
    assert!(
        changes[1].contains("10.1.0.1/32") && changes[1].contains("down -> up"),
        "{}",
        changes[1]
    );
    assert!(
        day.iter().any(|line| line.contains("repeated")),
        "repeated trouble is summed up:\n{}",
        day.join("\n")
    );
}

#[test]
fn the_level_decides_what_is_said() {
    for (level, wanted, unwanted) in [
        ("debug", "DEBUG ", "nothing of the kind"),
        ("warning", "WARNING ", "INFO "),
        ("ERROR", "", "WARNING "),
    ] {
        let lab = lab("level", &[("loglevel", level)]);
        let mut daemon = Daemon::start(&lab);
        flip(&lab);
        daemon.stop();
        let text = daemon.out.all().join("\n");
        assert!(
            text.contains(wanted) && !text.contains(unwanted),
            "{level}:\n{text}"
        );
    }
}
