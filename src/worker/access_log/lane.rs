//! Where one worker's records change hands: full batches one way, empty ones the other.
//! The lock is held for a few moves of pointers, and the worker never waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::Thread;

/// Records of some time, one behind the other.
#[derive(Debug)]
pub struct Batch {
    /// The records: see [`super::records`].
    pub bytes: Vec<u8>,
    /// Templates of the routes that they name by their numbers.
    pub routes: Arc<[String]>,
}

/// What became of a worker's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// They were not made, for the writer was behind.
    pub dropped: u64,
    /// They were made and could not be written.
    pub failed: u64,
    /// They were written.
    pub written: u64,
}

/// One worker's way to the writer.
#[derive(Debug, Default)]
pub struct Lane {
    shared: Mutex<Shared>,
    /// Who is woken when there is something.
    writer: OnceLock<Thread>,
    dropped: AtomicU64,
    failed: AtomicU64,
    written: AtomicU64,
}

#[derive(Debug, Default)]
struct Shared {
    full: Vec<Batch>,
    empty: Vec<Vec<u8>>,
}

impl Lane {
    /// Wakes this thread when there is something; the first that is named stays.
    pub fn wake(&self, writer: Thread) {
        self.writer.get_or_init(|| writer);
    }

    /// Takes what is full, for the writer.
    pub fn take(&self, full: &mut Vec<Batch>) {
        full.append(&mut self.lock().full);
    }

    /// Gives back what was written.
    pub fn give_back(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.lock().empty.push(bytes);
    }

    /// So many lines were written.
    pub fn count_written(&self, lines: u64) {
        self.written.fetch_add(lines, Ordering::Relaxed);
    }

    /// So many lines could not be written.
    pub fn count_failed(&self, lines: u64) {
        self.failed.fetch_add(lines, Ordering::Relaxed);
    }

    /// What became of the lines so far.
    pub fn counts(&self) -> LogCounts {
        LogCounts {
            dropped: self.dropped.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
        }
    }

    pub(super) fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives `full` and takes what is empty, unless the other side is just at it.
    pub(super) fn exchange(&self, full: &mut Vec<Batch>, spare: &mut Vec<Vec<u8>>) {
        let mut shared = match self.shared.try_lock() {
            Ok(shared) => shared,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let is_news = !full.is_empty();
        shared.full.append(full);
        spare.append(&mut shared.empty);
        drop(shared);
        if is_news {
            self.wake_writer();
        }
    }

    /// Gives `full`, however long the other side takes: the worker has ended.
    pub(super) fn leave(&self, full: &mut Vec<Batch>) {
        self.lock().full.append(full);
        self.wake_writer();
    }

    fn wake_writer(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Batches are moved whole, whoever panicked.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
