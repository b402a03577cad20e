//! `--status` and `--test`: for people, for programs, and for those who connect and never read.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, PROGRAM, finish, run};
use crate::support::fake_bird::FakeBird;
use crate::support::tools::python;
use crate::support::{Lab, wait_until};
use crate::{flip, lab};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn connect() -> UnixStream {
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("address");
    UnixStream::connect_addr(&name).expect("the status socket")
}

#[test]
fn the_exit_status_tells_how_things_are() {
    let lab = lab("exit", &[]);
    let nobody = run(&lab, &["--status"]);
    assert_eq!(
        nobody.status.code(),
        Some(3),
        "no daemon answers: {}",
        text(&nobody.stderr)
    );
    assert!(!nobody.stderr.is_empty());
    let mut daemon = Daemon::start(&lab);
    wait_until("both are up", || {
        run(&lab, &["-s"]).status.code() == Some(0)
    });
    lab.answer("web", 5);
    wait_until("one is down", || {
        run(&lab, &["--status"]).status.code() == Some(1)
    });
    let table = text(&run(&lab, &["--status"]).stdout);
    for wanted in [
        "web",
        "10.1.0.1/32",
        "down",
        "dns",
        "2001:db8:53::53/128",
        "up",
    ] {
        assert!(table.contains(wanted), "{wanted} is missing in\n{table}");
    }
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].contains('1') && lines[0].contains("up") && lines[0].contains("down"),
        "a summary first: {table}"
    );
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "wider than 80 columns:\n{table}"
    );
    daemon.stop();
}

#[test]
fn the_document_is_json_with_a_service_for_each_service() {
    let lab = lab("document", &[]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    let output = run(&lab, &["--status", "--json"]);
    let code = r#"
import json, sys
document = json.load(sys.stdin)
assert document["program"] == "anycast-healthchecker", document
services = {service["name"]: service for service in document["services"]}
assert set(services) == {"web", "dns"}, services
web = services["web"]
assert web["status"] == "up" and web["prefixes"][0]["prefix"] == "10.1.0.1/32", web
assert web["prefixes"][0]["advertised"] is True and web["last"]["result"] == "pass", web
print(document["pid"])
"#;
    let pid = python(code, &text(&output.stdout));
    assert_eq!(pid.trim(), daemon.pid().to_string());
    // The socket itself speaks the same.
    let mut document = String::new();
    connect().read_to_string(&mut document).expect("document");
    assert!(
        document.starts_with('{') && document.ends_with("}\n"),
        "{document}"
    );
    daemon.stop();
}

/// A lab with 1,000 services; the steady one is steered and frequent, the others run once a minute.
fn thousand(name: &str) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("loglevel", "warning"), ("splay_startup", "1")]);
    for number in 0..999 {
        let prefix = format!("10.60.{}.{}/32", number / 250, number % 250);
        lab.service(
            &format!("service-number-{number}.example.com"),
            &[
                ("ip_prefix", &prefix),
                ("check_cmd", "/bin/true"),
                ("check_interval", "60"),
            ],
        );
    }
    lab.service(
        "steady",
        &[("ip_prefix", "10.1.0.1/32"), ("check_interval", "0.1")],
    );
    lab
}

#[test]
fn a_thousand_services_are_told_of_in_milliseconds_and_in_eighty_columns() {
    let lab = thousand("thousand");
    let mut daemon = Daemon::start(&lab);
    wait_until("all announced", || lab.announced("4").len() == 1000);
    let mut times = Vec::new();
    for _ in 0..25 {
        let begin = Instant::now();
        let mut document = Vec::new();
        connect().read_to_end(&mut document).expect("document");
        times.push(begin.elapsed());
        assert!(document.len() > 100_000 && document.ends_with(b"}\n"));
    }
    times.sort();
    // The fastest of many says what it costs; the others say how busy the machine is. Unoptimised builds take longer.
    let limit = if cfg!(debug_assertions) {
        Duration::from_millis(50)
    } else {
        Duration::from_millis(5)
    };
    assert!(times[0] < limit, "an answer takes {:?}", times[0]);
    let mut command = lab.command(PROGRAM);
    command.arg("--status").env("COLUMNS", "80");
    let table = text(&finish(command).stdout);
    assert!(table.lines().count() >= 1001);
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "wider than 80 columns"
    );
    daemon.stop();
}

#[test]
fn two_hundred_clients_that_never_read_delay_no_check() {
    let lab = thousand("clients");
    let mut daemon = Daemon::start(&lab);
    wait_until("all announced", || lab.announced("4").len() == 1000);
    let (descriptors, from) = (daemon.descriptors(), lab.runs("steady").len());
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("address");
    // Beyond the backlog a connect would wait: from a thread each, and never read.
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let name = name.clone();
            std::thread::spawn(move || UnixStream::connect_addr(&name))
        })
        .collect();
    wait_until("a while", || lab.runs("steady").len() > from + 20);
    let runs = lab.runs("steady");
    let gap = runs[from..]
        .windows(2)
        .map(|pair| pair[1].at_ms - pair[0].at_ms)
        .max();
    // Each of the two hundred would hold them up until it is given up.
    assert!(
        gap.is_some_and(|gap| gap < 5000),
        "checks were held up for {gap:?} ms"
    );
    let memory_kb = daemon.status_number("VmRSS");
    assert!(
        memory_kb < 64 * 1024,
        "{memory_kb} kB for clients that never read"
    );
    // Whoever reads still gets an answer, at the latest when the others have been given up.
    let whole = || {
        let mut document = Vec::new();
        let mut stream = connect();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("timeout");
        stream.read_to_end(&mut document).is_ok() && document.ends_with(b"}\n")
    };
    wait_until("an answer", whole);
    drop(
        clients
            .into_iter()
            .map(|client| client.join())
            .collect::<Vec<_>>(),
    );
    wait_until("their descriptors are closed", || {
        daemon.descriptors() <= descriptors + 2
    });
    daemon.stop();
}

#[test]
fn hostile_output_is_harmless_in_the_table_and_the_document() {
    let lab = lab("hostile-status", &[]);
    lab.script(
        "hostile",
        "#!/bin/sh\nprintf 'a\\033[2J\\007\"b\\\\ \\302\\205 \\377\\n'\nexit 3\n",
    );
    let command = lab.path("hostile").display().to_string();
    lab.service(
        "web",
        &[("ip_prefix", "10.1.0.1/32"), ("check_cmd", &command)],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("down", || run(&lab, &["-s"]).status.code() == Some(1));
    for arguments in [&["-s"][..], &["-s", "--json"], &["-t"], &["-t", "--json"]] {
        let mut arguments = arguments.to_vec();
        if arguments[0] == "-t" {
            arguments.extend(["-f", "main.conf", "-d", "services"]);
        }
        let said = text(&run(&lab, &arguments).stdout);
        let bad = |c: char| c.is_control() && c != '\n';
        assert!(
            !said.is_empty() && !said.contains(bad),
            "{arguments:?}: {said:?}"
        );
    }
    daemon.stop();
}

#[test]
fn a_test_run_runs_every_enabled_check_once_in_parallel_and_touches_nothing() {
    let lab = lab("test-run", &[]);
    // Each passes as soon as all of them have started.
    lab.script(
        "together",
        "#!/bin/sh\ncd \"$ANYCAST_TEST_LAB\"\necho here >>here\nuntil [ \"$(wc -l <here)\" -ge 8 ]; do sleep 0.02; done\n",
    );
    let together = lab.path("together").display().to_string();
    for number in 0..8 {
        let prefix = format!("10.2.0.{number}/32");
        lab.service(
            &format!("s{number}"),
            &[
                ("ip_prefix", &prefix),
                ("check_cmd", &together),
                ("check_timeout", "20"),
            ],
        );
    }
    lab.service(
        "off",
        &[("ip_prefix", "10.3.0.1/32"), ("check_disabled", "true")],
    );
    let arguments = ["-t", "-f", "main.conf", "-d", "services"];
    let passes = run(&lab, &arguments);
    assert_eq!(
        passes.status.code(),
        Some(0),
        "{}{}",
        text(&passes.stdout),
        text(&passes.stderr)
    );
    assert_eq!(
        (
            lab.runs("web").len(),
            lab.runs("dns").len(),
            lab.runs("off").len()
        ),
        (1, 1, 0)
    );
    assert!(!lab.path("4/prefixes.conf").exists() && !lab.path("pid").exists());
    assert_eq!(FakeBird::install(&lab).calls(), 0);
    lab.answer("web", 9);
    lab.service(
        "slow",
        &[
            ("ip_prefix", "10.3.0.2/32"),
            ("check_cmd", "/bin/sleep 100"),
            ("check_timeout", "0.3"),
        ],
    );
    let fails = run(&lab, &arguments);
    assert_eq!(fails.status.code(), Some(1));
    let table = text(&fails.stdout);
    assert!(
        table.contains("web") && table.contains('9') && table.contains("slow"),
        "{table}"
    );
    let json = run(&lab, &[&arguments[..], &["--json"]].concat());
    python(
        "import json, sys\njson.load(sys.stdin)",
        &text(&json.stdout),
    );
    wait_until("nothing is left", || lab.processes().is_empty());
}
