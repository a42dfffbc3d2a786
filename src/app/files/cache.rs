//! Files that a worker has served lately, and paths without one, bounded in number and in bytes.
//! Knows no disk: who asks says when a file was last looked at.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::variants::Variants;
use crate::api::RefusedPath;
use crate::clock::Moment;
use crate::limits::{
    KEPT_FILE_MILLIS, KEPT_FILES_BYTES_MAX, KEPT_FILES_MAX, KEPT_MISS_BYTES_MAX, KEPT_MISSES_MAX,
};

#[derive(Debug)]
struct Entry {
    file: Rc<Variants>,
    looked_at: Moment,
    /// Whether it was asked for since it came up for removal last.
    is_used: bool,
}

/// Nothing that is served is at a path; counted, if more is wrong than that it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Miss(pub(super) Option<RefusedPath>);

/// Files by their paths. `order` has each path once; `bytes` is the sum of what is kept.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: HashMap<Box<[u8]>, Entry>,
    order: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Paths without a file, and what is wrong with them, since a moment: apart, so that whoever
    /// asks for many of them puts no file out.
    misses: HashMap<Box<[u8]>, Miss>,
    misses_since: Moment,
}

impl Cache {
    /// What is wrong with a path at which no file was found within the last second.
    pub(super) fn missed(&self, path: &[u8], now: Moment) -> Option<Miss> {
        let is_fresh = now - self.misses_since < Duration::from_millis(KEPT_FILE_MILLIS);
        if is_fresh { self.misses.get(path).copied() } else { None }
    }

    /// No file is at a path. All are forgotten together, so each at the latest after a second.
    pub(super) fn miss(&mut self, path: &[u8], miss: Miss, now: Moment) {
        if now - self.misses_since >= Duration::from_millis(KEPT_FILE_MILLIS) {
            self.misses.clear();
            self.misses_since = now;
        }
        if self.misses.len() < KEPT_MISSES_MAX && path.len() <= KEPT_MISS_BYTES_MAX {
            self.misses.insert(path.into(), miss);
        }
    }

    /// The file of a path, and whether it was looked at within the last second.
    pub(super) fn get(&mut self, path: &[u8], now: Moment) -> Option<(Rc<Variants>, bool)> {
        let entry = self.entries.get_mut(path)?;
        entry.is_used = true;
        let is_fresh = now - entry.looked_at < Duration::from_millis(KEPT_FILE_MILLIS);
        Some((Rc::clone(&entry.file), is_fresh))
    }

    /// The file of a path was looked at, and is the same.
    pub(super) fn confirm(&mut self, path: &[u8], now: Moment) {
        if let Some(entry) = self.entries.get_mut(path) {
            entry.looked_at = now;
        }
    }

    /// Keeps a file, if need be in place of others, those first that nobody asked for again.
    pub(super) fn keep(&mut self, path: &[u8], file: &Rc<Variants>, now: Moment) {
        self.forget(path);
        let bytes = file.kept_bytes();
        while self.entries.len() >= KEPT_FILES_MAX || self.bytes + bytes > KEPT_FILES_BYTES_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            match self.entries.get_mut(&oldest) {
                // Each path is spared once, so this ends after at most two rounds.
                Some(entry) if entry.is_used => {
                    entry.is_used = false;
                    self.order.push_back(oldest);
                }
                _ => self.remove(&oldest),
            }
        }
        self.bytes += bytes;
        let entry = Entry { file: Rc::clone(file), looked_at: now, is_used: false };
        self.entries.insert(path.into(), entry);
        self.order.push_back(path.into());
    }

    /// Gives up the file of a path.
    pub(super) fn forget(&mut self, path: &[u8]) {
        if self.entries.contains_key(path) {
            self.remove(path);
            self.order.retain(|other| **other != *path);
        }
    }

    fn remove(&mut self, path: &[u8]) {
        if let Some(entry) = self.entries.remove(path) {
            self.bytes -= entry.file.kept_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_nanos(0);

    #[test]
    fn no_more_is_kept_than_may_be_and_what_is_asked_for_stays() {
        let mut cache = Cache::default();
        let path = |index: usize| index.to_string().into_bytes();
        for index in 0..KEPT_FILES_MAX * 3 {
            cache.keep(&path(index), &Rc::new(Variants::of_bytes(b"abc")), NOW);
            assert!(cache.get(&path(0), NOW).is_some(), "it is asked for all the time");
            assert!(cache.entries.len() <= KEPT_FILES_MAX);
            assert_eq!(cache.entries.len(), cache.order.len());
            assert_eq!(cache.bytes, cache.entries.len() * 3);
        }
        let large = vec![0; KEPT_FILES_BYTES_MAX / 2];
        for index in 0..4 {
            cache.keep(&path(index), &Rc::new(Variants::of_bytes(&large)), NOW);
            assert!(cache.bytes <= KEPT_FILES_BYTES_MAX);
        }
        assert_eq!(cache.entries.len(), 2);
    }

    #[test]
    fn misses_are_bounded_and_forgotten_within_a_second() {
        let mut cache = Cache::default();
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
        cache.keep(b"a", &Rc::new(Variants::of_bytes(b"abc")), at(0));
        let start = KEPT_FILE_MILLIS;
        for index in 0..KEPT_MISSES_MAX * 3 {
            cache.miss(&index.to_le_bytes(), Miss(Some(RefusedPath::NotAFile)), at(start));
        }
        assert_eq!(cache.misses.len(), KEPT_MISSES_MAX);
        assert!(cache.get(b"a", at(start)).is_some(), "no file goes for them");
        let missed = |cache: &Cache, millis| cache.missed(&0_usize.to_le_bytes(), at(millis));
        let last = start + KEPT_FILE_MILLIS - 1;
        assert_eq!(missed(&cache, last), Some(Miss(Some(RefusedPath::NotAFile))));
        assert_eq!(missed(&cache, last + 1), None);
        cache.miss(&[b'x'; KEPT_MISS_BYTES_MAX + 1], Miss(None), at(last + 1));
        assert!(cache.misses.is_empty(), "the old ones are gone, and this one is too long");
    }

    #[test]
    fn a_file_is_fresh_for_a_second_and_then_again_once_confirmed() {
        let mut cache = Cache::default();
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
        cache.keep(b"a", &Rc::new(Variants::of_bytes(b"abc")), at(0));
        let fresh = |cache: &mut Cache, millis| cache.get(b"a", at(millis)).map(|(_, fresh)| fresh);
        assert_eq!(fresh(&mut cache, KEPT_FILE_MILLIS - 1), Some(true));
        assert_eq!(fresh(&mut cache, KEPT_FILE_MILLIS), Some(false));
        cache.confirm(b"a", at(KEPT_FILE_MILLIS));
        assert_eq!(fresh(&mut cache, KEPT_FILE_MILLIS), Some(true));
        cache.forget(b"a");
        assert_eq!(fresh(&mut cache, 0), None);
        assert_eq!((cache.bytes, cache.order.len()), (0, 0));
    }
}
