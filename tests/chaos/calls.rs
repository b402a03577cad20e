//! The system calls of the daemon, the errors that their manual pages list, and strace(1), which injects them.
//!
//! One process is traced at a time: the daemon, one that writes its files, or the one that starts its children. What
//! those become is not. strace writes every call to a file, so each injection also
//! tells which calls the daemon makes: one that is missing here fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::random::Random;
use crate::support::{daemon, sys, wait_within};

/// What an error in a call may do to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The daemon goes on.
    Survives,
    /// No memory: the allocator may end the process.
    Memory,
    /// Made only while the process starts, by the dynamic linker and the C library, which may end the process.
    Loader,
    /// Always succeeds, or never returns.
    CannotFail,
}

use Kind::{CannotFail, Loader, Memory, Survives};

/// Every system call of the daemon: by name, with the errors of section ERRORS of its page in section 2. Those which
/// only a wrong pointer (EFAULT) or a descriptor that was never opened (EBADF) can cause are left out, and those of
/// waiting for a child, which cannot fail for one that exists and is not waited for (WNOHANG).
pub const CALLS: &[(&str, Kind, &str)] = &[
    (
        "accept4",
        Survives,
        "EAGAIN ECONNABORTED EINTR EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO",
    ),
    (
        "access",
        Survives,
        "EACCES EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EROFS",
    ),
    ("arch_prctl", Loader, "EINVAL EPERM"),
    (
        "bind",
        Survives,
        "EACCES EADDRINUSE EINVAL ENOTSOCK EADDRNOTAVAIL ENOMEM",
    ),
    ("brk", Memory, "ENOMEM"),
    ("chdir", Survives, "EACCES EIO ELOOP ENOENT ENOMEM ENOTDIR"),
    (
        "chmod",
        Survives,
        "EACCES EIO ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    (
        "chown",
        Survives,
        "EACCES EIO ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    ("clock_gettime", CannotFail, ""),
    ("clock_nanosleep", Survives, "EINTR EINVAL EOPNOTSUPP"),
    ("clone", Survives, "EAGAIN EINVAL ENOMEM ENOSPC EPERM"),
    (
        "clone3",
        Survives,
        "EAGAIN EINVAL ENOMEM ENOSPC ENOSYS EPERM",
    ),
    // With others std panics when it closes a directory, for which no file system has them; for files it ignores them.
    ("close", Survives, "EINTR"),
    ("close_range", Survives, "EINVAL EMFILE ENOMEM"),
    (
        "connect",
        Survives,
        "EACCES EPERM EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY ECONNREFUSED EINPROGRESS EINTR EISCONN \
         ENETUNREACH ENOTSOCK EPROTOTYPE ETIMEDOUT",
    ),
    (
        "copy_file_range",
        Survives,
        "EFBIG EINVAL EIO ENOMEM ENOSPC EOPNOTSUPP EXDEV",
    ),
    ("dup", Survives, "EMFILE ENOMEM"),
    ("dup2", Survives, "EBUSY EINTR EMFILE ENOMEM"),
    ("dup3", Survives, "EBUSY EINTR EINVAL EMFILE ENOMEM"),
    ("execve", Loader, "EACCES ENOENT ENOMEM"),
    ("exit_group", CannotFail, ""),
    (
        "faccessat",
        Survives,
        "EACCES EINVAL EIO ELOOP ENOENT ENOMEM ENOTDIR EROFS",
    ),
    (
        "faccessat2",
        Survives,
        "EACCES EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOSYS ENOTDIR EPERM EROFS",
    ),
    (
        "fallocate",
        Survives,
        "EFBIG EINTR EINVAL EIO ENODEV ENOSPC ENOSYS EOPNOTSUPP EPERM",
    ),
    ("fchmod", Survives, "EIO EPERM EROFS"),
    (
        "fchmodat",
        Survives,
        "EACCES EIO ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    ("fchown", Survives, "EIO EPERM EROFS"),
    (
        "fchownat",
        Survives,
        "EACCES EIO ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    (
        "fcntl",
        Survives,
        "EACCES EAGAIN EDEADLK EINTR EINVAL EMFILE ENOLCK EPERM",
    ),
    (
        "fdatasync",
        Survives,
        "EINTR EIO ENOSPC EROFS EINVAL EDQUOT",
    ),
    ("fgetxattr", Survives, "E2BIG ENODATA EOPNOTSUPP ERANGE"),
    ("flistxattr", Survives, "E2BIG EOPNOTSUPP ERANGE"),
    ("fremovexattr", Survives, "ENODATA EOPNOTSUPP EPERM ERANGE"),
    (
        "fsetxattr",
        Survives,
        "EDQUOT EEXIST ENODATA ENOSPC EOPNOTSUPP EPERM ERANGE",
    ),
    ("fstat", Survives, "ENOMEM EOVERFLOW"),
    ("fstatfs", Survives, "EINTR EIO ENOMEM ENOSYS EOVERFLOW"),
    ("fsync", Survives, "EINTR EIO ENOSPC EROFS EINVAL EDQUOT"),
    (
        "ftruncate",
        Survives,
        "EACCES EFBIG EINTR EINVAL EIO EPERM EROFS ETXTBSY",
    ),
    ("futex", CannotFail, ""),
    ("getcwd", Survives, "EACCES ENOENT ENOMEM ERANGE"),
    ("getdents64", Survives, "EINVAL ENOENT ENOTDIR"),
    ("getegid", CannotFail, ""),
    ("geteuid", CannotFail, ""),
    ("getgid", CannotFail, ""),
    ("getgroups", Survives, "EINVAL EPERM"),
    ("getpid", CannotFail, ""),
    ("getppid", CannotFail, ""),
    ("getrandom", Survives, "EAGAIN EINTR EINVAL ENOSYS"),
    ("getsockname", Survives, "EINVAL ENOBUFS ENOTSOCK"),
    ("getsockopt", Survives, "EINVAL ENOPROTOOPT ENOTSOCK"),
    ("gettid", CannotFail, ""),
    ("getuid", CannotFail, ""),
    (
        "inotify_add_watch",
        Survives,
        "EACCES EEXIST EINVAL ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR",
    ),
    ("inotify_init1", Survives, "EINVAL EMFILE ENFILE ENOMEM"),
    ("inotify_rm_watch", Survives, "EINVAL"),
    ("ioctl", Survives, "EINVAL ENOTTY"),
    ("kill", Survives, "EINVAL EPERM ESRCH"),
    ("lgetxattr", Survives, "E2BIG ENODATA EOPNOTSUPP ERANGE"),
    (
        "link",
        Survives,
        "EACCES EDQUOT EEXIST EIO ELOOP EMLINK ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS EXDEV",
    ),
    (
        "linkat",
        Survives,
        "EACCES EDQUOT EEXIST EIO ELOOP EMLINK ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS EXDEV",
    ),
    ("listen", Survives, "EADDRINUSE ENOTSOCK EOPNOTSUPP"),
    ("llistxattr", Survives, "E2BIG EOPNOTSUPP ERANGE"),
    ("lseek", Survives, "EINVAL ENXIO EOVERFLOW ESPIPE"),
    (
        "lstat",
        Survives,
        "EACCES ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW",
    ),
    ("madvise", Memory, "EAGAIN EINVAL ENOMEM"),
    (
        "mkdir",
        Survives,
        "EACCES EDQUOT EEXIST EINVAL ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS",
    ),
    (
        "mmap",
        Memory,
        "EACCES EAGAIN EINVAL ENFILE ENODEV ENOMEM EPERM",
    ),
    ("mprotect", Memory, "EACCES EINVAL ENOMEM"),
    ("mremap", Memory, "EAGAIN EINVAL ENOMEM"),
    ("munmap", Memory, "EINVAL ENOMEM"),
    (
        "newfstatat",
        Survives,
        "EACCES ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW",
    ),
    (
        "open",
        Survives,
        "EACCES EINTR EIO ELOOP EMFILE ENFILE ENOENT ENOMEM ENOSPC ENOTDIR EROFS",
    ),
    (
        "openat",
        Survives,
        "EACCES EBUSY EDQUOT EEXIST EFBIG EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG ENFILE ENODEV ENOENT ENOMEM \
         ENOSPC ENOTDIR ENXIO EOPNOTSUPP EOVERFLOW EPERM EROFS ETXTBSY EIO ESTALE",
    ),
    (
        "pidfd_open",
        Survives,
        "EINVAL EMFILE ENFILE ENODEV ENOMEM ESRCH",
    ),
    ("pidfd_send_signal", Survives, "EINVAL EPERM ESRCH"),
    ("pipe", Survives, "EMFILE ENFILE"),
    ("pipe2", Survives, "EINVAL EMFILE ENFILE ENOPKG"),
    ("poll", Survives, "EINTR EINVAL ENOMEM"),
    ("ppoll", Survives, "EINTR EINVAL ENOMEM"),
    ("prctl", Survives, "EACCES EINVAL EPERM"),
    ("pread64", Loader, "EINTR EIO EISDIR"),
    ("prlimit64", Survives, "EINVAL EPERM ESRCH"),
    (
        "pwrite64",
        Survives,
        "EAGAIN EDQUOT EFBIG EINTR EINVAL EIO ENOSPC EPERM",
    ),
    ("read", Survives, "EAGAIN EINTR EINVAL EIO EISDIR"),
    (
        "readlink",
        Survives,
        "EACCES EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR",
    ),
    (
        "readlinkat",
        Survives,
        "EACCES EINVAL EIO ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR",
    ),
    ("readv", Survives, "EAGAIN EINTR EINVAL EIO EISDIR"),
    (
        "recvfrom",
        Survives,
        "EAGAIN ECONNREFUSED EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK ENOBUFS ECONNRESET",
    ),
    (
        "recvmsg",
        Survives,
        "EAGAIN ECONNREFUSED EINTR EINVAL ENOMEM ENOTCONN ENOTSOCK ENOBUFS ECONNRESET",
    ),
    (
        "rename",
        Survives,
        "EACCES EBUSY EDQUOT EINVAL EISDIR ELOOP EMLINK ENAMETOOLONG ENOENT ENOMEM ENOSPC ENOTDIR ENOTEMPTY EPERM \
         EROFS EXDEV EIO",
    ),
    (
        "renameat",
        Survives,
        "EACCES EBUSY EDQUOT EINVAL EIO ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS EXDEV",
    ),
    (
        "renameat2",
        Survives,
        "EACCES EBUSY EDQUOT EEXIST EINVAL EIO ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS EXDEV",
    ),
    ("restart_syscall", CannotFail, ""),
    (
        "rmdir",
        Survives,
        "EACCES EBUSY EINVAL ELOOP ENOENT ENOMEM ENOTDIR ENOTEMPTY EPERM EROFS",
    ),
    ("rseq", Loader, "EINVAL ENOSYS"),
    ("rt_sigaction", Survives, "EINVAL"),
    ("rt_sigprocmask", Survives, "EINVAL"),
    ("rt_sigreturn", CannotFail, ""),
    ("rt_sigtimedwait", Survives, "EAGAIN EINTR EINVAL"),
    ("sched_getaffinity", Loader, "EINVAL EPERM ESRCH"),
    (
        "sendfile",
        Survives,
        "EAGAIN EINVAL EIO ENOMEM EOVERFLOW ESPIPE",
    ),
    (
        "sendmmsg",
        Survives,
        "EACCES EAGAIN ECONNREFUSED ECONNRESET EINTR EMSGSIZE ENOBUFS ENOMEM ENOTCONN EPIPE",
    ),
    (
        "sendmsg",
        Survives,
        "EACCES EAGAIN EALREADY ECONNRESET EDESTADDRREQ EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN \
         ENOTSOCK EOPNOTSUPP EPIPE ECONNREFUSED",
    ),
    (
        "sendto",
        Survives,
        "EACCES EAGAIN EALREADY ECONNRESET EDESTADDRREQ EINTR EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM ENOTCONN \
         ENOTSOCK EOPNOTSUPP EPIPE ECONNREFUSED",
    ),
    ("set_robust_list", Loader, "EINVAL"),
    ("set_tid_address", CannotFail, ""),
    ("setpgid", Survives, "EACCES EINVAL EPERM ESRCH"),
    (
        "setsockopt",
        Survives,
        "EDOM EINVAL EISCONN ENOBUFS ENOMEM ENOPROTOOPT ENOTSOCK EPERM",
    ),
    ("shutdown", Survives, "EINVAL ENOTCONN ENOTSOCK"),
    ("sigaltstack", Loader, "EINVAL ENOMEM EPERM"),
    ("signalfd4", Survives, "EINVAL EMFILE ENFILE ENODEV ENOMEM"),
    (
        "socket",
        Survives,
        "EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
    ),
    (
        "socketpair",
        Survives,
        "EAFNOSUPPORT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT",
    ),
    ("splice", Survives, "EAGAIN EINVAL ENOMEM ESPIPE"),
    (
        "stat",
        Survives,
        "EACCES ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW",
    ),
    (
        "statfs",
        Survives,
        "EACCES EINTR EIO ELOOP ENOENT ENOMEM ENOSYS ENOTDIR EOVERFLOW",
    ),
    (
        "statx",
        Survives,
        "EACCES EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EIO ESTALE",
    ),
    (
        "symlink",
        Survives,
        "EACCES EDQUOT EEXIST EIO ELOOP ENOENT ENOMEM ENOSPC ENOTDIR EPERM EROFS",
    ),
    ("tgkill", Survives, "EINVAL EPERM ESRCH"),
    ("umask", CannotFail, ""),
    ("uname", CannotFail, ""),
    (
        "unlink",
        Survives,
        "EACCES EBUSY EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    (
        "unlinkat",
        Survives,
        "EACCES EBUSY EIO EISDIR ELOOP ENOENT ENOMEM ENOTDIR EPERM EROFS",
    ),
    (
        "utimensat",
        Survives,
        "EACCES EINVAL ELOOP ENOENT ENOTDIR EPERM EROFS ESRCH",
    ),
    ("wait4", Survives, ""),
    ("waitid", Survives, ""),
    (
        "write",
        Survives,
        "EAGAIN EDQUOT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
    ),
    (
        "writev",
        Survives,
        "EAGAIN EDQUOT EFBIG EINTR EINVAL EIO ENOSPC EPERM EPIPE",
    ),
];

/// Which process is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Daemon,
    /// One that writes its files.
    Writer,
    /// The one that starts its children.
    Starter,
}

impl Part {
    /// What it does all the time.
    fn frequent(self) -> &'static [&'static str] {
        match self {
            Part::Daemon => &[
                "accept4",
                "close",
                "connect",
                "fcntl",
                "inotify_add_watch",
                "openat",
                "pipe2",
                "ppoll",
                "read",
                "recvfrom",
                "recvmsg",
                "sendmsg",
                "sendto",
                "socket",
                "socketpair",
                "statx",
                "wait4",
                "write",
                "writev",
            ],
            Part::Writer => &[
                "close",
                "fchmod",
                "fchown",
                "fdatasync",
                "fstat",
                "llistxattr",
                "openat",
                "ppoll",
                "read",
                "recvfrom",
                "rename",
                "sendto",
                "statx",
                "unlink",
                "write",
            ],
            Part::Starter => &["clone", "close", "recvmsg", "sendmsg", "write"],
        }
    }
}

/// What is injected, as words of strace(1).
#[derive(Clone, Debug)]
pub struct Plan {
    pub words: Vec<String>,
    /// The process may end of it.
    pub may_end: bool,
    /// It is at work from the start, which may fail.
    pub starting: bool,
    pub part: Part,
}

impl Plan {
    /// Some calls, each of which fails or takes long, once, in a row or now and then.
    pub fn new(random: &mut Random, part: Part, starting: bool) -> Plan {
        let candidates: Vec<_> = CALLS
            .iter()
            .filter(|(_, kind, _)| match kind {
                CannotFail => false,
                Loader => starting,
                Memory | Survives => true,
            })
            .copied()
            .collect();
        let names = part.frequent();
        let frequent = candidates.iter().filter(|call| names.contains(&call.0));
        let frequent: Vec<_> = frequent.copied().collect();
        let mut plan = Plan {
            words: Vec::new(),
            may_end: false,
            starting,
            part,
        };
        for _ in 0..random.between(3, 12) {
            let from = if random.one_in(2) {
                &frequent
            } else {
                &candidates
            };
            let (name, kind, errors) = random.pick(from);
            if kind == Memory && !random.one_in(4) {
                continue;
            }
            let delayed = random.one_in(5) || errors.is_empty();
            let what = if delayed {
                format!("delay_enter={}", random.between(50, 900) * 1000)
            } else {
                let errors: Vec<&str> = errors.split_whitespace().collect();
                // The end of another process is no end of the daemon.
                plan.may_end |= kind != Survives && part == Part::Daemon;
                format!("error={}", random.pick(&errors))
            };
            let first = match random.below(3) {
                0 => random.between(1, 30),
                _ => random.between(1, 4),
            };
            let last = first + random.between(1, if delayed { 3 } else { 60 });
            let when = match random.below(3) {
                0 => first.to_string(),
                1 => format!("{first}..{last}"),
                _ => format!("{first}..{}+{}", last + 60, random.between(2, 20)),
            };
            plan.words
                .push(format!("inject=?{name}:{what}:when={when}"));
        }
        if plan.words.is_empty() {
            plan.words.push("inject=read:error=EINTR:when=1..20".into());
        }
        plan
    }

    /// The words of strace before its command or `-p`.
    pub fn arguments(&self, output: &std::path::Path) -> Vec<String> {
        let mut words: Vec<String> = ["-qq", "-tt", "-I2", "-s", "80", "-o"]
            .map(String::from)
            .into();
        words.push(output.display().to_string());
        for word in &self.words {
            words.extend(["-e".to_string(), word.clone()]);
        }
        words
    }
}

/// The table as strace takes it.
#[test]
fn strace_knows_every_call_and_every_error() {
    let mut strace = std::process::Command::new("strace");
    strace.args(["-o", "/dev/null"]);
    for (name, _, errors) in CALLS {
        for error in errors.split_whitespace() {
            strace.args(["-e", &format!("inject={name}:error={error}:when=60000")]);
        }
    }
    let output = strace
        .arg("true")
        .output()
        .expect("strace (package strace)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(CALLS.is_sorted(), "in order, so that none stands twice");
}

/// A strace at work on the daemon.
pub struct Tracer {
    pub plan: Plan,
    pub output: PathBuf,
    pid: u32,
    traced: u32,
}

impl Tracer {
    /// The tracer that has just been attached to `traced`; `None` if `traced` has ended.
    pub fn of(traced: u32, plan: Plan, output: PathBuf) -> Option<Tracer> {
        let mut pid = 0;
        let what = format!("strace is attached ({:?})", plan.words);
        wait_within(&what, Duration::from_secs(60), || {
            pid = tracer_of(traced);
            pid != 0 || !daemon::is_alive(traced)
        });
        (pid != 0).then_some(Tracer {
            plan,
            output,
            pid,
            traced,
        })
    }

    /// Detaches it.
    pub fn stop(self) -> Trace {
        let attached = || tracer_of(self.traced) == self.pid;
        let begin = std::time::Instant::now();
        let _ = sys::kill(self.pid, libc::SIGTERM);
        wait_within("strace has detached", Duration::from_secs(60), || {
            // A tracer that waits for a process in the kernel hears nothing else.
            if begin.elapsed() > Duration::from_secs(20) {
                let _ = sys::kill(self.pid, libc::SIGKILL);
            }
            !attached()
        });
        Trace::read(&self.output)
    }
}

fn tracer_of(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number = |line: &str| line.strip_prefix("TracerPid:")?.trim().parse().ok();
    status.lines().find_map(number).unwrap_or(0)
}

/// What strace wrote.
#[derive(Default)]
pub struct Trace {
    pub calls: BTreeSet<String>,
    /// The lines of what was injected.
    pub injected: Vec<String>,
    /// How many descriptors an injected error has kept open.
    pub not_closed: usize,
    /// Whether a file could not be removed, which then stays until the next start.
    pub not_removed: bool,
}

impl Trace {
    pub fn read(path: &std::path::Path) -> Trace {
        let text = fs::read(path).unwrap_or_default();
        let mut trace = Trace::default();
        for line in String::from_utf8_lossy(&text).lines() {
            // `12:34:56.789012 read(3, …) = 7`
            let Some((_, call)) = line.split_once(' ') else {
                continue;
            };
            let Some((name, _)) = call.split_once('(') else {
                continue;
            };
            if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                trace.calls.insert(name.to_string());
                if line.ends_with("(INJECTED)") {
                    trace.not_closed += usize::from(name == "close");
                    trace.not_removed |= name.starts_with("unlink");
                    trace.injected.push(line.to_string());
                }
            }
        }
        trace
    }

    /// Calls that are not in [`CALLS`].
    pub fn unknown(&self) -> Vec<&String> {
        let known = |name: &str| CALLS.iter().any(|(known, ..)| *known == name);
        self.calls.iter().filter(|name| !known(name)).collect()
    }
}
