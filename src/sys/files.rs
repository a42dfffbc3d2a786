//! Files beneath one directory, and nothing else of the machine: opened without a way out of it
//! (`openat2(2)`), read at any place. Knows no paths of requests and no types of content.

#![allow(unsafe_code)] // openat2 and preadv2 with its flags have no wrapper in every C library.

use std::ffi::{CStr, CString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use super::syscall::{check, check_descriptor, retry};
use crate::limits::{OPEN_TRIES_MAX, READ_AHEAD_STEP_BYTES};

/// A directory whose files are served.
#[derive(Debug)]
pub struct Root(OwnedFd);

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Bytes.
    pub len: u64,
    /// Nanoseconds since 1970 of the last change of its bytes; negative before.
    pub modified_ns: i128,
    /// Nanoseconds since 1970 of the last change of anything, which nobody can set back.
    pub changed_ns: i128,
    /// Its number on its device.
    pub inode: u64,
    /// Its device.
    pub device: u64,
}

impl Facts {
    pub(super) fn of(metadata: &Metadata) -> Facts {
        let nanos =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Facts {
            len: metadata.len(),
            modified_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

/// A regular file that is open for reading.
#[derive(Debug)]
pub struct OpenFile {
    file: Arc<File>,
    facts: Facts,
}

impl OpenFile {
    /// What it was like when it was opened.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The file, for who sends from it or reads it on another thread.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Whether the first and the last of the `len` bytes at `offset` can be read without waiting
    /// for a disk, as far as a look at two pages tells (`preadv2(2)`, `RWF_NOWAIT`). `None` where
    /// the file system cannot tell.
    pub fn is_in_memory(&self, offset: u64, len: u64) -> Option<bool> {
        let Some(last) = len.checked_sub(1) else { return Some(true) };
        let first = is_byte_in_memory(&self.file, offset)?;
        Some(first && is_byte_in_memory(&self.file, offset.saturating_add(last))?)
    }

    /// Reads at `offset` into `space`; 0 bytes behind the end.
    ///
    /// # Errors
    /// What `pread(2)` names.
    pub fn read_at(&self, space: &mut [u8], offset: u64) -> io::Result<usize> {
        retry(|| self.file.read_at(space, offset))
    }
}

/// Reads the `len` bytes of `file` at `offset`, so that they are in memory. What cannot be read is
/// found out by who asks for it.
pub fn read_ahead(file: &File, mut offset: u64, len: u64) {
    let mut space = vec![0; READ_AHEAD_STEP_BYTES];
    let end = offset.saturating_add(len);
    while offset < end {
        match retry(|| file.read_at(&mut space, offset)) {
            Ok(len) if len > 0 => offset += len as u64,
            _ => return,
        }
    }
}

fn is_byte_in_memory(file: &File, offset: u64) -> Option<bool> {
    let offset = libc::off_t::try_from(offset).ok()?;
    let mut byte = 0_u8;
    let space = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let (fd, segments, flags) = (file.as_raw_fd(), &raw const space, libc::RWF_NOWAIT);
    // SAFETY: the kernel writes one byte to `byte`, which `space` names.
    let read = retry(|| unsafe {
        check(libc::syscall(libc::SYS_preadv2, fd, segments, 1, offset, 0, flags))
    });
    match read {
        Ok(_) => Some(true),
        Err(error) => (error.kind() == io::ErrorKind::WouldBlock).then_some(false),
    }
}

/// What a path leads to.
#[derive(Debug)]
pub enum Opened {
    /// A directory.
    Directory,
    /// A regular file.
    File(OpenFile),
    /// Nothing, or nothing that may be read.
    Nothing,
    /// A device, a pipe or a socket.
    Other,
    /// Something outside, or a link without an end.
    Outside,
}

/// What `openat2(2)` says of a path that leads nowhere, or not where it may.
const LEADS_NOWHERE: [i32; 7] = [
    libc::EACCES,
    libc::EAGAIN,
    libc::ENAMETOOLONG,
    libc::ENODEV,
    libc::ENOENT,
    libc::ENOTDIR,
    libc::EPERM,
];

impl Root {
    /// Takes a directory as the root, and finds out whether the kernel can stay beneath it.
    ///
    /// # Errors
    /// What `open(2)` names; `Unsupported` if `openat2(2)` is missing (Linux before 5.6, or a
    /// filter of system calls).
    pub fn open(path: &Path) -> io::Result<Root> {
        let path = CString::new(path.as_os_str().as_encoded_bytes())?;
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the path ends with a NUL; what is returned is a new descriptor.
        let root = retry(|| unsafe { check_descriptor(libc::open(path.as_ptr(), flags)) })?;
        match open_beneath(root.as_fd(), c".", flags) {
            Ok(_) => Ok(Root(root)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                let reason = "the kernel has no openat2, or a filter forbids it";
                Err(io::Error::new(io::ErrorKind::Unsupported, reason))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens what `path` leads to, which never is outside: a link out of the root, or a directory
    /// that is moved away meanwhile, leads nowhere. Never waits for the other end of a pipe.
    ///
    /// # Errors
    /// What else `openat2(2)` and `fstat(2)` name: there are no descriptors, or the disk failed.
    pub fn find(&self, path: &[u8]) -> io::Result<Opened> {
        let Ok(path) = CString::new(path) else { return Ok(Opened::Nothing) };
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
        let open = || open_beneath(self.0.as_fd(), &path, flags);
        let is_disturbed = |result: &io::Result<OwnedFd>| {
            let error = result.as_ref().err();
            error.is_some_and(|error| error.raw_os_error() == Some(libc::EAGAIN))
        };
        // Something was renamed while `..` of a link was followed.
        let tries = (1..OPEN_TRIES_MAX).map(|_| open()).find(|result| !is_disturbed(result));
        let fd = match tries.unwrap_or_else(open) {
            Ok(fd) => fd,
            Err(error) => {
                return match error.raw_os_error() {
                    Some(code) if LEADS_NOWHERE.contains(&code) => Ok(Opened::Nothing),
                    Some(libc::ELOOP | libc::EXDEV) => Ok(Opened::Outside),
                    // Nobody listens to a socket, or there is no such device.
                    Some(libc::ENXIO) => Ok(Opened::Other),
                    _ => Err(error),
                };
            }
        };
        let file = File::from(fd);
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            Ok(Opened::Directory)
        } else if metadata.is_file() {
            Ok(Opened::File(OpenFile { facts: Facts::of(&metadata), file: Arc::new(file) }))
        } else {
            Ok(Opened::Other)
        }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Opens what `path` leads to beneath `root`, and nothing else.
pub(super) fn open_beneath(root: BorrowedFd<'_>, path: &CStr, flags: i32) -> io::Result<OwnedFd> {
    // SAFETY: all zero is a valid value of this plain structure.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::try_from(flags).unwrap_or_default();
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    retry(|| {
        // SAFETY: the path ends with a NUL, and the kernel reads as many bytes of `how` as it is
        // told; what it returns is a new descriptor.
        unsafe {
            check_descriptor(libc::syscall(
                libc::SYS_openat2,
                root.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            ) as libc::c_int)
        }
    })
}
