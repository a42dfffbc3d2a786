//! Where lines go, and what becomes of those that cannot be written: they are counted, and the next
//! one that can says how many they were. Knows not what is in a line.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::Level;

use super::line::{Line, LogForm, Opening};
use crate::sys::{append_to, write_most};

/// An opened place for lines, and their form.
#[derive(Debug)]
pub struct Destination {
    form: LogForm,
    place: Place,
}

#[derive(Debug)]
enum Place {
    File(File, PathBuf),
    /// Standard error, and whether the journal reads it.
    Stderr {
        is_journal: bool,
    },
}

impl Destination {
    /// Lines of this form to a file, which is made if there is none, or to standard error.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(file: Option<&Path>, form: LogForm) -> io::Result<Destination> {
        let place = match file {
            Some(path) => Place::File(append_to(path)?, path.to_owned()),
            None => Place::Stderr { is_journal: is_journal() },
        };
        Ok(Destination { form, place })
    }

    fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(_, path) => Some(path),
            Place::Stderr { .. } => None,
        }
    }

    /// Whether it is a file in which nothing stands.
    fn is_empty(&self) -> bool {
        let Place::File(file, _) = &self.place else { return false };
        file.metadata().is_ok_and(|facts| facts.len() == 0)
    }

    fn opening(&self) -> Opening {
        match self.place {
            Place::File(..) => Opening::Time,
            Place::Stderr { is_journal: true } => Opening::Priority,
            Place::Stderr { is_journal: false } => Opening::Level,
        }
    }
}

/// Whether standard error is what `JOURNAL_STREAM` names by device and inode.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let facts = stderr.and_then(|stderr| stderr.metadata());
    facts.is_ok_and(|facts| format!("{}:{}", facts.dev(), facts.ino()) == named)
}

/// What writes.
#[derive(Debug)]
pub(super) struct Sink {
    destination: Destination,
    /// Lines that were dropped since the last that was not.
    untold: u64,
    /// Whether the last line was cut off.
    is_torn: bool,
}

impl Sink {
    pub(super) const fn new() -> Sink {
        let place = Place::Stderr { is_journal: false };
        let destination = Destination { form: LogForm::Text, place };
        Sink { destination, untold: 0, is_torn: false }
    }

    pub(super) fn go_on_at(&mut self, destination: Destination) {
        let is_same = destination.path() == self.destination.path();
        self.destination = destination;
        self.is_torn &= is_same && !self.destination.is_empty();
    }

    /// Goes on with the file that now has the path of its file; false without a file.
    ///
    /// # Errors
    /// If it cannot be opened; then the old one stays.
    pub(super) fn reopen(&mut self) -> io::Result<bool> {
        let Place::File(file, path) = &mut self.destination.place else { return Ok(false) };
        *file = append_to(path)?;
        self.is_torn &= !self.destination.is_empty();
        Ok(true)
    }

    /// The path of its file.
    pub(super) fn path(&self) -> Option<&Path> {
        self.destination.path()
    }

    /// Whether people read its lines as they come.
    pub(super) fn is_for_people(&self) -> bool {
        self.destination.form == LogForm::Text && self.path().is_none()
    }

    /// Writes a line; whether it could be.
    pub(super) fn put(&mut self, line: &Line, at: Duration) -> bool {
        let is_told = self.untold == 0 || self.write(&dropped(self.untold), at);
        if is_told {
            self.untold = 0;
        }
        let is_written = is_told && self.write(line, at);
        self.untold += u64::from(!is_written);
        is_written
    }

    /// One call of the kernel where that takes all: processes that share a file mix whole lines.
    fn write(&mut self, line: &Line, at: Duration) -> bool {
        let text = match self.destination.form {
            LogForm::Json => line.to_json(at),
            LogForm::Text => line.to_text(self.destination.opening(), at),
        };
        let text = if self.is_torn { format!("\n{text}") } else { text };
        let (written, error) = match &mut self.destination.place {
            Place::File(file, _) => write_most(file, text.as_bytes()),
            Place::Stderr { .. } => write_most(&mut io::stderr(), text.as_bytes()),
        };
        self.is_torn = error.is_some() && (self.is_torn || written > 0);
        error.is_none()
    }
}

fn dropped(count: u64) -> Line {
    let what = format_args!("{count} events could not be written");
    Line::new(Level::Warn, "events_dropped", &[("count", count.into())], what)
}
