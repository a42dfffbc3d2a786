//! A slot of the worker's table: transport, protocol, deadline. Data without logic of its own.

use std::net::SocketAddr;

use crate::clock::Moment;
use crate::mem::SendQueue;
use crate::proto::http1::{Assembly, Http1};
use crate::sys::Interest;

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
    /// When the kernel last took a byte of the backlog, or refused the first.
    pub(super) sending_since: Moment,
    /// Answers whose last byte is in the backlog: their service time is not over.
    pub(super) unmeasured: u32,
    /// Bytes read and dropped since it lingers.
    pub(super) dropped: u32,
    pub(super) interest: Interest,
    pub(super) stage: Stage,
}

/// What the worker does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Serves it.
    Open,
    /// Serves it, and has noted it for the next turn: bytes wait in its assembly.
    Again,
    /// Reads and drops, so that the peer sees the last answer before the close.
    Lingering,
}

impl<S> Connection<S> {
    pub(super) fn new(stream: S, peer: SocketAddr, now: Moment) -> Connection<S> {
        Connection {
            stream,
            protocol: Http1::new(now),
            peer,
            assembly: None,
            backlog: None,
            deadline: Moment::NEVER,
            seen: now,
            sending_since: now,
            unmeasured: 0,
            dropped: 0,
            interest: Interest::Receive,
            stage: Stage::Open,
        }
    }
}

const _: () = assert!(size_of::<Connection<std::os::fd::OwnedFd>>() <= 112);
