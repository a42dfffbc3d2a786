//! The interval log of HdrHistogram (`.hlog`): a histogram for each stretch of a run, compressed,
//! as the tools of its Java original read and write it. Knows no files.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, LogIteratorError,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

/// What was measured in one stretch of time.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Since the begin of the log.
    pub start: Duration,
    /// How long it was.
    pub len: Duration,
    /// In nanoseconds.
    pub histogram: Histogram<u64>,
}

/// Why a text is no interval log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HlogError {
    /// The histogram of this interval, from 0, cannot be read.
    Histogram(usize),
    /// No line that can be read at this byte.
    Line(usize),
}

impl fmt::Display for HlogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HlogError::Histogram(number) => write!(f, "histogram {} is damaged", number + 1),
            HlogError::Line(at) => write!(f, "no interval log at byte {at}"),
        }
    }
}

impl std::error::Error for HlogError {}

/// The maxima that stand beside the histograms are milliseconds, as in Java's logs.
const NANOS_PER_MAX: f64 = 1e6;

/// The log of a run that began at `began`, the intervals in the order of time.
///
/// # Panics
/// Never: it is written to memory.
pub fn to_hlog(began: SystemTime, intervals: &[Interval]) -> String {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("[Values are nanoseconds, Interval_Max milliseconds]")
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(NANOS_PER_MAX);
    let written = builder.begin_log_with(&mut bytes, &mut serializer).map(|mut log| {
        for Interval { start, len, histogram } in intervals {
            log.write_histogram(histogram, *start, *len, None).expect("memory takes all of it");
        }
    });
    written.expect("memory takes all of it");
    String::from_utf8(bytes).expect("the log is text")
}

/// Reads a log.
///
/// # Errors
/// If it is none, or damaged.
pub fn from_hlog(text: &str) -> Result<Vec<Interval>, HlogError> {
    let mut intervals = Vec::new();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        let entry =
            entry.map_err(|LogIteratorError::ParseError { offset }| HlogError::Line(offset))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let damaged = HlogError::Histogram(intervals.len());
        let encoded = STANDARD.decode(interval.encoded_histogram()).map_err(|_| damaged)?;
        let histogram = deserializer.deserialize(&mut encoded.as_slice()).map_err(|_| damaged)?;
        let (start, len) = (interval.start_timestamp(), interval.duration());
        intervals.push(Interval { start, len, histogram });
    }
    if intervals.is_empty() {
        return Err(HlogError::Line(0));
    }
    Ok(intervals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals() -> Vec<Interval> {
        let interval = |second: u64| {
            let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
            (1..=1_000).for_each(|value| histogram.record(value * 1_000 * (second + 1)).unwrap());
            let start = Duration::from_secs(second);
            Interval { start, len: Duration::from_secs(1), histogram }
        };
        (0..3).map(interval).collect()
    }

    #[test]
    fn what_was_written_is_read_without_loss() {
        let text = to_hlog(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000), &intervals());
        assert!(text.starts_with("#[Histogram log format version 1.3]\n"), "{text}");
        assert!(text.contains("#[StartTime: 1000.000 (seconds since epoch)]\n"), "{text}");
        for (read, written) in from_hlog(&text).unwrap().iter().zip(intervals()) {
            assert_eq!((read.start, read.len), (written.start, written.len));
            assert_eq!(read.histogram, written.histogram);
        }
    }

    #[test]
    fn what_is_no_log_is_told() {
        assert_eq!(from_hlog("").unwrap_err(), HlogError::Line(0));
        assert!(from_hlog("Value Percentile TotalCount\n").is_err());
        let text = to_hlog(SystemTime::UNIX_EPOCH, &intervals()).replace("HISTF", "HISTG");
        assert_eq!(from_hlog(&text).unwrap_err(), HlogError::Histogram(0));
    }
}
