//! Syslog over UDP, received by a real rsyslog, or by nobody.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use crate::support::daemon::Daemon;
use crate::support::tools::{Rsyslog, python};
use crate::support::{Lab, wait_until};
use crate::{flip, lab};

fn logging(name: &str, server: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = lab(name, &[]);
    let all = [
        &[
            ("log_server", server),
            ("log_server_port", "6514"),
            ("loglevel", "info"),
        ],
        settings,
    ]
    .concat();
    lab.daemon(&all);
    lab
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .expect("host name")
        .trim()
        .to_string()
}

/// What every record of `daemon` must have in its own fields (see `support::tools::Rsyslog` for their order).
fn assert_fields(record: &[String], daemon: &Daemon, severity: &str) {
    assert_eq!(
        record[0], "anycast-healthchecker",
        "program name: {record:?}"
    );
    assert_eq!(record[1], daemon.pid().to_string(), "pid: {record:?}");
    assert_eq!(record[2], severity, "severity: {record:?}");
    assert_eq!(record[3], "user", "facility: {record:?}");
}

#[test]
fn rsyslog_sees_every_field_of_a_text_record() {
    let lab = logging("syslog", "127.0.0.1", &[]);
    let rsyslog = Rsyslog::start(&lab, "127.0.0.1");
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    let down = rsyslog.wait_record(&["web", "up -> down"]);
    assert_fields(&down, &daemon, "warning");
    let up = rsyslog.wait_record(&["web", "down -> up"]);
    assert_fields(&up, &daemon, "info");
    assert_eq!(
        (up[5].as_str(), up[6].as_str()),
        (host_name().as_str(), "1"),
        "host and RFC 5424: {up:?}"
    );
    // The time is the daemon's own, with its zone, not that of reception: it has microseconds.
    let code = r#"
import datetime, sys
time = datetime.datetime.fromisoformat(sys.stdin.read())
age = datetime.datetime.now(datetime.timezone.utc) - time
assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=1), (time, age)
assert time.microsecond, time
"#;
    python(code, &up[4]);
    assert!(
        daemon.out.all().is_empty(),
        "nothing on stdout: {:?}",
        daemon.out.all()
    );
    daemon.stop();
    rsyslog.wait_record(&["SIGTERM"]);
}

#[test]
fn rsyslog_sees_every_field_of_a_json_record() {
    let lab = logging("syslog-json", "127.0.0.1", &[("json_log_server", "true")]);
    let rsyslog = Rsyslog::start(&lab, "127.0.0.1");
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    let down = rsyslog.wait_record(&["\"service_name\": \"web\"", "up -> down"]);
    assert_fields(&down, &daemon, "warning");
    let code = r#"
import json, sys
record = json.loads(sys.stdin.read())
assert record["service_name"] == "web" and record["status"] == "down" and record["ip_address"] == "10.1.0.1", record
"#;
    python(code, &down[7]);
    daemon.stop();
}

#[test]
fn the_older_form_is_understood_as_well() {
    let lab = logging(
        "syslog-3164",
        "127.0.0.1",
        &[("log_server_format", "rfc3164")],
    );
    let rsyslog = Rsyslog::start(&lab, "127.0.0.1");
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    let down = rsyslog.wait_record(&["web", "up -> down"]);
    assert_fields(&down, &daemon, "warning");
    assert_eq!(down[6], "0", "RFC 3164: {down:?}");
    daemon.stop();
}

#[test]
fn the_form_of_the_reference_is_its_datagram_to_the_byte() {
    let lab = logging(
        "syslog-reference",
        "127.0.0.1",
        &[("log_server_format", "reference")],
    );
    let sink = UdpSocket::bind("127.0.0.1:6514").expect("sink");
    sink.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("timeout");
    let mut daemon = Daemon::start(&lab);
    let mut buffer = [0u8; 65536];
    let mut datagram = || {
        let length = sink.recv(&mut buffer).expect("a datagram");
        buffer[..length].to_vec()
    };
    let begins = format!(" anycast-healthchecker[{}] INFO ", daemon.pid());
    loop {
        let bytes = datagram();
        assert_eq!(bytes.last(), Some(&0), "ends with NUL");
        let text = String::from_utf8_lossy(&bytes[..bytes.len() - 1]).into_owned();
        if text.starts_with("<14>20") && text.contains(&begins) {
            break;
        }
    }
    daemon.stop();
}

#[test]
fn an_ipv6_server_and_one_with_a_name_are_reached() {
    for (server, address) in [("::1", "::1"), ("localhost", "127.0.0.1")] {
        let lab = logging("syslog-server", server, &[]);
        // Whatever localhost resolves to first, somebody listens there.
        let other = UdpSocket::bind("[::1]:6514");
        if server == "localhost" {
            drop(other);
        } else {
            drop(other.expect("IPv6 on lo"));
        }
        let rsyslog = Rsyslog::start(&lab, if server == "localhost" { "*" } else { address });
        let mut daemon = Daemon::start(&lab);
        flip(&lab);
        rsyslog.wait_record(&["web", "down -> up"]);
        daemon.stop();
    }
}

#[test]
fn a_name_whose_first_address_refuses_is_reached_at_the_next() {
    let lab = logging("syslog-two", "logs.example", &[]);
    for (name, text) in [
        ("hosts", "::1 logs.example\n127.0.0.1 logs.example\n"),
        ("nsswitch.conf", "hosts: files\n"),
    ] {
        mount_over(&lab, name, text);
    }
    let sink = sink("127.0.0.1:6514");
    let mut daemon = Daemon::start(&lab);
    let mut buffer = [0; 2048];
    loop {
        let length = sink.recv(&mut buffer).expect("a line");
        if String::from_utf8_lossy(&buffer[..length]).contains(" started with ") {
            break;
        }
    }
    flip(&lab);
    daemon.stop();
    let dropped = |line: &String| line.contains("cannot send");
    assert!(
        !daemon.err.all().iter().any(dropped),
        "{:?}",
        daemon.err.all()
    );
}

#[test]
fn a_server_that_is_down_disturbs_nothing_and_gets_what_comes_after_its_return() {
    let lab = logging("syslog-down", "127.0.0.1", &[]);
    // Nobody listens: every datagram is answered by an ICMP error.
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    flip(&lab);
    let runs = lab.runs("web").len();
    wait_until("checks go on", || lab.runs("web").len() > runs + 5);
    assert!(daemon.is_running());
    let rsyslog = Rsyslog::start(&lab, "127.0.0.1");
    flip(&lab);
    rsyslog.wait_record(&["web", "down -> up"]);
    drop(rsyslog);
    flip(&lab);
    let rsyslog = Rsyslog::start(&lab, "127.0.0.1");
    let before = rsyslog.records().len();
    flip(&lab);
    wait_until("records again", || rsyslog.records().len() > before);
    daemon.stop();
}

#[test]
fn a_name_that_does_not_resolve_is_tried_again_and_holds_nothing_up() {
    let lab = logging("syslog-name", "no-such-host.invalid", &[]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    let runs = lab.runs("web");
    let last = runs.last().expect("runs").at_ms;
    wait_until("two seconds of checks", || {
        lab.runs("web")
            .last()
            .is_some_and(|run| run.at_ms > last + 2000)
    });
    let runs = lab.runs("web");
    let gap = runs
        .windows(2)
        .skip(1)
        .map(|pair| pair[1].at_ms - pair[0].at_ms)
        .max();
    // A resolver gives up after five seconds, and tries twice.
    assert!(gap.is_some_and(|gap| gap < 4000), "held up for {gap:?} ms");
    daemon.stop();
}

/// Has the daemon of this test ask `127.0.0.1` for names, and nobody else.
fn name_server(lab: &Lab) -> UdpSocket {
    let resolver = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n";
    for (name, text) in [("resolv.conf", resolver), ("nsswitch.conf", "hosts: dns\n")] {
        mount_over(lab, name, text);
    }
    sink("127.0.0.1:53")
}

/// Has the daemon of this test read `text` in `/etc/NAME`.
fn mount_over(lab: &Lab, name: &str, text: &str) {
    let ours = lab.write(name, text);
    let mut mount = Command::new("mount");
    mount.arg("--bind").arg(ours).arg(format!("/etc/{name}"));
    assert!(mount.status().expect("mount(8)").success(), "{name}");
}

fn sink(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("a port of this namespace");
    let patience = Some(Duration::from_secs(20));
    socket.set_read_timeout(patience).expect("timeout");
    socket
}

type Query = (Vec<u8>, SocketAddr);

/// The two questions about a name, for each family.
fn queries(server: &UdpSocket, name: &str) -> Vec<Query> {
    let mut all = Vec::new();
    while all.len() < 2 {
        let mut query = vec![0; 512];
        let (length, from) = server.recv_from(&mut query).expect("a query");
        query.truncate(length);
        if query
            .windows(name.len())
            .any(|part| part == name.as_bytes())
        {
            all.push((query, from));
        }
    }
    all
}

/// The name has this one IPv4 address.
fn answer(server: &UdpSocket, queries: &[Query], address: [u8; 4]) {
    for (query, from) in queries {
        // The header, and the question: labels, a zero, type and class.
        let labels = query[12..].iter().position(|byte| *byte == 0);
        let end = 12 + labels.expect("a name") + 5;
        let of_ipv4 = query[end - 3] == 1;
        let mut reply = query[..2].to_vec();
        reply.extend([0x81, 0x80, 0, 1, 0, u8::from(of_ipv4), 0, 0, 0, 0]);
        reply.extend(&query[12..end]);
        if of_ipv4 {
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend(address);
        }
        server.send_to(&reply, from).expect("a reply");
    }
}

fn look_ups(lab: &Lab) -> usize {
    let is_one = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--resolve-log-server")
    };
    lab.processes().iter().filter(|pid| is_one(pid)).count()
}

#[test]
fn the_address_of_a_name_that_a_reload_replaced_is_not_used() {
    let lab = logging("syslog-renamed", "before", &[]);
    let names = name_server(&lab);
    let (before, after) = (sink("127.0.0.2:6514"), sink("127.0.0.3:6514"));
    let mut daemon = Daemon::start(&lab);
    let about_before = queries(&names, "before");
    let settings = lab.read("main.conf").replace("before", "after");
    lab.write("main.conf", &settings);
    daemon.signal(libc::SIGHUP);
    let about_after = queries(&names, "after");
    answer(&names, &about_before, [127, 0, 0, 2]);
    wait_until("one look-up is left", || look_ups(&lab) == 1);
    flip(&lab);
    answer(&names, &about_after, [127, 0, 0, 3]);
    let mut buffer = [0; 2048];
    after.recv(&mut buffer).expect("a line at the new address");
    before.set_nonblocking(true).expect("non-blocking");
    assert!(before.recv(&mut buffer).is_err(), "a line at the old one");
    daemon.stop();
}

#[test]
fn a_long_line_is_one_datagram_of_safe_size() {
    let lab = logging("syslog-long", "127.0.0.1", &[]);
    lab.script(
        "long",
        "#!/bin/sh\nhead -c 60000 /dev/zero | tr '\\0' x\necho\nexit 1\n",
    );
    let command = lab.path("long").display().to_string();
    lab.service(
        "web",
        &[("ip_prefix", "10.1.0.1/32"), ("check_cmd", &command)],
    );
    let sink = UdpSocket::bind("127.0.0.1:6514").expect("sink");
    sink.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("timeout");
    let mut daemon = Daemon::start(&lab);
    let mut buffer = vec![0u8; 65536];
    loop {
        let length = sink.recv(&mut buffer).expect("a datagram");
        assert!(length <= 2048, "{length} bytes");
        let text = String::from_utf8_lossy(&buffer[..length]);
        assert!(text.starts_with('<') && !text.contains('\n'), "{text}");
        if text.contains("xxxxxxxx") {
            break;
        }
    }
    daemon.stop();
}

#[test]
fn a_long_message_in_json_stays_json() {
    for (form, most) in [("rfc5424", 2048), ("rfc3164", 1024)] {
        let settings = [("json_log_server", "true"), ("log_server_format", form)];
        let lab = logging("syslog-long-json", "127.0.0.1", &settings);
        lab.script(
            "long",
            "#!/bin/sh\nhead -c 60000 /dev/zero | tr '\\0' '\"'\necho\nexit 1\n",
        );
        let command = lab.path("long").display().to_string();
        lab.service(
            "web",
            &[("ip_prefix", "10.1.0.1/32"), ("check_cmd", &command)],
        );
        let sink = sink("127.0.0.1:6514");
        let mut daemon = Daemon::start(&lab);
        let mut buffer = vec![0u8; 65536];
        let mut longest = 0;
        while longest < most - 16 {
            let length = sink.recv(&mut buffer).expect("a datagram");
            assert!(length <= most, "{length} bytes");
            longest = longest.max(length);
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let object = text.find('{').expect("an object");
            python("import json, sys\njson.load(sys.stdin)", &text[object..]);
        }
        daemon.stop();
    }
}

#[test]
fn a_file_and_a_server_at_once_both_get_everything() {
    let lab = logging("both", "127.0.0.1", &[]);
    let log = lab.path("daemon.log").display().to_string();
    let settings = [
        ("log_server", "127.0.0.1"),
        ("log_server_port", "6514"),
        ("loglevel", "info"),
        ("log_file", &log),
        ("json_log_server", "true"),
    ];
    lab.daemon(&settings);
    let rsyslog = Rsyslog::start(&lab, "127.0.0.1");
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    rsyslog.wait_record(&["down -> up"]);
    daemon.stop();
    let lines = lab.read("daemon.log").lines().count();
    wait_until("as many records as lines", || {
        rsyslog.records().len() == lines
    });
}
