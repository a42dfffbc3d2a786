//! The parameters of a check, read from the front of its input. Knows no target.

/// What is left of an input. Beyond its end it goes on with zeros.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Input<'a> {
        Input { rest: data }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// Two bytes, the lower first.
    pub(crate) fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    pub(crate) fn pieces(&mut self) -> Pieces {
        Pieces([(); 4].map(|()| self.byte()))
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// The pieces in which bytes arrive: these lengths over and over; 0 is all there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces([u8; 4]);

impl Pieces {
    /// All at once.
    pub(crate) const WHOLE: Pieces = Pieces([0; 4]);

    /// Where the pieces of `len` bytes end; the last one at `len`.
    pub(crate) fn ends(self, len: usize) -> impl Iterator<Item = usize> {
        let mut lengths = self.0.into_iter().cycle();
        let mut end = Some(0);
        std::iter::from_fn(move || {
            let from = end?;
            let to = match lengths.next() {
                None | Some(0) => len,
                Some(length) => len.min(from + usize::from(length)),
            };
            end = (to < len).then_some(to);
            Some(to)
        })
    }
}
