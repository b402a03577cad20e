//! As little privilege as the shipped unit leaves it: an ordinary user, no new privileges, no capabilities, a root file
//! system that is read-only.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::lab;
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::executable;
use crate::support::fake_bird::FakeBird;
use crate::support::prefixes::is_whole;

const USER: u32 = 65534;

#[test]
fn it_runs_without_any_privilege() {
    let lab = lab("sandbox", &[("bird_keep_changes", "true")]);
    for part in ["", "4", "6", "checks"] {
        chown(lab.path(part), Some(USER), Some(USER)).expect("chown");
    }
    executable::copy(PROGRAM, lab.path("program"));
    lab.ip("addr add 10.1.0.1/32 dev lo");
    lab.service(
        "web",
        &[("ip_prefix", "10.1.0.1/32"), ("ip_check_disabled", "false")],
    );
    // A mount namespace of its own, in which only the directory of the lab can be written.
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro / && cd \"$1\" || exit 99\n\
                  ! touch /must-not-be-there 2>/dev/null || exit 98\n\
                  shift; exec \"$@\"";
    let mut command = lab.command("unshare");
    command
        .args(["--mount", "/bin/sh", "-c", script, "sh"])
        .arg(lab.dir());
    command.args([
        "setpriv",
        "--no-new-privs",
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--clear-groups",
    ]);
    command.args([format!("--reuid={USER}"), format!("--regid={USER}")]);
    command.arg(lab.path("program"));
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_ready(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    lab.ip("addr del 10.1.0.1/32 dev lo");
    bird.wait_exports("4", &[]);
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("status");
    assert!(
        status.contains("NoNewPrivs:\t1") && status.contains("CapEff:\t0000000000000000"),
        "{status}"
    );
    daemon.stop();
}

#[test]
fn nothing_that_matters_can_be_written_by_others_whatever_the_umask() {
    let lab = lab("umask", &[("bird_keep_changes", "true")]);
    fs::create_dir(lab.path("out")).expect("mkdir");
    let [log, errors, metrics] =
        ["out/log", "out/stderr", "out"].map(|name| lab.path(name).display().to_string());
    lab.daemon(&[
        ("ipv6", "false"),
        ("bird_keep_changes", "true"),
        ("log_file", &log),
        ("stderr_file", &errors),
        ("prometheus_exporter", "true"),
        ("prometheus_collector_textfile_dir", &metrics),
    ]);
    let mut command = lab.command("/bin/sh");
    command.args(["-c", "umask 0; exec \"$@\"", "sh", PROGRAM]);
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_ready(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    lab.answer("web", 1);
    bird.wait_exports("4", &[]);
    let mut seen = 0;
    let mut look = |name: String| {
        let metadata = lab.path(&name).symlink_metadata().expect("metadata");
        let mode = metadata.permissions().mode();
        assert_eq!(mode & 0o002, 0, "{name} has mode {mode:o}");
        seen += 1;
    };
    look("pid".into());
    for directory in ["4", "4/history", "out"] {
        // The log and stderr are made by the umask alone, as every logger does it.
        for name in lab
            .list(directory)
            .iter()
            .filter(|name| !["log", "stderr"].contains(&name.as_str()))
        {
            look(format!("{directory}/{name}"));
        }
    }
    assert!(seen >= 5, "only {seen} files");
    daemon.stop();
}

/// The file is the daemon's and its directory is not: `-c` warns, and the file is written in place.
#[test]
fn a_file_in_a_directory_of_somebody_else_is_written_in_place() {
    let lab = lab("not-ours", &[]);
    for part in ["", "checks"] {
        chown(lab.path(part), Some(USER), Some(USER)).expect("chown");
    }
    let list = "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32 ];\n";
    let path = lab.write("4/prefixes.conf", list);
    chown(&path, Some(USER), Some(USER)).expect("chown");
    executable::copy(PROGRAM, lab.path("program"));
    let command = |more: &[&str]| {
        let mut command = lab.command("setpriv");
        command.args(["--clear-groups".to_string(), format!("--reuid={USER}")]);
        command.arg(format!("--regid={USER}"));
        command.arg(lab.path("program")).args(more);
        command.arg("-f").arg(lab.path("main.conf"));
        command.arg("-d").arg(lab.path("services"));
        command
    };
    let said = command(&["-c"]).output().expect("-c");
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{out}{err}");
    assert!(format!("{out}{err}").contains("is written in place"));
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::spawn(command(&[]));
    daemon.wait_ready(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    lab.answer("web", 1);
    bird.wait_exports("4", &[]);
    daemon.stop();
    assert!(is_whole(&lab.read("4/prefixes.conf")));
    assert_eq!(
        daemon
            .out
            .with(&["WARNING", "it is written in place"])
            .len(),
        1
    );
    assert!(daemon.out.with(&["reserve"]).is_empty(), "none is needed");
    assert_eq!(fs::read_dir(lab.path("4")).expect("4").count(), 1);
}
