//! Log files: rotated at exact sizes, across restarts, and lost and found again without harm.

use std::fs;

use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::{Lab, sys, wait_until};
use crate::{flip, lab};

const MAX: u64 = 4096;

fn logging(name: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = lab(name, &[]);
    fs::create_dir(lab.path("log")).expect("mkdir");
    let file = lab.path("log/daemon.log").display().to_string();
    lab.daemon(
        &[
            &[("log_file", file.as_str()), ("loglevel", "debug")],
            settings,
        ]
        .concat(),
    );
    // Checks that make a lot of lines.
    lab.service(
        "web",
        &[("ip_prefix", "10.1.0.1/32"), ("check_interval", "0.05")],
    );
    lab
}

fn size(lab: &Lab, name: &str) -> u64 {
    lab.path(name)
        .metadata()
        .map_or(0, |metadata| metadata.len())
}

#[test]
fn with_a_log_file_stdout_is_silent() {
    let lab = logging("file", &[]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    daemon.stop();
    assert_eq!((daemon.out.all(), daemon.err.all()), (vec![], vec![]));
    let text = lab.read("log/daemon.log");
    assert!(
        text.contains("WARNING  web") && text.ends_with('\n'),
        "{text}"
    );
}

#[test]
fn json_in_a_file_is_one_object_a_line() {
    let lab = logging("file-json", &[("json_log_file", "true")]);
    let mut daemon = Daemon::start(&lab);
    flip(&lab);
    daemon.stop();
    let code = "import json, sys\nfor line in sys.stdin: json.loads(line)[\"message\"]";
    crate::support::tools::python(code, &lab.read("log/daemon.log"));
}

#[test]
fn files_rotate_before_they_grow_too_long_and_the_oldest_goes_also_across_restarts() {
    let max = MAX.to_string();
    let lab = logging("rotate", &[("log_maxbytes", &max), ("log_backups", "3")]);
    let names = ["daemon.log", "daemon.log.1", "daemon.log.2", "daemon.log.3"];
    // The first lines of the very first file, to see when they fall off the end.
    let mut daemon = Daemon::start(&lab);
    wait_until("the first line", || {
        lab.read("log/daemon.log").lines().count() > 2
    });
    let first = lab
        .read("log/daemon.log")
        .lines()
        .next()
        .expect("a line")
        .to_string();
    let everything = || {
        names
            .iter()
            .rev()
            .map(|name| lab.read(&format!("log/{name}")))
            .collect::<String>()
    };
    for _ in 0..3 {
        let before = size(&lab, "log/daemon.log");
        daemon.stop();
        daemon = Daemon::start(&lab);
        wait_until("it goes on where it was", || {
            size(&lab, "log/daemon.log") > before || size(&lab, "log/daemon.log.1") > 0
        });
    }
    wait_until("three backups, and the first file has fallen off", || {
        lab.path("log/daemon.log.3").exists() && !everything().contains(&first)
    });
    daemon.stop();
    assert_eq!(lab.list("log"), names, "exactly three backups");
    for name in names {
        let text = lab.read(&format!("log/{name}"));
        assert!(text.len() as u64 <= MAX, "{name} has {} bytes", text.len());
        assert!(
            text.ends_with('\n') && text.starts_with("20"),
            "{name} holds whole lines"
        );
    }
    for name in &names[1..] {
        // The next line would not have fitted: a full file lacks less than the longest line.
        let text = lab.read(&format!("log/{name}"));
        assert!(
            text.len() as u64 + 400 > MAX,
            "{name} was rotated at {} bytes",
            text.len()
        );
    }
}

#[test]
fn a_file_that_is_removed_is_made_anew_and_a_renamed_one_after_sighup() {
    let lab = logging("removed-log", &[]);
    let mut daemon = Daemon::start(&lab);
    wait_until("lines", || size(&lab, "log/daemon.log") > 0);
    lab.remove("log/daemon.log");
    wait_until("made anew", || size(&lab, "log/daemon.log") > 0);
    fs::rename(lab.path("log/daemon.log"), lab.path("log/old")).expect("rename");
    daemon.signal(libc::SIGHUP);
    wait_until("reopened", || size(&lab, "log/daemon.log") > 0);
    let old = size(&lab, "log/old");
    let runs = lab.runs("web").len();
    wait_until("a while", || lab.runs("web").len() > runs + 5);
    assert_eq!(size(&lab, "log/old"), old, "the renamed file is left alone");
    daemon.stop();
}

#[test]
fn a_full_disk_drops_and_counts_lines_and_logging_resumes() {
    let lab = logging("full-log", &[]);
    sys::mount_tmpfs(&lab.path("log"), "64k").expect("tmpfs");
    let _ = fs::write(lab.path("log/filler"), vec![b'x'; 256 * 1024]);
    let mut daemon = Daemon::start(&lab);
    // The daemon does its work meanwhile.
    flip(&lab);
    let runs = lab.runs("web").len();
    wait_until("checks go on", || lab.runs("web").len() > runs + 10);
    assert!(daemon.is_running());
    lab.remove("log/filler");
    wait_until("logging resumes and says what was lost", || {
        lab.read("log/daemon.log").contains("were lost")
    });
    for line in lab.read("log/daemon.log").lines() {
        assert!(line.starts_with("20"), "a torn line: {line:?}");
    }
    daemon.stop();
    sys::unmount(&lab.path("log")).expect("unmount");
}

#[test]
fn what_stands_in_the_way_of_rotation_loses_nothing_for_a_while() {
    let max = MAX.to_string();
    let lab = logging("rotation", &[("log_maxbytes", &max), ("log_backups", "2")]);
    // Directories with something in them, where the backups are to be.
    let obstacles = [1, 2].map(|number| lab.path(&format!("log/daemon.log.{number}")));
    for obstacle in &obstacles {
        fs::create_dir_all(obstacle.join("something")).expect("mkdir");
    }
    let mut daemon = Daemon::start(&lab);
    wait_until("it grows", || size(&lab, "log/daemon.log") > MAX + MAX / 2);
    for obstacle in &obstacles {
        fs::remove_dir_all(obstacle).expect("rmdir");
    }
    wait_until("rotated at last", || obstacles[0].is_file());
    daemon.stop();
    let first = fs::read_to_string(&obstacles[0]).expect("the backup");
    assert!(first.len() as u64 > MAX + MAX / 2 && !first.contains("were lost"));
}

#[test]
fn stderr_goes_where_stderr_file_says() {
    let lab = logging("stderr", &[]);
    let file = lab.path("log/stderr").display().to_string();
    let log = lab.path("log/daemon.log").display().to_string();
    lab.daemon(&[("log_file", &log), ("stderr_file", &file)]);
    let mut daemon = Daemon::start(&lab);
    let stderr = format!("/proc/{}/fd/2", daemon.pid());
    wait_until("stderr leads there", || {
        fs::read_link(&stderr).expect("fd 2") == lab.path("log/stderr")
    });
    daemon.stop();
}

/// Whoever redirects the output goes on with that file, and with the names beside it.
#[test]
fn a_descriptor_is_never_rotated() {
    let lab = lab("descriptor", &[]);
    fs::create_dir(lab.path("log")).expect("mkdir");
    lab.write("log/out.1", "somebody else's\n");
    for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        lab.daemon(&[
            ("log_file", path),
            ("loglevel", "debug"),
            ("log_maxbytes", "1000"),
            ("log_backups", "3"),
        ]);
        let mut command = lab.command("/bin/sh");
        let script = "exec \"$0\" -f main.conf -d services >>log/out";
        command.args(["-c", script, PROGRAM]);
        let before = size(&lab, "log/out");
        let mut daemon = Daemon::spawn(command);
        wait_until("far more than the limit is written", || {
            size(&lab, "log/out") > before + 5000
        });
        daemon.stop();
        assert_eq!(lab.list("log"), ["out", "out.1"], "{path}");
        assert_eq!(lab.read("log/out.1"), "somebody else's\n");
    }
}
