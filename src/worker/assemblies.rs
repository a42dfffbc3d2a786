//! Where a worker's requests are put together: in one assembly that all connections share as long
//! as their requests arrive whole, and in one of their own where they do not. Knows no sockets.

use crate::limits::SPARE_ASSEMBLIES_MAX;
use crate::mem::Pool;
use crate::proto::http1::Assembly;

/// A worker's assemblies.
#[derive(Debug)]
pub(super) struct Assemblies {
    /// Serves every connection whose requests arrive whole, so it stays in the cache.
    pub(super) hot: Box<Assembly>,
    large: Pool<Assembly>,
    /// Of those of which little has come.
    small: Pool<Assembly>,
}

impl Assemblies {
    pub(super) fn new() -> Assemblies {
        let mut large = Pool::new(SPARE_ASSEMBLIES_MAX, Assembly::default);
        let small = Pool::new(SPARE_ASSEMBLIES_MAX, Assembly::small);
        Assemblies { hot: large.lease(), large, small }
    }

    /// How many connections have.
    pub(super) fn leased(&self) -> usize {
        self.large.leased() - 1 + self.small.leased()
    }

    /// What is in the hot one, as a connection's own. A few bytes are copied: the pages of a
    /// block that is not yet in use cost a fault each.
    #[cold]
    pub(super) fn keep(&mut self) -> Box<Assembly> {
        if self.hot.fits_small() && self.hot.is_movable() {
            let mut own = self.small.lease();
            own.take(&mut self.hot);
            return own;
        }
        let spare = self.large.lease();
        std::mem::replace(&mut self.hot, spare)
    }

    /// What a connection receives into, with room for more: its own, if it has one.
    #[inline]
    pub(super) fn space<'a>(&'a mut self, own: &'a mut Option<Box<Assembly>>) -> &'a mut Assembly {
        let Some(own) = own else { return &mut self.hot };
        if own.is_small() && !own.fits_small() {
            let mut large = self.large.lease();
            large.take(own);
            self.small.give_back(std::mem::replace(own, large));
        }
        own.make_space();
        own
    }

    /// Takes back what [`keep`](Self::keep) gave.
    pub(super) fn give_back(&mut self, own: Box<Assembly>) {
        let pool = if own.is_small() { &mut self.small } else { &mut self.large };
        pool.give_back(own);
    }
}
