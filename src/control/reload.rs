//! Other settings and another application for a server that runs.
//! Knows nothing of files: what is new comes as values.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Result;
use super::ends::Ends;
use super::server::memory_max;
use crate::api::WorkerInfo;
use crate::settings::Settings;
use crate::worker::{Change, ChangeSlot};

/// Changes a running server, from any thread. It does not keep the server running.
pub struct Reloader<H> {
    /// One a worker.
    slots: Vec<Arc<ChangeSlot<H>>>,
    ends: Arc<Ends>,
    /// As they were last given to the workers.
    settings: Mutex<Settings>,
}

impl<H: 'static> Reloader<H> {
    pub(super) fn new(
        slots: Vec<Arc<ChangeSlot<H>>>,
        ends: Arc<Ends>,
        settings: Settings,
    ) -> Reloader<H> {
        Reloader { slots, ends, settings: Mutex::new(settings) }
    }

    /// Has every worker go on with `settings` and with what `factory` makes on its thread, from
    /// its next turn on; connections stay. Requests that have reached a handler are answered by
    /// what that handler has made of them. A worker whose new application cannot run (it panics in
    /// the factory, or its [`crate::Handler::check`] fails) says so in the log and goes on as
    /// before. A server that drains goes on draining.
    ///
    /// Returns the names of the settings that differ and cannot change while the server runs:
    /// those that belong to its table of connections, its sockets and its threads. They stay.
    ///
    /// # Errors
    /// If a setting is out of bounds; then nothing has changed.
    pub fn reload<F>(&self, settings: Settings, factory: F) -> Result<Vec<&'static str>>
    where
        F: Fn(&WorkerInfo) -> H + Send + Sync + 'static,
    {
        settings.validate()?;
        let mut current = self.lock();
        let (settings, fixed) = changeable(settings, &current);
        let memory_max = memory_max(&settings, self.slots.len());
        let factory = Arc::new(factory);
        for slot in &self.slots {
            let factory = Arc::clone(&factory);
            let factory = Box::new(move |info: &WorkerInfo| factory(info));
            slot.put(Change { settings: settings.clone(), memory_max, factory });
        }
        self.ends.reload(settings.drain_time);
        *current = settings;
        Ok(fixed)
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        // They are whole between any two statements, whoever panicked.
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H> fmt::Debug for Reloader<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("workers", &self.slots.len()).finish_non_exhaustive()
    }
}

/// `new` with what cannot change as it is in `current`, and the names of what differed there.
fn changeable(mut new: Settings, current: &Settings) -> (Settings, Vec<&'static str>) {
    let mut names = Vec::new();
    macro_rules! keep {
        ($($name:ident)*) => {
            $(if new.$name != current.$name {
                new.$name.clone_from(&current.$name);
                names.push(stringify!($name));
            })*
        };
    }
    keep! { access_log access_log_format }
    keep! { backlog balance blocking_queue_max busy_poll connections_max defer_accept }
    keep! { lame_duck notsent_bytes server_name stage_sampling stall_time user_timeout }
    (new, names)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_cannot_change_stays_and_is_named() {
        let current = Settings::default();
        let new = Settings {
            backlog: 1,
            stall_time: None,
            idle_time: Duration::from_secs(1),
            ..Settings::default()
        };
        let (settings, names) = changeable(new, &current);
        assert_eq!(names, ["backlog", "stall_time"]);
        assert_eq!(settings, Settings { idle_time: Duration::from_secs(1), ..current });
    }
}
