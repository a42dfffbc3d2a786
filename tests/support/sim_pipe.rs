//! One simulated connection: what its client has sent and read, what the kernel holds of it, and
//! when what happened. Knows neither the worker nor the other connections.

use std::io::IoSlice;
use std::time::Duration;

use corelane::Settings;
use corelane::clock::Moment;
use corelane::limits::{BLOCK_BYTES, LINGER_BYTES_MAX, ROOM_IDLE_MS};
use corelane::sys::{Interest, Token};

use crate::random::Random;
use crate::sim_client::{Item, Script};
use crate::sim_elsewhere::{Awaits, Client};
use crate::sim_pace::Pace;

/// Where a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With its client, who has not yet connected.
    Nowhere,
    /// Left for the worker by another.
    Handed,
    /// In the queue of a listener.
    Queued,
    /// At the worker.
    Open,
    /// Over.
    Closed,
}

/// Why the worker may end a connection in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abrupt {
    /// It was told that the peer is gone.
    Reset,
    /// It could not have it watched.
    Unwatched,
    /// The peer took nothing for too long.
    Blocked,
    /// The worker was stopped, or its drain was over.
    Stopped,
    /// There was no room for it: it was answered 503 or not at all, and never watched.
    TurnedAway,
    /// It begins with a broken PROXY header.
    Preface,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Bytes of its script it ever sends.
    pub(crate) sends: usize,
    /// Bytes it sends at most at once; 0 stands for any number.
    pub(crate) send_step: usize,
    /// Bytes it reads at most at once; 0 stands for none ever.
    pub(crate) read_step: usize,
    /// Whether it ends its side after what it sends.
    pub(crate) ends: bool,
    /// Whether it resets the connection after what it sends.
    pub(crate) resets: bool,
    /// Bytes that fit between worker and client.
    pub(crate) window: usize,
}

/// What the worker could be waiting for, by what it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Body,
}

/// One connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, none is a state")]
pub(crate) struct Pipe {
    pub(crate) script: Script,
    pub(crate) plan: Plan,
    pub(crate) place: Place,
    /// Bytes of the script that arrived; those the worker read.
    pub(crate) arrived: usize,
    pub(crate) read: usize,
    /// The client's end has arrived; the worker was told.
    pub(crate) has_ended: bool,
    pub(crate) end_told: bool,
    pub(crate) is_reset: bool,
    reset_told: bool,
    /// Bytes the worker sent; how many of them the client read.
    pub(crate) taken: Vec<u8>,
    pub(crate) client_read: usize,
    /// The last send was not taken whole.
    pub(crate) is_blocked: bool,
    pub(crate) interest: Interest,
    pub(crate) token: Option<Token>,
    pub(crate) abrupt: Option<Abrupt>,
    pub(crate) finished_at: Option<Moment>,
    pub(crate) closed_at: Moment,
    pub(crate) accepted_at: Moment,
    /// When each of its requests was handled.
    pub(crate) handled_at: Vec<Moment>,
    pub(crate) last_taken_at: Moment,
    unblocked_at: Moment,
    unblocked_in: Option<u64>,
    /// Since when it takes less than it is offered, and what it took since.
    blocked_at: Moment,
    taken_pace: Pace,
    /// What came of the present body.
    body_pace: Pace,
    phase: Phase,
    phase_since: Moment,
    /// Bytes read since the worker ended its side.
    pub(crate) dropped: usize,
}

impl Pipe {
    pub(crate) fn new(script: Script, plan: Plan) -> Pipe {
        let start = Moment::default();
        Pipe {
            script,
            plan,
            place: Place::Nowhere,
            arrived: 0,
            read: 0,
            has_ended: false,
            end_told: false,
            is_reset: false,
            reset_told: false,
            taken: Vec::new(),
            client_read: 0,
            is_blocked: false,
            interest: Interest::None,
            token: None,
            abrupt: None,
            finished_at: None,
            closed_at: start,
            accepted_at: start,
            handled_at: Vec::new(),
            last_taken_at: start,
            unblocked_at: start,
            unblocked_in: None,
            blocked_at: start,
            taken_pace: Pace::default(),
            body_pace: Pace::default(),
            phase: Phase::Idle,
            phase_since: start,
            dropped: 0,
        }
    }

    /// Bytes the worker read before it began to read and drop.
    pub(crate) fn read_to_serve(&self) -> usize {
        self.read - self.dropped
    }

    pub(crate) fn room(&self) -> usize {
        self.plan.window - (self.taken.len() - self.client_read)
    }

    /// Whether the worker would be told something if it asked for bytes.
    pub(crate) fn is_readable(&self) -> bool {
        self.read < self.arrived || self.has_ended || self.is_reset
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.is_reset || self.room() > 0
    }

    /// Whether the kernel reports it whatever the interest.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_reset || (self.finished_at.is_some() && self.has_ended)
    }

    /// Whether its client will do anything more.
    pub(crate) fn has_plans(&self) -> bool {
        match self.place {
            Place::Nowhere => true,
            Place::Closed => false,
            Place::Handed | Place::Queued | Place::Open => !self.is_reset && self.is_client_busy(),
        }
    }

    fn is_client_busy(&self) -> bool {
        self.arrived < self.plan.sends
            || (self.plan.read_step > 0 && self.client_read < self.taken.len())
            || (self.plan.ends && !self.has_ended)
            || self.plan.resets
    }

    /// Has the client of a connection do one thing.
    pub(crate) fn act(&mut self, random: &mut Random) {
        let may_read = self.plan.read_step > 0 && self.client_read < self.taken.len();
        if may_read && random.one_in(2) {
            let most = (self.taken.len() - self.client_read).min(self.plan.read_step);
            self.client_read += random.between(1, most);
        } else if self.arrived < self.plan.sends {
            self.send(random);
        } else if self.plan.ends && !self.has_ended {
            self.has_ended = true;
        } else if self.plan.resets {
            self.is_reset = true;
            self.abrupt.get_or_insert(Abrupt::Reset);
        } else if may_read {
            self.client_read = self.taken.len();
        }
    }

    fn send(&mut self, random: &mut Random) {
        let rest = self.plan.sends - self.arrived;
        let behind = |end: usize| end > self.arrived;
        let next_end = self.script.items.iter().map(|item| item.end).find(|end| behind(*end));
        let to_end = next_end.map_or(rest, |end| end - self.arrived);
        let most = if self.plan.send_step == 0 { rest } else { self.plan.send_step.min(rest) };
        let least = (self.plan.sends / 40).max(1);
        let len = match random.below(6) {
            0 => 1,
            1 => to_end,
            2 => to_end + 1,
            3 => to_end.saturating_sub(1),
            4 => rest,
            _ => random.between(1, rest),
        };
        self.arrived += len.min(most).max(least).min(rest);
    }

    pub(crate) fn accept(&mut self, now: Moment) {
        self.place = Place::Open;
        self.accepted_at = now;
        self.phase_since = now;
        self.last_taken_at = now;
        self.unblocked_at = now;
    }

    /// The worker receives `len` of the bytes that arrived.
    pub(crate) fn receive(&mut self, space: &mut [u8], len: usize, now: Moment) {
        let from = self.read;
        space[..len].copy_from_slice(&self.script.bytes[from..from + len]);
        self.read += len;
        if self.finished_at.is_some() {
            self.dropped += len;
            return;
        }
        let phase = self.phase_at(self.read);
        // A request that ended and another that began leave the phase as it was.
        if phase != self.phase || self.ends_between(from, self.read) {
            self.phase = phase;
            self.phase_since = now;
            self.body_pace.begin();
        } else if phase == Phase::Body
            && let Some(item) = self.present_item()
        {
            let bytes = item.payload_within(from, self.read);
            self.body_pace.add(now, bytes);
        }
    }

    /// The request within which the worker has stopped to read.
    fn present_item(&self) -> Option<&Item> {
        let read = self.read_to_serve();
        self.script.items.iter().find(|item| item.start < read && read < item.end)
    }

    /// Whether the reset is told now; after that it is the end that is told.
    pub(crate) fn tell_reset(&mut self) -> bool {
        !std::mem::replace(&mut self.reset_told, true)
    }

    fn ends_between(&self, from: usize, to: usize) -> bool {
        self.script.items.iter().any(|item| from < item.end && item.end <= to)
    }

    fn phase_at(&self, read: usize) -> Phase {
        let item = self.script.items.iter().find(|item| item.start < read && read < item.end);
        match item {
            Some(item) if read >= item.head_end => Phase::Body,
            // Line ends in front do not begin a head.
            Some(item)
                if self.script.bytes[item.start..read].iter().all(u8::is_ascii_whitespace) =>
            {
                Phase::Idle
            }
            Some(_) => Phase::Head,
            None => Phase::Idle,
        }
    }

    /// The kernel takes `len` of the `offered` bytes of `segments`.
    pub(crate) fn take(
        &mut self,
        segments: &[IoSlice<'_>],
        len: usize,
        offered: usize,
        (now, lap): (Moment, u64),
    ) {
        // More of what had waited comes in the same breath: its time goes on.
        self.is_blocked |= self.unblocked_in == Some(lap);
        self.unblocked_in = None;
        let end = self.taken.len() + len;
        for segment in segments {
            let part = segment.len().min(end - self.taken.len());
            self.taken.extend_from_slice(&segment[..part]);
        }
        if self.is_blocked && len == offered {
            self.unblocked_at = now;
            self.unblocked_in = Some(lap);
        }
        if self.is_blocked {
            self.taken_pace.add(now, len);
        } else {
            self.taken_pace.begin();
            self.blocked_at = now;
        }
        // A first refusal begins the time in which the peer must take something.
        if len > 0 || !self.is_blocked {
            self.last_taken_at = now;
        }
        self.is_blocked = len < offered;
    }

    /// Its times, for a fault.
    pub(crate) fn state(&self) -> String {
        format!(
            "{:?} since {:?}, accepted {:?}, taken {:?}, unblocked {:?}, closed {:?}, ended {}",
            self.phase,
            self.phase_since,
            self.accepted_at,
            self.last_taken_at,
            self.unblocked_at,
            self.closed_at,
            self.end_told,
        )
    }

    /// When what waits for its client is taken too slowly.
    fn take_due(&self, settings: &Settings) -> Moment {
        self.taken_pace.due(self.blocked_at, settings.send_time, settings.send_rate_min)
    }

    /// When the present body comes too slowly, if it was begun at `since`.
    fn body_due(&self, settings: &Settings, since: Moment) -> Moment {
        let paced = match settings.receive_rate_min {
            0 => Moment::NEVER,
            rate => self.body_pace.due(since, settings.rate_time, rate),
        };
        let has_sink = self.present_item().is_some_and(|item| item.has_sink);
        if has_sink { paced } else { paced.min(since + settings.body_time) }
    }

    /// Whether its client has taken something in time, and too little.
    pub(crate) fn is_too_slow(&self, settings: &Settings, now: Moment) -> bool {
        self.taken_pace.has_begun() && now < self.last_taken_at + settings.send_time
    }

    /// How long the worker may go on waiting for this client, and since when at the earliest.
    fn patience(
        &self,
        settings: &Settings,
        drain: Option<Moment>,
        client: &Client,
    ) -> (Moment, Duration) {
        if let Some(finished) = self.finished_at {
            return (finished, settings.linger_time);
        }
        if self.is_blocked {
            return (self.blocked_at, self.take_due(settings) - self.blocked_at);
        }
        if client.awaits != Awaits::Nothing {
            return (client.since, client.time);
        }
        let since = self.phase_since.max(self.unblocked_at).max(client.settled_at);
        match self.phase {
            Phase::Head => (since, settings.head_time),
            Phase::Body => (since, self.body_due(settings, since) - since),
            Phase::Idle => {
                let since = self.accepted_at.max(self.last_taken_at);
                let has_answered = !self.taken.is_empty();
                let mut time = if has_answered { settings.idle_time } else { settings.head_time };
                // Lives are so short here that what they differ by is within the slack.
                let expires = self.accepted_at + settings.lifetime_max.mul_f64(0.9);
                let expires = expires.max(since) + settings.drain_idle_time;
                if has_answered && expires < since + time {
                    time = expires - since;
                }
                match drain {
                    Some(began) if began.max(since) + settings.drain_idle_time < since + time => {
                        (began.max(since), settings.drain_idle_time)
                    }
                    _ => (since, time),
                }
            }
        }
    }

    /// When the worker must have looked at it, if it was idle since `idle_since`.
    pub(crate) fn due(
        &self,
        settings: &Settings,
        drain: Option<Moment>,
        idle_since: Moment,
        client: &Client,
    ) -> Moment {
        let (since, time) = self.patience(settings, drain, client);
        let is_quiet = self.phase == Phase::Idle && !self.is_blocked && self.finished_at.is_none();
        let time = if is_quiet && client.awaits == Awaits::Nothing {
            // The end of its life is spread over a tenth.
            time + settings.lifetime_max / 10
        } else {
            time
        };
        if self.is_blocked && self.finished_at.is_none() {
            return since + time;
        }
        let latest = since.max(idle_since).max(self.last_taken_at);
        let is_body = self.phase == Phase::Body && self.finished_at.is_none();
        if is_body && client.awaits == Awaits::Nothing {
            return self.body_due(settings, latest);
        }
        latest + time
    }

    /// From when on an answer may be the last because of its age.
    pub(crate) fn may_expire_at(&self, settings: &Settings) -> Moment {
        // Its end is kept in steps of 67 ms.
        let life = settings.lifetime_max.mul_f64(0.9);
        self.accepted_at + life.saturating_sub(Duration::from_millis(68))
    }

    /// Whether it has been idle for so long that it may have to make room.
    pub(crate) fn may_make_room(&self, now: Moment) -> bool {
        let since = self.accepted_at.max(self.last_taken_at);
        let is_idle = self.phase == Phase::Idle && !self.is_blocked && self.finished_at.is_none();
        let is_within_preface = self.read > 0 && self.read < self.script.preface;
        is_idle && !is_within_preface && now >= since + Duration::from_millis(ROOM_IDLE_MS)
    }

    /// What is wrong with a close at `now`, at which the peer may have lost an answer, or before
    /// its time. `is_last` tells whether the last answer said that it is.
    pub(crate) fn close_fault(
        &self,
        settings: &Settings,
        drain: Option<Moment>,
        now: Moment,
        is_last: bool,
        client: &Client,
    ) -> Option<String> {
        if self.abrupt.is_some() || self.end_told {
            return None;
        }
        let (since, time) = self.patience(settings, drain, client);
        if self.is_blocked {
            // A blocked connection ends for no other reason.
            let early = now < since + time;
            return early.then(|| "ended before send_time".to_owned());
        }
        // What was in its block when it began to linger was dropped too.
        if self.finished_at.is_some() && self.dropped + BLOCK_BYTES > LINGER_BYTES_MAX {
            return None;
        }
        if self.finished_at.is_none() && is_last {
            return None;
        }
        (now < since + time).then(|| format!("ended {:?} before its time", since + time - now))
    }

    /// Whether it has stopped within a body.
    pub(crate) fn is_within_body(&self) -> bool {
        self.phase == Phase::Body
    }

    /// Since when it was waited for at the earliest what had not come when it was ended.
    fn awaited_since(&self, finished: Moment, client: &Client) -> Moment {
        let mut since = self.phase_since;
        if self.unblocked_at < finished {
            since = since.max(self.unblocked_at);
        }
        if client.settled_at < finished {
            since = since.max(client.settled_at);
        }
        since
    }

    /// What is wrong with having answered 408.
    pub(crate) fn timeout_fault(&self, settings: &Settings, client: &Client) -> Option<String> {
        let finished = self.finished_at?;
        let since = self.awaited_since(finished, client);
        let due = match self.phase {
            // What of it is a body depends on where it goes wrong.
            Phase::Body if self.present_item().is_some_and(Item::is_refused) => return None,
            Phase::Body => self.body_due(settings, since),
            Phase::Head | Phase::Idle => since + settings.head_time,
        };
        (finished < due).then(|| format!("408 {:?} too early", due - finished))
    }

    /// Whether its body was ended before its time, for its rate.
    pub(crate) fn is_slow_body(&self, settings: &Settings, client: &Client) -> bool {
        self.phase == Phase::Body
            && self.finished_at.is_some_and(|finished| {
                finished < self.awaited_since(finished, client) + settings.body_time
            })
    }
}
