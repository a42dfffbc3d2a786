//! What waits to be sent on one connection, in order: copied bytes, and bodies sent from where
//! they are, in memory or in a file. Knows nothing of sockets and of what the bytes mean.
//!
//! ```text
//!   copied:  [ sent | head, small body, head …            ]
//!   large:                     ^ goes in behind `after` copied bytes
//! ```

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use arrayvec::ArrayVec;

use super::{Bytes, FileRange};
use crate::limits::SEND_SEGMENTS_MAX;

/// The front of a queue as the kernel takes it.
pub type Segments<'a> = ArrayVec<IoSlice<'a>, SEND_SEGMENTS_MAX>;

/// A body that is not copied, and where in the copied bytes it belongs.
#[derive(Debug)]
struct Large {
    after: usize,
    rest: Rest,
}

/// What is unsent of a body; never nothing.
#[derive(Debug)]
enum Rest {
    Bytes { bytes: Bytes, sent: usize },
    File(FileRange),
}

impl Rest {
    fn len(&self) -> usize {
        match self {
            Rest::Bytes { bytes, sent } => bytes.len() - sent,
            Rest::File(range) => range.len(),
        }
    }

    fn consume(&mut self, len: usize) {
        match self {
            Rest::Bytes { sent, .. } => *sent += len,
            Rest::File(range) => range.consume(len),
        }
    }

    /// Bytes of memory that were made for this one answer.
    fn held(&self) -> usize {
        match self {
            Rest::Bytes { bytes: Bytes::Owned(bytes), .. } => bytes.capacity(),
            Rest::Bytes { .. } | Rest::File(_) => 0,
        }
    }
}

/// Bytes to be sent in order. `sent ≤ copied.len()`; the `after` of the large bodies never fall
/// and lie between `sent` and `copied.len()`.
#[derive(Debug, Default)]
pub struct SendQueue {
    copied: Vec<u8>,
    sent: usize,
    large: VecDeque<Large>,
}

impl SendQueue {
    /// An empty queue with room for `capacity` copied bytes.
    pub fn with_capacity(capacity: usize) -> SendQueue {
        SendQueue { copied: Vec::with_capacity(capacity), sent: 0, large: VecDeque::new() }
    }

    /// Where bytes are appended that are copied into the queue. Appending is all a caller may do.
    #[inline]
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.copied
    }

    /// Appends a body without copying it.
    pub fn push_large(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let rest = Rest::Bytes { bytes, sent: 0 };
            self.large.push_back(Large { after: self.copied.len(), rest });
        }
    }

    /// Appends a part of a file, which stays where it is.
    pub fn push_file(&mut self, range: FileRange) {
        if !range.is_empty() {
            self.large.push_back(Large { after: self.copied.len(), rest: Rest::File(range) });
        }
    }

    /// Whether everything was sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.sent == self.copied.len() && self.large.is_empty()
    }

    /// Bytes not yet sent.
    #[inline]
    pub fn unsent(&self) -> usize {
        let large: usize = self.large.iter().map(|large| large.rest.len()).sum();
        self.copied.len() - self.sent + large
    }

    /// Bytes of memory that it alone holds: copied ones and bodies made for one answer.
    pub fn held(&self) -> usize {
        self.copied.capacity() + self.large.iter().map(|large| large.rest.held()).sum::<usize>()
    }

    /// The copied bytes not yet sent, if there is nothing else: the ordinary case.
    #[inline]
    pub fn as_single(&self) -> Option<&[u8]> {
        self.large.is_empty().then(|| &self.copied[self.sent..])
    }

    /// The first unsent bytes as at most [`SEND_SEGMENTS_MAX`] segments, none of them empty, and
    /// the part of a file that comes right behind them.
    pub fn front(&self) -> (Segments<'_>, Option<&FileRange>) {
        let mut segments = Segments::new();
        let mut at = self.sent;
        for large in &self.large {
            if large.after > at {
                if segments.try_push(IoSlice::new(&self.copied[at..large.after])).is_err() {
                    return (segments, None);
                }
                at = large.after;
            }
            let (bytes, sent) = match &large.rest {
                Rest::Bytes { bytes, sent } => (bytes, *sent),
                Rest::File(range) => return (segments, Some(range)),
            };
            if segments.try_push(IoSlice::new(&bytes.as_slice()[sent..])).is_err() {
                return (segments, None);
            }
        }
        if at < self.copied.len() {
            // A full array simply leaves the rest to the next call.
            let _ = segments.try_push(IoSlice::new(&self.copied[at..]));
        }
        (segments, None)
    }

    /// Gives up the first `len` unsent bytes. An emptied queue starts again from its beginning.
    ///
    /// # Panics
    /// If fewer are unsent.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        if self.large.is_empty() {
            assert!(len <= self.copied.len() - self.sent, "more sent than was queued");
            self.sent += len;
        } else {
            self.consume_mixed(len);
        }
        if self.is_empty() {
            self.clear();
        }
    }

    fn consume_mixed(&mut self, mut len: usize) {
        while len > 0 {
            let copied_end = self.large.front().map_or(self.copied.len(), |large| large.after);
            let copied = len.min(copied_end - self.sent);
            self.sent += copied;
            len -= copied;
            let Some(large) = self.large.front_mut() else {
                assert!(len == 0, "more sent than was queued");
                return;
            };
            let taken = len.min(large.rest.len());
            large.rest.consume(taken);
            len -= taken;
            if large.rest.len() == 0 {
                self.large.pop_front();
            }
        }
    }

    /// Moves everything unsent into a queue of its own, no larger than it must be.
    #[must_use]
    pub fn take_rest(&mut self) -> SendQueue {
        let mut large = std::mem::take(&mut self.large);
        for body in &mut large {
            body.after -= self.sent;
        }
        let rest = SendQueue { copied: self.copied[self.sent..].to_vec(), sent: 0, large };
        self.clear();
        rest
    }

    /// Appends everything unsent of `other`, which is empty afterwards.
    pub fn append(&mut self, other: &mut SendQueue) {
        let base = self.copied.len();
        let rest = other.take_rest();
        self.copied.extend_from_slice(&rest.copied);
        let moved = rest.large.into_iter().map(|body| Large { after: body.after + base, ..body });
        self.large.extend(moved);
    }

    /// Moves everything unsent to the end of `bytes`, for who has no kernel to send it.
    ///
    /// # Errors
    /// What reading a file fails with; `UnexpectedEof` if one is shorter than its part.
    pub fn drain_to(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        while !self.is_empty() {
            let before = bytes.len();
            let (segments, file) = self.front();
            segments.iter().for_each(|segment| bytes.extend_from_slice(segment));
            if let Some(range) = file {
                range.read_to(bytes)?;
            }
            drop(segments);
            self.consume(bytes.len() - before);
        }
        Ok(())
    }

    /// Gives up everything.
    pub fn clear(&mut self) {
        self.copied.clear();
        self.sent = 0;
        self.large.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    const WHOLE: &[u8] = b"one TWO THREE four FIVE SIX SEVEN eight";

    fn drain(queue: &mut SendQueue, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !queue.is_empty() {
            let before = queue.unsent();
            let (segments, file) = queue.front();
            let mut taken: Vec<u8> = segments.iter().flat_map(|part| part.to_vec()).collect();
            if let Some(range) = file {
                range.read_to(&mut taken).unwrap();
            }
            taken.truncate(step);
            drop(segments);
            assert!(!taken.is_empty(), "an unsent byte must be offered");
            queue.consume(taken.len());
            assert_eq!(queue.unsent(), before - taken.len());
            out.extend(taken);
        }
        out
    }

    fn file(bytes: &[u8], offset: u64) -> FileRange {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        FileRange::new(Arc::new(file), offset, bytes.len() as u64 - offset)
    }

    fn mixed() -> SendQueue {
        let mut queue = SendQueue::default();
        queue.tail().extend_from_slice(b"one ");
        queue.push_large(Bytes::Static(b"TWO "));
        queue.push_large(Bytes::Owned(b"THREE ".to_vec()));
        queue.tail().extend_from_slice(b"four ");
        queue.push_large(Bytes::Shared(b"FIVE ".as_slice().into()));
        queue.push_file(file(b"not SIX ", 4));
        queue.push_file(file(b"", 0));
        queue.push_file(file(b"SEVEN ", 0));
        queue.tail().extend_from_slice(b"eight");
        queue
    }

    #[test]
    fn order_is_kept_whatever_the_kernel_takes_at_once() {
        for step in 1..60 {
            assert_eq!(drain(&mut mixed(), step), WHOLE);
        }
    }

    #[test]
    fn all_of_it_can_be_had_at_once_and_a_file_that_is_too_short_is_told() {
        let (mut queue, mut bytes) = (mixed(), Vec::new());
        queue.drain_to(&mut bytes).unwrap();
        assert!(bytes == WHOLE && queue.is_empty());
        let short = tempfile::tempfile().unwrap();
        queue.push_file(FileRange::new(Arc::new(short), 1, 3));
        assert_eq!(queue.drain_to(&mut bytes).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_rest_moves_out_at_any_point_and_is_the_same() {
        for sent in 0..WHOLE.len() {
            let mut queue = mixed();
            queue.consume(sent);
            let mut rest = queue.take_rest();
            assert!(queue.is_empty());
            assert_eq!(drain(&mut rest, 3), &WHOLE[sent..]);
        }
    }

    #[test]
    fn what_is_appended_follows_what_waits_wherever_both_were_cut() {
        for sent in 0..WHOLE.len() {
            let (mut first, mut second) = (mixed(), mixed());
            first.consume(sent);
            second.consume(sent / 2);
            first.append(&mut second);
            assert!(second.is_empty());
            assert_eq!(drain(&mut first, 5), [&WHOLE[sent..], &WHOLE[sent / 2..]].concat());
        }
    }

    #[test]
    fn more_segments_than_the_kernel_takes_come_in_several_calls() {
        let mut queue = SendQueue::default();
        let mut expected = Vec::new();
        for index in 0..SEND_SEGMENTS_MAX as u8 {
            queue.tail().push(b'a' + index);
            queue.push_large(Bytes::Owned(vec![b'A' + index; 3]));
            expected.push(b'a' + index);
            expected.extend([b'A' + index; 3]);
        }
        assert_eq!(queue.front().0.len(), SEND_SEGMENTS_MAX);
        assert_eq!(drain(&mut queue, usize::MAX), expected);
    }

    #[test]
    fn only_copied_bytes_are_one_segment() {
        let mut queue = SendQueue::with_capacity(8);
        queue.tail().extend_from_slice(b"abc");
        queue.consume(1);
        assert_eq!(queue.as_single(), Some(&b"bc"[..]));
        queue.push_large(Bytes::Static(b""));
        assert!(queue.as_single().is_some(), "an empty body is no segment");
        queue.push_large(Bytes::Static(b"x"));
        assert_eq!(queue.as_single(), None);
    }

    #[test]
    #[should_panic(expected = "more sent than was queued")]
    fn sending_more_than_was_queued_is_a_bug() {
        mixed().consume(1000);
    }
}
