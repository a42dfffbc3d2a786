//! The program's log: a line an event, to standard error or to a file, for people or for programs.
//! The library speaks to the `log` facade alone and leaves the choice of a logger to its user.
//! Nothing that happens to the log happens to the server. Knows not what events mean.

mod line;
mod sink;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::kv::Value;
use log::{Level, LevelFilter, Metadata, Record};

use self::line::Line;
pub use self::line::LogForm;
pub use self::sink::Destination;
use self::sink::Sink;
use crate::clock::Clock;

static EVENT_LOG: EventLog = EventLog { sink: Mutex::new(Sink::new()), dropped: AtomicU64::new(0) };

/// The log of the process. Whoever logs writes by itself: events are seldom, and none is of the
/// path of a request.
#[derive(Debug)]
pub struct EventLog {
    sink: Mutex<Sink>,
    /// Lines that could not be written.
    dropped: AtomicU64,
}

/// Lines that the log of the program could not write; 0 where the logger is another.
pub(super) fn dropped() -> u64 {
    EVENT_LOG.dropped.load(Ordering::Relaxed)
}

impl EventLog {
    /// Logs from now on, as text to standard error, if no logger was chosen before.
    pub fn install() -> &'static EventLog {
        if log::set_logger(&EVENT_LOG).is_ok() {
            log::set_max_level(LevelFilter::Info);
            report_panics();
        }
        &EVENT_LOG
    }

    /// Lines go there from now on.
    pub fn go_on_at(&self, destination: Destination) {
        self.lock().go_on_at(destination);
    }

    /// The file of the log was renamed: goes on with a new one of its name, or with the old one
    /// where there can be none.
    pub fn reopen(&self) {
        let (path, reopened) = {
            let mut sink = self.lock();
            (sink.path().map(PathBuf::from).unwrap_or_default(), sink.reopen())
        };
        let path = path.display();
        match reopened {
            Ok(true) => log::info!(event = "log_reopened", path:%; "the log goes on in {path}"),
            Ok(false) => {}
            Err(error) => log::error!(
                event = "log_reopen_failed", path:%, error:%;
                "the log stays in the file it was in: cannot open {path}: {error}"
            ),
        }
    }

    /// Tells what was asked for, at whatever level: on standard error without a word before it.
    pub fn announce(&self, event: &str, fields: &[(&str, Value<'_>)], what: fmt::Arguments<'_>) {
        self.put(&Line::new(Level::Info, event, fields, what).announcing());
    }

    /// Tells why the program ends, at whatever level; on standard error too, where somebody may
    /// wait for it.
    pub fn fail(&self, message: &str, hint: Option<&str>) {
        let hint = hint.map(|hint| ("hint", Value::from(hint)));
        let what = format_args!("{message}");
        let line = Line::new(Level::Error, "failed", hint.as_slice(), what);
        self.put(&line);
        let mut sink = self.lock();
        if sink.path().is_some() {
            *sink = Sink::new();
            drop(sink);
            self.put(&line);
        }
    }

    fn put(&self, line: &Line) {
        let mut sink = self.lock();
        if !sink.put(line, Clock::new().unix_time()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sink> {
        // It is whole between any two statements, and no foreign code runs while it is held.
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for EventLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.put(&Line::of(record));
        }
    }

    fn flush(&self) {}
}

/// A panic is an event too, where its words would stand among lines for programs.
fn report_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if EVENT_LOG.lock().is_for_people() {
            return print(panic);
        }
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("?");
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!(event = "panicked", thread, at:%; "thread {thread} {panic}");
    }));
}
