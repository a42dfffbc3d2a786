//! Mail to a worker: a bounded queue and the wake of the worker's kernel.
//! Knows nothing of what the worker does with it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::limits::MAILBOX_MAIL_MAX;
use crate::sys::Wake;

/// What may be asked of a worker from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mail {
    /// Accept no more, finish what runs, end by the time limit.
    Drain,
    /// End now.
    Stop,
}

/// The receiving end.
#[derive(Debug)]
pub struct Mailbox(Receiver<Mail>);

/// The sending end, for any thread.
#[derive(Clone)]
pub struct Post {
    queue: SyncSender<Mail>,
    waker: Arc<dyn Wake>,
}

/// The mail was not taken: the worker has ended, or its mailbox is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeliverable(pub Mail);

/// A mailbox and the post that fills it and wakes its owner through `waker`.
pub fn mailbox(waker: Arc<dyn Wake>) -> (Post, Mailbox) {
    let (queue, mail) = sync_channel(MAILBOX_MAIL_MAX);
    (Post { queue, waker }, Mailbox(mail))
}

impl Mailbox {
    /// The oldest mail, if there is any.
    pub(super) fn next(&self) -> Option<Mail> {
        self.0.try_recv().ok()
    }
}

impl Post {
    /// Puts `mail` into the mailbox and wakes its owner.
    ///
    /// # Errors
    /// Gives the mail back if it cannot be taken.
    pub fn send(&self, mail: Mail) -> Result<(), Undeliverable> {
        self.queue.try_send(mail).map_err(|_| Undeliverable(mail))?;
        self.waker.wake();
        Ok(())
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
}
