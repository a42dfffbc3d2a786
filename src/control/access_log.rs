//! The access log: a thread of its own takes the workers' records, makes lines of them and appends
//! them to a file. Whatever becomes of the file, no worker waits for it.

mod escape;
mod file;
mod line;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::file::LogFile;
use self::line::Lines;
use super::{Result, StartError};
use crate::clock::Clock;
use crate::limits::{ACCESS_LOG_END_MS, ACCESS_LOG_WRITE_BYTES};
use crate::settings::Settings;
use crate::worker::{Batch, Lane, records};

/// How long the end waits for lines to be written.
const END_TIME: Duration = Duration::from_millis(ACCESS_LOG_END_MS);

/// The thread that writes, and what it is told. Dropping it ends the log.
pub(super) struct AccessLog {
    lanes: Vec<Arc<Lane>>,
    orders: Arc<Orders>,
    thread: Option<JoinHandle<()>>,
    /// Says that the thread has ended.
    ended: Receiver<()>,
}

#[derive(Default)]
struct Orders {
    reopen: AtomicBool,
    end: AtomicBool,
}

impl AccessLog {
    /// Begins one for so many workers; `None` if none is wanted. To be called by a thread that is
    /// not pinned, whose processors the writer has too.
    pub(super) fn start(
        settings: &Settings,
        clock: Clock,
        workers: usize,
    ) -> Result<Option<AccessLog>> {
        let Some(path) = settings.access_log.clone() else { return Ok(None) };
        let lanes: Vec<_> = (0..workers).map(|_| Arc::new(Lane::default())).collect();
        let file = LogFile::open(path.clone(), lanes.clone(), clock)
            .map_err(|error| StartError::AccessLog(path, error))?;
        let orders = Arc::new(Orders::default());
        let (ending, ended) = mpsc::channel();
        let writer = Writer {
            clock,
            lanes: lanes.clone(),
            orders: Arc::clone(&orders),
            lines: Lines::new(settings.access_log_format),
            file,
            batches: Vec::new(),
        };
        let thread = thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || {
                writer.run();
                drop(ending);
            })
            .map_err(|error| StartError::Kernel("start a thread", error))?;
        for lane in &lanes {
            lane.wake(thread.thread().clone());
        }
        Ok(Some(AccessLog { lanes, orders, thread: Some(thread), ended }))
    }

    /// Where worker number `index` leaves its records.
    pub(super) fn lane(&self, index: usize) -> Arc<Lane> {
        Arc::clone(&self.lanes[index])
    }

    /// Opens the file of this name again, once what is on its way to the old one was written.
    pub(super) fn reopen(&self) {
        self.order(&self.orders.reopen);
    }

    fn order(&self, order: &AtomicBool) {
        order.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for AccessLog {
    /// What is left is written, for at most a few seconds: a pipe that nobody empties holds the
    /// thread, which is then left behind.
    fn drop(&mut self) {
        self.order(&self.orders.end);
        if self.ended.recv_timeout(END_TIME) == Err(RecvTimeoutError::Timeout) {
            log::warn!(
                event = "access_log_abandoned"; "the access log takes no more lines: some are lost"
            );
        } else if let Some(thread) = self.thread.take() {
            // It has nothing left to do.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Writer {
    clock: Clock,
    lanes: Vec<Arc<Lane>>,
    orders: Arc<Orders>,
    lines: Lines,
    file: LogFile,
    batches: Vec<Batch>,
}

impl Writer {
    fn run(mut self) {
        loop {
            // Before what there is is looked for: nothing comes after it.
            let is_end = self.orders.end.load(Ordering::Acquire);
            let is_reopened = self.orders.reopen.swap(false, Ordering::AcqRel);
            let has_written = self.write_all();
            if is_reopened {
                self.file.reopen();
            }
            if is_end {
                self.file.give_up_torn();
                return;
            }
            if !has_written {
                thread::park();
            }
        }
    }

    /// Writes what the workers have left. Whether there was anything.
    fn write_all(&mut self) -> bool {
        self.lines.set_clock(self.clock.unix_time(), self.clock.now());
        let mut has_written = false;
        for worker in 0..self.lanes.len() {
            self.lanes[worker].take(&mut self.batches);
            has_written |= !self.batches.is_empty();
            for Batch { bytes, routes } in std::mem::take(&mut self.batches) {
                for record in records(&bytes) {
                    let route = routes.get(record.route() as usize).map(String::as_str);
                    self.lines.push(self.file.buffer(), &record, worker, route);
                    self.file.end_line(worker);
                }
                if self.file.buffered() >= ACCESS_LOG_WRITE_BYTES {
                    self.file.flush();
                }
                self.lanes[worker].give_back(bytes);
            }
        }
        self.file.flush();
        has_written
    }
}

impl std::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLog").field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

/// The name that stands for standard output.
pub(super) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}
