//! How many descriptors and how much memory the process may have, and how to have as many
//! descriptors as it may; and processor time. Knows not what they are for.

#![allow(unsafe_code)] // getrlimit, setrlimit and clock_gettime are foreign functions.

use std::mem::MaybeUninit;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use libc::{rlim_t, rlimit};

use super::cgroup::memory_max;
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

/// Bytes of memory that the process may use: the smaller of what its control groups allow and
/// what the machine has. `None` if neither is known.
pub fn memory_limit() -> Option<u64> {
    let root = Path::new("/");
    memory_max(root).into_iter().chain(memory_of_machine(root)).min()
}

/// The unit of `/proc/meminfo`, which it writes as kB.
const BYTES_PER_KIB: u64 = 1024;

/// `MemTotal` of `/proc/meminfo` (`proc_meminfo(5)`), in bytes.
fn memory_of_machine(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * BYTES_PER_KIB)
}

/// Processor time that the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time that all threads of the process have used, ended ones too.
pub(super) fn process_cpu_time() -> Duration {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Time since some moment before the machine's start, the same for all processes
/// (`CLOCK_MONOTONIC`).
pub fn monotonic_time() -> Duration {
    read_clock(libc::CLOCK_MONOTONIC)
}

fn read_clock(clock: libc::clockid_t) -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the kernel writes one `timespec`; all zeros, if it refuses, is one too.
    let time = unsafe {
        libc::clock_gettime(clock, time.as_mut_ptr());
        time.assume_init()
    };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
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

    #[test]
    fn this_machine_has_memory_and_the_limit_is_no_more_than_that() {
        let machine = memory_of_machine(Path::new("/")).unwrap();
        let limit = memory_limit().unwrap();
        assert!(limit > 0 && limit <= machine);
    }
}
