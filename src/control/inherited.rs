//! Listening sockets that came with the process, and which worker listens on which socket of an
//! address. Knows nothing of how they came.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::{Result, StartError};
use crate::sys::Listener;

/// The sockets, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    public: Vec<Listener>,
    admin: Vec<Listener>,
    /// Whether they alone say where the public is served: a socket unit's. Others are those of an
    /// earlier process of this server, which is configured anew.
    pub(super) is_fixed: bool,
}

impl Inherited {
    pub(super) fn add_public(&mut self, descriptor: OwnedFd) -> Result<()> {
        self.public.push(adopted(descriptor)?);
        Ok(())
    }

    pub(super) fn add_admin(&mut self, descriptor: OwnedFd) -> Result<()> {
        self.admin.push(adopted(descriptor)?);
        Ok(())
    }

    /// Where the public is served.
    pub(super) fn public(&mut self, configured: &[SocketAddr]) -> Vec<Source> {
        let listeners = std::mem::take(&mut self.public);
        if self.is_fixed { fixed(listeners) } else { matched(listeners, configured) }
    }

    /// Where the admin listener is.
    pub(super) fn admin(&mut self, configured: &[SocketAddr]) -> Vec<Source> {
        matched(std::mem::take(&mut self.admin), configured)
    }
}

/// What is no socket that listens on an IP address is an error.
fn adopted(descriptor: OwnedFd) -> Result<Listener> {
    Listener::adopt(descriptor)
        .map_err(|error| StartError::Kernel("listen on an inherited descriptor", error))
}

/// A source for each address that is listened on already.
fn fixed(listeners: Vec<Listener>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for listener in listeners {
        let address = listener.address();
        match sources.iter_mut().find(|source| source.address == address) {
            Some(source) => source.listeners.push(listener),
            None => sources.push(Source { address, listeners: vec![listener], is_fixed: true }),
        }
    }
    sources
}

/// A source for each address, with the listeners that are there. For port 0 these are those of the
/// first port of that host that is not named.
fn matched(mut listeners: Vec<Listener>, addresses: &[SocketAddr]) -> Vec<Source> {
    let mut source = |wanted: SocketAddr| {
        let unnamed = || {
            let all = listeners.iter().map(Listener::address);
            let mut of_host = all.filter(|address| address.ip() == wanted.ip());
            of_host.find(|address| !addresses.contains(address))
        };
        let address = if wanted.port() == 0 { unnamed().unwrap_or(wanted) } else { wanted };
        let own = listeners.extract_if(.., |listener| listener.address() == address).collect();
        Source { address, listeners: own, is_fixed: false }
    };
    let sources = addresses.iter().map(|address| source(*address)).collect();
    for listener in listeners {
        let address = listener.address();
        log::info!(
            event = "listener_closed", address:%; "{address} is no longer listened on"
        );
    }
    sources
}

/// An address to listen on, and the sockets that listen there already.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) address: SocketAddr,
    listeners: Vec<Listener>,
    /// Whether no others may join them: they are another user's.
    pub(super) is_fixed: bool,
}

/// Where one worker listens at one address: on these sockets, or on a new one.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) address: SocketAddr,
    pub(super) own: Vec<Listener>,
}

impl Source {
    pub(super) fn is_inherited(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Whether workers must listen on the same socket.
    pub(super) fn is_shared_by(&self, workers: usize) -> bool {
        self.is_fixed && self.listeners.len() < workers
    }

    /// How many sockets a worker has here at most.
    pub(super) fn most(&self, workers: usize) -> usize {
        self.listeners.len().div_ceil(workers).max(1)
    }

    /// A worker's seat: every socket is some worker's, so no queue is without somebody who takes
    /// from it, and every worker has one.
    ///
    /// # Errors
    /// If descriptors have run out.
    pub(super) fn seat(&self, worker: usize, workers: usize) -> Result<Seat> {
        let len = self.listeners.len();
        let first = if self.is_fixed { worker % len } else { worker.min(len) };
        let own = self.listeners[first..].iter().step_by(workers);
        let own: io::Result<_> =
            own.map(|listener| listener.share().and_then(Listener::adopt)).collect();
        let own = own.map_err(|error| StartError::Kernel("duplicate a listener", error))?;
        Ok(Seat { address: self.address, own })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;

    fn inode(listener: &Listener) -> String {
        let fd = listener.as_fd().as_raw_fd();
        std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().display().to_string()
    }

    fn group(count: usize) -> Vec<Listener> {
        Listener::group("127.0.0.1:0".parse().unwrap(), count, 16).unwrap()
    }

    #[test]
    fn every_socket_is_some_workers_and_every_worker_has_one_or_makes_one() {
        for (sockets, workers) in [(1, 1), (1, 3), (2, 2), (3, 2), (2, 3), (5, 2)] {
            for is_fixed in [true, false] {
                let listeners = group(sockets);
                let address = listeners[0].address();
                let source = Source { address, listeners, is_fixed };
                assert_eq!(source.is_shared_by(workers), is_fixed && sockets < workers);
                let seats = (0..workers).map(|worker| source.seat(worker, workers).unwrap());
                let seats: Vec<_> = seats.collect();
                let made = seats.iter().filter(|seat| seat.own.is_empty()).count();
                let few = workers.saturating_sub(sockets);
                assert_eq!(made, if is_fixed { 0 } else { few }, "{sockets}, {workers}");
                assert!(seats.iter().all(|seat| seat.own.len() <= source.most(workers)));
                let seen: BTreeSet<_> =
                    seats.iter().flat_map(|seat| &seat.own).map(inode).collect();
                assert_eq!(seen.len(), sockets, "{sockets} sockets, {workers} workers");
            }
        }
    }

    #[test]
    fn a_socket_units_sockets_say_where_and_others_are_looked_up() {
        let (one, two) = (group(2), group(1));
        let (at, other) = (one[0].address(), two[0].address());
        let nowhere = "127.0.0.1:1".parse().unwrap();
        let shared = one.iter().chain(&two).map(|listener| listener.share().unwrap());
        let shared: Vec<_> = shared.collect();
        for is_fixed in [true, false] {
            let mut inherited = Inherited { is_fixed, ..Inherited::default() };
            for descriptor in &shared {
                inherited.add_public(descriptor.try_clone().unwrap()).unwrap();
            }
            let sources = inherited.public(&[nowhere, at]);
            let told = sources.iter().map(|source| (source.address, source.listeners.len()));
            let told: Vec<_> = told.collect();
            let expected = if is_fixed { [(at, 2), (other, 1)] } else { [(nowhere, 0), (at, 2)] };
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn port_0_is_the_port_that_the_kernel_chose_before() {
        let (named, unnamed) = (group(1), group(2));
        let (at, chosen) = (named[0].address(), unnamed[0].address());
        let any = "127.0.0.1:0".parse().unwrap();
        let sources = matched(named.into_iter().chain(unnamed).collect(), &[any, at, any]);
        let addresses: Vec<_> = sources.iter().map(|source| source.address).collect();
        assert_eq!(addresses, [chosen, at, any]);
        assert!(!sources[2].is_inherited());
        assert_eq!(sources[2].most(4), 1);
    }

    #[test]
    fn what_does_not_listen_is_an_error() {
        let (descriptor, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let error = Inherited::default().add_public(descriptor.into()).unwrap_err();
        assert!(error.to_string().contains("inherited descriptor"), "{error}");
    }
}
