//! Becoming another user, and ending with the process that started us.
#![allow(unsafe_code)]

use std::io;

use super::cvt;
use super::process::Pid;

/// Gives up being root for good: from now on this process and its children are `uid` with these groups, of which the
/// first is the primary one.
pub fn become_user(uid: u32, groups: &[u32]) -> io::Result<()> {
    let Some(&gid) = groups.first() else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    // SAFETY: the pointer and the length are those of one slice, which outlives the call.
    cvt(unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) })?;
    // SAFETY: plain integers.
    cvt(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: plain integers. The last step, since it takes the right to the others away.
    cvt(unsafe { libc::setresuid(uid, uid, uid) })?;
    Ok(())
}

/// Has the kernel send SIGTERM to this process when `parent` ends. An error if that is not our parent any more. To be
/// called after [`become_user`], which undoes it.
pub fn end_with(parent: u32) -> io::Result<()> {
    // SAFETY: an option that takes one integer.
    cvt(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) })?;
    // SAFETY: takes nothing and can't fail.
    let now = Pid::new(i64::from(unsafe { libc::getppid() }));
    match now.is_some_and(|now| now.number() == parent) {
        true => Ok(()),
        false => Err(io::Error::other(
            "the process that started this one is gone",
        )),
    }
}
