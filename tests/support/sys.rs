//! The system calls that tests need and std does not have: namespaces, signals, inotify.
//!
//! Each is one call with its error turned into `io::Error`; nothing here knows what is being tested.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

pub fn is_root() -> bool {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Moves the calling thread, and what it starts from now on, into a new network and mount namespace. The umask is the
/// usual one, whatever the test run's: users other than root look into the directories of tests.
pub fn unshare_network_and_mounts() -> io::Result<()> {
    let flags = libc::CLONE_NEWNET | libc::CLONE_NEWNS | libc::CLONE_FS;
    // SAFETY: plain flags; acts on the calling thread only.
    checked(unsafe { libc::unshare(flags) })?;
    // SAFETY: takes a number, cannot fail; since the line above it is the calling thread's own.
    unsafe { libc::umask(0o022) };
    let root = CString::new("/").expect("no NUL");
    // SAFETY: the path is a valid C string, the other pointers may be null for a change of propagation.
    checked(unsafe {
        libc::mount(
            std::ptr::null(),
            root.as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    })?;
    Ok(())
}

/// Moves the calling thread into a new network namespace.
pub fn unshare_network() -> io::Result<()> {
    // SAFETY: plain flag; acts on the calling thread only.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    Ok(())
}

/// Moves the calling thread into the network namespace behind `fd`.
pub fn enter_network(fd: RawFd) -> io::Result<()> {
    // SAFETY: acts on the calling thread only; a wrong descriptor is an error.
    checked(unsafe { libc::setns(fd, libc::CLONE_NEWNET) })?;
    Ok(())
}

/// Mounts a file system that never answers: whoever asks it for anything hangs, until what comes back is dropped.
pub fn mount_silent(target: &Path) -> io::Result<OwnedFd> {
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other",
        device.as_raw_fd()
    );
    let [target, options] = [target.as_os_str().as_bytes(), options.as_bytes()]
        .map(|text| CString::new(text).expect("no NUL"));
    let name = CString::new("fuse").expect("no NUL");
    // SAFETY: all pointers are valid C strings.
    checked(unsafe {
        libc::mount(
            name.as_ptr(),
            target.as_ptr(),
            name.as_ptr(),
            0,
            options.as_ptr().cast(),
        )
    })?;
    Ok(device.into())
}

/// Mounts a tmpfs of `size` (as mount(8) has it: `64k`) on `target`.
pub fn mount_tmpfs(target: &Path, size: &str) -> io::Result<()> {
    let kind = CString::new("tmpfs").expect("no NUL");
    let target = c_string(target.as_os_str());
    let options = CString::new(format!("size={size},mode=755")).expect("no NUL");
    // SAFETY: all pointers are valid C strings that live until the call returns.
    checked(unsafe {
        libc::mount(
            kind.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            0,
            options.as_ptr().cast(),
        )
    })?;
    Ok(())
}

/// From now on whoever executes `file` waits for an answer, which nobody gives before what is returned is dropped.
pub fn hold_exec(file: &Path) -> io::Result<OwnedFd> {
    // SAFETY: plain flags.
    let fd = checked(unsafe {
        libc::fanotify_init(
            libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC,
            libc::O_RDONLY as u32,
        )
    })?;
    // SAFETY: the descriptor is new and nobody else's.
    let held = unsafe { OwnedFd::from_raw_fd(fd) };
    let file = c_string(file.as_os_str());
    // SAFETY: an open descriptor of fanotify and a valid C string.
    checked(unsafe {
        libc::fanotify_mark(
            held.as_raw_fd(),
            libc::FAN_MARK_ADD,
            libc::FAN_OPEN_EXEC_PERM,
            libc::AT_FDCWD,
            file.as_ptr(),
        )
    })?;
    Ok(held)
}

/// Makes a mounted file system read-only, or writable again.
pub fn remount(target: &Path, read_only: bool) -> io::Result<()> {
    let target = c_string(target.as_os_str());
    let flags = libc::MS_REMOUNT | if read_only { libc::MS_RDONLY } else { 0 };
    // SAFETY: the target is a valid C string, null is allowed for the rest of a remount.
    checked(unsafe {
        libc::mount(
            std::ptr::null(),
            target.as_ptr(),
            std::ptr::null(),
            flags,
            std::ptr::null(),
        )
    })?;
    Ok(())
}

pub fn unmount(target: &Path) -> io::Result<()> {
    let target = c_string(target.as_os_str());
    // SAFETY: the target is a valid C string.
    checked(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })?;
    Ok(())
}

pub fn kill(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).expect("a pid");
    // SAFETY: no memory is involved.
    checked(unsafe { libc::kill(pid, signal) })?;
    Ok(())
}

/// The child is killed when the thread that starts it ends, so that nothing survives a test run that is killed. It
/// ignores no signal, whatever the run itself ignores (`nohup make test`, `make test &` in a script).
pub fn adopt(command: &mut Command) {
    const SIGNALS: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
    // SAFETY: prctl and signal(2) are async-signal-safe and touch no memory of ours.
    unsafe {
        command.pre_exec(|| {
            for signal in SIGNALS {
                libc::signal(signal, libc::SIG_DFL);
            }
            checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)).map(|_| ())
        });
    }
}

/// A terminal: what reads its screen, and what writes on it.
pub fn terminal() -> io::Result<(File, OwnedFd)> {
    let (mut master, mut slave) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: both places are valid for a write; nothing else is asked for or given.
    checked(unsafe { libc::openpty(&mut master, &mut slave, none, none.cast(), none.cast()) })?;
    // SAFETY: both descriptors are new and nobody else's.
    Ok(unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) })
}

/// The child is started with these signals ignored, as by nohup(1).
pub fn ignore(command: &mut Command, signals: &[libc::c_int]) {
    let signals = signals.to_vec();
    // SAFETY: signal(2) is async-signal-safe; the closure allocates nothing.
    unsafe {
        command.pre_exec(move || {
            for &signal in &signals {
                libc::signal(signal, libc::SIG_IGN);
            }
            Ok(())
        });
    }
}

/// A watch on one directory (inotify(7)): what happened to the entries in it, also while nobody looked.
pub struct Watch {
    fd: OwnedFd,
}

impl Watch {
    pub fn new(directory: &Path) -> io::Result<Watch> {
        // SAFETY: plain flags.
        let fd = checked(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) })?;
        // SAFETY: the descriptor was made just now and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let path = c_string(directory.as_os_str());
        let mask = libc::IN_CREATE
            | libc::IN_DELETE
            | libc::IN_MOVED_TO
            | libc::IN_MOVED_FROM
            | libc::IN_MODIFY
            | libc::IN_ATTRIB;
        // SAFETY: the path is a valid C string.
        checked(unsafe { libc::inotify_add_watch(fd.as_raw_fd(), path.as_ptr(), mask) })?;
        Ok(Watch { fd })
    }

    /// Everything since the last call: mask and name of the entry, in order.
    pub fn events(&self) -> Vec<(u32, String)> {
        let mut events = Vec::new();
        let mut buffer = vec![0u8; 64 * 1024];
        loop {
            // SAFETY: the buffer is ours and as long as said.
            let read = unsafe {
                libc::read(
                    self.fd.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                )
            };
            let Ok(read) = usize::try_from(read) else {
                return events;
            };
            let mut rest = &buffer[..read];
            // struct inotify_event: wd, mask, cookie, len (32 bits each), then the name, padded with NUL.
            while rest.len() >= 16 {
                let field = |at: usize| u32::from_ne_bytes(rest[at..at + 4].try_into().expect("4"));
                let (mask, length) = (field(4), field(12) as usize);
                let name = rest[16..16 + length].split(|&b| b == 0).next();
                let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
                events.push((mask, name));
                rest = &rest[16 + length..];
            }
        }
    }

    /// How often an entry called `name` was replaced by a rename since the last call.
    pub fn replacements(&self, name: &str) -> usize {
        let moved = |(mask, entry): &(u32, String)| mask & libc::IN_MOVED_TO != 0 && entry == name;
        self.events().iter().filter(|event| moved(event)).count()
    }
}

fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).expect("a path without NUL")
}
