//! A part of a file that is sent from where it is. Knows nothing of who sends it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of an open file, in order.
#[derive(Clone, Debug)]
pub struct FileRange {
    file: Arc<File>,
    offset: u64,
    len: u64,
}

impl FileRange {
    /// The `len` bytes of `file` from `offset` on. Whether it has them is found out when they
    /// are sent.
    pub fn new(file: Arc<File>, offset: u64, len: u64) -> FileRange {
        FileRange { file, offset, len }
    }

    /// The file.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Where in the file it begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        // A file is no longer than an address space, on machines of 64 bits.
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends all of it to `bytes`.
    ///
    /// # Errors
    /// What `pread(2)` names; `UnexpectedEof` if the file is shorter.
    pub(super) fn read_to(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let before = bytes.len();
        bytes.resize(before + self.len(), 0);
        self.file.read_exact_at(&mut bytes[before..], self.offset)
    }

    /// Appends the first `most` bytes of it to `bytes`, or as many as there are, and gives them up.
    ///
    /// # Errors
    /// What `pread(2)` names; `UnexpectedEof` if the file is shorter.
    pub fn move_to(&mut self, bytes: &mut Vec<u8>, most: usize) -> io::Result<()> {
        let len = self.len().min(most);
        FileRange { file: Arc::clone(&self.file), len: len as u64, ..*self }.read_to(bytes)?;
        self.consume(len);
        Ok(())
    }

    /// Gives up the first `len` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub(super) fn consume(&mut self, len: usize) {
        let len = len as u64;
        assert!(len <= self.len, "more sent than was queued");
        self.offset += len;
        self.len -= len;
    }
}

const _: () = assert!(size_of::<usize>() >= size_of::<u64>());
