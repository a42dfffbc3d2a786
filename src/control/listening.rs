//! The listening sockets of a server's workers, held besides by control: to have the kernel choose
//! among them, and to pass them on. Knows nothing of who takes them.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Result;
use super::balancing::Balancing;
use super::inherited::Source;
use crate::settings::Balance;
use crate::sys;

/// Duplicates: while there are any, the sockets listen.
#[derive(Debug)]
pub(super) struct Listening {
    /// Of each worker in its order; of each address one first, in the order of the addresses.
    by_worker: Vec<Vec<OwnedFd>>,
    addresses: usize,
    balancing: Balancing,
    /// Whether others may not join them.
    pub(super) is_fixed: bool,
}

impl Listening {
    pub(super) fn new(balancing: Balancing, sources: &[Source]) -> Listening {
        let is_fixed = sources.iter().any(|source| source.is_fixed);
        Listening { by_worker: Vec::new(), addresses: sources.len(), balancing, is_fixed }
    }

    pub(super) fn balancing(&self) -> &Balancing {
        &self.balancing
    }

    pub(super) fn add(&mut self, of_worker: Vec<OwnedFd>) {
        self.by_worker.push(of_worker);
    }

    /// Shares new connections among the workers from now on, in the way that is returned.
    ///
    /// # Errors
    /// If the kernel refuses the way that was wished.
    pub(super) fn share(&mut self) -> Result<Balance> {
        let group = |address: usize| -> Vec<BorrowedFd<'_>> {
            self.by_worker.iter().filter_map(|own| own.get(address)).map(AsFd::as_fd).collect()
        };
        let groups: Vec<_> = (0..self.addresses).map(group).collect();
        self.balancing.begin(&groups)?;
        Ok(self.balancing.in_force())
    }

    /// Every socket once, in the order of the workers.
    pub(super) fn sockets(&self) -> Vec<BorrowedFd<'_>> {
        let mut seen = BTreeSet::new();
        let all = self.by_worker.iter().flatten().map(AsFd::as_fd);
        // Workers that share a socket have it twice. One that cannot be told is passed on as it is.
        all.filter(|socket| sys::socket_inode(*socket).map_or(true, |inode| seen.insert(inode)))
            .collect()
    }
}
