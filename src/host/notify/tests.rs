use super::*;
use crate::host::test_dir::TestDir;

fn at(millis: u64) -> Mono {
    Mono::from_micros(1000 * millis)
}

fn take(socket: &UnixDatagram) -> String {
    let mut buffer = [0u8; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

fn manager() -> (TestDir, UnixDatagram, Notify) {
    let dir = TestDir::new();
    let path = dir.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let notify = Notify::new(Some(path.as_os_str()), Some("3000000"), Some("7"), 7);
    (dir, socket, notify)
}

#[test]
fn the_life_of_a_daemon() {
    let (_dir, socket, mut notify) = manager();
    notify.ready(at(1));
    assert_eq!(take(&socket), "READY=1");
    notify.status(at(1), "3 up,\n1 down\u{7}");
    assert_eq!(take(&socket), "STATUS=3 up, 1 down ");
    notify.reloading(at(5));
    assert_eq!(take(&socket), "RELOADING=1\nMONOTONIC_USEC=5000");
    assert_eq!(
        notify.watchdog_interval(),
        Some(Duration::from_millis(1500))
    );
    notify.watchdog(at(6));
    assert_eq!(take(&socket), "WATCHDOG=1");
    notify.status(at(7), &"é".repeat(1000));
    assert!(take(&socket).len() <= LONGEST_STATUS);
    // Counts would stand below "inactive (dead)" until the next start.
    notify.stopping(at(8));
    assert_eq!(take(&socket), "STOPPING=1\nSTATUS=told to stop");
    notify.status(at(9), "2 up");
    assert!(socket.recv(&mut [0]).is_err());
    assert_eq!(notify.next_deadline(), None);
}

#[test]
fn an_abstract_name() {
    let name = format!("ahc-test-notify-{}", process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let mut notify = Notify::new(Some(OsStr::new(&format!("@{name}"))), None, None, 1);
    notify.ready(at(0));
    assert_eq!(take(&socket), "READY=1");
    assert_eq!(notify.watchdog_interval(), None);
}

#[test]
fn a_full_queue_loses_nothing_that_counts() {
    let (_dir, socket, mut notify) = manager();
    let mut sent = 0;
    while notify.next_deadline().is_none() {
        notify.watchdog(at(sent));
        sent += 1;
        assert!(sent < 100_000, "the queue never filled");
    }
    notify.status(at(200), "old");
    notify.ready(at(200));
    notify.status(at(200), "new");
    assert_eq!(notify.next_deadline(), Some(at(300)));
    let mut got = Vec::new();
    for _ in 1..sent {
        got.push(take(&socket));
    }
    notify.flush(at(300));
    let rest: Vec<String> = (0..3).map(|_| take(&socket)).collect();
    assert_eq!(rest, ["WATCHDOG=1", "READY=1", "STATUS=new"]);
    assert_eq!(notify.next_deadline(), None);
}

#[test]
fn nothing_is_sent_where_nobody_listens() {
    for address in [None, Some(OsStr::new("")), Some(OsStr::new("vsock:2:1234"))] {
        let mut notify = Notify::new(address, Some("2000000"), None, 1);
        notify.ready(at(0));
        notify.watchdog(at(0));
        assert_eq!(
            (notify.watchdog_interval(), notify.next_deadline()),
            (None, None)
        );
    }
    let mut gone = Notify::new(Some(OsStr::new("/nonexistent/notify")), None, None, 1);
    gone.ready(at(0));
    assert_eq!(
        gone.next_deadline(),
        None,
        "a missing manager is not waited for"
    );
}

#[test]
fn the_watchdog_of_another_process_is_not_ours() {
    let dir = TestDir::new();
    let path = dir.join("notify");
    let _socket = UnixDatagram::bind(&path).unwrap();
    for (usec, pid, expected) in [
        (Some("2000000"), Some("8"), None),
        (Some("2000000"), None, Some(Duration::from_secs(1))),
        (Some("0"), None, None),
        (Some("soon"), Some("7"), None),
        (None, Some("7"), None),
    ] {
        let notify = Notify::new(Some(path.as_os_str()), usec, pid, 7);
        assert_eq!(notify.watchdog_interval(), expected, "{usec:?} {pid:?}");
    }
}
