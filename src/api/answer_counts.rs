//! What hooks count of the answers that they keep, give again or encode.
//! Knows nothing of how they do it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerCount {
    /// Answers that a cache gave.
    CacheHit,
    /// Requests that a cache had no answer for.
    CacheMiss,
    /// Answers that a cache kept.
    CacheStored,
    /// Answers that a cache gave up for want of room.
    CacheEvicted,
    /// Bytes of bodies before they were encoded.
    EncodedIn,
    /// Bytes of these bodies afterwards.
    EncodedOut,
}

impl AnswerCount {
    /// Those of caches, with their names in statistics.
    pub const OF_CACHES: [(AnswerCount, &'static str); 4] = [
        (AnswerCount::CacheHit, "hit"),
        (AnswerCount::CacheMiss, "miss"),
        (AnswerCount::CacheStored, "stored"),
        (AnswerCount::CacheEvicted, "evicted"),
    ];

    /// Those of encoded bodies, with their names in statistics.
    pub const OF_CODINGS: [(AnswerCount, &'static str); 2] =
        [(AnswerCount::EncodedIn, "in"), (AnswerCount::EncodedOut, "out")];
}

/// The counts of one worker, for all its hooks together: [`super::Request::answer_counts`] has
/// them. Written by that worker and read by any thread, as [`super::RouteSlot`] is.
#[derive(Debug, Default)]
pub struct AnswerCounts([AtomicU64; 6]);

const _: () = assert!(AnswerCount::EncodedOut as usize == 5);

impl AnswerCounts {
    /// Adds `count` to one of them.
    pub fn add(&self, what: AnswerCount, count: u64) {
        let sum = &self.0[what as usize];
        // One writer: load and store make the increment, without a locked instruction.
        sum.store(sum.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// One of them.
    pub fn get(&self, what: AnswerCount) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }

    /// Those of caches or of codings, by their names.
    pub fn named<const N: usize>(
        &self,
        which: [(AnswerCount, &'static str); N],
    ) -> Vec<(&'static str, u64)> {
        which.map(|(what, name)| (name, self.get(what))).to_vec()
    }
}
