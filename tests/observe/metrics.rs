//! The metrics file, read by Prometheus' own library, by promtool, by the node exporter, and beside the reference's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::support::daemon::Daemon;
use crate::support::tools::{node_exporter, promtool, python, reference};
use crate::support::{Lab, sys, wait_until};
use crate::{flip, lab};

const FILE: &str = "metrics/anycast_healthchecker.prom";

fn exporting(name: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = lab(name, &[]);
    std::fs::create_dir(lab.path("metrics")).expect("mkdir");
    let directory = lab.path("metrics").display().to_string();
    let own = [
        ("prometheus_exporter", "true"),
        ("prometheus_collector_textfile_dir", directory.as_str()),
        ("prometheus_exporter_interval", "1"),
    ];
    let given = |name: &str| settings.iter().any(|(other, _)| *other == name);
    let own = own.into_iter().filter(|(name, _)| !given(name));
    lab.daemon(&own.chain(settings.iter().copied()).collect::<Vec<_>>());
    lab
}

/// The samples of the file, `NAME{LABELS} VALUE`.
fn samples(lab: &Lab) -> Vec<String> {
    lab.read(FILE)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_string)
        .collect()
}

fn value(lab: &Lab, begin: &str) -> Option<f64> {
    let samples = samples(lab);
    let line = samples
        .iter()
        .find(|line| line.starts_with(&format!("anycast_healthchecker_{begin}")))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn wait_value(lab: &Lab, begin: &str, wanted: f64) {
    wait_until(
        &format!("{begin} is {wanted}, last {:?}", value(lab, begin)),
        || value(lab, begin) == Some(wanted),
    );
}

const WEB: &str = "{ip_prefix=\"10.1.0.1/32\",service_name=\"web\"}";

#[test]
fn values_mean_what_the_contract_says() {
    let lab = exporting("values", &[]);
    // A predecessor was killed while it wrote.
    lab.write("metrics/.anycast_healthchecker.prom.999999.tmp", "half");
    let mut daemon = Daemon::start(&lab);
    let state = format!("service_state{WEB}");
    wait_value(&lab, &state, 0.0);
    assert_eq!(value(&lab, "state "), Some(1.0));
    assert_eq!(value(&lab, "version_info{"), Some(1.0));
    assert_eq!(value(&lab, &format!("service{WEB}")), Some(1.0));
    wait_value(&lab, &format!("prefix_advertised{WEB}"), 1.0);
    assert_eq!(
        value(&lab, "service_check_ip_assignment"),
        None,
        "nobody looks at addresses here"
    );
    assert!(
        value(&lab, &format!("service_check_duration_milliseconds{WEB}"))
            .is_some_and(|ms| ms > 0.0 && ms < 5000.0)
    );
    assert!(
        value(&lab, "uptime").is_some_and(|seconds| seconds < 60.0),
        "seconds since the start"
    );
    lab.answer("web", 42);
    wait_value(&lab, &state, 42.0);
    wait_value(&lab, &format!("prefix_advertised{WEB}"), 0.0);
    daemon.stop();
    assert_eq!(value(&lab, "state "), Some(0.0), "down after the exit");
    assert_eq!(
        lab.list("metrics"),
        ["anycast_healthchecker.prom"],
        "no temporary file is left"
    );
}

#[test]
fn a_time_out_a_signal_and_a_missing_address_have_values_of_their_own() {
    let lab = exporting("odd-values", &[]);
    let odd = [
        ("slow", "10.2.0.1/32", "/bin/sleep 100"),
        ("killed", "10.2.0.2/32", "/bin/sh -c 'kill -9 $$'"),
        ("gone", "10.2.0.3/32", "/bin/true"),
    ];
    for (name, prefix, command) in odd {
        let addresses = if name == "gone" { "false" } else { "true" };
        let settings = [
            ("ip_prefix", prefix),
            ("check_cmd", command),
            ("check_timeout", "0.2"),
            ("check_interval", "0.3"),
            ("ip_check_disabled", addresses),
        ];
        lab.service(name, &settings);
    }
    let mut daemon = Daemon::start(&lab);
    let labels =
        |name: &str, prefix: &str| format!("{{ip_prefix=\"{prefix}\",service_name=\"{name}\"}}");
    wait_value(
        &lab,
        &format!("service_state{}", labels("slow", "10.2.0.1/32")),
        126.0,
    );
    wait_value(
        &lab,
        &format!("service_state{}", labels("killed", "10.2.0.2/32")),
        -9.0,
    );
    wait_value(
        &lab,
        &format!("service_state{}", labels("gone", "10.2.0.3/32")),
        1.0,
    );
    wait_value(
        &lab,
        &format!(
            "service_check_ip_assignment{}",
            labels("gone", "10.2.0.3/32")
        ),
        0.0,
    );
    let slow = labels("slow", "10.2.0.1/32");
    wait_until("two time-outs", || {
        value(&lab, &format!("service_check_timeout_total{slow}")).is_some_and(|count| count >= 2.0)
    });
    assert!(
        value(&lab, &format!("service_check_timeout_created{slow}")).is_some_and(|at| at > 1.6e9)
    );
    assert_eq!(
        value(&lab, &format!("service_check_duration_milliseconds{slow}")),
        None,
        "it has never ended by itself"
    );
    daemon.stop();
}

#[test]
fn a_change_of_state_is_exported_at_once() {
    let lab = exporting("at-once", &[("prometheus_exporter_interval", "3600")]);
    let mut daemon = Daemon::start(&lab);
    wait_value(&lab, &format!("service_state{WEB}"), 0.0);
    flip(&lab);
    wait_until("both changes are counted", || {
        value(&lab, "service_state_changes_total{service_name=\"web\"}")
            .is_some_and(|count| count >= 3.0)
    });
    daemon.stop();
}

#[test]
fn prometheus_own_parsers_accept_the_file_with_hostile_names_in_it() {
    let lab = exporting("parsers", &[]);
    let name = "we\"ird \\ näme %% {x=1}";
    let text = format!(
        "[{name}]\ncheck_cmd = /bin/false\nip_prefix = 10.3.0.1/32\ncheck_disabled = false\nip_check_disabled = true\n\
         check_interval = 0.2\ncheck_fail = 1\n"
    );
    lab.write("services/hostile.conf", &text);
    let mut daemon = Daemon::start(&lab);
    wait_until("every service has a state", || {
        lab.read(FILE)
            .matches("anycast_healthchecker_service_state{")
            .count()
            == 3
    });
    daemon.stop();
    let file = lab.read(FILE);
    let code = r#"
import sys
from prometheus_client.parser import text_string_to_metric_families
names = set()
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation and family.type in ("gauge", "counter"), family
    for sample in family.samples:
        names.add(sample.labels.get("service_name"))
print(names)
"#;
    let names = python(code, &file);
    assert!(names.contains("we\"ird"), "{names}");
    let checked = promtool(&["check", "metrics"], &file);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned()
        + &String::from_utf8_lossy(&checked.stdout);
    // It also lints names. Those of the reference stay as they are; ours must be beyond reproach.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| !line.is_empty() && !is_the_references(line))
        .collect();
    assert!(ours.is_empty(), "promtool: {ours:?}");
    assert!(!said.contains("error while linting"), "{said}");
}

/// Whether a complaint of promtool is about a family that the reference has.
fn is_the_references(line: &str) -> bool {
    let inherited = [
        "service_state",
        "service_check_duration_milliseconds",
        "service_check_ip_assignment",
        "service_check_timeout_total",
        "service_check_timeout_created",
        "uptime",
        "state",
        "version_info",
        "service",
    ];
    inherited
        .iter()
        .any(|name| line.starts_with(&format!("anycast_healthchecker_{name} ")))
}

#[test]
fn the_node_exporter_scrapes_it() {
    let lab = exporting("scrape", &[]);
    let mut daemon = Daemon::start(&lab);
    wait_value(&lab, &format!("service_state{WEB}"), 0.0);
    let mut exporter = lab
        .command(node_exporter())
        .arg("--collector.disable-defaults")
        .arg("--collector.textfile")
        .arg(format!(
            "--collector.textfile.directory={}",
            lab.path("metrics").display()
        ))
        .arg("--web.listen-address=127.0.0.1:9100")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("node exporter");
    let scrape = || {
        let mut stream = TcpStream::connect("127.0.0.1:9100").ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        let mut page = String::new();
        stream.read_to_string(&mut page).ok()?;
        Some(page)
    };
    let mut page = String::new();
    wait_until("the page holds all our samples", || {
        page = scrape().unwrap_or_default();
        let begins = |line: &&str| line.starts_with("anycast_healthchecker_");
        let scraped = page.lines().filter(begins).count();
        scraped > 0 && scraped == samples(&lab).len()
    });
    assert!(
        page.contains("node_textfile_scrape_error 0"),
        "the collector complains:\n{page}"
    );
    exporter.kill().expect("kill");
    exporter.wait().expect("wait");
    daemon.stop();
}

/// Compares two files of metrics, separated by NUL: theirs, and ours.
const COMPARE: &str = r#"
import sys
from prometheus_client.parser import text_string_to_metric_families
def families(text):
    table = {}
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("anycast_healthchecker"):
            continue
        samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for s in family.samples}
        table[family.name] = (family.type, family.documentation, samples)
    return table
theirs, ours = (families(text) for text in sys.stdin.read().split("\0"))
free = ("uptime", "duration", "created", "timeout_total", "version_info", "anycast_healthchecker_state")
assert len(theirs) >= 8, theirs.keys()
for name, (kind, text, samples) in theirs.items():
    assert name in ours, f"{name} is missing"
    assert ours[name][0] == kind, (name, kind, ours[name][0])
    assert ours[name][1] == text, (name, text, ours[name][1])
    if "version_info" in name:
        continue
    assert set(ours[name][2]) == set(samples), (name, set(ours[name][2]) ^ set(samples))
    if not any(word in name for word in free) and not any(word in key[0] for key in samples for word in free):
        assert ours[name][2] == samples, (name, samples, ours[name][2])
"#;

#[test]
fn whatever_the_reference_exports_is_there_with_the_same_type_labels_and_help() {
    let lab = exporting(
        "reference",
        &[("ipv6", "false"), ("prometheus_exporter_interval", "1")],
    );
    lab.remove("services/dns.conf");
    // The reference starts every command while it reads its configuration, and passes no names to it.
    let services = [
        ("web", "10.1.0.1/32", "/bin/true", "true"),
        ("ill", "10.2.0.1/32", "/bin/false", "true"),
        ("slow", "10.2.0.2/32", "/bin/sleep 100", "true"),
        ("there", "10.2.0.3/32", "/bin/true", "false"),
        ("away", "10.2.0.4/32", "/bin/true", "false"),
    ];
    for (name, prefix, command, no_addresses) in services {
        let settings = [
            ("ip_prefix", prefix),
            ("check_cmd", command),
            ("check_timeout", "0.3"),
            ("check_interval", "0.5"),
            ("ip_check_disabled", no_addresses),
        ];
        lab.service(name, &settings);
    }
    lab.ip("addr add 10.2.0.3/32 dev lo");
    let ready = |text: &str| {
        let has = |begin: &str| {
            text.lines()
                .any(|line| line.starts_with(&format!("anycast_healthchecker_{begin}")))
        };
        has("service_check_timeout_total{")
            && text
                .matches("\nanycast_healthchecker_service_state{")
                .count()
                == 5
    };
    let mut theirs = String::new();
    let mut command = lab.command(reference());
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("reference");
    wait_until("the reference has exported all", || {
        theirs = lab.read(FILE);
        ready(&theirs)
    });
    // It loses a SIGTERM now and then.
    sys::kill(child.id(), libc::SIGKILL).expect("signal");
    child.wait().expect("wait");
    lab.remove(FILE);
    let mut daemon = Daemon::start(&lab);
    wait_until("ours has exported all", || ready(&lab.read(FILE)));
    daemon.stop();
    python(COMPARE, &format!("{theirs}\0{}", lab.read(FILE)));
}

#[test]
fn a_directory_that_is_gone_is_survived_and_counted() {
    let lab = exporting("gone", &[]);
    let mut daemon = Daemon::start(&lab);
    wait_value(&lab, &format!("service_state{WEB}"), 0.0);
    std::fs::rename(lab.path("metrics"), lab.path("away")).expect("rename");
    daemon.wait_line(&["anycast_healthchecker.prom", "cannot"]);
    flip(&lab);
    std::fs::rename(lab.path("away"), lab.path("metrics")).expect("rename");
    wait_until("the failures are counted", || {
        value(&lab, "metrics_write_failures_total").is_some_and(|count| count >= 1.0)
    });
    daemon.stop();
}
