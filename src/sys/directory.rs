//! What lies in a directory beneath a root: names, kinds, sizes and times, so many and no more.
//! Knows no order of names and nothing of who asks.

#![allow(unsafe_code)] // A directory that is open by its descriptor has no wrapper in std.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;

use super::files::{Facts, Root, open_beneath};
use crate::limits::{DIRECTORY_NAMES_MAX, LISTED_FILES_MAX};

/// A file or a directory that may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Its name.
    pub name: Vec<u8>,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Its state.
    pub facts: Facts,
}

/// What lies in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// By their names.
    pub files: Vec<ListedFile>,
    /// Whether there is more than is listed.
    pub is_cut: bool,
}

/// The entries of an open directory.
struct Entries(NonNull<libc::DIR>);

impl Entries {
    fn of(directory: OwnedFd) -> io::Result<Entries> {
        let fd = directory.into_raw_fd();
        // SAFETY: the descriptor is open and nobody else's.
        let entries = NonNull::new(unsafe { libc::fdopendir(fd) });
        entries.map(Entries).ok_or_else(|| {
            let error = io::Error::last_os_error();
            // SAFETY: it was not taken, so it is still ours and open.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            error
        })
    }

    /// The next name; `None` behind the last.
    fn next(&mut self) -> io::Result<Option<&CStr>> {
        // SAFETY: this thread's own errno; it alone tells the end from a failure.
        unsafe { *libc::__errno_location() = 0 };
        // SAFETY: the stream is open, and used by this thread alone.
        let entry = unsafe { libc::readdir64(self.0.as_ptr()) };
        if entry.is_null() {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(0) { Ok(None) } else { Err(error) };
        }
        // SAFETY: the entry lives until the next call, and its name ends with a NUL.
        Ok(Some(unsafe { CStr::from_ptr((&raw const (*entry).d_name).cast()) }))
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        // SAFETY: it is open, and not used afterwards.
        unsafe { libc::closedir(self.0.as_ptr()) };
    }
}

impl Root {
    /// The files and directories in the one that `path` names, of those names that are wanted, the
    /// first [`LISTED_FILES_MAX`] in their order among the first [`DIRECTORY_NAMES_MAX`] that
    /// there are. `None` if it is none, or outside.
    ///
    /// # Errors
    /// What `readdir(3)` names.
    pub fn list(
        &self,
        path: &[u8],
        is_wanted: impl Fn(&[u8]) -> bool,
    ) -> io::Result<Option<Listed>> {
        let here = if path.is_empty() { &b"."[..] } else { path };
        let Ok(here) = CString::new(here) else { return Ok(None) };
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let Ok(directory) = open_beneath(self.as_fd(), &here, flags) else { return Ok(None) };
        let (mut names, mut is_cut) = names(directory, is_wanted)?;
        names.sort_unstable();
        is_cut |= names.len() > LISTED_FILES_MAX;
        names.truncate(LISTED_FILES_MAX);
        let files = names.into_iter().filter_map(|name| self.listed(path, name)).collect();
        Ok(Some(Listed { files, is_cut }))
    }

    /// What a name in the directory `path` leads to, if that may be reached.
    fn listed(&self, path: &[u8], name: Vec<u8>) -> Option<ListedFile> {
        let path = CString::new([path, &name].concat()).ok()?;
        let file = open_beneath(self.as_fd(), &path, libc::O_PATH | libc::O_CLOEXEC).ok()?;
        let metadata = File::from(file).metadata().ok()?;
        let is_directory = metadata.is_dir();
        let facts = Facts::of(&metadata);
        (is_directory || metadata.is_file()).then_some(ListedFile { name, is_directory, facts })
    }
}

fn names(
    directory: OwnedFd,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> io::Result<(Vec<Vec<u8>>, bool)> {
    let mut entries = Entries::of(directory)?;
    let mut names = Vec::new();
    for _ in 0..DIRECTORY_NAMES_MAX {
        match entries.next()? {
            None => return Ok((names, false)),
            Some(name) if is_wanted(name.to_bytes()) => names.push(name.to_bytes().to_vec()),
            Some(_) => {}
        }
    }
    Ok((names, true))
}
