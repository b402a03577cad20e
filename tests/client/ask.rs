//! `--status`: the daemon up, down and not to be believed.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use nanoserde::DeJson;

use super::support::daemon::{Daemon, PROGRAM, daemon_command, finish};
use super::support::fake_bird::FakeBird;
use super::support::{Lab, wait_until};
use super::{err, once, out, quiet};

#[derive(DeJson)]
struct Status {
    pid: u32,
    services: Vec<Service>,
}

#[derive(DeJson)]
struct Service {
    name: String,
    status: String,
}

fn ready(name: &str) -> Lab {
    let lab = Lab::new(name);
    lab.install_checks();
    FakeBird::install(&lab);
    lab.daemon(&[]);
    lab
}

#[track_caller]
fn wait_status(lab: &Lab, status: i32) {
    wait_until(&format!("--status ends with {status}"), || {
        once(lab, &["-s"]).status.code() == Some(status)
    });
}

#[test]
fn the_status_is_that_of_the_services() {
    let lab = ready("status-up");
    lab.service("web", &[("ip_prefix", "192.0.2.1/32")]);
    lab.service("dns", &[("ip_prefix", "192.0.2.2/32")]);
    lab.service(
        "off",
        &[("ip_prefix", "192.0.2.3/32"), ("check_disabled", "true")],
    );
    let daemon = Daemon::start(&lab);
    wait_status(&lab, 0);
    wait_until("the summary tells that all is well", || {
        let table = out(&once(&lab, &["--status"]));
        table.starts_with("3 services: 2 up, 1 disabled; ") && !table.contains("not settled")
    });
    lab.answer("web", 1);
    wait_status(&lab, 1);
    let output = once(&lab, &["-s", "--json"]);
    quiet(&output, 1);
    let text = out(&output);
    let status = Status::deserialize_json(&text).expect("a document");
    assert_eq!(status.pid, daemon.pid());
    let states: Vec<_> = status
        .services
        .iter()
        .map(|s| (s.name.as_str(), s.status.as_str()))
        .collect();
    assert_eq!(
        states,
        [("dns", "up"), ("off", "disabled"), ("web", "down")]
    );
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn no_configuration_is_needed() {
    let lab = ready("status-bare");
    lab.service("web", &[("ip_prefix", "192.0.2.1/32")]);
    let _daemon = Daemon::start(&lab);
    wait_status(&lab, 0);
    lab.write("broken.conf", "[daemon\npidfile = ");
    for arguments in [
        &["-s"][..],
        &["-s", "-f", "broken.conf"],
        &["-s", "-f", "missing.conf"],
    ] {
        let mut command = lab.command(PROGRAM);
        command.args(arguments);
        quiet(&finish(command), 0);
    }
}

#[test]
fn without_a_daemon_it_is_three() {
    let lab = ready("status-none");
    for arguments in [&["-s"][..], &["-s", "--json"]] {
        let output = once(&lab, arguments);
        assert_eq!((output.status.code(), out(&output).as_str()), (Some(3), ""));
        let said = err(&output);
        assert!(
            said.starts_with("anycast-healthchecker: no daemon answers: nothing listens on "),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1);
    }
    lab.service("web", &[("ip_prefix", "192.0.2.1/32")]);
    let mut daemon = Daemon::start(&lab);
    wait_status(&lab, 0);
    daemon.stop();
    assert_eq!(once(&lab, &["-s"]).status.code(), Some(3));
}

#[test]
fn what_is_no_document_is_no_answer() {
    let lab = ready("status-odd");
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("name");
    let listener = UnixListener::bind_addr(&name).expect("bind");
    for answer in [&b""[..], b"\xff", b"{}", b"{\"services\":[", b"\x1b[31m"] {
        std::thread::scope(|scope| {
            scope.spawn(|| listener.accept().expect("accept").0.write_all(answer));
            let output = once(&lab, &["-s"]);
            let said = err(&output);
            assert_eq!(
                (output.status.code(), out(&output).as_str()),
                (Some(3), ""),
                "{said}"
            );
            assert!(said.contains("no daemon answers: "), "{said}");
            assert!(!said.trim_end().contains(char::is_control), "{said:?}");
        });
    }
}

/// Nobody, on every system that has such a user; any number would do.
const OTHER: u32 = 65534;

#[test]
fn another_user_s_daemon_is_believed_if_it_owns_the_pidfile() {
    let lab = ready("status-other");
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("name");
    // The credentials of a listener are those it had when it began to listen.
    let program = "import socket, time\n\
        s = socket.socket(socket.AF_UNIX)\n\
        s.bind('\\0anycast-healthchecker.status')\n\
        s.listen()\n\
        while True:\n    c, _ = s.accept()\n    c.close()\n";
    let mut command = lab.command("python3");
    command
        .args(["-c", program])
        .uid(OTHER)
        .gid(OTHER)
        .stdin(Stdio::null());
    let mut other = command.spawn().expect("python3");
    wait_until("the other user listens", || {
        UnixStream::connect_addr(&name).is_ok()
    });
    lab.write("pid", "1\n");
    let said = err(&once(&lab, &["-s"]));
    assert!(
        said.contains(&format!(
            "is held by user {OTHER}, who does not own the pidfile"
        )),
        "{said}"
    );
    std::os::unix::fs::chown(lab.path("pid"), Some(OTHER), None).expect("chown");
    let output = once(&lab, &["-s"]);
    assert!(
        err(&output).contains("closed the connection without a word"),
        "{}",
        err(&output)
    );
    assert_eq!(output.status.code(), Some(3));
    other.kill().expect("kill");
    other.wait().expect("wait");
}

#[test]
fn a_thousand_services_are_answered() {
    let lab = ready("status-many");
    for number in 0..1_000 {
        let prefix = format!("198.18.{}.{}/32", number / 250, number % 250);
        lab.service(
            &format!("service-{number:04}.example.com"),
            &[
                ("ip_prefix", &prefix),
                ("check_disabled", "true"),
                ("on_disabled", "advertise"),
            ],
        );
    }
    let _daemon = Daemon::start(&lab);
    let output = once(&lab, &["-s", "--json"]);
    quiet(&output, 0);
    let status = Status::deserialize_json(&out(&output)).expect("a document");
    assert_eq!(status.services.len(), 1_000);
    let table = out(&once(&lab, &["-s"]));
    assert!(
        table.starts_with("1000 services: 1000 disabled"),
        "{}",
        table.lines().next().unwrap_or("")
    );
    assert!(table.lines().count() > 1_000);
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    assert!(widest(&table) > Some(60), "nothing is cut for a file");
    let mut narrow = daemon_command(&lab);
    narrow.arg("-s").env("COLUMNS", "60");
    assert!(widest(&out(&finish(narrow))) <= Some(60));
    // A reader that leaves in the midst of it.
    for arguments in [&["-s"][..], &["-s", "--json"]] {
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
