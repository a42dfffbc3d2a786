//! The content of a file, kept or sent from where it is, and parts of it as the source of an
//! answer. Knows no requests.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::api::{Error, Piece, Pull, Source, Waker};
use crate::limits::READ_AHEAD_BYTES;
use crate::sys::{OpenFile, read_ahead};
use crate::wire::range::ByteRange;

/// Where the bytes of a file are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Too large to be kept, or not in memory.
    Open(Rc<OpenFile>),
    /// Kept by this worker.
    Kept(Arc<[u8]>),
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
pub(super) struct Parts {
    content: Content,
    rest: VecDeque<Part>,
    waker: Waker,
    /// Bytes of the file that need not be waited for.
    ready: Range<u64>,
}

impl Parts {
    /// These parts of a file. `waker` wakes the connection they are sent on.
    pub(super) fn new(content: &Content, rest: VecDeque<Part>, waker: Waker) -> Parts {
        Parts { content: content.clone(), rest, waker, ready: 0..0 }
    }

    /// Appends what is next in a file that is open. Returns how much, or nothing if the disk has to
    /// be waited for.
    fn push_open(
        &mut self,
        file: &OpenFile,
        range: ByteRange,
        piece: &mut Piece<'_>,
    ) -> Option<u64> {
        let ByteRange { first, .. } = range;
        if !self.ready.contains(&first) {
            let len = range.len().min(READ_AHEAD_BYTES);
            self.ready = first..first + len;
            let shared = Arc::clone(file.file());
            // Where nobody else can read it, or not soon, the worker does.
            if file.is_in_memory(first, len) != Some(true)
                && self.waker.wake_after(move || read_ahead(&shared, first, len))
            {
                return None;
            }
        }
        let len = range.len().min(self.ready.end - first);
        Some(piece.push_file(file.file(), first, len))
    }
}

impl Source for Parts {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        while piece.room() > 0 {
            let range = match self.rest.front() {
                None => return Ok(Pull::Done),
                Some(Part::Frame(bytes)) => {
                    piece.push(bytes);
                    self.rest.pop_front();
                    continue;
                }
                Some(Part::Range(range)) => *range,
            };
            let taken = match self.content.clone() {
                Content::Open(file) => self.push_open(&file, range, piece),
                Content::Kept(bytes) => Some(push_kept(&bytes, range, piece)),
            };
            let Some(taken) = taken else { return Ok(Pull::Wait) };
            if taken == range.len() {
                self.rest.pop_front();
            } else {
                let rest = ByteRange { first: range.first + taken, ..range };
                self.rest[0] = Part::Range(rest);
            }
        }
        Ok(if self.rest.is_empty() { Pull::Done } else { Pull::More })
    }
}

/// Appends as much of `range`, which lies within `bytes`, as there is room for.
fn push_kept(bytes: &[u8], range: ByteRange, piece: &mut Piece<'_>) -> u64 {
    let bytes = &bytes[range.first as usize..=range.last as usize];
    let taken = bytes.len().min(piece.room());
    piece.push(&bytes[..taken]);
    taken as u64
}
