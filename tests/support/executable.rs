//! Files that a test is about to execute.
//!
//! The kernel refuses to execute a file while anybody has it open for writing (ETXTBSY, execve(2)). A test that writes
//! one itself cannot keep that from happening: another test's thread may fork at that moment, and its child holds a copy
//! of the descriptor until it executes something. So a process of its own writes them, which nobody forks.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes `path` an executable file with this content, in one step where there was one before.
#[track_caller]
pub fn write(path: &Path, text: &str) {
    const SCRIPT: &str =
        "umask 022 && cat >\"$1.draft\" && chmod 755 \"$1.draft\" && mv \"$1.draft\" \"$1\"";
    let mut writer = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("/bin/sh runs");
    let mut input = writer.stdin.take().expect("it is a pipe");
    let sent = input.write_all(text.as_bytes());
    drop(input);
    let ended = writer.wait().expect("it is our child");
    assert!(sent.is_ok() && ended.success(), "cannot write {path:?}");
}

/// Copies the program `from` to `to`.
#[track_caller]
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let (from, to) = (from.as_ref(), to.as_ref());
    let copied = Command::new("cp").arg(from).arg(to).status();
    let copied = copied.expect("cannot run cp (package coreutils)");
    assert!(copied.success(), "cannot copy {from:?} to {to:?}");
}
