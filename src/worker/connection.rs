//! A slot of the worker's table: transport, protocol, deadline. Data without logic of its own.

use std::net::{SocketAddr, SocketAddrV6};

use crate::clock::Moment;
use crate::mem::SendQueue;
use crate::proto::http1::{Assembly, Http1};
use crate::sys::Interest;

/// Bytes by which the memory of connections is counted, so that it fits 32 bits.
pub(super) const HELD_UNIT: usize = 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) stream: S,
    pub(super) protocol: Http1,
    pub(super) peer: Peer,
    /// Leased while a request is incomplete.
    pub(super) assembly: Option<Box<Assembly>>,
    /// What the kernel refused to take.
    pub(super) backlog: Option<Box<Backlog>>,
    /// When the turn saw the bytes that are being answered, or the connection began to linger.
    pub(super) seen: Moment,
    /// Bytes read and dropped since it lingers.
    pub(super) dropped: u32,
    /// Memory of its assembly and its backlog, in [`HELD_UNIT`]s.
    pub(super) held: u32,
    pub(super) interest: Interest,
    pub(super) stage: Stage,
    pub(super) noted: Noted,
}

/// Answers that wait for the kernel.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) queue: SendQueue,
    /// When the peer takes them too slowly, if the kernel takes nothing more by then.
    pub(super) patience: Moment,
    /// Answers whose last byte is in it: their service time is not over.
    pub(super) unmeasured: u32,
    /// Their records for the access log.
    pub(super) records: Vec<u8>,
}

/// A socket address without the padding and the flow label of the usual type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// An IPv4 address as it is mapped to IPv6.
    ip: [u8; 16],
    scope_id: u32,
    port: u16,
    is_v4: bool,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        let (ip, scope_id) = match address {
            SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
        };
        let (port, is_v4) = (address.port(), address.is_ipv4());
        Peer { ip: ip.octets(), scope_id, port, is_v4 }
    }
}

impl From<Peer> for SocketAddr {
    #[inline]
    fn from(Peer { ip, scope_id, port, is_v4 }: Peer) -> SocketAddr {
        match ip {
            [.., a, b, c, d] if is_v4 => SocketAddr::from(([a, b, c, d], port)),
            _ => SocketAddr::V6(SocketAddrV6::new(ip.into(), port, 0, scope_id)),
        }
    }
}

/// What the worker does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Serves it.
    Open,
    /// Waits for the PROXY header that its peer must begin with.
    Preface,
    /// Reads and drops, so that the peer sees the last answer before the close.
    Lingering,
}

/// Whether and why a connection waits until those with nothing under way were served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    No,
    /// The kernel reported it.
    Reported,
    /// Bytes wait in its assembly: more would only fill it.
    Buffered,
}

impl<S> Connection<S> {
    /// A connection accepted at `now` whose answers after `expires` are its last.
    pub(super) fn new(stream: S, peer: SocketAddr, now: Moment, expires: Moment) -> Connection<S> {
        Connection {
            stream,
            protocol: Http1::new(now, expires),
            peer: peer.into(),
            assembly: None,
            backlog: None,
            seen: now,
            dropped: 0,
            held: 0,
            interest: Interest::Receive,
            stage: Stage::Open,
            noted: Noted::No,
        }
    }

    /// Whether something of it is incomplete: a request, an answer, or its end.
    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        self.assembly.is_some() || self.backlog.is_some() || self.stage == Stage::Lingering
    }

    /// Whether what it sends goes to its protocol, and nothing came before.
    #[inline]
    pub(super) fn is_served_whole(&self) -> bool {
        let receives = self.stage == Stage::Open && self.interest == Interest::Receive;
        receives && !self.has_begun()
    }
}

const _: () = assert!(size_of::<Connection<std::os::fd::OwnedFd>>() <= 104);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_from_its_compact_form() {
        for text in ["127.0.0.1:80", "[::1]:65535", "[::ffff:1.2.3.4]:1", "[fe80::1%7]:8080"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::from(Peer::from(address)), address);
        }
    }
}
