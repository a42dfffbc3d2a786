//! Has the kernel forget the content of a file, as far as it does. Knows no server.

#![allow(unsafe_code)] // posix_fadvise is a foreign function.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Writes a file to its disk and takes it out of memory; the next who reads it waits for the disk.
pub(crate) fn forget(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    // SAFETY: takes no pointer, and the descriptor is open.
    let result = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(result, 0);
}
