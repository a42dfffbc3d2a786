//! When a processor stood still, as those of virtual machines do: seen by a watcher on each that
//! sleeps for a moment, goes before all others (`SCHED_FIFO`), and wakes late all the same. Where
//! the kernel does not preempt itself, a system call that takes as long counts too: none of the
//! server's does, and what is set aside is told. Knows nothing of servers or clients.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Spans in which a processor stood still, and as long again: what came meanwhile is worked off.
pub(crate) struct Stalls {
    spans: Vec<(Duration, Duration)>,
    pub(crate) total: Duration,
}

/// What a watcher sleeps.
const SLEEP: Duration = Duration::from_micros(250);
/// How much later a wake is one of a processor that stood still.
const LATE: Duration = Duration::from_micros(250);

impl Stalls {
    pub(crate) fn of(reports: &[String]) -> Stalls {
        let spans: Vec<_> = reports.iter().flat_map(|report| spans(report)).collect();
        let total = spans.iter().map(|(_, len)| *len).sum();
        let spans = spans.into_iter().map(|(from, len)| (from, from + len * 2)).collect();
        Stalls { spans, total }
    }

    /// Whether a processor stood still at some time in between.
    pub(crate) fn overlap(&self, from: SystemTime, to: SystemTime) -> bool {
        let since_epoch = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (from, to) = (since_epoch(from), since_epoch(to));
        self.spans.iter().any(|stall| stall.0 < to && from < stall.1)
    }

    pub(crate) fn count(&self) -> usize {
        self.spans.len()
    }
}

fn spans(report: &str) -> Vec<(Duration, Duration)> {
    let nanos = report.split_whitespace().filter_map(|word| word.parse().ok());
    let nanos: Vec<_> = nanos.map(Duration::from_nanos).collect();
    nanos.chunks_exact(2).map(|span| (span[0], span[1])).collect()
}

/// The watcher's role: watches until its standard input ends, and reports when each stall began
/// and how long it was, in one line.
pub(crate) fn watch() {
    let is_over = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_over);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::Relaxed);
    });
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut report = String::new();
    while !is_over.load(Ordering::Relaxed) {
        let begin = now();
        std::thread::sleep(SLEEP);
        let end = now();
        if end > begin + SLEEP + LATE {
            let len = end.saturating_sub(begin);
            write!(report, "{} {} ", begin.as_nanos(), len.as_nanos()).expect("a String takes all");
        }
    }
    println!("{report}");
    std::io::stdout().flush().expect("the harness listens");
}
