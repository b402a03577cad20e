//! What makes a process the writer of its parent: its name, its signals, and that it does not outlive the parent.
#![allow(unsafe_code)]

use super::process::Pid;
use super::{cvt, signal};

/// As the kernel shows it; it keeps 15 bytes.
const NAME: &std::ffi::CStr = c"anycast-healthc";

/// Makes this process one that belongs to `parent`; false if that is gone.
///
/// A writer that hangs in the kernel when its parent dies must not go on when the disk is back: it would replace what a
/// successor of the parent has written. So it is killed together with the parent. SIGTERM and what a terminal sends
/// are for the parent, which still needs it then.
pub fn belong_to(parent: u32) -> bool {
    for ignored in [
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGHUP,
        libc::SIGXFSZ,
    ] {
        // They are valid signals that may be ignored, for which this does not fail.
        let _ = signal::dispose(ignored, libc::SIG_IGN);
    }
    // SAFETY: takes a number, and only has a signal sent to this process.
    let bound = cvt(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) });
    // SAFETY: the name is a NUL-terminated text of at most 16 bytes.
    let _ = cvt(unsafe { libc::prctl(libc::PR_SET_NAME, NAME.as_ptr()) });
    // SAFETY: takes nothing and can't fail.
    let now = unsafe { libc::getppid() };
    bound.is_ok() && Pid::new(i64::from(now)).map(Pid::number) == Some(parent)
}
