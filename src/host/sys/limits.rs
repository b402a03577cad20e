//! The limit on open descriptors.
#![allow(unsafe_code)]

use std::io;

use super::cvt;

/// The soft limit.
pub fn descriptors() -> io::Result<u64> {
    Ok(as_u64(read()?.rlim_cur))
}

/// Raises the soft limit to `wanted` descriptors if it is lower and as far as the hard limit allows; returns
/// what holds now. What the daemon starts does not inherit that (`host::job::starter`).
pub fn ensure_descriptors(wanted: u64) -> io::Result<u64> {
    let limit = read()?;
    if as_u64(limit.rlim_cur) >= wanted {
        return Ok(as_u64(limit.rlim_cur));
    }
    let raised = wanted.min(as_u64(limit.rlim_max));
    limit_descriptors(raised)?;
    Ok(raised)
}

/// Sets the soft limit, which must not be above the hard one.
pub fn limit_descriptors(soft: u64) -> io::Result<()> {
    let mut limit = read()?;
    limit.rlim_cur = libc::rlim_t::try_from(soft).unwrap_or(limit.rlim_max);
    // SAFETY: `limit` is a valid rlimit.
    cvt(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    Ok(())
}

fn read() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit to write to.
    cvt(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit)
}

#[allow(clippy::useless_conversion)]
fn as_u64(value: libc::rlim_t) -> u64 {
    u64::from(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_suffices_is_left_alone() {
        let now = ensure_descriptors(1).unwrap();
        assert!(now >= 1);
        assert_eq!(ensure_descriptors(now).unwrap(), now);
    }
}
