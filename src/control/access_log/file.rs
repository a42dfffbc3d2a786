//! A file of lines: what is appended to it is whole lines, whatever the disk takes at once. Lines
//! that cannot be written are counted and forgotten. Knows nothing of what they say.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::is_stdout;
use crate::clock::{Clock, Moment};
use crate::limits::{ACCESS_LOG_WARN_MS, ACCESS_LOG_WRITE_BYTES};
use crate::sys::{append_patiently_to, write_most};
use crate::worker::Lane;

/// Between two lines of the event log about a file that fails.
const WARN_INTERVAL: Duration = Duration::from_millis(ACCESS_LOG_WARN_MS);

/// Lines of one worker behind each other in the buffer.
struct Run {
    lane: usize,
    lines: u64,
    /// Where they end.
    end: usize,
}

pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    /// Lines that are to be written.
    buffer: Vec<u8>,
    /// Whose they are.
    runs: Vec<Run>,
    /// The rest of a line of which a part was written, and whose it is.
    torn: Option<(Vec<u8>, usize)>,
    /// Who counts.
    lanes: Vec<Arc<Lane>>,
    /// Lines that were lost since it was told.
    lost: u64,
    clock: Clock,
    warn_after: Moment,
}

impl LogFile {
    pub(super) fn open(path: PathBuf, lanes: Vec<Arc<Lane>>, clock: Clock) -> io::Result<LogFile> {
        Ok(LogFile {
            file: open(&path)?,
            path,
            buffer: Vec::with_capacity(2 * ACCESS_LOG_WRITE_BYTES),
            runs: Vec::new(),
            torn: None,
            lanes,
            lost: 0,
            clock,
            warn_after: Moment::default(),
        })
    }

    /// Where the next line goes.
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// A line of this worker has ended.
    #[inline]
    pub(super) fn end_line(&mut self, lane: usize) {
        let end = self.buffer.len();
        match self.runs.last_mut() {
            Some(run) if run.lane == lane => {
                run.lines += 1;
                run.end = end;
            }
            _ => self.runs.push(Run { lane, lines: 1, end }),
        }
    }

    /// Bytes that are to be written.
    #[inline]
    pub(super) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Goes on with what has the name of the file now. If that cannot be opened, with the old one.
    pub(super) fn reopen(&mut self) {
        match open(&self.path) {
            Ok(file) => {
                self.give_up_torn();
                self.file = file;
                let path = self.path.display();
                log::info!(
                    event = "access_log_reopened", path:%; "the access log {path} is opened again"
                );
            }
            Err(error) => {
                let path = self.path.display();
                log::error!(
                    event = "access_log_reopen_failed", path:%, error:%;
                    "the access log goes on where it was: cannot open {path}: {error}"
                );
            }
        }
    }

    /// The rest of a line will not be written any more.
    pub(super) fn give_up_torn(&mut self) {
        if let Some((_, lane)) = self.torn.take() {
            self.lanes[lane].count_failed(1);
        }
    }

    /// Writes every line there is, or counts it as lost.
    pub(super) fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let (written, error) = match self.mend() {
            Ok(()) => write_most(&mut self.file, &self.buffer),
            Err(error) => (0, Some(error)),
        };
        let lost_before = self.lost;
        match &error {
            None => self.count_all(),
            Some(_) => self.count_part(written),
        }
        self.buffer.clear();
        match error {
            Some(error) => self.warn(&error),
            None if lost_before > 0 => {
                log::warn!(
                    event = "access_log_recovered", lost = lost_before;
                    "the access log is written again; {lost_before} lines were lost"
                );
                self.lost = 0;
            }
            None => {}
        }
    }

    /// Writes the rest of a torn line, so that the next one begins at its begin.
    fn mend(&mut self) -> io::Result<()> {
        let Some((rest, lane)) = &mut self.torn else { return Ok(()) };
        let (written, error) = write_most(&mut self.file, rest);
        rest.drain(..written);
        if let Some(error) = error {
            return Err(error);
        }
        self.lanes[*lane].count_written(1);
        self.torn = None;
        Ok(())
    }

    fn count_all(&mut self) {
        for run in self.runs.drain(..) {
            self.lanes[run.lane].count_written(run.lines);
        }
    }

    /// Counts the lines of the buffer, of which so many bytes were written. One that was written
    /// in part is neither written nor lost: its rest is kept.
    fn count_part(&mut self, written: usize) {
        let is_torn = written > 0 && self.buffer[written - 1] != b'\n';
        let mut start = 0;
        for Run { lane, lines, end } in self.runs.drain(..) {
            let whole = &self.buffer[start..end.min(written).max(start)];
            let whole = memchr::memchr_iter(b'\n', whole).count() as u64;
            let has_torn = is_torn && (start..end).contains(&written);
            if has_torn {
                let rest = &self.buffer[written..end];
                let end = memchr::memchr(b'\n', rest).map_or(0, |at| at + 1);
                self.torn = Some((rest[..end].to_vec(), lane));
            }
            let failed = lines - whole - u64::from(has_torn);
            self.lanes[lane].count_written(whole);
            self.lanes[lane].count_failed(failed);
            self.lost += failed;
            start = end;
        }
    }

    fn warn(&mut self, error: &io::Error) {
        let now = self.clock.now();
        if now >= self.warn_after {
            self.warn_after = now + WARN_INTERVAL;
            let path = self.path.display();
            log::error!(
                event = "access_log_failed", path:%, error:%;
                "the access log {path} cannot be written, its lines are lost: {error}"
            );
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if is_stdout(path) {
        // A descriptor of its own, for std's standard output writes each line by itself.
        return io::stdout().as_fd().try_clone_to_owned().map(File::from);
    }
    append_patiently_to(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 3] = ["first\n", "second\n", "third\n"];

    /// A file of which the kernel took so many bytes of three lines, two workers' by turns.
    fn torn_at(written: usize) -> (LogFile, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let lanes = vec![Arc::default(), Arc::default()];
        let mut file = LogFile::open(folder.path().join("log"), lanes, Clock::new()).unwrap();
        for (number, line) in LINES.into_iter().enumerate() {
            file.buffer().extend_from_slice(line.as_bytes());
            file.end_line(number % 2);
        }
        write_most(&mut file.file, &file.buffer[..written]);
        file.count_part(written);
        file.buffer.clear();
        (file, folder)
    }

    fn counts(file: &LogFile) -> (u64, u64) {
        let counts: Vec<_> = file.lanes.iter().map(|lane| lane.counts()).collect();
        let sum = |of: fn(&crate::worker::LogCounts) -> u64| counts.iter().map(of).sum::<u64>();
        (sum(|counts| counts.written), sum(|counts| counts.failed))
    }

    #[test]
    fn whatever_the_disk_takes_the_file_has_whole_lines_and_all_are_counted() {
        let all = LINES.concat();
        for written in 0..all.len() {
            let (mut file, folder) = torn_at(written);
            file.buffer().extend_from_slice(b"later\n");
            file.end_line(1);
            file.flush();
            let text = std::fs::read_to_string(folder.path().join("log")).unwrap();
            let lines: Vec<_> = text.split_inclusive('\n').collect();
            let (last, first) = lines.split_last().unwrap();
            assert_eq!(first, &LINES[..first.len()], "{written}");
            assert_eq!(*last, "later\n", "{written}");
            let missing = (LINES.len() - first.len()) as u64;
            assert_eq!(counts(&file), (lines.len() as u64, missing), "{written}");
        }
    }

    #[test]
    fn the_rest_of_a_torn_line_does_not_begin_another_file() {
        let (mut file, folder) = torn_at(3);
        let (path, old) = (folder.path().join("log"), folder.path().join("old"));
        std::fs::rename(&path, old).unwrap();
        file.reopen();
        file.buffer().extend_from_slice(b"later\n");
        file.end_line(0);
        file.flush();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "later\n");
        assert_eq!(counts(&file), (1, 3));
    }
}
