//! The worker's side of the access log: a record of each answer, in batches that change hands with
//! the thread that writes them. Never waits, and knows nothing of lines and files.

mod lane;
mod record;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

pub use lane::{Batch, Lane, LogCounts};
pub(super) use record::renumber;
pub use record::{Record, Text, records};

use super::Worker;
use super::connection::{Backlog, Connection};
use super::stages::Lot;
use crate::api::Handler;
use crate::clock::Moment;
use crate::limits::{ACCESS_LOG_BATCH_BYTES, ACCESS_LOG_BATCHES, ACCESS_LOG_INTERVAL_MS};
use crate::proto::{Answered, Entry, Kept, Ledger};
use crate::sys::Kernel;

const INTERVAL: Duration = Duration::from_millis(ACCESS_LOG_INTERVAL_MS);

/// When a batch is offered again that the writer had no hand free for.
const AGAIN: Duration = Duration::from_millis(1);

/// Records on their way from the protocol to the writer.
#[derive(Debug)]
pub(super) struct AccessLog {
    /// Which answers are noted; `None`: all.
    lot: Option<Lot>,
    /// Records of answers that wait to be sent, in the order in which they will be.
    staged: Vec<u8>,
    /// Where the first of them begins.
    first: usize,
    /// The batch that is filled.
    bytes: Vec<u8>,
    /// Full ones that the writer did not take yet.
    full: Vec<Batch>,
    /// Empty ones.
    spare: Vec<Vec<u8>>,
    /// How many there are of all of them, wherever they are.
    made: usize,
    /// Whether there is none to fill, in this turn.
    is_starved: bool,
    /// When what there is goes to the writer.
    due: Option<Moment>,
    after: Moment,
    /// Templates of the routes that records name by their numbers.
    routes: Arc<[String]>,
    lane: Arc<Lane>,
}

impl AccessLog {
    pub(super) fn new(lane: Arc<Lane>, one_in: u32, index: usize, now: Moment) -> AccessLog {
        AccessLog {
            lot: lot(one_in, index),
            staged: Vec::new(),
            first: 0,
            bytes: Vec::new(),
            full: Vec::with_capacity(ACCESS_LOG_BATCHES),
            spare: Vec::with_capacity(ACCESS_LOG_BATCHES),
            made: 0,
            is_starved: false,
            due: None,
            after: now,
            routes: Arc::new([]),
            lane,
        }
    }

    /// Goes on with one in so many.
    pub(super) fn sample(&mut self, one_in: u32, index: usize) {
        self.lot = lot(one_in, index);
    }

    /// From now on routes have these templates by their numbers.
    pub(super) fn name_routes(&mut self, routes: Arc<[String]>) {
        self.pass_on();
        self.routes = routes;
    }

    /// Bytes of the records that wait for their answers to be sent.
    #[inline]
    pub(super) fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Takes the first so many bytes of those.
    fn take_staged(&mut self, len: usize) -> Vec<u8> {
        let taken = self.staged[self.first..self.first + len].to_vec();
        self.unstage(len);
        taken
    }

    /// The answers of the first so many bytes of records are sent.
    fn settle(&mut self, len: usize, seen: Moment, sent: Moment, unsent: usize) {
        let mut staged = mem::take(&mut self.staged);
        self.add(&mut staged[self.first..self.first + len], seen, sent, unsent);
        self.staged = staged;
        self.unstage(len);
    }

    fn unstage(&mut self, len: usize) {
        self.first += len;
        if self.first == self.staged.len() {
            self.staged.clear();
            self.first = 0;
        }
    }

    /// Adds these records of answers that were asked for when `seen`, and of which so many bytes
    /// were never `sent`.
    fn add(&mut self, records: &mut [u8], seen: Moment, sent: Moment, unsent: usize) {
        record::cut(records, unsent);
        let micros = sent.nanos_since(seen) / 1_000;
        let mut rest = records;
        while !rest.is_empty() {
            let (one, others) = rest.split_at_mut(record::len(rest));
            record::time(one, seen, micros);
            self.append(one);
            rest = others;
        }
    }

    #[inline]
    fn append(&mut self, record: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < record.len() && !self.renew() {
            self.lane.count_dropped();
            return;
        }
        self.bytes.extend_from_slice(record);
    }

    /// Passes on the batch that is full and begins another. False if there is none.
    #[cold]
    fn renew(&mut self) -> bool {
        if self.is_starved {
            return false;
        }
        self.pass_on();
        self.exchange();
        if let Some(spare) = self.spare.pop() {
            self.bytes = spare;
        } else if self.made < ACCESS_LOG_BATCHES {
            self.made += 1;
            self.bytes = Vec::with_capacity(ACCESS_LOG_BATCH_BYTES);
        } else {
            self.is_starved = true;
        }
        !self.is_starved
    }

    fn pass_on(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = mem::take(&mut self.bytes);
            self.full.push(Batch { bytes, routes: Arc::clone(&self.routes) });
        }
    }

    /// Gives the writer what is full and takes what is empty, if its hands are free.
    fn exchange(&mut self) {
        self.lane.exchange(&mut self.full, &mut self.spare);
    }

    /// A turn ends: at once after a quiet time, and then once an interval, the writer has what
    /// there is.
    #[inline]
    pub(super) fn pass_on_if_due(&mut self, now: Moment) {
        if self.bytes.is_empty() && self.full.is_empty() && !self.is_starved {
            return;
        }
        let due = *self.due.get_or_insert_with(|| now.max(self.after));
        if now >= due {
            self.pass_on_now(now);
        }
    }

    #[cold]
    fn pass_on_now(&mut self, now: Moment) {
        self.pass_on();
        self.exchange();
        self.is_starved = false;
        self.after = now + INTERVAL;
        self.due = (!self.full.is_empty()).then(|| now + AGAIN);
    }

    /// When it must be asked again at the latest.
    pub(super) fn due(&self) -> Option<Moment> {
        self.due
    }

    fn is_drawn(&mut self) -> bool {
        self.lot.as_mut().is_none_or(Lot::is_drawn)
    }
}

impl Drop for AccessLog {
    /// The worker ends, in whatever way: this once it waits for the writer's hands.
    fn drop(&mut self) {
        self.pass_on();
        self.lane.leave(&mut self.full);
    }
}

impl Ledger for AccessLog {
    fn note(&mut self, entry: &Entry<'_>) {
        if self.is_drawn() {
            record::push(&mut self.staged, entry);
        }
    }

    fn keep(&mut self, entry: &Entry<'_>) -> Option<Kept> {
        self.is_drawn().then(|| {
            let mut record = Vec::new();
            record::push(&mut record, entry);
            Kept(record.into())
        })
    }

    fn finish(&mut self, Kept(mut record): Kept, answered: Answered) {
        record::answer(&mut record, &answered);
        self.staged.extend_from_slice(&record);
    }
}

/// Who draws one in so many.
fn lot(one_in: u32, index: usize) -> Option<Lot> {
    (one_in > 1).then(|| Lot::new(one_in, index))
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// The same, leaving a record of its answers in `lane`.
    #[must_use]
    pub fn logging_to(mut self, lane: Arc<Lane>) -> Worker<K, H> {
        let (index, one_in) = (self.parts.index, self.parts.settings.access_log_sample);
        self.stats.lane = Some(Arc::clone(&lane));
        let mut log = Box::new(AccessLog::new(lane, one_in, index, self.now));
        log.name_routes(self.pulse.routes());
        self.access_log = Some(log);
        self
    }

    /// Answers with so many bytes of records were sent to a connection, but for `unsent` bytes.
    #[inline]
    pub(super) fn settle_records(&mut self, len: usize, seen: Moment, unsent: usize) {
        if len > 0
            && let Some(log) = &mut self.access_log
        {
            log.settle(len, seen, self.lap, unsent);
        }
    }

    /// Answers with so many bytes of records wait with this backlog.
    pub(super) fn put_off_records(
        log: &mut Option<Box<AccessLog>>,
        backlog: &mut Backlog,
        len: usize,
    ) {
        if let (Some(log), true) = (log, len > 0) {
            backlog.records.extend_from_slice(&log.take_staged(len));
        }
    }

    /// The answers that a connection had waiting were sent, but for `unsent` bytes.
    pub(super) fn settle_put_off(&mut self, mut records: Vec<u8>, seen: Moment, unsent: usize) {
        if let (Some(log), false) = (&mut self.access_log, records.is_empty()) {
            log.add(&mut records, seen, self.kernel.lap(), unsent);
        }
    }

    /// A connection ends: notes what it takes along.
    pub(super) fn note_end(&mut self, connection: &mut Connection<K::Stream>) {
        self.stats.answers_unfinished += u64::from(connection.protocol.is_streaming());
        if self.access_log.is_none() {
            return;
        }
        let backlog = connection.backlog.take();
        if let Some(Backlog { queue, records, .. }) = backlog.map(|backlog| *backlog) {
            self.settle_put_off(records, connection.seen, queue.unsent());
        }
        if let (Some(log), Some((kept, answered))) =
            (&mut self.access_log, connection.protocol.take_unfinished())
        {
            let Kept(mut record) = kept;
            record::answer(&mut record, &answered);
            log.add(&mut record, connection.seen, self.kernel.lap(), 0);
        }
    }

    /// Notes an answer to a connection that there was no room for, and that was sent.
    #[cold]
    pub(super) fn note_at_once(&mut self, entry: &Entry<'_>) {
        if let Some(log) = &mut self.access_log {
            let before = log.staged();
            log.note(entry);
            log.settle(log.staged() - before, self.now, self.kernel.lap(), 0);
        }
    }
}
