//! What `Cache-Control` says (RFC 9111 section 5.2). Knows no caches and no clock.

/// The directives of a request or of an answer, as far as a shared cache must know them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent directives, none is a state")]
pub struct CacheControl {
    /// How old an answer may be, in seconds.
    pub max_age: Option<u64>,
    /// For how many seconds an answer must still be fresh.
    pub min_fresh: Option<u64>,
    /// It must not be used again before it is asked for again.
    pub must_revalidate: bool,
    /// It is to be asked for, even if it is kept.
    pub no_cache: bool,
    /// It must not be kept.
    pub no_store: bool,
    /// Nobody is to be asked.
    pub only_if_cached: bool,
    /// It is for one user alone.
    pub private: bool,
    /// It is for everybody.
    pub public: bool,
    /// As `max_age`, for caches that serve many users.
    pub s_maxage: Option<u64>,
}

impl CacheControl {
    /// Reads the field's values, one a line. What is not known is passed over. Of two times the
    /// shorter counts, and a time that is no number is over (section 4.2.1).
    pub fn read<'a>(values: impl Iterator<Item = &'a [u8]>) -> CacheControl {
        let mut read = CacheControl::default();
        for value in values {
            let mut rest = value;
            while let Some((name, argument, after)) = directive(rest) {
                read.take(name, argument);
                rest = after;
            }
        }
        read
    }

    fn take(&mut self, name: &[u8], argument: &[u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let flags = [
            ("must-revalidate", &mut self.must_revalidate),
            ("no-cache", &mut self.no_cache),
            ("no-store", &mut self.no_store),
            ("only-if-cached", &mut self.only_if_cached),
            ("private", &mut self.private),
            ("public", &mut self.public),
        ];
        for (wanted, flag) in flags {
            *flag |= is(wanted);
        }
        let times = [
            ("max-age", &mut self.max_age),
            ("min-fresh", &mut self.min_fresh),
            ("s-maxage", &mut self.s_maxage),
        ];
        for (wanted, time) in times {
            if is(wanted) {
                let seconds = seconds(argument);
                *time = Some(time.map_or(seconds, |other| other.min(seconds)));
            }
        }
    }
}

/// The first directive of a list, its argument without quotes, and what follows.
fn directive(list: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let skipped = list.iter().position(|&byte| !matches!(byte, b',' | b' ' | b'\t'))?;
    let list = &list[skipped..];
    let end = list.iter().position(|&byte| matches!(byte, b'=' | b',')).unwrap_or(list.len());
    let (name, rest) = (list[..end].trim_ascii(), &list[end..]);
    let Some(argument) = rest.strip_prefix(b"=") else { return Some((name, b"", rest)) };
    if let Some(quoted) = argument.strip_prefix(b"\"") {
        // What is escaped inside names fields, which are of no concern here.
        let end = memchr::memchr(b'"', quoted).unwrap_or(quoted.len());
        let rest = quoted.get(end + 1..).unwrap_or_default();
        return Some((name, &quoted[..end], rest));
    }
    let end = memchr::memchr(b',', argument).unwrap_or(argument.len());
    Some((name, argument[..end].trim_ascii(), &argument[end..]))
}

/// Too many of them are as many as there can be.
fn seconds(argument: &[u8]) -> u64 {
    if argument.is_empty() || !argument.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |sum: u64, byte: &u8| sum.saturating_mul(10).saturating_add((byte - b'0').into());
    argument.iter().fold(0, digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> CacheControl {
        CacheControl::read(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn directives_are_read_from_all_lines_whatever_their_case() {
        let read = read(&["Max-Age=60, public", " ,, s-maxage=5,no-cache=\"a, no-store\",x=y"]);
        let (max_age, s_maxage) = (Some(60), Some(5));
        let expected = CacheControl { max_age, s_maxage, public: true, no_cache: true, ..read };
        assert_eq!(read, expected);
        assert!(!read.no_store, "it stands in quotes");
    }

    #[test]
    fn the_shorter_time_counts_and_none_is_over() {
        assert_eq!(read(&["max-age=5, max-age=3"]).max_age, Some(3));
        assert_eq!(read(&["max-age=\"7\""]).max_age, Some(7));
        for odd in ["max-age", "max-age=", "max-age=-1", "max-age=1x", "max-age=1.5"] {
            assert_eq!(read(&[odd]).max_age, Some(0), "{odd}");
        }
        assert_eq!(read(&["max-age=99999999999999999999999"]).max_age, Some(u64::MAX));
    }

    #[test]
    fn anything_can_be_read() {
        for odd in ["", ",", "=", "\"", "a=\"", "a=\"b", "=,=", "a=b=c", "\u{e9}"] {
            assert_eq!(read(&[odd]), CacheControl::default(), "{odd}");
        }
    }
}
