//! A receive block: received, not yet consumed bytes in one fixed piece of memory.
//! Knows nothing of where they come from or what they mean.
//!
//! ```text
//!   0 ........ start ........ end ........ BLOCK_BYTES
//!     consumed       unread       space
//! ```

use crate::limits::BLOCK_BYTES;

/// A block of [`BLOCK_BYTES`] with `0 ≤ start ≤ end ≤ BLOCK_BYTES`.
#[derive(Debug)]
pub struct ReadBlock {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Default for ReadBlock {
    fn default() -> ReadBlock {
        // Zeroed by the kernel on first touch: pages that nothing is received into stay unmapped.
        ReadBlock { bytes: vec![0; BLOCK_BYTES].into_boxed_slice(), start: 0, end: 0 }
    }
}

impl ReadBlock {
    /// Where the next bytes are received.
    #[inline]
    pub fn space_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// Counts `len` bytes of the space as received.
    ///
    /// # Panics
    /// If the space was smaller.
    #[inline]
    pub fn fill(&mut self, len: usize) {
        assert!(len <= self.bytes.len() - self.end, "more received than there was space");
        self.end += len;
    }

    /// Everything received, consumed bytes included: what offsets of a head refer to.
    #[inline]
    pub fn received(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Offset of the first unread byte.
    #[inline]
    pub fn start(&self) -> usize {
        self.start
    }

    /// The bytes not yet consumed.
    #[inline]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether every byte was consumed.
    #[inline]
    pub fn is_drained(&self) -> bool {
        self.start == self.end
    }

    /// Whether there is no space left.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.end == self.bytes.len()
    }

    /// Gives up the first `len` unread bytes. An emptied block starts again from its beginning,
    /// where its cache lines are.
    ///
    /// # Panics
    /// If fewer are unread.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        assert!(len <= self.end - self.start, "more consumed than was unread");
        self.start += len;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Gives up the unread bytes behind the first `len`.
    ///
    /// # Panics
    /// If fewer are unread.
    pub fn truncate(&mut self, len: usize) {
        assert!(len <= self.end - self.start, "truncated beyond what was unread");
        self.end = self.start + len;
    }

    /// Moves the unread bytes to the front. Returns whether that moved anything: offsets made
    /// before are then void.
    pub fn compact(&mut self) -> bool {
        if self.start == 0 {
            return false;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        true
    }

    /// Gives up everything.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(bytes: &[u8]) -> ReadBlock {
        let mut block = ReadBlock::default();
        block.space_mut()[..bytes.len()].copy_from_slice(bytes);
        block.fill(bytes.len());
        block
    }

    #[test]
    fn bytes_are_consumed_in_order_and_an_emptied_block_starts_over() {
        let mut block = filled(b"abcdef");
        block.consume(2);
        assert_eq!((block.unread(), block.start()), (&b"cdef"[..], 2));
        block.consume(4);
        assert!(block.is_drained());
        assert_eq!(block.space_mut().len(), BLOCK_BYTES);
    }

    #[test]
    fn compaction_keeps_the_unread_bytes_and_says_whether_they_moved() {
        let mut block = filled(b"abcdef");
        assert!(!block.compact());
        block.consume(4);
        assert!(block.compact());
        assert_eq!((block.unread(), block.start()), (&b"ef"[..], 0));
    }

    #[test]
    fn truncation_keeps_the_front() {
        let mut block = filled(b"abcdef");
        block.consume(1);
        block.truncate(2);
        assert_eq!(block.unread(), b"bc");
        assert_eq!(block.received(), b"abc");
    }

    #[test]
    #[should_panic(expected = "more consumed")]
    fn consuming_more_than_is_unread_is_a_bug() {
        filled(b"ab").consume(3);
    }
}
