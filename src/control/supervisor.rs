//! Tells when a worker's turn does not end, which worker, and which route is at work in it.
//! Knows nothing of requests, and only looks: what it watches runs on whatever it finds.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::stall::{Finding, Watch};
use crate::api::{Place, Pulse};
use crate::clock::{Clock, Moment};
use crate::limits::{STALL_LOG_INTERVAL_MS, SUPERVISOR_LOOK_MS, SUPERVISOR_STACK_BYTES};
use crate::sys::{EventFd, PollSet, WaitFor, Wake, Woke};

/// How often it looks while every worker waits.
const LOOK_INTERVAL: Duration = Duration::from_millis(SUPERVISOR_LOOK_MS);

const LOG_INTERVAL: Duration = Duration::from_millis(STALL_LOG_INTERVAL_MS);

/// The supervisor's thread; dropping this ends it.
#[derive(Debug)]
pub(super) struct Supervisor {
    quit: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Watches these workers: the pulse of each, and its epoll instance. `clock` is theirs.
    ///
    /// While all of them wait, it waits on their epoll instances: what wakes a worker wakes it,
    /// and no worker has to. Then it looks twice in a `stall_time` until all are at rest again;
    /// on a busy server it waits for no event at all.
    pub(super) fn start(
        clock: Clock,
        stall_time: Duration,
        pulses: Vec<Arc<Pulse>>,
        instances: Vec<OwnedFd>,
    ) -> io::Result<Supervisor> {
        let quit = Arc::new(EventFd::new()?);
        let set = PollSet::new(Arc::clone(&quit), instances);
        let workers = pulses.into_iter().map(|pulse| Watched::new(pulse, stall_time)).collect();
        let mut sight = Sight { clock, stall_time, set, workers };
        let thread = thread::Builder::new()
            .name("supervisor".to_owned())
            .stack_size(SUPERVISOR_STACK_BYTES)
            .spawn(move || {
                // Only a logger can panic here; what it was told is not told again.
                while catch_unwind(AssertUnwindSafe(|| sight.run())).is_err() {}
            })?;
        Ok(Supervisor { quit, thread: Some(thread) })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.quit.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread owns. It allocates nothing but the text of what it tells.
struct Sight {
    clock: Clock,
    stall_time: Duration,
    set: PollSet,
    workers: Vec<Watched>,
}

impl Sight {
    /// Looks and waits until it is told to quit, or until the kernel refuses to wait.
    fn run(&mut self) {
        let interval = self.stall_time / 2;
        let mut due = Moment::NEVER;
        loop {
            let now = self.clock.now();
            // Who was itself held up that long saw a machine that stood still, and no worker.
            let was_held_up = now - due > self.stall_time;
            self.workers.iter_mut().for_each(|worker| worker.look(now, was_held_up));

            let turns = self.workers.iter().filter_map(|worker| worker.watch.due(now, interval));
            let woke = match turns.min() {
                Some(wait) => {
                    due = now + wait;
                    self.set.wait(WaitFor::Wake, Some(wait))
                }
                None => self.wait_at_rest(now, interval, &mut due),
            };
            match woke {
                Ok(Woke::Other | Woke::Timeout) => {}
                Ok(Woke::Wake) => return,
                Err(error) => {
                    log::error!(
                        event = "supervisor_ended", error:%;
                        "turns that do not end are no longer told: {error}"
                    );
                    return;
                }
            }
        }
    }

    /// Waits while all workers do.
    fn wait_at_rest(
        &mut self,
        now: Moment,
        interval: Duration,
        due: &mut Moment,
    ) -> io::Result<Woke> {
        *due = now + LOOK_INTERVAL;
        let woke = self.set.wait(WaitFor::Any, Some(LOOK_INTERVAL))?;
        if woke != Woke::Other {
            return Ok(woke);
        }
        // A turn is about to begin: there is nothing to see before it has lasted.
        *due = self.clock.now() + interval;
        self.set.wait(WaitFor::Wake, Some(interval))
    }
}

/// One worker, and what was told of it.
struct Watched {
    pulse: Arc<Pulse>,
    watch: Watch,
    /// The stall that was told and whose end is to be told.
    told: Option<(Place, bool)>,
    tell_after: Moment,
    untold: u64,
}

impl Watched {
    fn new(pulse: Arc<Pulse>, stall_time: Duration) -> Watched {
        let watch = Watch::new(stall_time);
        Watched { pulse, watch, told: None, tell_after: Moment::default(), untold: 0 }
    }

    fn look(&mut self, now: Moment, was_held_up: bool) {
        match self.watch.look(now, self.pulse.beat(), was_held_up) {
            Some(Finding::Stalled { place, is_one_call, lasted }) => {
                self.pulse.count_stall();
                if now < self.tell_after {
                    self.untold += 1;
                    return;
                }
                self.told = Some((place, is_one_call));
                self.tell_after = now + LOG_INTERVAL;
                let name = self.name(place, is_one_call);
                let untold = std::mem::take(&mut self.untold);
                let besides = match untold {
                    0 => String::new(),
                    count => format!(" ({count} stalls before it were not told)"),
                };
                let (worker, route) = (self.pulse.worker(), self.pulse.what(place));
                let lasted_ms = lasted.as_millis();
                log::warn!(
                    event = "handler_stalled", worker, route:%, lasted_ms, untold;
                    "{name} has not returned for {lasted_ms} ms{besides}"
                );
            }
            Some(Finding::Over { lasted }) => {
                if let Some((place, is_one_call)) = self.told.take() {
                    let name = self.name(place, is_one_call);
                    let (worker, route) = (self.pulse.worker(), self.pulse.what(place));
                    let lasted_ms = lasted.as_millis();
                    log::warn!(
                        event = "handler_returned", worker, route:%, lasted_ms;
                        "{name} returned after {lasted_ms} ms"
                    );
                }
            }
            None => {}
        }
    }

    fn name(&self, place: Place, is_one_call: bool) -> String {
        let name = self.pulse.name_of(place);
        if is_one_call { name } else { format!("{name}, in a turn of many requests,") }
    }
}
