use super::*;
use crate::host::test_dir::TestDir;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

fn fifo(dir: &TestDir) -> std::path::PathBuf {
    let path = dir.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    path
}

#[test]
fn a_stopped_reader_costs_lines_not_time() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut console = Console::over(File::from(OwnedFd::from(near)));
    let line = "x".repeat(999);
    let mut kept = 0;
    while console.line(&line) {
        kept += 1;
        assert!(kept < 100_000, "the channel never filled");
    }
    assert!(!console.line(&line));
    far.set_nonblocking(true).unwrap();
    let mut got = Vec::new();
    let _ = far.read_to_end(&mut got);
    assert!(console.line("again"), "it works again once it was read");
    let mut tail = Vec::new();
    let _ = far.read_to_end(&mut tail);
    got.extend(tail);
    let text = String::from_utf8(got).unwrap();
    assert!(text.ends_with("\nagain\n"), "the new line stands alone");
    assert_eq!(text.lines().filter(|found| **found == line).count(), kept);
}

#[test]
fn a_fifo_is_opened_anew_and_the_inherited_one_left_alone() {
    let dir = TestDir::new();
    let path = fifo(&dir);
    // Both directions: such an open does not wait for a reader.
    let inherited = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let copy = inherited.try_clone().unwrap();
    let name = format!("/proc/self/fd/{}", copy.as_raw_fd());
    let mut console = Console::over(without_blocking(copy, &name));
    let line = "y".repeat(9_999);
    let mut kept = 0;
    while console.line(&line) {
        kept += 1;
        assert!(kept < 100_000, "the pipe never filled");
    }
    let flags =
        std::fs::read_to_string(format!("/proc/self/fdinfo/{}", inherited.as_raw_fd())).unwrap();
    let flags = flags
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .unwrap()
        .trim()
        .to_string();
    let flags = i32::from_str_radix(&flags, 8).unwrap();
    assert_eq!(flags & libc::O_NONBLOCK, 0);
}

#[test]
fn a_closed_reader_and_a_full_device_are_no_crash() {
    let (near, far) = UnixStream::pair().unwrap();
    drop(far);
    let mut console = Console::over(File::from(OwnedFd::from(near)));
    assert!(!console.line("lost"));
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut console = Console::over(full);
    assert!(!console.line("lost"));
}
