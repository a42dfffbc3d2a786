//! How many descriptors the process may have open, and how to have as many as it may.
//! Knows not what they are for.

#![allow(unsafe_code)] // getrlimit and setrlimit are foreign functions.

use std::io;

use libc::{rlim_t, rlimit};

use super::syscall::check;

/// A limit on open descriptors (`RLIMIT_NOFILE`, `getrlimit(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// What counts now: descriptors are numbered below it. `u64::MAX` is no limit.
    pub soft: u64,
    /// How far the soft limit can be raised without privilege.
    pub hard: u64,
}

/// The limit as it stands.
///
/// # Errors
/// What `getrlimit(2)` names; none is expected.
pub fn descriptor_limit() -> io::Result<DescriptorLimit> {
    let mut limit = rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes `limit`.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(DescriptorLimit { soft: from_kernel(limit.rlim_cur), hard: from_kernel(limit.rlim_max) })
}

/// Raises the soft limit to the hard one, and returns the limit as it then stands. A server
/// needs a descriptor for every connection, and the usual soft limit of 1,024 is kept that low
/// for `select(2)` only, which nothing here uses.
///
/// # Errors
/// What `getrlimit(2)` and `setrlimit(2)` name; none is expected.
pub fn raise_descriptor_limit() -> io::Result<DescriptorLimit> {
    let mut limit = rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes `limit`.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    if limit.rlim_cur != limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the kernel reads `limit`.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    descriptor_limit()
}

const fn from_kernel(limit: rlim_t) -> u64 {
    if limit == libc::RLIM_INFINITY { u64::MAX } else { limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let before = descriptor_limit().unwrap();
        assert!(before.soft <= before.hard);
        let after = raise_descriptor_limit().unwrap();
        assert_eq!(after, DescriptorLimit { soft: before.hard, hard: before.hard });
        assert_eq!(descriptor_limit().unwrap(), after);
    }
}
