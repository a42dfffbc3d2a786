//! Another application and other settings for a worker that runs, where one turn begins.
//! Knows nothing of where they come from.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Worker;
use super::access_log::renumber;
use super::overload::Overload;
use super::per_address::PerAddress;
use super::room::Room;
use crate::api::{Handler, NO_ROUTE, WorkerInfo, panic_message};
use crate::settings::Settings;
use crate::sys::Kernel;

/// What a worker is to go on with.
pub struct Change<H> {
    /// Limits and deadlines; valid, and the same as before where a kernel or a thread has them.
    pub settings: Settings,
    /// Bytes of memory for incomplete requests and unsent answers.
    pub memory_max: u64,
    /// Makes the application, on the worker's own thread.
    pub factory: Box<dyn FnOnce(&WorkerInfo) -> H + Send>,
}

/// Where a worker finds its next change. One that was not taken yet gives way to a later one.
pub struct ChangeSlot<H>(Mutex<Option<Change<H>>>);

impl<H> ChangeSlot<H> {
    /// Leaves a change there.
    pub fn put(&self, change: Change<H>) {
        // What it was is dropped outside of the lock: it is the application's.
        let earlier = self.lock().replace(change);
        drop(earlier);
    }

    fn take(&self) -> Option<Change<H>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Change<H>>> {
        // It is whole between any two statements, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H> Default for ChangeSlot<H> {
    fn default() -> ChangeSlot<H> {
        ChangeSlot(Mutex::new(None))
    }
}

impl<H> fmt::Debug for ChangeSlot<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeSlot")
    }
}

impl<H> fmt::Debug for Change<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<K: Kernel, H: Handler> Worker<K, H> {
    /// Goes on with what lies in its slot: all of it, or nothing if its application cannot run.
    #[cold]
    pub(super) fn reload(&mut self) {
        let Some(change) = self.changes.as_ref().and_then(|changes| changes.take()) else { return };
        if self.draining.is_some() {
            return;
        }
        let Change { settings, memory_max, factory } = change;
        let info = WorkerInfo::new(self.parts.index, Arc::clone(&self.parts.board));
        let made = catch_unwind(AssertUnwindSafe(|| {
            let handler = factory(&info);
            handler.check().map(|()| (handler.routes(), handler))
        }));
        match made.unwrap_or_else(|payload| Err(format!("it panicked: {}", panic_message(payload))))
        {
            Ok((routes, handler)) => {
                self.renumber(routes);
                let earlier = std::mem::replace(&mut self.handler, handler);
                // Its panic is told by the hook, and is nothing to a worker that has another.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(earlier)));
                self.go_on_with(settings, memory_max);
            }
            Err(reason) => {
                let worker = self.parts.index;
                log::error!(
                    event = "application_refused", worker, reason:%;
                    "worker {worker} goes on as before: the new application: {reason}"
                );
            }
        }
    }

    /// The routes of the new application come first, as it numbers them. Those that are no more
    /// stand behind them, so that what was counted for them, and is still under way, keeps a name.
    fn renumber(&mut self, mut routes: Vec<String>) {
        let earlier = self.pulse.routes();
        let place = |route: &String| {
            let at = routes.iter().position(|other| other == route).unwrap_or_else(|| {
                routes.push(route.clone());
                routes.len() - 1
            });
            u32::try_from(at).unwrap_or(NO_ROUTE)
        };
        let renumbered: Vec<u32> = earlier.iter().map(place).collect();
        self.stats.tally.renumber(routes.len(), &renumbered);
        for key in self.connections.keys().collect::<Vec<_>>() {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.protocol.on_renumbered(&renumbered);
            if let Some(assembly) = &mut connection.assembly {
                assembly.renumber(&renumbered);
            }
            if let Some(backlog) = &mut connection.backlog {
                renumber(&mut backlog.records, &renumbered, NO_ROUTE);
            }
        }
        self.pulse.name_routes(routes);
        if let Some(log) = &mut self.access_log {
            log.name_routes(self.pulse.routes());
        }
    }

    fn go_on_with(&mut self, settings: Settings, memory_max: u64) {
        let before = std::mem::replace(&mut self.parts.settings, settings);
        self.parts.memory_max = memory_max;
        let settings = &self.parts.settings;
        let overload = |settings: &Settings| (settings.overload_delay, settings.overload_interval);
        if overload(&before) != overload(settings) {
            self.overload = Overload::new(settings, self.now);
        }
        if before.access_log_sample != settings.access_log_sample
            && let Some(log) = &mut self.access_log
        {
            log.sample(settings.access_log_sample, self.parts.index);
        }
        self.room = Room::new(settings, self.parts.connections_max);
        let keys = self.connections.keys().collect::<Vec<_>>();
        let open = keys.iter().filter_map(|key| {
            let connection = self.connections.get(*key)?;
            Some(SocketAddr::from(connection.peer).ip())
        });
        self.per_address = PerAddress::recounted(settings, open);
        // A deadline may have come nearer.
        for key in keys {
            self.set_deadline(key);
        }
        // Newcomers may be treated in another way now.
        self.accept_after_close();
    }
}
