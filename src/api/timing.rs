//! What an answer tells its client of the server's time: the field `Server-Timing` (W3C Server
//! Timing, section 3). Knows nothing of how stages are measured.

use std::io::Write;

use crate::clock::{Clock, Moment};

/// What is known of a request's time when its handler is called.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    clock: Clock,
    called: Moment,
    wait_ns: u64,
    parse_ns: u64,
}

impl Timing {
    /// Of a request that waited and was parsed for so many nanoseconds, and whose handler is
    /// called now.
    pub fn new(clock: Clock, wait_ns: u64, parse_ns: u64) -> Timing {
        Timing { clock, called: clock.now(), wait_ns, parse_ns }
    }

    /// Appends the field. The head is written before the answer is sent, so of that it says
    /// nothing.
    #[cold]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let handler_ns = self.clock.now().nanos_since(self.called);
        out.extend_from_slice(b"Server-Timing: ");
        let stages = [("wait", self.wait_ns), ("parse", self.parse_ns), ("handler", handler_ns)];
        for (index, (name, nanos)) in stages.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            // Milliseconds to a tenth of a microsecond.
            let tenths = nanos / 100;
            let (whole, part) = (tenths / 10_000, tenths % 10_000);
            // Writing to a vector cannot fail.
            let _ = write!(out, "{comma}{name};dur={whole}.{part:04}");
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_milliseconds() {
        let timing = Timing::new(Clock::new(), 12_345_678, 900);
        let mut out = Vec::new();
        timing.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        let rest = text.strip_prefix("Server-Timing: wait;dur=12.3456, parse;dur=0.0009, handler;");
        let handler = rest.and_then(|rest| rest.strip_prefix("dur=")?.strip_suffix("\r\n"));
        assert!(handler.and_then(|dur| dur.parse::<f64>().ok()).is_some_and(|dur| dur >= 0.0));
    }
}
