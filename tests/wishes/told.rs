//! What a reload tells those who listen: log files are opened anew, systemd hears its beginning and its end.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, wait_until};
use crate::v4;

#[test]
fn the_log_goes_where_the_new_configuration_says() {
    let lab = Lab::new("log");
    FakeBird::install(&lab);
    lab.install_checks();
    let logs = ["one.log", "two.log"].map(|name| lab.path(name).display().to_string());
    lab.daemon(&[("log_file", &logs[0])]);
    lab.service("web", &[("ip_prefix", &v4(1))]);
    let mut daemon = Daemon::start(&lab);
    wait_until("up", || lab.read("one.log").contains("-> up"));
    // Renamed, as logrotate does, and refused: the file is opened anew all the same.
    std::fs::rename(lab.path("one.log"), lab.path("one.log.1")).expect("rename");
    lab.write("services/bad.conf", "nonsense\n");
    daemon.signal(libc::SIGHUP);
    wait_until("made anew", || lab.read("one.log").contains("not reloaded"));
    lab.remove("services/bad.conf");
    lab.daemon(&[("log_file", &logs[1])]);
    daemon.signal(libc::SIGHUP);
    wait_until("the other file", || {
        lab.read("two.log").contains("configuration reloaded")
    });
    lab.answer("web", 1);
    wait_until("goes on there", || lab.read("two.log").contains("-> down"));
    assert!(!lab.read("one.log").contains("-> down"));
    daemon.stop();
}

#[test]
fn systemd_hears_reloading_then_ready_for_good_and_bad() {
    let lab = Lab::new("notified");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.service("web", &[("ip_prefix", &v4(1))]);
    let socket = UnixDatagram::bind(lab.path("notify")).expect("socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("timeout");
    let mut command = daemon_command(&lab);
    command.env("NOTIFY_SOCKET", lab.path("notify"));
    let mut daemon = Daemon::spawn(command);
    let mut buffer = [0; 4096];
    // The next datagram that is about readiness; its first line.
    let mut next = || loop {
        let length = socket.recv(&mut buffer).expect("a notification");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !text.starts_with("STATUS=") {
            return text;
        }
    };
    assert_eq!(next(), "READY=1");
    for good in [true, false, true] {
        match good {
            true => lab.service("web", &[("ip_prefix", &v4(1))]),
            false => lab.service("web", &[("ip_prefix", "nowhere")]),
        }
        daemon.signal(libc::SIGHUP);
        let text = next();
        assert!(
            text.starts_with("RELOADING=1\nMONOTONIC_USEC="),
            "both in one datagram: {text:?}"
        );
        assert_eq!(next(), "READY=1");
        let word = if good {
            "configuration reloaded"
        } else {
            "configuration not reloaded"
        };
        daemon.wait_line(&[word]);
    }
    // A reload that comes with the end, or after it has begun, is too late.
    daemon.signal(libc::SIGSTOP);
    daemon.signal(libc::SIGTERM);
    daemon.signal(libc::SIGHUP);
    daemon.signal(libc::SIGCONT);
    assert_eq!(next(), "STOPPING=1\nSTATUS=told to stop");
    assert_eq!(daemon.wait_end().code(), Some(0));
    socket.set_nonblocking(true).expect("nonblocking");
    let late = socket
        .recv(&mut buffer)
        .map(|length| buffer[..length].to_vec());
    assert!(
        late.is_err(),
        "after STOPPING=1: {:?}",
        late.map(String::from_utf8)
    );
}
