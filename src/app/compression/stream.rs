//! Streamed bodies, encoded while they are sent. Knows nothing of what is in them.

use std::cell::Cell;
use std::rc::Rc;

use super::encoder::{StreamEncoder, Until};
use crate::api::{Error, Piece, Pull, Source};
use crate::limits::{ENCODED_PIECE_BYTES, SPARE_BODY_BYTES_MAX};

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
    plain: Vec<u8>,
    out: Vec<u8>,
    _place: Place,
}

impl EncodedSource {
    /// Of `length` bytes, if that is known.
    pub(super) fn new(
        source: Box<dyn Source>,
        encoder: StreamEncoder,
        length: Option<u64>,
        place: Place,
    ) -> EncodedSource {
        let (plain, out) = (Vec::new(), Vec::new());
        EncodedSource { source, encoder, left: length, plain, out, _place: place }
    }

    /// Holds the source to the length it said: behind an encoder nobody else does.
    fn count(&mut self, pull: Pull) -> Result<(), Error> {
        let Some(left) = &mut self.left else { return Ok(()) };
        let rest = left.checked_sub(self.plain.len() as u64);
        *left = rest.ok_or_else(|| Error::internal("the source gave more than it said"))?;
        if pull == Pull::Done && *left > 0 {
            return Err(Error::internal("the source ended before the length it said"));
        }
        Ok(())
    }
}

impl Source for EncodedSource {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        self.plain.clear();
        self.out.clear();
        let pull = self.source.pull(&mut Piece::new(&mut self.plain, ENCODED_PIECE_BYTES))?;
        self.count(pull)?;
        let until = match pull {
            Pull::More => Until::Full,
            // Who waits for more must have all there is.
            Pull::Wait => Until::Flushed,
            Pull::Done => Until::Finished,
        };
        let written = self.encoder.write(&self.plain, until, &mut self.out);
        written.map_err(|_| Error::internal("the body could not be encoded"))?;
        piece.push(&self.out);
        for buffer in [&mut self.plain, &mut self.out] {
            if buffer.capacity() > SPARE_BODY_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
        Ok(pull)
    }
}
