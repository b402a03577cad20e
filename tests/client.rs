//! The modes that run once, on the real binary: `--test`, `--status`, `--drain`, `--undrain`.
//!
//! Each test has network namespace and directory of its own (support/lab.rs), so the daemon that is asked is
//! its own.

mod support;

#[path = "client/ask.rs"]
mod ask;
#[path = "client/drain.rs"]
mod drain;
#[path = "client/trial.rs"]
mod trial;
#[path = "client/trial_ends.rs"]
mod trial_ends;

use std::process::Output;

use support::Lab;
use support::daemon::{daemon_command, finish};
use support::fake_bird::FakeBird;

/// A lab whose configuration makes no warning.
fn trial_lab(name: &str, settings: &[(&str, &str)]) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.daemon(settings);
    lab
}

/// A service for `--test`, whose check is this shell script.
fn scripted(lab: &Lab, name: &str, prefix: &str, script: &str, more: &[(&str, &str)]) {
    let path = lab.script(&format!("{name}.sh"), &format!("#!/bin/sh\n{script}\n"));
    let path = path.display().to_string();
    let mut settings = vec![
        ("check_cmd", path.as_str()),
        ("ip_prefix", prefix),
        ("check_interval", "1000"),
    ];
    settings.extend_from_slice(more);
    lab.service(name, &settings);
}

/// Runs the program on the configuration of the lab with these arguments.
#[track_caller]
fn once(lab: &Lab, arguments: &[&str]) -> Output {
    let mut command = daemon_command(lab);
    command.args(arguments);
    finish(command)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The exit status, and nothing on stderr.
#[track_caller]
fn quiet(output: &Output, status: i32) {
    assert_eq!(err(output), "");
    assert_eq!(output.status.code(), Some(status), "{}", out(output));
}
