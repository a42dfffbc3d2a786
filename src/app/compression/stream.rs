//! Streamed bodies, encoded while they are sent. Knows nothing of what is in them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::encoder::{Failed, StreamEncoder, Until};
use crate::api::{AnswerCount, AnswerCounts, Error, Piece, Pull, Source};
use crate::limits::{ENCODED_PIECE_BYTES, SPARE_BODY_BYTES_MAX};
use crate::mem::FileRange;

/// One of the bounded number of bodies that are encoded at a time.
pub(super) struct Place(Rc<Cell<usize>>);

impl Place {
    /// `None` if there are `max` of them.
    pub(super) fn take(taken: &Rc<Cell<usize>>, max: usize) -> Option<Place> {
        (taken.get() < max).then(|| {
            taken.set(taken.get() + 1);
            Place(Rc::clone(taken))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A source behind an encoder.
pub(super) struct EncodedSource {
    source: Box<dyn Source>,
    encoder: StreamEncoder,
    /// Bytes that the source has still to give, if it said how many.
    left: Option<u64>,
    /// What it gave: bytes, of which the first `done` are encoded, and parts of files, each behind
    /// so many of the bytes.
    plain: Vec<u8>,
    done: usize,
    files: VecDeque<(usize, FileRange)>,
    /// What it said then, and whether that was passed on: it is asked again only then.
    said: Pull,
    is_said: bool,
    /// Bytes of a file.
    read: Vec<u8>,
    out: Vec<u8>,
    counts: Arc<AnswerCounts>,
    _place: Place,
}

impl EncodedSource {
    /// Of `length` bytes, if that is known.
    pub(super) fn new(
        source: Box<dyn Source>,
        encoder: StreamEncoder,
        length: Option<u64>,
        place: Place,
        counts: Arc<AnswerCounts>,
    ) -> EncodedSource {
        EncodedSource {
            source,
            encoder,
            left: length,
            plain: Vec::new(),
            done: 0,
            files: VecDeque::new(),
            said: Pull::More,
            is_said: true,
            read: Vec::new(),
            out: Vec::new(),
            counts,
            _place: place,
        }
    }

    /// Asks the source for what is next.
    fn ask(&mut self) -> Result<(), Error> {
        self.plain.clear();
        self.done = 0;
        let mut piece = Piece::new(&mut self.plain, ENCODED_PIECE_BYTES);
        self.said = self.source.pull(&mut piece)?;
        self.is_said = false;
        self.files = piece.into_files().into();
        self.count()
    }

    /// Holds the source to the length it said: behind an encoder nobody else does.
    fn count(&mut self) -> Result<(), Error> {
        let Some(left) = &mut self.left else { return Ok(()) };
        let files: u64 = self.files.iter().map(|(_, range)| range.len() as u64).sum();
        let rest = left.checked_sub(self.plain.len() as u64 + files);
        *left = rest.ok_or_else(|| Error::internal("the source gave more than it said"))?;
        if self.said == Pull::Done && *left > 0 {
            return Err(Error::internal("the source ended before the length it said"));
        }
        Ok(())
    }

    /// Encodes what it gave up to the end of its bytes, or some of the first file in it. Returns
    /// what there is to be said then.
    fn encode(&mut self) -> Result<Pull, Error> {
        let Some((after, range)) = self.files.front_mut() else {
            let until = match self.said {
                Pull::More => Until::Full,
                // Who waits for more must have all there is.
                Pull::Wait | Pull::WaitFor(_) => Until::Flushed,
                Pull::Done => Until::Finished,
            };
            let rest = &self.plain[self.done..];
            self.encoder.write(rest, until, &mut self.out)?;
            self.counts.add(AnswerCount::EncodedIn, rest.len() as u64);
            self.done = self.plain.len();
            self.is_said = true;
            return Ok(self.said);
        };
        let before = std::mem::replace(&mut self.done, *after);
        self.encoder.write(&self.plain[before..*after], Until::Full, &mut self.out)?;
        self.read.clear();
        range.move_to(&mut self.read, ENCODED_PIECE_BYTES).map_err(Error::internal)?;
        self.encoder.write(&self.read, Until::Full, &mut self.out)?;
        self.counts.add(AnswerCount::EncodedIn, (*after - before + self.read.len()) as u64);
        if range.is_empty() {
            self.files.pop_front();
        }
        // Its end is said once all of it is encoded.
        Ok(Pull::More)
    }
}

impl Source for EncodedSource {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        self.out.clear();
        if self.is_said {
            self.ask()?;
        }
        let pull = self.encode()?;
        self.counts.add(AnswerCount::EncodedOut, self.out.len() as u64);
        piece.push(&self.out);
        if self.is_said && self.plain.capacity().max(self.out.capacity()) > SPARE_BODY_BYTES_MAX {
            (self.plain, self.done, self.out) = (Vec::new(), 0, Vec::new());
        }
        Ok(pull)
    }
}

impl From<Failed> for Error {
    fn from(_: Failed) -> Error {
        Error::internal("the body could not be encoded")
    }
}
