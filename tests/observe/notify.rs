//! What systemd is told, at a socket of the test's.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::{FakeBird, Mood};
use crate::support::{Lab, wait_until};
use crate::{flip, lab};

/// Starts the daemon with a notification socket, and reads what arrives there.
struct Systemd {
    socket: UnixDatagram,
    seen: Vec<String>,
}

impl Systemd {
    fn start(lab: &Lab, more: &[(&str, &str)]) -> (Systemd, Daemon) {
        let path = lab.path("notify");
        let socket = UnixDatagram::bind(&path).expect("socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("timeout");
        let mut command = daemon_command(lab);
        command
            .env("NOTIFY_SOCKET", &path)
            .envs(more.iter().copied());
        (
            Systemd {
                socket,
                seen: Vec::new(),
            },
            Daemon::spawn(command),
        )
    }

    /// Waits until `wanted` has arrived as a line of some datagram.
    #[track_caller]
    fn wait(&mut self, wanted: &str) {
        let mut buffer = [0u8; 4096];
        wait_until(&format!("{wanted} arrives"), || {
            if let Ok(length) = self.socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                self.seen.extend(text.lines().map(str::to_string));
            }
            self.seen.iter().any(|line| line.starts_with(wanted))
        });
    }
}

#[test]
fn ready_status_reloading_and_stopping_are_said() {
    let lab = lab("notify", &[]);
    let (mut systemd, mut daemon) = Systemd::start(&lab, &[]);
    systemd.wait("READY=1");
    systemd.wait("STATUS=");
    flip(&lab);
    systemd.seen.clear();
    daemon.signal(libc::SIGHUP);
    systemd.wait("RELOADING=1");
    systemd.wait("MONOTONIC_USEC=");
    systemd.wait("READY=1");
    daemon.signal(libc::SIGTERM);
    systemd.wait("STOPPING=1");
    assert_eq!(daemon.wait_end().code(), Some(0));
    assert!(
        !systemd
            .seen
            .iter()
            .any(|line| line.starts_with("WATCHDOG=")),
        "no watchdog was asked for"
    );
}

/// `systemctl status` shows it, also where the line of the log has moved out of sight.
#[test]
fn trouble_with_bird_stands_in_the_status_while_it_lasts() {
    const UP: &str = "STATUS=2 services: 2 up";
    let lab = lab("notify-trouble", &[]);
    let bird = FakeBird::install(&lab);
    bird.mood(Mood::Broken);
    let (mut systemd, mut daemon) = Systemd::start(&lab, &[]);
    let trouble = format!("{UP}; BIRD does not have what the checks ask for");
    systemd.wait(&trouble);
    bird.mood(Mood::Good);
    wait_until("the trouble is over", || {
        systemd.wait(UP);
        systemd.seen.last().is_some_and(|line| line == UP)
    });
    daemon.stop();
}

#[test]
fn the_watchdog_is_fed_in_time() {
    let lab = lab("watchdog", &[]);
    let (mut systemd, mut daemon) = Systemd::start(&lab, &[("WATCHDOG_USEC", "400000")]);
    systemd.wait("READY=1");
    for _ in 0..5 {
        systemd.seen.clear();
        let waited = std::time::Instant::now();
        systemd.wait("WATCHDOG=1");
        assert!(
            waited.elapsed() < Duration::from_secs(2),
            "{:?}",
            waited.elapsed()
        );
    }
    daemon.stop();
}

#[test]
fn a_notification_socket_that_is_gone_or_full_holds_nothing_up() {
    let lab = lab("notify-gone", &[]);
    let (systemd, mut daemon) = Systemd::start(&lab, &[("WATCHDOG_USEC", "50000")]);
    daemon.wait_ready(&lab);
    // Nobody reads, so it fills up; then it is gone.
    flip(&lab);
    drop(systemd);
    std::fs::remove_file(lab.path("notify")).expect("remove");
    flip(&lab);
    daemon.stop();
}
