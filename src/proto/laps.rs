//! Where a request passes from one of its stages to the next. The protocol says that it does, for
//! requests that are watched; it never learns what time it is.

use std::fmt;

use crate::api::Timing;

/// Who takes the time where a request passes.
pub trait Laps {
    /// A request was read, and its handler is about to be called. Returns what the answer is to
    /// tell its client of the time, if it is.
    fn parsed(&mut self) -> Option<Timing>;

    /// The handler returned.
    fn handled(&mut self);
}

/// The watch over the requests of one event, or none.
#[derive(Default)]
pub struct Watch<'a>(Option<&'a mut dyn Laps>);

impl<'a> Watch<'a> {
    /// A watch by `laps`, if there are any.
    pub fn by(laps: Option<&'a mut dyn Laps>) -> Watch<'a> {
        Watch(laps)
    }

    #[inline]
    pub(super) fn parsed(&mut self) -> Option<Timing> {
        self.0.as_mut()?.parsed()
    }

    #[inline]
    pub(super) fn handled(&mut self) {
        if let Some(laps) = &mut self.0 {
            laps.handled();
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.is_some()).finish()
    }
}
