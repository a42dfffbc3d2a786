//! Answers that are kept for later requests, bounded in number and in bytes.
//! Knows nothing of HTTP but that one target may have answers that vary.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Moment;
use crate::mem::Bytes;
use crate::wire::encode::ContentType;
use crate::wire::status::Status;

/// What a table costs besides keys and answers, an entry.
const ENTRY_BYTES: usize = 256;

/// An answer.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) status: Status,
    pub(super) lines: Rc<[u8]>,
    /// Those of them that belong in a 304.
    pub(super) known: Rc<[u8]>,
    pub(super) content_type: ContentType,
    pub(super) body: Bytes,
    pub(super) since: Moment,
    /// How old it was by then.
    pub(super) age: Duration,
    /// Up to which age it is fresh.
    pub(super) fresh_for: Duration,
    /// Whether who is let on by name may have what others asked for.
    pub(super) is_public: bool,
}

/// By which fields the answers of a target vary. Answers of an earlier generation are not found.
#[derive(Clone, Debug)]
pub(super) struct Varies {
    pub(super) names: Rc<[String]>,
    pub(super) generation: u64,
}

#[derive(Debug)]
enum Item {
    Answer(Rc<Stored>),
    Target(Varies),
}

#[derive(Debug)]
struct Entry {
    item: Item,
    bytes: usize,
    /// Whether it was asked for since it came up for removal last.
    is_used: bool,
}

/// `order` has each key once; `bytes` is the sum of what is kept.
#[derive(Debug)]
pub(super) struct Store {
    entries: HashMap<Rc<[u8]>, Entry>,
    order: VecDeque<Rc<[u8]>>,
    bytes: usize,
    bytes_max: usize,
    entries_max: usize,
    generation: u64,
    /// Answers given up for others, since it was asked last.
    evicted: u64,
}

impl Store {
    pub(super) fn new(bytes_max: usize, entries_max: usize) -> Store {
        let (entries, order) = (HashMap::new(), VecDeque::new());
        Store { entries, order, bytes: 0, bytes_max, entries_max, generation: 0, evicted: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many answers were given up for others since it was asked last.
    pub(super) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// By what the answers of a target vary.
    pub(super) fn target(&mut self, key: &[u8]) -> Option<Varies> {
        let entry = self.entries.get_mut(key)?;
        entry.is_used = true;
        let Item::Target(varies) = &entry.item else { return None };
        Some(varies.clone())
    }

    /// One answer of a target.
    pub(super) fn answer(&mut self, key: &[u8]) -> Option<Rc<Stored>> {
        let entry = self.entries.get_mut(key)?;
        entry.is_used = true;
        let Item::Answer(stored) = &entry.item else { return None };
        Some(Rc::clone(stored))
    }

    /// The generation of answers of a target that vary by `names`: a new one if they did not.
    pub(super) fn generation(&mut self, key: &[u8], names: &[String]) -> u64 {
        if let Some(varies) = self.target(key)
            && *varies.names == *names
        {
            return varies.generation;
        }
        self.renew(key, names)
    }

    /// Forgets the answers of a target, if there are any.
    pub(super) fn forget(&mut self, key: &[u8]) {
        if self.entries.contains_key(key) {
            self.renew(key, &[]);
        }
    }

    fn renew(&mut self, key: &[u8], names: &[String]) -> u64 {
        self.generation += 1;
        let bytes: usize = names.iter().map(String::len).sum();
        let varies = Varies { names: names.into(), generation: self.generation };
        self.put(key, Item::Target(varies), bytes);
        self.generation
    }

    /// Keeps an answer, if need be in place of others.
    pub(super) fn keep(&mut self, key: &[u8], stored: Stored) {
        let bytes = stored.lines.len() + stored.known.len() + stored.body.len();
        self.put(key, Item::Answer(Rc::new(stored)), bytes);
    }

    /// Whether an answer of so many bytes may be kept: not one that leaves no room for others.
    pub(super) fn takes(&self, bytes: usize) -> bool {
        bytes <= self.bytes_max / 8
    }

    fn put(&mut self, key: &[u8], item: Item, bytes: usize) {
        let bytes = bytes + key.len() + ENTRY_BYTES;
        if let Some(entry) = self.entries.get_mut(key) {
            self.bytes = self.bytes - entry.bytes + bytes;
            *entry = Entry { item, bytes, is_used: true };
        } else {
            let key: Rc<[u8]> = key.into();
            self.bytes += bytes;
            self.entries.insert(Rc::clone(&key), Entry { item, bytes, is_used: false });
            self.order.push_back(key);
        }
        self.make_room();
    }

    /// Gives up what nobody asked for again until the bounds hold.
    fn make_room(&mut self) {
        while self.entries.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.order.pop_front() else { return };
            match self.entries.get_mut(&oldest) {
                // Each is spared once, so this ends after at most two rounds.
                Some(entry) if entry.is_used => {
                    entry.is_used = false;
                    self.order.push_back(oldest);
                }
                _ => {
                    let Some(entry) = self.entries.remove(&oldest) else { continue };
                    self.bytes -= entry.bytes;
                    self.evicted += u64::from(matches!(entry.item, Item::Answer(_)));
                }
            }
        }
        debug_assert_eq!(self.entries.len(), self.order.len(), "each key stands once in the order");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(len: usize) -> Stored {
        Stored {
            status: Status::OK,
            lines: Rc::from([]),
            known: Rc::from([]),
            content_type: ContentType::Text,
            body: Bytes::Owned(vec![b'x'; len]),
            since: Moment::default(),
            age: Duration::ZERO,
            fresh_for: Duration::from_secs(1),
            is_public: false,
        }
    }

    #[test]
    fn no_more_is_kept_than_may_be_and_what_is_asked_for_stays() {
        let mut store = Store::new(100_000, 50);
        for index in 0..500_usize {
            store.keep(&index.to_le_bytes(), stored(index));
            assert!(store.answer(&0_usize.to_le_bytes()).is_some(), "it is asked for all the time");
            assert!(store.entries.len() <= 50 && store.bytes() <= 100_000);
            assert_eq!(store.entries.len(), store.order.len());
            let sum: usize = store.entries.values().map(|entry| entry.bytes).sum();
            assert_eq!(sum, store.bytes());
        }
        assert!(!store.takes(100_000) && store.takes(10_000));
    }

    #[test]
    fn a_target_that_is_forgotten_or_varies_otherwise_has_another_generation() {
        let mut store = Store::new(100_000, 50);
        let names = ["accept".to_owned()];
        store.forget(b"/");
        assert!(store.target(b"/").is_none(), "nothing is kept of what was never asked for");
        let first = store.generation(b"/", &names);
        assert_eq!(store.generation(b"/", &names), first);
        let second = store.generation(b"/", &[]);
        assert_ne!(second, first);
        store.forget(b"/");
        assert!(![first, second].contains(&store.generation(b"/", &[])));
    }
}
