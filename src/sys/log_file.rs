//! Opens a file that lines are appended to. Knows nothing of the lines.

#![allow(unsafe_code)] // fcntl is a foreign function.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::syscall::check;

/// Who may read it: its owner and the group, for it tells what others asked.
const MODE: u32 = 0o640;

/// Opens a file for appending, and makes it if there is none. What is written to it may block, but
/// opening does not: a pipe that nobody reads is an error.
///
/// # Errors
/// What `open(2)` names; `ENXIO` for such a pipe.
pub fn open_log(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(MODE).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path)?;
    // SAFETY: the descriptor is open, and the command takes an integer.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_APPEND) })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_is_appended_to_and_a_pipe_without_a_reader_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for line in ["one\n", "two\n"] {
            open_log(&path).unwrap().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert_eq!(open_log(&pipe).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }
}
