//! Names that nobody guesses and none of which comes twice. Knows nothing of what they name.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;

/// Bytes of a name: hexadecimal digits.
const NAME_BYTES: usize = 32;

/// Gives names: drawn by lot for each of these, so that workers and restarts do not repeat one
/// another, and counted.
#[derive(Clone, Debug)]
pub(super) struct Unique {
    origin: u64,
    count: u64,
}

impl Unique {
    pub(super) fn new() -> Unique {
        Unique { origin: RandomState::new().hash_one("origin"), count: 0 }
    }

    pub(super) fn next(&mut self) -> [u8; NAME_BYTES] {
        self.count = self.count.wrapping_add(1);
        let mut name = [0; NAME_BYTES];
        // It has room for all digits of both.
        let _ = write!(&mut name[..], "{:016x}{:016x}", self.origin, self.count);
        name
    }
}
