//! What waits to be sent on one connection, in order: copied bytes, and bodies sent from where
//! they are. Knows nothing of sockets and of what the bytes mean.
//!
//! ```text
//!   copied:  [ sent | head, small body, head …            ]
//!   large:                     ^ goes in behind `after` copied bytes
//! ```

use std::collections::VecDeque;
use std::io::IoSlice;

use arrayvec::ArrayVec;

use super::Bytes;
use crate::limits::SEND_SEGMENTS_MAX;

/// The front of a queue as the kernel takes it.
pub type Segments<'a> = ArrayVec<IoSlice<'a>, SEND_SEGMENTS_MAX>;

/// A body that is not copied, and where in the copied bytes it belongs.
#[derive(Debug)]
struct Large {
    after: usize,
    bytes: Bytes,
    sent: usize,
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
            self.large.push_back(Large { after: self.copied.len(), bytes, sent: 0 });
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
        let large: usize = self.large.iter().map(|large| large.bytes.len() - large.sent).sum();
        self.copied.len() - self.sent + large
    }

    /// Bytes of memory that it alone holds: copied ones and bodies made for one answer.
    pub fn held(&self) -> usize {
        let owned = |large: &Large| match &large.bytes {
            Bytes::Owned(bytes) => bytes.capacity(),
            Bytes::Static(_) | Bytes::Shared(_) => 0,
        };
        self.copied.capacity() + self.large.iter().map(owned).sum::<usize>()
    }

    /// The copied bytes not yet sent, if there is nothing else: the ordinary case.
    #[inline]
    pub fn as_single(&self) -> Option<&[u8]> {
        self.large.is_empty().then(|| &self.copied[self.sent..])
    }

    /// The first unsent bytes as at most [`SEND_SEGMENTS_MAX`] segments, none of them empty.
    pub fn segments(&self) -> Segments<'_> {
        let mut segments = Segments::new();
        let mut at = self.sent;
        for large in &self.large {
            if large.after > at {
                if segments.try_push(IoSlice::new(&self.copied[at..large.after])).is_err() {
                    return segments;
                }
                at = large.after;
            }
            let rest = &large.bytes.as_slice()[large.sent..];
            if segments.try_push(IoSlice::new(rest)).is_err() {
                return segments;
            }
        }
        if at < self.copied.len() {
            // A full array simply leaves the rest to the next call.
            let _ = segments.try_push(IoSlice::new(&self.copied[at..]));
        }
        segments
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
            let taken = len.min(large.bytes.len() - large.sent);
            large.sent += taken;
            len -= taken;
            if large.sent == large.bytes.len() {
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

    /// Gives up everything.
    pub fn clear(&mut self) {
        self.copied.clear();
        self.sent = 0;
        self.large.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &mut SendQueue, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !queue.is_empty() {
            let before = queue.unsent();
            let taken: Vec<u8> = queue
                .segments()
                .iter()
                .flat_map(|segment| segment.iter().copied())
                .take(step)
                .collect();
            assert!(!taken.is_empty(), "an unsent byte must be offered");
            queue.consume(taken.len());
            assert_eq!(queue.unsent(), before - taken.len());
            out.extend(taken);
        }
        out
    }

    fn mixed() -> SendQueue {
        let mut queue = SendQueue::default();
        queue.tail().extend_from_slice(b"one ");
        queue.push_large(Bytes::Static(b"TWO "));
        queue.push_large(Bytes::Owned(b"THREE ".to_vec()));
        queue.tail().extend_from_slice(b"four ");
        queue.push_large(Bytes::Shared(b"FIVE ".as_slice().into()));
        queue.tail().extend_from_slice(b"six");
        queue
    }

    #[test]
    fn order_is_kept_whatever_the_kernel_takes_at_once() {
        for step in 1..40 {
            assert_eq!(drain(&mut mixed(), step), b"one TWO THREE four FIVE six");
        }
    }

    #[test]
    fn the_rest_moves_out_at_any_point_and_is_the_same() {
        let whole = b"one TWO THREE four FIVE six";
        for sent in 0..whole.len() {
            let mut queue = mixed();
            queue.consume(sent);
            let mut rest = queue.take_rest();
            assert!(queue.is_empty());
            assert_eq!(drain(&mut rest, 3), &whole[sent..]);
        }
    }

    #[test]
    fn what_is_appended_follows_what_waits_wherever_both_were_cut() {
        let whole = b"one TWO THREE four FIVE six";
        for sent in 0..whole.len() {
            let (mut first, mut second) = (mixed(), mixed());
            first.consume(sent);
            second.consume(sent / 2);
            first.append(&mut second);
            assert!(second.is_empty());
            assert_eq!(drain(&mut first, 5), [&whole[sent..], &whole[sent / 2..]].concat());
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
        assert_eq!(queue.segments().len(), SEND_SEGMENTS_MAX);
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
