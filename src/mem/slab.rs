//! A table of slots with generation keys and a hard capacity. Knows nothing of what it holds.
//!
//! Slots are reused last-in-first-out, so a busy table stays dense and warm. A key goes stale
//! when its slot is emptied: a readiness report that arrives late cannot hit a newcomer.

/// Names a slot for as long as what was put there stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The slot's place in the table.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Both halves in one integer: generation above, index below.
    pub fn pack(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The key that was packed into `packed`.
    pub fn unpack(packed: u64) -> Key {
        Key { index: packed as u32, generation: (packed >> 32) as u32 }
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// A table of at most `capacity` values.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    capacity: usize,
}

impl<T> Slab<T> {
    /// An empty table for at most `capacity` values. Its whole address space is reserved at once,
    /// so that it never moves: memory becomes resident as it fills.
    ///
    /// # Panics
    /// If `capacity` does not fit the index of a key.
    pub fn new(capacity: usize) -> Slab<T> {
        assert!(u32::try_from(capacity).is_ok_and(|capacity| capacity < u32::MAX));
        Slab { slots: Vec::with_capacity(capacity), free: Vec::new(), capacity }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many slots were ever used: every key's index is below.
    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it holds as many as it may.
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity
    }

    /// Puts a value into a free slot.
    ///
    /// # Errors
    /// Gives the value back if the table is full.
    pub fn insert(&mut self, value: T) -> Result<Key, T> {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            debug_assert!(slot.value.is_none(), "a free slot holds nothing");
            slot.value = Some(value);
            return Ok(Key { index, generation: slot.generation });
        }
        if self.slots.len() == self.capacity {
            return Err(value);
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, value: Some(value) });
        Ok(Key { index, generation: 0 })
    }

    /// The value named by `key`, unless the key is stale.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_ref() } else { None }
    }

    /// The value named by `key`, unless the key is stale.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    /// Takes the value named by `key` out, unless the key is stale; the key is stale then.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    /// The present key of the slot at `index`, if something is there.
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let slot = self.slots.get(index as usize)?;
        slot.value.is_some().then_some(Key { index, generation: slot.generation })
    }

    /// The keys of everything in the table.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        (0..self.slots.len() as u32).filter_map(|index| self.key_at(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_stale_when_its_slot_is_emptied_and_reused() {
        let mut slab = Slab::new(4);
        let first = slab.insert("first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").unwrap();
        assert_eq!(first.index(), second.index());
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "second"));
    }

    #[test]
    fn a_full_table_gives_the_value_back() {
        let mut slab = Slab::new(1);
        let key = slab.insert(1).unwrap();
        assert!(slab.is_full());
        assert_eq!(slab.insert(2), Err(2));
        slab.remove(key);
        assert!(slab.is_empty());
        assert!(slab.insert(3).is_ok());
    }

    #[test]
    fn a_key_survives_packing() {
        let key = Key { index: 77, generation: u32::MAX };
        assert_eq!(Key::unpack(key.pack()), key);
    }

    #[test]
    fn the_keys_are_those_of_what_is_there() {
        let mut slab = Slab::new(8);
        let keys: Vec<Key> = (0..5).map(|value| slab.insert(value).unwrap()).collect();
        slab.remove(keys[1]);
        slab.remove(keys[3]);
        assert_eq!(slab.keys().collect::<Vec<_>>(), [keys[0], keys[2], keys[4]]);
        assert_eq!(slab.key_at(1), None);
        assert_eq!(slab.key_at(99), None);
    }
}
