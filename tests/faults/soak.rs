//! A long time at 200 checks a second: nothing grows, nothing is lost, nothing comes late.
//!
//! `SOAK_SECONDS` says how long (`make soak`: 600); 10 seconds if it says nothing.

use std::time::{Duration, Instant};

use crate::support::daemon::Daemon;
use crate::support::fake_bird::FakeBird;
use crate::support::status::{self, Checks};
use crate::support::{Lab, wait_until};

const SERVICES: usize = 100;
const INTERVAL: f64 = 0.5;

fn total(lab: &Lab, result: &str) -> f64 {
    let text = lab.read("metrics/anycast_healthchecker.prom");
    let label = format!("result=\"{result}\"");
    let ours = |line: &&str| {
        line.starts_with("anycast_healthchecker_service_checks_total{") && line.contains(&label)
    };
    let value = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|value| value.parse::<f64>().ok())
    };
    text.lines().filter(ours).filter_map(value).sum()
}

/// How often each service has run, in their order.
fn runs_of_each() -> Vec<u64> {
    let services = status::ask().expect("the daemon answers").services;
    let total = |checks: Checks| checks.passed + checks.failed + checks.timed_out;
    services.into_iter().map(|s| total(s.checks)).collect()
}

/// A hundred services: most pass; some fail now and then, some always time out.
fn busy_lab() -> Lab {
    let lab = Lab::new("soak");
    FakeBird::install(&lab);
    std::fs::create_dir(lab.path("metrics")).expect("mkdir");
    let metrics = lab.path("metrics").display().to_string();
    lab.daemon(&[
        ("ipv6", "false"),
        ("loglevel", "warning"),
        ("splay_startup", "0.5"),
        ("prometheus_exporter", "true"),
        ("prometheus_exporter_interval", "1"),
        ("prometheus_collector_textfile_dir", &metrics),
    ]);
    let interval = INTERVAL.to_string();
    for number in 0..SERVICES {
        let check = match number % 10 {
            0 => "/bin/sh -c 'exit $(( $$ %% 7 == 0 ))'",
            1 => "/bin/sleep 30",
            _ => "/bin/true",
        };
        let prefix = format!("10.50.0.{number}/32");
        lab.service(
            &format!("s{number}"),
            &[
                ("ip_prefix", &prefix),
                ("check_cmd", check),
                ("check_interval", &interval),
                ("check_timeout", "0.2"),
            ],
        );
    }
    lab
}

#[test]
fn soak() {
    let seconds = std::env::var("SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10);
    let lab = busy_lab();
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    wait_until("every service has run", || {
        total(&lab, "pass") > 85.0 && total(&lab, "timeout") >= 10.0
    });
    let all = || ["pass", "fail", "timeout", "not_started"].map(|result| total(&lab, result));
    let begin = Instant::now();
    let (from, descriptors, memory_kb) =
        (all(), daemon.descriptors(), daemon.status_number("VmRSS"));
    let (mut most_descriptors, mut most_children) = (0, 0);
    while begin.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(100));
        most_descriptors = most_descriptors.max(daemon.descriptors());
        most_children = most_children.max(daemon.children().len());
    }
    let (to, elapsed) = (all(), begin.elapsed());
    let (end_descriptors, end_memory_kb) = (daemon.descriptors(), daemon.status_number("VmRSS"));
    let runs: f64 = to.iter().sum::<f64>() - from.iter().sum::<f64>();
    let expected = SERVICES as f64 * elapsed.as_secs_f64() / INTERVAL;
    println!(
        "soak: {runs} runs in {elapsed:?} ({:.1} % of {expected:.0}), {} of them not started; \
         descriptors {descriptors} -> {end_descriptors} (most {most_descriptors}), \
         children at most {most_children}, memory {memory_kb} -> {end_memory_kb} kB, {} reconfigurations",
        100.0 * runs / expected,
        to[3] - from[3],
        bird.calls(),
    );
    // The metrics are up to a second old at both ends. A busy machine may cost slots, but no service its turn.
    assert!(runs < expected * 1.15, "{runs} runs, expected {expected}");
    let before = runs_of_each();
    wait_until("every service goes on", || {
        let pairs = before.iter().zip(runs_of_each());
        pairs.filter(|(before, now)| now > *before).count() == SERVICES
    });
    assert_eq!(to[3], from[3], "checks that could not be started");
    assert!(most_children <= SERVICES + 2, "{most_children} children");
    assert!(
        most_descriptors <= 40 + 2 * SERVICES,
        "{most_descriptors} descriptors"
    );
    assert!(
        end_memory_kb <= memory_kb + 2048,
        "memory {memory_kb} -> {end_memory_kb} kB"
    );
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
    assert!(!bird.overlapped());
}
