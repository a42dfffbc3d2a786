//! What a thread counts and measures, in one stretch of time or in all. Knows no sockets.

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::limits;
use crate::report::NO_FREE_PORT;

/// Why a request, or a connection, came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server closed the connection before the answer was complete.
    ClosedEarly,
    /// No connection could be made.
    ConnectFailed,
    /// What came is no answer of HTTP/1.
    Malformed,
    /// No port was free for another connection to the server.
    NoFreePort,
    /// The run was over before the answer was complete.
    Unfinished,
    /// The connection was reset, or failed in another way.
    Reset,
    /// No answer, or no connection, within the timeout.
    TimedOut,
    /// Bytes that nobody has asked for.
    Unasked,
    /// Due in the run and never sent, because no connection was free.
    Unsent,
}

impl Failure {
    /// All of them, in the order of their counters.
    pub const ALL: [Failure; 9] = [
        Failure::ClosedEarly,
        Failure::ConnectFailed,
        Failure::Malformed,
        Failure::NoFreePort,
        Failure::Unfinished,
        Failure::Reset,
        Failure::TimedOut,
        Failure::Unasked,
        Failure::Unsent,
    ];

    /// What an error of `connect(2)` is counted as.
    pub(super) fn of_connect(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::AddrNotAvailable => Failure::NoFreePort,
            _ => Failure::ConnectFailed,
        }
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Failure::ClosedEarly => "closed_early",
            Failure::ConnectFailed => "connect_failed",
            Failure::Malformed => "malformed",
            Failure::NoFreePort => NO_FREE_PORT,
            Failure::Unfinished => "unfinished",
            Failure::Reset => "reset",
            Failure::TimedOut => "timed_out",
            Failure::Unasked => "unasked",
            Failure::Unsent => "unsent",
        }
    }
}

/// Counters and histograms of nanoseconds.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Complete answers.
    pub answers: u64,
    /// Answers by the first digit of their status, 1xx to 5xx.
    pub statuses: [u64; 5],
    /// Answers whose status or length is not that of the first answer to the same request.
    pub unlike: u64,
    /// By [`Failure`], in the order of [`Failure::ALL`].
    pub failures: [u64; Failure::ALL.len()],
    /// Connections that were made.
    pub connects: u64,
    /// Bytes that the kernel took.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// From the moment a request was due, in a closed loop from the moment it was sent, to the
    /// last byte of its answer; those that timed out, were never sent or never finished with the
    /// time until that was clear.
    pub latencies: Histogram<u32>,
    /// From the moment a request was sent to the last byte of its answer. In a closed loop these
    /// are the latencies, and nothing stands here.
    pub since_sent: Histogram<u32>,
    /// From the begin of a connect to its end.
    pub connect_times: Histogram<u32>,
    /// How late the generator itself was to send a request for which a connection was free.
    pub lags: Histogram<u32>,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            answers: 0,
            statuses: [0; 5],
            unlike: 0,
            failures: [0; Failure::ALL.len()],
            connects: 0,
            bytes_sent: 0,
            bytes_received: 0,
            latencies: histogram(limits::LATENCY_DIGITS),
            since_sent: histogram(limits::LATENCY_DIGITS),
            connect_times: histogram(COARSE_DIGITS),
            lags: histogram(COARSE_DIGITS),
        }
    }
}

/// Of what is only told in words.
const COARSE_DIGITS: u8 = 2;

fn histogram(digits: u8) -> Histogram<u32> {
    Histogram::new_with_bounds(1, limits::LATENCY_MAX_NS, digits)
        .expect("1 ns to 60 s with two or three digits is a valid histogram")
}

impl Figures {
    /// Counts a failure of so many requests.
    pub(super) fn fail(&mut self, failure: Failure, count: u64) {
        self.failures[failure as usize] += count;
    }

    /// How often one failure was counted.
    pub fn failed(&self, failure: Failure) -> u64 {
        self.failures[failure as usize]
    }

    /// Adds those of another thread or another stretch of time. Without loss but for counts above
    /// 2^32 of one bucket, which saturate.
    ///
    /// # Panics
    /// Never: the bounds of all histograms are the same constants.
    pub fn add(&mut self, other: &Figures) {
        self.answers += other.answers;
        self.unlike += other.unlike;
        self.connects += other.connects;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        let add = |sums: &mut [u64], counts: &[u64]| {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        };
        add(&mut self.statuses, &other.statuses);
        add(&mut self.failures, &other.failures);
        for (sum, part) in [
            (&mut self.latencies, &other.latencies),
            (&mut self.since_sent, &other.since_sent),
            (&mut self.connect_times, &other.connect_times),
            (&mut self.lags, &other.lags),
        ] {
            sum.add(part).expect("their bounds are the same");
        }
    }
}

/// Records a time; one above the highest counts as that.
pub(super) fn record(histogram: &mut Histogram<u32>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_failure_at_its_counter() {
        for (index, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, index, "{failure:?}");
        }
    }

    #[test]
    fn sums_hold_what_their_parts_hold() {
        let mut one = Figures { answers: 2, ..Figures::default() };
        one.fail(Failure::TimedOut, 3);
        record(&mut one.latencies, Duration::from_millis(5));
        let mut sum = Figures::default();
        sum.add(&one);
        sum.add(&one);
        assert_eq!((sum.answers, sum.failed(Failure::TimedOut), sum.latencies.len()), (4, 6, 2));
    }
}
