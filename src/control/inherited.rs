//! Listening sockets that came with the process: which worker listens on which of them. Knows
//! nothing of who passed them.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::{Result, StartError};
use crate::sys::Listener;

/// The sockets, by their address, in the order in which they were passed.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    groups: Vec<(SocketAddr, Vec<Listener>)>,
}

impl Inherited {
    /// Takes sockets over.
    ///
    /// # Errors
    /// If one of the descriptors is no socket that listens on an IP address.
    pub(super) fn adopt(descriptors: Vec<OwnedFd>) -> Result<Inherited> {
        let mut inherited = Inherited::default();
        for descriptor in descriptors {
            let listener = Listener::adopt(descriptor)
                .map_err(|error| StartError::Kernel("listen on an inherited descriptor", error))?;
            let address = listener.address();
            match inherited.groups.iter_mut().find(|(of, _)| *of == address) {
                Some((_, group)) => group.push(listener),
                None => inherited.groups.push((address, vec![listener])),
            }
        }
        Ok(inherited)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Their addresses, each once.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.groups.iter().map(|(address, _)| *address).collect()
    }

    /// Whether there are so few of an address that workers must listen on the same socket.
    pub(super) fn is_shared_by(&self, workers: usize) -> bool {
        self.groups.iter().any(|(_, group)| group.len() < workers)
    }

    /// How many a worker has at most.
    pub(super) fn most(&self, workers: usize) -> usize {
        self.groups.iter().map(|(_, group)| group.len().div_ceil(workers)).sum()
    }

    /// Duplicates of a worker's own: every socket is some worker's, and every worker has one of
    /// each address.
    ///
    /// # Errors
    /// If descriptors have run out.
    pub(super) fn part(&self, worker: usize, workers: usize) -> Result<Vec<Listener>> {
        let mut part = Vec::new();
        for (_, group) in &self.groups {
            let first = worker % group.len();
            for listener in group[first..].iter().step_by(workers) {
                let own = listener.share().and_then(Listener::adopt);
                part.push(own.map_err(|error| StartError::Kernel("duplicate a listener", error))?);
            }
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::fd::AsFd;

    use super::*;

    fn inode(listener: &Listener) -> String {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&listener.as_fd());
        std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().display().to_string()
    }

    #[test]
    fn every_socket_is_some_workers_and_every_worker_has_one_of_each_address() {
        for (sockets, workers) in [(1, 1), (1, 3), (2, 2), (3, 2), (2, 3), (5, 2)] {
            let any = "127.0.0.1:0".parse().unwrap();
            let listeners =
                [Listener::group(any, sockets, 16).unwrap(), Listener::group(any, 1, 16).unwrap()];
            let shared = listeners.iter().flatten().map(|listener| listener.share().unwrap());
            let inherited = Inherited::adopt(shared.collect()).unwrap();
            assert_eq!(inherited.addresses().len(), 2);
            assert_eq!(inherited.is_shared_by(workers), workers > 1);
            let first = inherited.part(0, workers).unwrap();
            assert_eq!(first.len(), inherited.most(workers));
            let mut seen = BTreeSet::new();
            for worker in 0..workers {
                let part = inherited.part(worker, workers).unwrap();
                assert!(part.len() <= inherited.most(workers));
                let addresses: BTreeSet<_> = part.iter().map(Listener::address).collect();
                assert_eq!(addresses.len(), 2, "{sockets} sockets, {workers} workers");
                seen.extend(part.iter().map(inode));
            }
            assert_eq!(seen.len(), sockets + 1, "{sockets} sockets, {workers} workers");
        }
    }

    #[test]
    fn what_does_not_listen_is_an_error() {
        let (descriptor, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let error = Inherited::adopt(vec![descriptor.into()]).unwrap_err();
        assert!(error.to_string().contains("inherited descriptor"), "{error}");
    }
}
