//! `--watch`: each daemon that goes takes its prefixes along, also one that only seems to be there.

use super::*;

/// A watch that withdraws after a second.
fn watch(lab: &Lab) -> Daemon {
    let watch = Daemon::spawn(command(lab, &["--watch", "1"]));
    // It has looked at least once.
    wait_until("it runs", || {
        !watch.children().is_empty() || status::ask().is_some() || withdrawn(lab)
    });
    watch
}

#[test]
fn each_daemon_that_is_gone_takes_its_prefixes_along() {
    let lab = host("watch-twice", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = start(&lab);
    status::wait_service("web", "up", "passed");
    let mut watch = watch(&lab);
    for round in 1..=2 {
        bird.wait_exports("4", &[WEB]);
        daemon.kill();
        wait_until("withdrawn", || {
            withdrawn(&lab) && bird.exports("4").is_empty()
        });
        wait_until("it says so", || {
            watch.err.with(&["withdrawn: "]).len() == round
        });
        let calls = bird.calls();
        holds_for("once is enough", Duration::from_millis(1500), || {
            bird.calls() == calls
        });
        daemon = start(&lab);
        wait_until("it says so", || {
            watch.err.with(&["a daemon works again"]).len() == round
        });
    }
    bird.wait_exports("4", &[WEB]);
    holds_for(
        "a daemon that works is left alone",
        Duration::from_millis(1500),
        || lab.announced("4") == [WEB],
    );
    watch.signal(libc::SIGTERM);
    watch.wait_end();
    daemon.stop();
}

#[test]
fn a_daemon_that_is_killed_before_each_verdict_is_no_daemon() {
    let lab = host("watch-killed", &[]);
    let bird = FakeBird::install(&lab);
    // Three failures, 0.6 s after the start, would be a verdict. No daemon lives so long.
    let settings = [
        ("ip_prefix", WEB),
        ("check_interval", "0.3"),
        ("check_timeout", "0.2"),
        ("check_fail", "3"),
        ("check_rise", "3"),
    ];
    lab.service("web", &settings);
    lab.answer("web", 1);
    let watch = Daemon::spawn(command(&lab, &["--watch", "1"]));
    wait_until("withdrawn", || {
        let mut daemon = start(&lab);
        daemon.kill();
        withdrawn(&lab) && bird.exports("4").is_empty()
    });
    drop(watch);
}

#[test]
fn a_daemon_that_never_decides_is_no_daemon() {
    let lab = host("watch-undecided", &[]);
    let bird = FakeBird::install(&lab);
    let flip = lab.script(
        "flip",
        "#!/bin/sh\nif [ -e flipped ]; then rm flipped; else : >flipped; exit 1; fi\n",
    );
    let flip = flip.display().to_string();
    let settings = [
        ("ip_prefix", WEB),
        ("check_cmd", flip.as_str()),
        ("check_interval", "0.2"),
        ("check_timeout", "0.1"),
        ("check_fail", "2"),
        ("check_rise", "2"),
    ];
    lab.service("web", &settings);
    let mut daemon = start(&lab);
    let watch = Daemon::spawn(command(&lab, &["--watch", "1"]));
    wait_until("withdrawn", || {
        withdrawn(&lab) && bird.exports("4").is_empty()
    });
    wait_until("the reason is said", || {
        !watch.err.with(&["has not decided"]).is_empty()
    });
    daemon.stop();
}

#[test]
fn a_slow_start_is_no_absence() {
    let lab = host("watch-slow", &[]);
    let _bird = FakeBird::install(&lab);
    // The verdict comes after 2.5 s, which is more than the patience of the watch.
    let settings = [
        ("ip_prefix", WEB),
        ("check_interval", "0.5"),
        ("check_timeout", "0.4"),
        ("check_rise", "6"),
        ("check_fail", "6"),
    ];
    lab.service("web", &settings);
    let watch = Daemon::spawn(command(&lab, &["--watch", "1"]));
    let mut daemon = start(&lab);
    status::wait_service("web", "up", "passed");
    assert_eq!(lab.announced("4"), [WEB]);
    assert_eq!(watch.err.all(), [""; 0]);
    daemon.stop();
}

#[test]
fn a_daemon_that_hangs_is_withdrawn_and_left_alone_when_it_goes_on() {
    let lab = host("watch-hung", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = start(&lab);
    status::wait_service("web", "up", "passed");
    let watch = watch(&lab);
    daemon.signal(libc::SIGSTOP);
    wait_until("withdrawn", || {
        withdrawn(&lab) && bird.exports("4").is_empty()
    });
    wait_until("it says so", || {
        !watch.err.with(&["withdrawn: "]).is_empty()
    });
    daemon.signal(libc::SIGCONT);
    wait_until("it says so", || {
        !watch.err.with(&["a daemon works again"]).is_empty()
    });
    daemon.stop();
}

#[test]
fn systemd_is_told_that_it_watches() {
    let lab = host("watch-notify", &[]);
    let _bird = FakeBird::install(&lab);
    let socket = UnixDatagram::bind(lab.path("notify")).expect("bind");
    socket
        .set_read_timeout(Some(support::PATIENCE))
        .expect("time-out");
    let mut command = command(&lab, &["--watch", "60"]);
    command.env("NOTIFY_SOCKET", lab.path("notify"));
    let _watch = Daemon::spawn(command);
    let mut text = [0; 100];
    let length = socket.recv(&mut text).expect("a message");
    assert_eq!(&text[..length], b"READY=1");
}
