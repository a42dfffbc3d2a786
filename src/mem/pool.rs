//! A bounded stack of things kept for reuse. Knows nothing of what they are.

/// Leases boxed values and keeps the most recently returned ones, which are the warmest.
#[derive(Debug)]
pub struct Pool<T> {
    spare: Vec<Box<T>>,
    make: fn() -> T,
    spare_max: usize,
    leased: usize,
}

impl<T> Pool<T> {
    /// An empty pool of what `make` makes, that keeps at most `spare_max` values for reuse.
    pub fn new(spare_max: usize, make: fn() -> T) -> Pool<T> {
        Pool { spare: Vec::with_capacity(spare_max), make, spare_max, leased: 0 }
    }

    /// A value as it was returned, or a new one.
    pub fn lease(&mut self) -> Box<T> {
        self.leased += 1;
        self.spare.pop().unwrap_or_else(|| Box::new((self.make)()))
    }

    /// Takes a value back, or frees it if enough are kept.
    ///
    /// # Panics
    /// If more values come back than were leased.
    pub fn give_back(&mut self, value: Box<T>) {
        assert!(self.leased > 0, "a value came back that was not leased");
        self.leased -= 1;
        if self.spare.len() < self.spare_max {
            self.spare.push(value);
        }
    }

    /// How many values are out.
    pub fn leased(&self) -> usize {
        self.leased
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_returned_is_leased_first_and_the_spare_are_bounded() {
        let mut pool = Pool::<u32>::new(1, u32::default);
        let (mut first, second) = (pool.lease(), pool.lease());
        assert_eq!(pool.leased(), 2);
        *first = 7;
        pool.give_back(first);
        pool.give_back(second);
        assert_eq!(pool.leased(), 0);
        assert_eq!(*pool.lease(), 7);
        assert_eq!(*pool.lease(), 0);
    }

    #[test]
    #[should_panic(expected = "not leased")]
    fn returning_more_than_was_leased_is_a_bug() {
        Pool::<u32>::new(1, u32::default).give_back(Box::new(1));
    }
}
