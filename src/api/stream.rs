//! Bodies in pieces: sources that answers are pulled from, sinks that take what arrives.
//! Knows nothing of sockets and of how pieces are framed.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{Error, HandlerResult, Request, Response};
use crate::limits::FILE_PIECE_BYTES;
use crate::mem::FileRange;

/// What a [`Source`] says after it was asked for the next piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// There is more: ask again once there is room.
    More,
    /// There is more, but not now: ask again after [`super::Waker::wake`].
    Wait,
    /// There is more, but not now: ask again after this time, or earlier if it is woken.
    WaitFor(Duration),
    /// That was all.
    Done,
}

/// The body of an answer, made while it is sent.
///
/// It is asked on the worker's thread whenever the client's socket has room, so a slow client
/// holds its source back and nothing piles up. Closures are sources.
pub trait Source {
    /// Appends the next piece of the body, about [`Piece::room`] bytes.
    ///
    /// # Errors
    /// Whatever ends the body early. The head is sent already, so the connection is cut, which
    /// tells the client that something is missing.
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error>;
}

impl<F> Source for F
where
    F: FnMut(&mut Piece<'_>) -> Result<Pull, Error>,
{
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        self(piece)
    }
}

impl Source for Box<dyn Source + Send> {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        (**self).pull(piece)
    }
}

/// Where a [`Source`] writes.
#[derive(Debug)]
pub struct Piece<'a> {
    bytes: &'a mut Vec<u8>,
    /// Parts of files, and behind how many of the bytes each belongs.
    files: Vec<(usize, FileRange)>,
    room: usize,
}

impl<'a> Piece<'a> {
    /// A piece that is written to the end of `bytes`, `room` bytes being welcome.
    pub fn new(bytes: &'a mut Vec<u8>, room: usize) -> Piece<'a> {
        Piece { bytes, files: Vec::new(), room }
    }

    /// The parts of files in it, each behind so many of the bytes that were written to.
    pub fn into_files(self) -> Vec<(usize, FileRange)> {
        self.files
    }

    /// How many bytes are welcome. More are taken all the same, and held until they are sent.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Appends `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.room = self.room.saturating_sub(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends as many of the `len` bytes of `file` from `offset` on as go into one piece, which
    /// then has no room for more, and returns how many. They are sent from where they are
    /// (`sendfile(2)`): bytes of a disk that has to be waited for hold the worker up, and a file
    /// that does not have them when their turn comes ends the connection.
    pub fn push_file(&mut self, file: &Arc<File>, offset: u64, len: u64) -> u64 {
        let len = len.min(FILE_PIECE_BYTES);
        self.push_range(FileRange::new(Arc::clone(file), offset, len));
        len
    }

    /// Appends a part of a file that is no longer than goes into one piece.
    pub(super) fn push_range(&mut self, range: FileRange) {
        self.files.push((self.bytes.len(), range));
        self.room = 0;
    }

    /// Appends what `read` puts at the begin of a space of `len` bytes, as it returns how many.
    ///
    /// # Errors
    /// That of `read`; nothing is then appended.
    ///
    /// # Panics
    /// If `read` returns more than `len`.
    pub fn push_with(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let before = self.bytes.len();
        self.bytes.resize(before + len, 0);
        let result = read(&mut self.bytes[before..]);
        let taken = *result.as_ref().unwrap_or(&0);
        assert!(taken <= len, "more than there is space for");
        self.bytes.truncate(before + taken);
        self.room = self.room.saturating_sub(taken);
        result
    }
}

impl io::Write for Piece<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much a [`Sink`] took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All of it.
    All,
    /// So many bytes; the rest is offered again after [`super::Waker::wake`], and until then
    /// nothing is received from this client.
    Part(usize),
}

/// Takes the body of a request as it arrives, on the worker's thread.
///
/// A sink that is dropped without having been finished belongs to a request that never came to
/// its end: the client went away, was too slow, or broke a rule.
pub trait Sink {
    /// Takes the next bytes of the body, never none.
    ///
    /// # Errors
    /// Answered with the error's status; the rest of the body is not read.
    fn take(&mut self, bytes: &[u8]) -> Result<Taken, Error>;

    /// The whole body was taken: answers the request.
    ///
    /// # Errors
    /// As a handler.
    fn finish(self: Box<Self>, request: &Request<'_>, response: Response<'_>) -> HandlerResult;
}

/// How a handler wants the body of a request.
pub enum Intake {
    /// Whole, in [`Request::body`].
    Whole,
    /// In pieces.
    Stream(Box<dyn Sink>),
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Intake::Whole => "Whole",
            Intake::Stream(_) => "Stream",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_piece_counts_its_room_down_and_takes_more_than_it() {
        let mut bytes = b"before ".to_vec();
        let mut piece = Piece::new(&mut bytes, 5);
        piece.push(b"abc");
        assert_eq!(piece.room(), 2);
        write!(piece, "{}", 123_456).unwrap();
        assert_eq!(piece.room(), 0);
        assert_eq!(bytes, b"before abc123456");
    }

    #[test]
    fn a_piece_keeps_what_was_read_and_nothing_of_what_failed() {
        let mut bytes = b"a".to_vec();
        let mut piece = Piece::new(&mut bytes, 5);
        let read = |space: &mut [u8]| {
            space[..2].copy_from_slice(b"bc");
            Ok(2)
        };
        assert_eq!(piece.push_with(4, read).unwrap(), 2);
        assert!(piece.push_with(4, |_| Err(io::ErrorKind::NotFound.into())).is_err());
        assert_eq!(piece.room(), 3);
        assert_eq!(bytes, b"abc");
    }
}
