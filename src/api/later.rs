//! The right to answer later, from any thread, and the way home of what comes from elsewhere.
//! Knows nothing of mailboxes: a worker's is a [`Home`].

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Ask, Blocking, Error, Reply};
use crate::wire::status::Status;

/// Which request of which connection of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestKey {
    /// The connection's packed key; it goes stale with the connection.
    pub connection: u64,
    /// The request's number on its connection.
    pub number: u32,
}

/// Where a worker takes what comes from other threads.
pub trait Home: Send + Sync {
    /// Takes a parcel. One for a connection that is gone is dropped.
    fn take(&self, parcel: Parcel);
}

/// What comes home from elsewhere, to a connection or to the worker itself.
#[derive(Debug)]
pub enum Parcel {
    /// What it measured is asked for.
    Ask(Ask),
    /// The answer to a request.
    Answer(RequestKey, Delivery),
    /// Its source or sink may be ready again.
    Wake(PendingWake),
}

/// What became of a promised answer.
#[derive(Debug)]
pub enum Delivery {
    /// An answer.
    Reply(Reply),
    /// A failure, answered with its status.
    Failed(Error),
    /// Nothing: the right to answer was dropped.
    Dropped,
}

/// A worker's way to be reached, and where its blocking work goes.
#[derive(Clone)]
pub struct Remote {
    home: Arc<dyn Home>,
    blocking: Arc<dyn Blocking>,
}

impl Remote {
    /// The way to a worker.
    pub fn new(home: Arc<dyn Home>, blocking: Arc<dyn Blocking>) -> Remote {
        Remote { home, blocking }
    }

    /// A waker of `connection`.
    pub(super) fn waker(&self, connection: u64) -> Waker {
        let is_pending = Arc::new(AtomicBool::new(false));
        Waker { remote: self.clone(), connection, is_pending }
    }

    /// The right to answer `request`.
    pub(super) fn promise(&self, request: RequestKey) -> (Later, Promise) {
        let client = Arc::new(Client::default());
        let promise = Promise(Arc::clone(&client));
        (Later(Some(Open { remote: self.clone(), request, client })), promise)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}

/// What a worker tells the holder of a [`Later`].
#[derive(Debug, Default)]
struct Client {
    is_gone: AtomicBool,
    has_ended: AtomicBool,
}

/// The worker's end of a [`Later`]: dropping it tells the other end that nobody waits.
#[derive(Debug)]
pub struct Promise(Arc<Client>);

impl Promise {
    /// The client ended its side of the connection.
    pub fn client_ended(&self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.is_gone.store(true, Ordering::Relaxed);
    }
}

/// The right to answer one request, from any thread and at any time before its deadline.
///
/// Dropped without an answer it answers 500, and that is counted. After its deadline (504) or
/// once the client is gone, an answer is counted and dropped.
#[must_use = "dropped, it answers 500"]
pub struct Later(Option<Open>);

struct Open {
    remote: Remote,
    request: RequestKey,
    client: Arc<Client>,
}

impl Later {
    /// Answers.
    pub fn answer(self, reply: Reply) {
        self.deliver(Delivery::Reply(reply));
    }

    /// Answers with an error's status and message.
    pub fn fail(self, error: impl Into<Error>) {
        self.deliver(Delivery::Failed(error.into()));
    }

    /// Whether nobody waits for the answer any more: the connection broke, or the deadline
    /// passed.
    pub fn is_client_gone(&self) -> bool {
        self.0.as_ref().is_none_or(|open| open.client.is_gone.load(Ordering::Relaxed))
    }

    /// Whether the client has ended its side of the connection. Most that do will not read an
    /// answer; those that only have nothing more to say will.
    pub fn has_client_ended(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.client.has_ended.load(Ordering::Relaxed))
    }

    /// Runs `job` on the server's threads for blocking work and answers with what it returns;
    /// 503 with `Retry-After` if their queue is full, 500 if it panics.
    pub fn run_blocking<F>(self, job: F)
    where
        F: FnOnce() -> Result<Reply, Error> + Send + 'static,
    {
        let Some(open) = &self.0 else { return };
        let blocking = Arc::clone(&open.remote.blocking);
        // The job may come back, and then its right to answer is wanted here.
        let slot = Arc::new(Mutex::new(Some(self)));
        let shared = Arc::clone(&slot);
        let work = move || {
            let Some(later) = take(&shared) else { return };
            if later.is_client_gone() {
                return;
            }
            match job() {
                Ok(reply) => later.answer(reply),
                Err(error) => later.fail(error),
            }
        };
        if blocking.submit(Box::new(work)).is_err()
            && let Some(later) = take(&slot)
        {
            let message = "too much blocking work is waiting";
            let error = Error::new(Status::SERVICE_UNAVAILABLE, message);
            later.fail(error.with_header("Retry-After", "1".to_owned()));
        }
    }

    fn deliver(mut self, answer: Delivery) {
        if let Some(open) = self.0.take() {
            open.remote.home.take(Parcel::Answer(open.request, answer));
        }
    }
}

fn take(slot: &Mutex<Option<Later>>) -> Option<Later> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Later {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            open.remote.home.take(Parcel::Answer(open.request, Delivery::Dropped));
        }
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

/// Has a connection's source or sink asked again, from any thread. Cheap to call often: a wake
/// on its way is not sent twice.
#[derive(Clone)]
pub struct Waker {
    remote: Remote,
    connection: u64,
    is_pending: Arc<AtomicBool>,
}

impl Waker {
    /// Wakes. Of no effect once the connection is gone.
    pub fn wake(&self) {
        if !self.is_pending.swap(true, Ordering::AcqRel) {
            let is_pending = Arc::clone(&self.is_pending);
            let wake = PendingWake { connection: self.connection, is_pending };
            self.remote.home.take(Parcel::Wake(wake));
        }
    }

    /// Runs `job` on the server's threads for blocking work and wakes when it has ended. Returns
    /// whether it will: if too much waits for those threads, nothing is done.
    pub fn wake_after(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let waker = self.clone();
        let work = move || {
            job();
            waker.wake();
        };
        self.remote.blocking.submit(Box::new(work)).is_ok()
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// A wake on its way.
#[derive(Debug)]
pub struct PendingWake {
    connection: u64,
    is_pending: Arc<AtomicBool>,
}

impl PendingWake {
    /// The packed key of the connection to wake. From here on another wake is sent.
    pub fn take(self) -> u64 {
        self.is_pending.store(false, Ordering::Release);
        self.connection
    }
}
