//! Descriptors that a service manager opened for this process (`sd_listen_fds(3)`).
//! Knows nothing of what they are.

#![allow(unsafe_code)] // Descriptors become owned by their number.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first of them (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// The descriptors passed to this process, each with its name (`unknown` where there is none); none
/// from the second call on. Their environment variables, which name the process, are left as they
/// are.
pub fn inherited_descriptors() -> Vec<(String, OwnedFd)> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    if number("LISTEN_PID") != Some(std::process::id()) {
        return Vec::new();
    }
    let count = number("LISTEN_FDS").and_then(|count| RawFd::try_from(count).ok()).unwrap_or(0);
    if IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Vec::new();
    }
    // SAFETY: the manager opened them for this process, by the variable that names it, and they are
    // taken once. One that is not open is found out by the first call that is made with it.
    let owned = (FIRST..FIRST.saturating_add(count)).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned).chain(std::iter::repeat("unknown".to_owned()));
    names.zip(owned).collect()
}
