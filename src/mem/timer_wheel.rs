//! A hashed timer wheel over slab indices: one entry an index, moved lazily.
//! Knows no clock and not what its deadlines are for.
//!
//! Slots are heads of doubly linked lists threaded through one array of nodes, so arming and
//! disarming touch three nodes and never allocate. A deadline further away than the wheel's
//! circumference waits in its slot for the next round. The owner keeps the real deadline; an
//! entry that comes up too early is armed again. So moving a deadline later costs the owner a
//! store and the wheel nothing (Varghese and Lauck, SOSP 1987, scheme 6).

use crate::limits::WHEEL_SLOTS;

const NONE: u32 = u32::MAX;
const WORDS: usize = WHEEL_SLOTS / 64;

#[derive(Clone, Copy, Debug)]
struct Node {
    next: u32,
    previous: u32,
    /// The tick this entry is armed for; [`UNARMED`] if it is not.
    tick: u64,
}

const UNARMED: u64 = u64::MAX;

/// Entries by the tick at which they are looked at again.
#[derive(Debug)]
pub struct TimerWheel {
    nodes: Vec<Node>,
    heads: Box<[u32; WHEEL_SLOTS]>,
    /// One bit a slot that holds an entry.
    occupied: [u64; WORDS],
    /// Every tick up to here has been looked at.
    tick: u64,
    armed: usize,
}

impl TimerWheel {
    /// A wheel for indices below `capacity`, for which it reserves address space; more indices
    /// make it grow.
    pub fn new(capacity: usize) -> TimerWheel {
        TimerWheel {
            nodes: Vec::with_capacity(capacity),
            heads: Box::new([NONE; WHEEL_SLOTS]),
            occupied: [0; WORDS],
            tick: 0,
            armed: 0,
        }
    }
}

fn slot_of(tick: u64) -> usize {
    (tick % WHEEL_SLOTS as u64) as usize
}

impl TimerWheel {
    /// The tick `index` is armed for, if it is.
    #[inline]
    pub fn armed_for(&self, index: u32) -> Option<u64> {
        let node = self.nodes.get(index as usize)?;
        (node.tick != UNARMED).then_some(node.tick)
    }

    /// How many entries are armed.
    pub fn armed(&self) -> usize {
        self.armed
    }

    /// Arms `index` for `tick`, or for the next tick if that one has passed; an earlier arming
    /// is replaced.
    pub fn arm(&mut self, index: u32, tick: u64) {
        self.disarm(index);
        let tick = tick.clamp(self.tick + 1, UNARMED - 1);
        if self.nodes.len() <= index as usize {
            let unarmed = Node { next: NONE, previous: NONE, tick: UNARMED };
            self.nodes.resize(index as usize + 1, unarmed);
        }
        let slot = slot_of(tick);
        let next = self.heads[slot];
        self.nodes[index as usize] = Node { next, previous: NONE, tick };
        if next != NONE {
            self.nodes[next as usize].previous = index;
        }
        self.heads[slot] = index;
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.armed += 1;
    }

    /// Takes `index` out, if it is armed.
    pub fn disarm(&mut self, index: u32) {
        let Some(tick) = self.armed_for(index) else { return };
        let Node { next, previous, .. } = self.nodes[index as usize];
        let slot = slot_of(tick);
        if previous == NONE {
            self.heads[slot] = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if self.heads[slot] == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
        self.nodes[index as usize].tick = UNARMED;
        self.armed -= 1;
    }

    /// Disarms and returns one entry whose tick is at most `tick`; `None` once there is no more,
    /// and from then on the wheel stands at `tick`.
    pub fn expire(&mut self, tick: u64) -> Option<u32> {
        while self.tick < tick {
            if self.armed == 0 {
                self.tick = tick;
                break;
            }
            let next = self.tick + 1;
            let mut index = self.heads[slot_of(next)];
            while index != NONE {
                let node = self.nodes[index as usize];
                // A slot holds every tick that is congruent: the later ones wait for their round.
                if node.tick <= next {
                    self.disarm(index);
                    return Some(index);
                }
                index = node.next;
            }
            self.tick = next;
        }
        None
    }

    /// A tick at which something may expire: never later than the first deadline, and earlier
    /// only for one that is further away than the wheel's circumference.
    pub fn next_tick(&self) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        let first = slot_of(self.tick + 1);
        (0..=WORDS).find_map(|step| {
            let word_index = (first / 64 + step) % WORDS;
            let mut word = self.occupied[word_index];
            if step == 0 {
                word &= u64::MAX << (first % 64);
            }
            if word == 0 {
                return None;
            }
            let slot = word_index * 64 + word.trailing_zeros() as usize;
            let distance = (slot + WHEEL_SLOTS - first) % WHEEL_SLOTS;
            Some(self.tick + 1 + distance as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn expired(wheel: &mut TimerWheel, tick: u64) -> Vec<u32> {
        let mut indices: Vec<u32> = std::iter::from_fn(|| wheel.expire(tick)).collect();
        indices.sort_unstable();
        indices
    }

    #[test]
    fn entries_expire_at_their_tick_and_not_before() {
        let mut wheel = TimerWheel::new(64);
        wheel.arm(0, 5);
        wheel.arm(1, 5);
        wheel.arm(2, 6);
        assert_eq!(wheel.next_tick(), Some(5));
        assert_eq!(expired(&mut wheel, 4), [0; 0]);
        assert_eq!(expired(&mut wheel, 5), [0, 1]);
        assert_eq!(expired(&mut wheel, 6), [2]);
        assert_eq!(wheel.next_tick(), None);
    }

    #[test]
    fn a_deadline_beyond_the_circumference_waits_for_its_round() {
        let mut wheel = TimerWheel::new(64);
        let far = 3 * WHEEL_SLOTS as u64 + 7;
        wheel.arm(9, far);
        assert_eq!(expired(&mut wheel, far - 1), [0; 0]);
        assert_eq!(expired(&mut wheel, far), [9]);
    }

    #[test]
    fn a_passed_tick_expires_at_the_next_one() {
        let mut wheel = TimerWheel::new(64);
        assert_eq!(expired(&mut wheel, 100), [0; 0]);
        wheel.arm(3, 50);
        assert_eq!(wheel.armed_for(3), Some(101));
        assert_eq!(expired(&mut wheel, 101), [3]);
    }

    #[test]
    fn a_seeded_walk_agrees_with_a_sorted_map() {
        let mut wheel = TimerWheel::new(64);
        let mut oracle: BTreeMap<u32, u64> = BTreeMap::new();
        let (mut seed, mut now) = (0x9e37_79b9_7f4a_7c15_u64, 0);
        // Miri is slow, and a wheel has a thousand slots.
        let steps = if cfg!(miri) { 100 } else { 20_000 };
        for _ in 0..steps {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let index = (seed >> 8) as u32 % 64;
            match seed % 4 {
                0 | 1 => {
                    let tick = now + 1 + (seed >> 20) % (2 * WHEEL_SLOTS as u64);
                    wheel.arm(index, tick);
                    oracle.insert(index, tick);
                }
                2 => {
                    wheel.disarm(index);
                    oracle.remove(&index);
                }
                _ => {
                    now += (seed >> 20) % 300;
                    let mut due: Vec<u32> =
                        oracle.iter().filter(|(_, tick)| **tick <= now).map(|(i, _)| *i).collect();
                    due.sort_unstable();
                    oracle.retain(|_, tick| *tick > now);
                    assert_eq!(expired(&mut wheel, now), due);
                }
            }
            assert_eq!(wheel.armed(), oracle.len());
            let first = oracle.values().min().copied();
            match (wheel.next_tick(), first) {
                (Some(next), Some(first)) => assert!(next <= first && next > now),
                (next, first) => assert_eq!(next, first),
            }
        }
    }
}
