//! Files without a name, which are gone with their descriptor unless they are given one.
//! Knows nothing of what is written to them.

#![allow(unsafe_code)] // linkat is a foreign function.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::syscall::check;

/// Nobody else reads what was uploaded.
const MODE: u32 = 0o600;

/// A file on the file system of `folder`. However the process ends, nothing stays behind.
///
/// # Errors
/// What `open(2)` names: `EOPNOTSUPP` where the file system has no such files.
pub fn unnamed_file(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).mode(MODE).custom_flags(libc::O_TMPFILE).open(folder)
}

/// Gives such a file a name on its file system. What has the name already stays.
///
/// # Errors
/// What `linkat(2)` names: `EEXIST`, or `EXDEV` for another file system.
pub fn name_file(file: &File, path: &Path) -> io::Result<()> {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both are texts that end with a zero and live longer than the call.
    check(unsafe {
        let (from, to) = (from.as_ptr(), to.as_ptr());
        libc::linkat(libc::AT_FDCWD, from, libc::AT_FDCWD, to, libc::AT_SYMLINK_FOLLOW)
    })
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_has_no_name_until_it_is_given_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = unnamed_file(folder.path()).unwrap();
        file.write_all(b"text").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let path = folder.path().join("a");
        name_file(&file, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"text");
        let twice = name_file(&file, &path).unwrap_err();
        assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
        assert!(unnamed_file(&path).is_err(), "it is no folder");
    }
}
