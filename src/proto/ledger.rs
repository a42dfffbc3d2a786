//! What is noted of each answer, for those who keep a log of them: the protocol says what was
//! asked and what was answered. Knows nothing of who keeps it, nor of how it is written.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::api::{NO_ROUTE, Request};
use crate::wire::head::Head;
use crate::wire::refusal::Refusal;
use crate::wire::status::Status;

/// Why an answer is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The application gave it.
    Served,
    /// A rule or a limit was broken.
    Refused(Refusal),
    /// The worker was overloaded.
    Overloaded,
    /// There was no room for the connection.
    NoRoom,
}

/// How far an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it was made.
    Whole,
    /// Its end is missing, for what made it failed.
    Cut,
    /// Its end is missing, for its connection ended under it; it counts as no answer.
    Unfinished,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Its status.
    pub status: Status,
    /// The number of the route that matched.
    pub route: u32,
    /// Bytes of its body, without what frames them.
    pub body_bytes: u64,
    /// Why it is what it is.
    pub why: Why,
    /// How far it came.
    pub extent: Extent,
}

impl Answered {
    /// A whole answer of the application.
    pub fn served(status: Status, route: u32, body_bytes: u64) -> Answered {
        Answered { status, route, body_bytes, why: Why::Served, extent: Extent::Whole }
    }

    /// A whole answer that the application was not asked for.
    pub fn declined(status: Status, body_bytes: u64, why: Why) -> Answered {
        Answered { why, ..Answered::served(status, NO_ROUTE, body_bytes) }
    }
}

/// An answer and what it was to.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The request's head and the block it lies in; `None` if it never was whole.
    pub head: Option<(&'a Head, &'a [u8])>,
    /// The client's address, as far as proxies are believed.
    pub client: IpAddr,
    /// The peer's port.
    pub port: u16,
    /// The request's number on its connection, from 1; 0 for an answer to none.
    pub number: u32,
    /// The answer.
    pub answered: Answered,
}

impl<'a> Entry<'a> {
    /// The answer to `request`.
    #[inline]
    pub fn of(request: &Request<'a>, answered: Answered) -> Entry<'a> {
        let parts = request.parts();
        let client = request.client_address();
        let (head, number) = (Some((parts.head, parts.block)), parts.key.number);
        Entry { head, client, port: parts.peer.port(), number, answered }
    }

    /// An answer to what never became a request, or to nothing.
    pub fn to_nobody(peer: SocketAddr, number: u32, answered: Answered) -> Entry<'static> {
        Entry { head: None, client: peer.ip().to_canonical(), port: peer.port(), number, answered }
    }
}

/// What is kept of a request whose answer takes longer than its bytes stay, as its ledger wrote it.
#[derive(Debug)]
pub struct Kept(pub Box<[u8]>);

/// Who is told of every answer.
pub trait Ledger {
    /// An answer is whole, and queued to be sent.
    fn note(&mut self, entry: &Entry<'_>);

    /// An answer is under way: what is to be kept until [`Ledger::finish`], if it is to be noted.
    fn keep(&mut self, entry: &Entry<'_>) -> Option<Kept>;

    /// The answer has come to its end.
    fn finish(&mut self, kept: Kept, answered: Answered);
}

/// The ledger that the answers of one event are noted in, or none.
#[derive(Default)]
pub struct Scribe<'a>(Option<&'a mut dyn Ledger>);

impl<'a> Scribe<'a> {
    /// A scribe with a ledger, if there is one.
    pub fn with(ledger: Option<&'a mut dyn Ledger>) -> Scribe<'a> {
        Scribe(ledger)
    }

    /// Whether anything is noted.
    #[inline]
    pub(super) fn writes(&self) -> bool {
        self.0.is_some()
    }

    #[inline]
    pub(super) fn note(&mut self, entry: &Entry<'_>) {
        if let Some(ledger) = &mut self.0 {
            ledger.note(entry);
        }
    }

    pub(super) fn keep(&mut self, entry: &Entry<'_>) -> Option<Kept> {
        self.0.as_mut()?.keep(entry)
    }

    pub(super) fn finish(&mut self, kept: Option<Kept>, answered: Answered) {
        if let (Some(ledger), Some(kept)) = (&mut self.0, kept) {
            ledger.finish(kept, answered);
        }
    }
}

impl fmt::Debug for Scribe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scribe").field(&self.0.is_some()).finish()
    }
}
