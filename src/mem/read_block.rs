//! A receive block: received, not yet consumed bytes in a piece of memory that does not grow.
//! Knows nothing of where they come from or what they mean.
//!
//! ```text
//!   0 ........ start ........ end ........ size
//!     consumed       unread       space
//! ```

use crate::limits::{BLOCK_BYTES, PAGE_BYTES};

/// A block with `0 ≤ start ≤ end ≤ size`.
#[derive(Debug)]
pub struct ReadBlock {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// The furthest `end` was: pages behind it were never touched and are not resident.
    touched: usize,
    /// Whether what was received last took all the space there was.
    was_filled: bool,
}

impl Default for ReadBlock {
    /// A block of [`BLOCK_BYTES`].
    fn default() -> ReadBlock {
        ReadBlock::new(BLOCK_BYTES)
    }
}

impl ReadBlock {
    /// An empty block of `size` bytes.
    pub fn new(size: usize) -> ReadBlock {
        // Zeroed by the kernel on first touch: pages that nothing is received into stay unmapped.
        let bytes = vec![0; size].into_boxed_slice();
        ReadBlock { bytes, start: 0, end: 0, touched: 0, was_filled: false }
    }

    /// How many bytes it can hold.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Takes the unread bytes of another block, behind its own.
    ///
    /// # Panics
    /// If there is not so much space.
    pub fn take(&mut self, from: &mut ReadBlock) {
        let unread = from.unread();
        self.space_mut()[..unread.len()].copy_from_slice(unread);
        self.fill(unread.len());
        from.clear();
    }

    /// Where the next bytes are received.
    #[inline]
    pub fn space_mut(&mut self) -> &mut [u8] {
        self.was_filled = false;
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
        self.was_filled = self.end == self.bytes.len();
        self.touched = self.touched.max(self.end);
    }

    /// Bytes that may be resident: whole pages, up to the furthest that was ever filled, or all
    /// of a block that is smaller.
    pub fn resident(&self) -> usize {
        self.touched.next_multiple_of(PAGE_BYTES).min(self.bytes.len())
    }

    /// Everything received, consumed bytes included: what offsets of a head refer to.
    #[inline]
    pub fn received(&self) -> &[u8] {
        &self.bytes[..self.end]
    }

    /// Whether what was received last took all the space there was, so that more may wait.
    #[inline]
    pub fn was_filled(&self) -> bool {
        self.was_filled
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

    /// Gives up `len` unread bytes behind the first `keep`; what follows moves up.
    ///
    /// # Panics
    /// If fewer are unread.
    pub fn cut(&mut self, keep: usize, len: usize) {
        assert!(keep + len <= self.end - self.start, "cut beyond what was unread");
        let from = self.start + keep;
        self.bytes.copy_within(from + len..self.end, from);
        self.end -= len;
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
        self.was_filled = false;
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
    fn a_cut_takes_bytes_out_of_the_middle() {
        let mut block = filled(b"abcdef");
        block.consume(1);
        block.cut(2, 1);
        assert_eq!(block.unread(), b"bcef");
        block.cut(0, 4);
        assert!(block.is_drained());
    }

    #[test]
    fn what_may_be_resident_is_counted_in_whole_pages_and_never_shrinks() {
        let mut block = ReadBlock::default();
        assert_eq!(block.resident(), 0);
        block.fill(1);
        assert_eq!(block.resident(), PAGE_BYTES);
        block.fill(PAGE_BYTES);
        block.clear();
        assert_eq!(block.resident(), 2 * PAGE_BYTES);
    }

    #[test]
    fn a_block_takes_what_another_has_not_consumed() {
        let mut small = ReadBlock::new(8);
        let mut block = filled(b"abcdef");
        block.consume(4);
        small.take(&mut block);
        assert_eq!((small.unread(), block.is_drained()), (&b"ef"[..], true));
        assert_eq!((small.resident(), small.size()), (8, 8));
    }

    #[test]
    #[should_panic(expected = "more consumed")]
    fn consuming_more_than_is_unread_is_a_bug() {
        filled(b"ab").consume(3);
    }
}
