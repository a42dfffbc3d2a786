//! What the simulated application has under way outside of its requests: promised answers, sources
//! and sinks that wait, and the wakes they are owed, kept or forgotten as the seed says. Knows no
//! HTTP and no worker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use corelane::api::Waker;
use corelane::clock::Moment;
use corelane::sys::Interest;
use corelane::{Error, Later, Piece, Pull, Settings, Source};

use crate::random::Random;
use crate::sim_client::{PATTERN_BYTES, offset_in_pattern, pattern_file};
use crate::sim_pipe::{Pipe, Place};

/// Shared with sources, which answers from elsewhere may carry between threads.
pub(crate) type Shared = Arc<Mutex<Elsewhere>>;

pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, Elsewhere> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the worker cannot go on without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Awaits {
    #[default]
    Nothing,
    /// The answer to the request of this number.
    Answer(usize),
    /// That a source has more.
    Source,
    /// That a sink takes more.
    Sink,
    /// Nothing but its own turn: a source has more.
    Turn,
}

/// Whether what was sent to a client's connection can still reach it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flight {
    #[default]
    Landed,
    /// Its mail is read in this turn.
    Landing,
    /// It is in the mailbox.
    Sent,
}

impl Flight {
    /// The mail is read.
    fn leave(&mut self) {
        if *self == Flight::Sent {
            *self = Flight::Landing;
        }
    }

    /// The turn is over. Returns whether it has landed in it.
    fn land(&mut self) -> bool {
        let has_landed = *self == Flight::Landing;
        if has_landed {
            *self = Flight::Landed;
        }
        has_landed
    }
}

/// What is under way for one client.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, none is a state")]
pub(crate) struct Client {
    pub(crate) awaits: Awaits,
    /// Since when, and for how long it may.
    pub(crate) since: Moment,
    pub(crate) time: Duration,
    /// When something awaited came last.
    pub(crate) settled_at: Moment,
    /// What awaits was woken, so that it must be asked.
    pub(crate) is_woken: bool,
    /// It may have been woken in the turn in which it said that it waits.
    may_be_woken: bool,
    /// Its client takes nothing now.
    pub(crate) is_blocked: bool,
    /// Its answer ends before its time: the source failed, or did not go on.
    pub(crate) is_cut: bool,
    /// What a sink has taken.
    pub(crate) body: Vec<u8>,
    said_in: u64,
    /// Wakes, and pieces that its sources were asked for, in this turn.
    wakes: usize,
    pulls: usize,
    wake: Flight,
    /// A wake that a source sent itself, maybe while the mail was read.
    own_wake: Flight,
    /// What awaits has sent a wake for itself since.
    has_woken_itself: bool,
    answer: Flight,
    answered: Option<usize>,
    /// Answers that have not landed.
    in_flight: u64,
}

impl Client {
    fn is_landed(&self) -> bool {
        self.wake == Flight::Landed && self.own_wake == Flight::Landed
    }

    /// What awaits wakes itself: what it waits for came while it said so.
    fn wake_itself(&mut self) {
        self.own_wake = Flight::Sent;
        self.has_woken_itself = true;
        self.wakes += 1;
    }

    fn settle(&mut self, now: Moment) {
        self.awaits = Awaits::Nothing;
        self.settled_at = now;
        (self.is_woken, self.has_woken_itself) = (false, false);
    }
}

/// How a promise is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Answer,
    Drop,
    Fail,
    /// With a body of its own source, of known length or not.
    StreamExact,
    Stream,
}

/// The right to answer a request.
#[derive(Debug)]
pub(crate) struct Promise {
    pub(crate) number: usize,
    pub(crate) later: Later,
    pub(crate) waker: Waker,
    pub(crate) deed: Deed,
    pub(crate) body: &'static [u8],
    /// Whether the field with its number was set before.
    pub(crate) has_number: bool,
}

#[derive(Debug)]
pub(crate) enum Work {
    Promise(Promise),
    Wake(Waker),
}

/// Something to be done for a client, at a time or never.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) client: usize,
    pub(crate) work: Work,
    due: Option<Moment>,
}

/// What was done, to be compared with what the worker counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deeds {
    /// Answers and failures given; rights to answer dropped.
    pub(crate) given: u64,
    pub(crate) dropped: u64,
    /// Answers promised, and begun as streams at once.
    pub(crate) promised: u64,
    pub(crate) streamed: u64,
    /// Streams begun at once that ended, well or not; sources that did not come to an end.
    pub(crate) ended: u64,
    pub(crate) unfinished: u64,
    /// Bodies refused on their way.
    pub(crate) declined: u64,
    /// Pieces with a part of a file, and such parts that the file does not have.
    pub(crate) from_files: u64,
    pub(crate) from_short_files: u64,
}

impl Deeds {
    pub(crate) fn count(&mut self, deed: Deed) {
        self.dropped += u64::from(deed == Deed::Drop);
        self.given += u64::from(deed != Deed::Drop);
    }
}

/// Everything under way.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    pub(crate) random: Random,
    pub(crate) is_on: bool,
    pub(crate) has_sinks: bool,
    pub(crate) now: Moment,
    pub(crate) clients: Vec<Client>,
    pub(crate) deeds: Deeds,
    pub(crate) fault: Option<String>,
    later_time: Duration,
    /// Pieces of an answer that may be asked for at once.
    pulls_max: usize,
    errands: Vec<Errand>,
    turn: u64,
    read_in: u64,
}

impl Elsewhere {
    pub(crate) fn new(
        mut random: Random,
        is_on: bool,
        clients: usize,
        settings: &Settings,
    ) -> Shared {
        Arc::new(Mutex::new(Elsewhere {
            is_on,
            has_sinks: is_on && random.one_in(2),
            random,
            now: Moment::default(),
            clients: vec![Client::default(); clients],
            deeds: Deeds::default(),
            fault: None,
            later_time: settings.later_time,
            pulls_max: settings.pipelined_max,
            errands: Vec::new(),
            turn: 0,
            read_in: 0,
        }))
    }

    fn note(&mut self, fault: impl Into<String>) {
        self.fault.get_or_insert_with(|| fault.into());
    }

    /// A turn is over. What it must have made of the mail that it read, it has.
    pub(crate) fn end_turn(&mut self, pipes: &[Pipe]) {
        let (now, read_in) = (self.now, self.read_in);
        for client in &mut self.clients {
            client.pulls = 0;
            let is_answered = client.answer.land();
            if client.answer == Flight::Landed {
                client.in_flight = 0;
            }
            if client.wake.land() && matches!(client.awaits, Awaits::Source | Awaits::Sink) {
                client.is_woken |= client.said_in < read_in;
                client.may_be_woken = true;
            }
            client.may_be_woken |= client.own_wake.land();
            client.is_woken |= client.has_woken_itself && client.said_in < read_in;
            if client.is_landed() {
                client.wakes = 0;
            }
            if let (true, Awaits::Answer(number)) = (is_answered, client.awaits)
                && client.answered == Some(number)
            {
                client.settle(now);
            }
        }
        for errand in &self.errands {
            let Work::Promise(promise) = &errand.work else { continue };
            let (index, pipe) = (errand.client, &pipes[errand.client]);
            let client = &mut self.clients[index];
            let is_gone = promise.later.is_client_gone();
            let is_served = pipe.place == Place::Open && pipe.finished_at.is_none();
            let is_awaited = client.awaits == Awaits::Answer(promise.number);
            let mut fault = None;
            if is_gone && is_served && is_awaited {
                if now < client.since + client.time {
                    fault = Some("gave an answer up before its time");
                }
                client.settle(now);
            } else if !is_gone && pipe.place == Place::Closed {
                fault = Some("lets an answer be wanted that nobody waits for");
            } else if !is_gone
                && !pipe.is_reset
                && promise.later.has_client_ended() != pipe.end_told
            {
                fault = Some("does not tell truly whether the client has ended");
            }
            if let Some(fault) = fault {
                self.fault.get_or_insert_with(|| format!("client {index}: {fault}"));
            }
        }
        self.turn += 1;
    }

    /// The worker takes its wake back and reads its mail.
    pub(crate) fn mail_is_read(&mut self) {
        self.read_in = self.turn;
        for client in &mut self.clients {
            client.wake.leave();
            client.own_wake.leave();
            client.answer.leave();
        }
    }

    /// When the next errand is due.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.errands.iter().filter_map(|errand| errand.due).min()
    }

    /// One of the errands that are due at `now`, any of them.
    pub(crate) fn take_due(&mut self, now: Moment) -> Option<Errand> {
        let is_due = |errand: &Errand| errand.due.is_some_and(|due| due <= now);
        let count = self.errands.iter().filter(|errand| is_due(errand)).count();
        if count == 0 {
            return None;
        }
        let nth = self.random.below(count);
        let mut due = (0..self.errands.len()).filter(|index| is_due(&self.errands[*index]));
        let index = due.nth(nth)?;
        drop(due);
        let errand = self.errands.swap_remove(index);
        let client = &mut self.clients[errand.client];
        match &errand.work {
            Work::Promise(promise) => {
                client.answer = Flight::Sent;
                client.in_flight += 1;
                if client.awaits == Awaits::Answer(promise.number) {
                    client.answered = Some(promise.number);
                }
            }
            Work::Wake(_) => {
                client.wake = Flight::Sent;
                client.wakes += 1;
            }
        }
        Some(errand)
    }

    /// What is left at the end, to be dropped where nothing is locked.
    pub(crate) fn take_all(&mut self) -> Vec<Errand> {
        std::mem::take(&mut self.errands)
    }

    /// Answers that were still on their way at the end: at least what was lost.
    pub(crate) fn in_flight(&self) -> u64 {
        self.clients.iter().map(|client| client.in_flight).sum()
    }

    /// Clients whose sink was awaited at the end.
    pub(crate) fn unready(&self) -> u64 {
        self.clients.iter().filter(|client| client.awaits == Awaits::Sink).count() as u64
    }

    /// Owes `client` an errand.
    pub(crate) fn owe(&mut self, client: usize, work: Work) {
        let later = self.later_time.as_micros() as usize;
        let delay = match self.random.below(24) {
            0 => None,
            1 => Some(later),
            2 => Some(later + 100_000),
            3 => Some(2 * later),
            4..=7 => Some(self.random.below(later)),
            8..=12 => Some(self.random.below(50_000)),
            _ => Some(self.random.below(300)),
        };
        let due = delay.map(|delay| self.now + Duration::from_micros(delay as u64));
        self.errands.push(Errand { client, work, due });
    }

    /// `client` now waits for something for at most `time`, if given.
    pub(crate) fn begin(&mut self, client: usize, awaits: Awaits, time: Option<Duration>) {
        let client = &mut self.clients[client];
        client.awaits = awaits;
        client.since = self.now;
        client.time = time.unwrap_or(self.later_time);
        (client.is_woken, client.may_be_woken) = (false, false);
        client.has_woken_itself = false;
        client.said_in = self.turn;
    }

    /// The worker wants to receive from `client`: then its sink is not waited for any more.
    pub(crate) fn is_watched(&mut self, client: usize, interest: Interest) {
        let state = &self.clients[client];
        let is_woken = state.may_be_woken || state.wake != Flight::Landed;
        if interest == Interest::Receive && state.awaits == Awaits::Sink && is_woken {
            self.settle(client);
        }
    }

    /// Nothing is awaited of `client` any more.
    pub(crate) fn settle(&mut self, client: usize) {
        let now = self.now;
        self.clients[client].settle(now);
    }

    /// Whether the next request of `client` may be looked at.
    pub(crate) fn may_go_on(&self, client: usize) -> bool {
        let client = &self.clients[client];
        match client.awaits {
            Awaits::Nothing => true,
            Awaits::Answer(number) => {
                let has_come = client.answer != Flight::Landed && client.answered == Some(number);
                has_come || self.now >= client.since + client.time
            }
            Awaits::Source | Awaits::Sink | Awaits::Turn => false,
        }
    }

    /// A source of `client` is asked for more.
    fn on_pulled(&mut self, index: usize) {
        self.on_called(index);
        let client = &mut self.clients[index];
        client.pulls += 1;
        // Its answer came, its turn too, its socket has room, it is late; and whatever wakes it.
        if client.pulls > self.pulls_max * (client.wakes + 4) {
            self.note(format!("client {index}: asks more often in one turn than is its share"));
        }
    }

    /// A source or sink of `client` is called.
    pub(crate) fn on_called(&mut self, index: usize) {
        let client = &self.clients[index];
        let is_asleep = matches!(client.awaits, Awaits::Source | Awaits::Sink);
        if client.is_blocked {
            self.note(format!("client {index}: asks for more while its client takes nothing"));
        } else if is_asleep && client.is_landed() && !client.may_be_woken {
            self.note(format!("client {index}: asks before it was woken"));
        }
        if is_asleep {
            self.settle(index);
        }
    }
}

/// A source that gives a body in pieces, waits now and then, and may fail.
#[derive(Debug)]
pub(crate) struct SimSource {
    pub(crate) shared: Shared,
    pub(crate) client: usize,
    pub(crate) waker: Waker,
    pub(crate) rest: &'static [u8],
    /// Whether a promise had come before.
    pub(crate) is_promised: bool,
    /// How many pieces it has before it fails, if it does.
    pub(crate) fails_after: Option<usize>,
    /// Whether some of its pieces are parts of a file.
    is_from_file: bool,
    is_over: bool,
}

impl SimSource {
    pub(crate) fn new(
        shared: &Shared,
        client: usize,
        waker: Waker,
        body: &'static [u8],
    ) -> SimSource {
        let mut elsewhere = lock(shared);
        let fails = elsewhere.random.one_in(12);
        let fails_after = fails.then(|| elsewhere.random.below(4));
        let is_from_file = elsewhere.random.one_in(2);
        drop(elsewhere);
        let shared = Arc::clone(shared);
        let (is_promised, is_over) = (false, false);
        let rest = body;
        SimSource { shared, client, waker, rest, is_promised, fails_after, is_from_file, is_over }
    }

    /// Has a part of a file sent that the file does not have.
    fn push_what_is_missing(&mut self, elsewhere: &mut Elsewhere, piece: &mut Piece<'_>) -> Pull {
        elsewhere.deeds.from_short_files += 1;
        elsewhere.begin(self.client, Awaits::Turn, Some(Duration::from_secs(1 << 24)));
        piece.push_file(pattern_file(), PATTERN_BYTES as u64, self.rest.len() as u64);
        Pull::More
    }

    fn end(&mut self, elsewhere: &mut Elsewhere) {
        self.is_over = true;
        elsewhere.deeds.ended += u64::from(!self.is_promised);
        elsewhere.settle(self.client);
    }
}

impl Source for SimSource {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        let shared = Arc::clone(&self.shared);
        let elsewhere = &mut *lock(&shared);
        elsewhere.on_pulled(self.client);
        if self.is_over {
            elsewhere.note("asks a source that is over");
        }
        if self.fails_after == Some(0) {
            elsewhere.clients[self.client].is_cut = true;
            if self.is_from_file && !self.rest.is_empty() {
                return Ok(self.push_what_is_missing(elsewhere, piece));
            }
            self.end(elsewhere);
            return Err(Error::not_found("a scripted end"));
        }
        self.fails_after = self.fails_after.map(|left| left - 1);
        let random = &mut elsewhere.random;
        let most = self.rest.len().min(piece.room().max(1));
        let len = match random.below(4) {
            0 => most,
            1 => most.min(7),
            _ => random.between(most / 8, most),
        };
        let (now, rest) = self.rest.split_at(len);
        if self.is_from_file && random.one_in(2) {
            let (copied, in_file) = now.split_at(random.below(now.len() / 2 + 1));
            piece.push(copied);
            let offset = offset_in_pattern(in_file);
            piece.push_file(pattern_file(), offset, in_file.len() as u64);
            elsewhere.deeds.from_files += 1;
        } else {
            piece.push(now);
        }
        self.rest = rest;
        if rest.is_empty() && self.fails_after.is_none() {
            self.end(elsewhere);
            return Ok(Pull::Done);
        }
        if random.one_in(3) {
            elsewhere.begin(self.client, Awaits::Source, None);
            let wakes = elsewhere.random.below(8);
            if wakes < 2 {
                elsewhere.clients[self.client].wake_itself();
                self.waker.wake();
            }
            for _ in 0..wakes / 3 {
                elsewhere.owe(self.client, Work::Wake(self.waker.clone()));
            }
            return Ok(Pull::Wait);
        }
        elsewhere.begin(self.client, Awaits::Turn, Some(Duration::from_secs(1 << 24)));
        Ok(Pull::More)
    }
}

impl Drop for SimSource {
    fn drop(&mut self) {
        if !self.is_over {
            lock(&self.shared).deeds.unfinished += 1;
        }
    }
}
