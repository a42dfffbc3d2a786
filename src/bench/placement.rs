//! Which processors the generator's threads run on: away from the server where that can be.
//! Knows nothing of what they do there.

use std::net::{SocketAddr, UdpSocket};

use crate::sys::{holder_of, pinned_cpus, worker_cpus};

/// Where the threads run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// One thread each; `None`: wherever the kernel likes.
    pub cpus: Vec<Option<usize>>,
    /// Whether a thread may have to share its processor with the server.
    pub shares_cpu: bool,
}

impl Placement {
    /// Places `threads`, or as many as there are processors that the server at `address` does not
    /// use, if it runs on this machine; at most `most`. They are pinned if `pin` says so.
    pub fn away_from(
        address: SocketAddr,
        threads: Option<usize>,
        most: usize,
        pin: bool,
    ) -> Placement {
        let allowed = worker_cpus().cpus;
        let is_local = is_own(address);
        let servers = if is_local { holder_of(address) } else { None };
        let servers = servers.map(|server| pinned_cpus(server.pid)).unwrap_or_default();
        let free: Vec<usize> =
            allowed.iter().copied().filter(|cpu| !servers.contains(cpu)).collect();
        let is_apart = !is_local || (!servers.is_empty() && !free.is_empty());
        let cpus = if free.is_empty() { allowed } else { free };
        let threads = threads.unwrap_or(cpus.len()).min(most).max(1);
        let shares_cpu = !is_apart || !pin;
        let place = |cpu| if pin { Some(cpu) } else { None };
        let cpus = cpus.into_iter().cycle().take(threads).map(place).collect();
        Placement { cpus, shares_cpu: is_local && shares_cpu }
    }

    /// Whether each thread has a processor for itself.
    pub fn is_alone(&self) -> bool {
        let mut cpus = self.cpus.clone();
        cpus.sort_unstable();
        cpus.dedup();
        !self.shares_cpu && cpus.len() == self.cpus.len() && !cpus.contains(&None)
    }
}

/// Whether an address is one of this machine.
fn is_own(address: SocketAddr) -> bool {
    // Only an address of our own can be bound.
    address.ip().is_loopback() || UdpSocket::bind((address.ip(), 0)).is_ok()
}
