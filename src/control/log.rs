//! The program's log: one line an event on standard error. The library only speaks to the `log`
//! facade and leaves the choice of a logger to its user.

use std::io::Write;

use log::{Level, LevelFilter, Metadata, Record};

struct StderrLog;

impl log::Log for StderrLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Error => "error",
            Level::Warn => "warning",
            Level::Info => "info",
            Level::Debug | Level::Trace => "debug",
        };
        // In one call: another process may write there too. There is nowhere to tell that the log
        // cannot be written.
        let line = format!("{level}: {}\n", record.args());
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Logs to standard error from now on, if no logger was chosen before.
pub fn log_to_stderr() {
    if log::set_logger(&StderrLog).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
