//! `--drain` and `--undrain`: the way there and back, and what stands in it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use super::support::daemon::{Daemon, PROGRAM, finish};
use super::support::fake_bird::FakeBird;
use super::support::{Lab, executable};
use super::{err, once, out, quiet};

const OTHER: u32 = 65534;

fn ready(name: &str) -> Lab {
    let lab = Lab::new(name);
    lab.install_checks();
    lab.daemon(&[]);
    for (service, prefix) in [("web", "192.0.2.1/32"), ("dns", "192.0.2.2/32")] {
        let file = lab.path(&format!("{service}.drain")).display().to_string();
        lab.service(
            service,
            &[("ip_prefix", prefix), ("maintenance_file", &file)],
        );
    }
    lab
}

#[test]
fn there_and_back() {
    let lab = ready("drain-round");
    let bird = FakeBird::install(&lab);
    let _daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["192.0.2.1/32", "192.0.2.2/32"]);
    let output = once(&lab, &["--drain", "web"]);
    quiet(&output, 0);
    assert!(
        out(&output).starts_with("web: drained after "),
        "{}",
        out(&output)
    );
    // No waiting: it has said that BIRD was told.
    assert_eq!(bird.exports("4"), ["192.0.2.2/32"]);
    assert!(lab.path("web.drain").exists());
    // Once more is fine.
    quiet(&once(&lab, &["--drain", "web"]), 0);
    let status = once(&lab, &["-s"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(out(&status).contains("maintenance"), "{}", out(&status));
    let output = once(&lab, &["--undrain", "web"]);
    quiet(&output, 0);
    assert!(
        out(&output).starts_with("web: no longer drained after "),
        "{}",
        out(&output)
    );
    assert!(!lab.path("web.drain").exists());
    bird.wait_exports("4", &["192.0.2.1/32", "192.0.2.2/32"]);
}

#[test]
fn without_a_daemon_the_order_stands() {
    let lab = ready("drain-none");
    FakeBird::install(&lab);
    let output = once(&lab, &["--drain", "web"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(3), ""));
    assert!(
        err(&output).contains("web.drain is made, but no daemon answers"),
        "{}",
        err(&output)
    );
    assert!(lab.path("web.drain").exists());
    let output = once(&lab, &["--undrain", "web"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!lab.path("web.drain").exists());
}

#[test]
fn what_cannot_be_drained_is_said_with_what_to_do() {
    let lab = ready("drain-refused");
    lab.service("bare", &[("ip_prefix", "192.0.2.3/32")]);
    let file = lab.path("off.drain").display().to_string();
    let off = [
        ("ip_prefix", "192.0.2.4/32"),
        ("check_disabled", "true"),
        ("maintenance_file", &file),
    ];
    lab.service("off", &off);
    for (name, words) in [
        (
            "wbe",
            "no service 'wbe' in the configuration (did you mean 'web'?)",
        ),
        (
            "x\x1b[31m",
            "no service 'x\\u{1b}[31m' in the configuration",
        ),
        (
            "bare",
            "has no maintenance_file: set maintenance_file in its section",
        ),
        ("off", "is disabled (check_disabled)"),
    ] {
        for option in ["--drain", "--undrain"] {
            let output = once(&lab, &[option, name]);
            assert_eq!((output.status.code(), out(&output).as_str()), (Some(1), ""));
            assert!(err(&output).contains(words), "{}", err(&output));
            assert!(!err(&output).contains('\x1b'));
        }
    }
    assert!(!lab.path("off.drain").exists());
}

#[test]
fn a_mistake_elsewhere_does_not_stand_in_the_way() {
    let lab = ready("drain-mistake");
    let bird = FakeBird::install(&lab);
    let _daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["192.0.2.1/32", "192.0.2.2/32"]);
    lab.service(
        "new",
        &[("ip_prefix", "192.0.2.1/24"), ("check_rise", "none")],
    );
    lab.write("services/torn.conf", "[torn\nip_prefix");
    quiet(&once(&lab, &["--drain", "web"]), 0);
    // A service that only the new files know of is not the daemon's.
    let file = lab.path("late.drain").display().to_string();
    lab.service(
        "late",
        &[("ip_prefix", "192.0.2.9/32"), ("maintenance_file", &file)],
    );
    let output = once(&lab, &["--drain", "late"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("no such service: reload it (SIGHUP)"),
        "{}",
        err(&output)
    );
    // Where the service may stand in what could not be read, that is said.
    let output = once(&lab, &["--drain", "torn"]);
    assert!(err(&output).contains("torn.conf:1"), "{}", err(&output));
}

#[test]
fn others_with_the_same_file_are_named() {
    let lab = ready("drain-shared");
    let file = lab.path("web.drain").display().to_string();
    lab.service(
        "dns",
        &[("ip_prefix", "192.0.2.2/32"), ("maintenance_file", &file)],
    );
    let bird = FakeBird::install(&lab);
    let _daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["192.0.2.1/32", "192.0.2.2/32"]);
    let output = once(&lab, &["--drain", "web"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        err(&output),
        format!("note: {file} is the maintenance file of dns as well\n")
    );
    bird.wait_exports("4", &[]);
}

/// Whoever may make the file may drain, and needs nothing of what the daemon needs.
#[test]
fn another_user_drains() {
    let lab = ready("drain-user");
    let bird = FakeBird::install(&lab);
    let _daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["192.0.2.1/32", "192.0.2.2/32"]);
    let as_other = |option: &str| {
        // Where the build is may be closed to others.
        let program = lab.path("program");
        executable::copy(PROGRAM, &program);
        let mut command = lab.command(&program);
        command.args(["-f", "main.conf", "-d", "services", option, "web"]);
        command.uid(OTHER).gid(OTHER);
        finish(command)
    };
    let output = as_other("--drain");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("cannot make "), "{}", err(&output));
    std::fs::set_permissions(lab.dir(), PermissionsExt::from_mode(0o777)).expect("chmod");
    quiet(&as_other("--drain"), 0);
    bird.wait_exports("4", &["192.0.2.2/32"]);
    quiet(&as_other("--undrain"), 0);
}
