//! Files that lines are appended to, none of which may hold up or end the process.
//! Knows not what is written.

#![allow(unsafe_code)] // signal and fcntl are foreign functions.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Once;

use super::syscall::check;

/// Readable by the group, as logs are, and by nobody else.
const MODE: u32 = 0o640;

/// Opens a file to append to, and makes it if there is none. Each write is then whole: two
/// processes may share it. Nobody is waited for where it is a pipe, neither now nor at a write.
///
/// From the first call on a file that reaches the process's limit (`RLIMIT_FSIZE`) is an error of
/// its write, instead of the end of the process by `SIGXFSZ`.
///
/// # Errors
/// What `open(2)` names.
pub fn append_to(path: &Path) -> io::Result<File> {
    static SIGNAL: Once = Once::new();
    // SAFETY: takes no pointer but the constant that stands for no handler.
    SIGNAL.call_once(|| unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    });
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(flags).open(path)
}

/// As [`append_to`], but a write waits for the reader of a pipe.
///
/// # Errors
/// What `open(2)` names; `ENXIO` for a pipe that nobody reads.
pub fn append_patiently_to(path: &Path) -> io::Result<File> {
    let file = append_to(path)?;
    // SAFETY: the descriptor is open, and the command takes an integer.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, libc::O_APPEND) })?;
    Ok(file)
}

/// Writes as much as there is room for. Returns how much that was, and why it was not all.
pub fn write_most(file: &mut impl Write, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(len) => written += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_appended_to_and_a_pipe_without_a_reader_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for line in ["one\n", "two\n"] {
            append_patiently_to(&path).unwrap().write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert_eq!(append_patiently_to(&pipe).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }
}
