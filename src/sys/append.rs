//! Files that lines are appended to, none of which may hold up or end the process.
//! Knows not what is written.

#![allow(unsafe_code)] // signal is a foreign function.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Once;

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
