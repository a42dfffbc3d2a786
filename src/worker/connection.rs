//! A slot of the worker's table: transport, protocol, deadline. Data without logic of its own.

use std::net::SocketAddr;

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
    pub(super) peer: SocketAddr,
    /// Leased while a request is incomplete.
    pub(super) assembly: Option<Box<Assembly>>,
    /// What the kernel refused to take.
    pub(super) backlog: Option<Box<SendQueue>>,
    /// The one moment at which it is looked at again.
    pub(super) deadline: Moment,
    /// When the turn saw the bytes that are being answered.
    pub(super) seen: Moment,
    /// When the peer takes its answers too slowly, if the kernel takes nothing more by then.
    pub(super) send_patience: Moment,
    /// Answers whose last byte is in the backlog: their service time is not over.
    pub(super) unmeasured: u32,
    /// Bytes read and dropped since it lingers.
    pub(super) dropped: u32,
    /// Memory of its assembly and its backlog, in [`HELD_UNIT`]s.
    pub(super) held: u32,
    pub(super) interest: Interest,
    pub(super) stage: Stage,
    pub(super) noted: Noted,
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
            peer,
            assembly: None,
            backlog: None,
            deadline: Moment::NEVER,
            seen: now,
            send_patience: Moment::NEVER,
            unmeasured: 0,
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
}

const _: () = assert!(size_of::<Connection<std::os::fd::OwnedFd>>() <= 152);
