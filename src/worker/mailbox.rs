//! Mail to a worker: a bounded queue and the wake of the worker's kernel.
//! Knows nothing of what the worker does with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::api::{Home, Parcel};
use crate::limits::MAILBOX_MAIL_MAX;
use crate::sys::Wake;

/// What may be asked of a worker from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mail {
    /// Accept no more, finish what runs, end by the time limit.
    Drain,
    /// Go on with what lies in the [`super::ChangeSlot`].
    Reload,
    /// End now.
    Stop,
}

/// What waits, and whether there is still someone to read it. The lock is taken by senders, and
/// by the owner only after a wake: never on the path of a request.
#[derive(Debug, Default)]
struct Queue {
    mail: VecDeque<Mail>,
    /// No bound of its own: there is one answer a promise, which a connection has one of, and
    /// one wake a waker.
    parcels: VecDeque<Parcel>,
    is_closed: bool,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // A queue is whole between any two statements, whoever panicked.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The receiving end. Mail sent after it is gone comes back.
#[derive(Debug)]
pub struct Mailbox(Arc<Mutex<Queue>>);

/// The sending end, for any thread.
#[derive(Clone)]
pub struct Post {
    queue: Arc<Mutex<Queue>>,
    waker: Arc<dyn Wake>,
}

/// The mail was not taken: the worker has ended, or its mailbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeliverable(pub Mail);

/// A mailbox and the post that fills it and wakes its owner through `waker`.
pub fn mailbox(waker: Arc<dyn Wake>) -> (Post, Mailbox) {
    let queue = Arc::new(Mutex::new(Queue::default()));
    (Post { queue: Arc::clone(&queue), waker }, Mailbox(queue))
}

impl Mailbox {
    /// The oldest mail, if there is any.
    pub(super) fn next(&self) -> Option<Mail> {
        lock(&self.0).mail.pop_front()
    }

    /// The oldest parcel, if there is any.
    pub(super) fn next_parcel(&self) -> Option<Parcel> {
        lock(&self.0).parcels.pop_front()
    }

    /// A post that fills it and wakes its owner through `waker`.
    pub(super) fn post(&self, waker: Arc<dyn Wake>) -> Post {
        Post { queue: Arc::clone(&self.0), waker }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let parcels = {
            let mut queue = lock(&self.0);
            queue.is_closed = true;
            std::mem::take(&mut queue.parcels)
        };
        // Outside of the lock: what they carry may send more when it is dropped.
        drop(parcels);
    }
}

impl Post {
    /// Puts `mail` into the mailbox and wakes its owner.
    ///
    /// # Errors
    /// Gives the mail back if it cannot be taken.
    pub fn send(&self, mail: Mail) -> Result<(), Undeliverable> {
        let mut queue = lock(&self.queue);
        if queue.is_closed || queue.mail.len() >= MAILBOX_MAIL_MAX {
            return Err(Undeliverable(mail));
        }
        queue.mail.push_back(mail);
        drop(queue);
        self.waker.wake();
        Ok(())
    }
}

impl Home for Post {
    fn take(&self, parcel: Parcel) {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            drop(queue);
            drop(parcel);
            return;
        }
        // Who put the first in wakes for those behind it too.
        let is_first = queue.parcels.is_empty();
        queue.parcels.push_back(parcel);
        drop(queue);
        if is_first {
            self.waker.wake();
        }
    }
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Post")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::api::{Delivery, RequestKey};

    #[derive(Default)]
    struct CountedWakes(AtomicUsize);

    impl Wake for CountedWakes {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn mail_arrives_in_order_with_a_wake_each_and_a_full_box_gives_it_back() {
        let wakes = Arc::new(CountedWakes::default());
        let (post, mailbox) = mailbox(Arc::clone(&wakes) as Arc<dyn Wake>);
        post.send(Mail::Drain).unwrap();
        post.send(Mail::Stop).unwrap();
        assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
        assert_eq!((mailbox.next(), mailbox.next()), (Some(Mail::Drain), Some(Mail::Stop)));
        for _ in 0..MAILBOX_MAIL_MAX {
            post.send(Mail::Drain).unwrap();
        }
        assert_eq!(post.send(Mail::Stop), Err(Undeliverable(Mail::Stop)));
        drop(mailbox);
        assert_eq!(post.send(Mail::Drain), Err(Undeliverable(Mail::Drain)));
    }

    #[test]
    fn parcels_wake_once_for_all_that_wait_and_are_never_refused() {
        let wakes = Arc::new(CountedWakes::default());
        let (post, mailbox) = mailbox(Arc::clone(&wakes) as Arc<dyn Wake>);
        for number in 0..2 * MAILBOX_MAIL_MAX as u32 {
            post.take(Parcel::Answer(RequestKey { connection: 7, number }, Delivery::Dropped));
        }
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        let Some(Parcel::Answer(first, _)) = mailbox.next_parcel() else { panic!("it is there") };
        assert_eq!(first.number, 0);
        while mailbox.next_parcel().is_some() {}
        post.take(Parcel::Answer(first, Delivery::Dropped));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 2);
    }
}
