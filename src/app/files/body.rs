//! The content of a file, kept or read while it is sent, and parts of it as the source of an
//! answer. Knows no requests.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use crate::api::{Error, Piece, Pull, Source};
use crate::sys::OpenFile;
use crate::wire::range::ByteRange;

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Too large to be kept.
    Open(Rc<OpenFile>),
    /// Kept by this worker.
    Kept(Arc<[u8]>),
}

impl Content {
    /// Puts what stands at `offset` at the begin of `space`.
    fn read_at(&self, space: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Content::Open(file) => file.read_at(space, offset),
            Content::Kept(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let len = space.len().min(bytes.len() - start);
                space[..len].copy_from_slice(&bytes[start..start + len]);
                Ok(len)
            }
        }
    }
}

/// What follows in a body.
#[derive(Debug)]
pub(super) enum Part {
    /// The frame of a part.
    Frame(Vec<u8>),
    /// Bytes of the file, at least one.
    Range(ByteRange),
}

/// Parts of a file, one after the other.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) content: Content,
    pub(super) rest: VecDeque<Part>,
}

impl Source for Parts {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        while piece.room() > 0 {
            match self.rest.front_mut() {
                None => return Ok(Pull::Done),
                Some(Part::Frame(bytes)) => {
                    piece.push(bytes);
                    self.rest.pop_front();
                }
                Some(Part::Range(range)) => {
                    let (offset, left) = (range.first, range.len());
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(piece.room());
                    let read = |space: &mut [u8]| self.content.read_at(space, offset);
                    let taken = piece.push_with(len, read).map_err(Error::internal)? as u64;
                    if taken == 0 {
                        return Err(Error::internal("a file became shorter while it was sent"));
                    }
                    if taken == left {
                        self.rest.pop_front();
                    } else {
                        range.first += taken;
                    }
                }
            }
        }
        Ok(if self.rest.is_empty() { Pull::Done } else { Pull::More })
    }
}
