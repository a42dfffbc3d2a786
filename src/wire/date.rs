//! Times as text: the Date field (RFC 9110 section 6.6.1), made at most once a second, and the
//! stamps of logs (RFC 3339). Knows no clock: the time is passed in.

use std::io::Write;
use std::time::{Duration, SystemTime};

use httpdate::HttpDate;

/// Bytes of an IMF-fixdate, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_BYTES: usize = 29;

/// The last second that an IMF-fixdate can tell: the end of the year 9999.
const SECOND_MAX: u64 = 253_402_300_799;

/// The date of one second as text, kept until the second changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateText {
    second: u64,
    text: [u8; DATE_BYTES],
}

impl DateText {
    /// The text of this many seconds after 1970-01-01 00:00:00 UTC. Years after 9999, which the
    /// format has no room for, stay at its last second.
    pub fn new(unix_seconds: u64) -> DateText {
        let since_epoch = Duration::from_secs(unix_seconds.min(SECOND_MAX));
        let date = HttpDate::from(SystemTime::UNIX_EPOCH + since_epoch);
        let mut text = [0; DATE_BYTES];
        write!(&mut text[..], "{date}").expect("up to the year 9999 a date has 29 bytes");
        DateText { second: unix_seconds, text }
    }

    /// Makes the text anew if `unix_seconds` is another second than before, later or earlier:
    /// a wall clock may be set back.
    #[inline]
    pub fn refresh(&mut self, unix_seconds: u64) {
        if self.second != unix_seconds {
            *self = DateText::new(unix_seconds);
        }
    }

    /// The text.
    #[inline]
    pub const fn bytes(&self) -> &[u8; DATE_BYTES] {
        &self.text
    }

    /// The second as RFC 3339 has it, up to its fraction: `1994-11-06T08:49:37`.
    pub fn rfc3339(&self) -> String {
        // `Sun, 06 Nov 1994 08:49:37 GMT` has all of it.
        let text = String::from_utf8_lossy(&self.text);
        let (day, name, year, time) = (&text[5..7], &text[8..11], &text[12..16], &text[17..25]);
        let month = MONTHS.find(name).map_or(0, |at| at / name.len() + 1);
        format!("{year}-{month:02}-{day}T{time}")
    }
}

/// RFC 3339 in UTC with milliseconds, such as `2026-11-22T10:22:10.123Z`, of the moment this long
/// after 1970-01-01 00:00:00 UTC; years after 9999 as in [`DateText::new`].
pub fn timestamp(since_epoch: Duration) -> String {
    let second = DateText::new(since_epoch.as_secs()).rfc3339();
    format!("{second}.{:03}Z", since_epoch.subsec_millis())
}

const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_second_is_written_as_an_imf_fixdate() {
        for (second, text) in [
            (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, b"Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, b"Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400, b"Mon, 01 Mar 2100 00:00:00 GMT"),
            (SECOND_MAX, b"Fri, 31 Dec 9999 23:59:59 GMT"),
            (SECOND_MAX + 1, b"Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, b"Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(DateText::new(second).bytes(), text);
        }
    }

    #[test]
    fn a_refreshed_text_follows_the_clock_in_both_directions() {
        let mut date = DateText::new(100);
        for second in [100, 101, 99, 99, SECOND_MAX + 2, 0] {
            date.refresh(second);
            assert_eq!(date, DateText::new(second));
        }
    }

    #[test]
    fn a_moment_is_stamped_with_its_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (1_795_342_930_123, "2026-11-22T10:22:10.123Z"),
            (SECOND_MAX * 1_000 + 999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(timestamp(Duration::from_millis(millis)), text);
        }
    }

    proptest! {
        #[test]
        fn a_text_is_read_back_as_its_second(second in 0..=SECOND_MAX) {
            let date = DateText::new(second);
            let text = std::str::from_utf8(date.bytes()).unwrap();
            let read = httpdate::parse_http_date(text).unwrap();
            prop_assert_eq!(read, SystemTime::UNIX_EPOCH + Duration::from_secs(second));
        }
    }
}
