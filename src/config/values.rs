//! Sizes, times, counts and addresses as they are written on a command line.
//! Knows nothing of the flags that take them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use crate::limits::BUSY_POLL_AUTO_US;
use crate::settings::{Balance, Network, NetworkError};

/// Why a text is no value, and what would be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub hint: String,
}

impl ValueError {
    pub(super) fn new(reason: impl Into<String>, hint: impl Into<String>) -> ValueError {
        ValueError { reason: reason.into(), hint: hint.into() }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ValueError {}

/// Bytes, written `16k`, `1m`, `2g` (powers of 1,024) or as a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) u64);

const SIZES: [(&str, u64); 4] = [("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10), ("", 1)];

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Size, ValueError> {
        let (amount, suffix) = amount_and_suffix(text);
        let unit = SIZES.iter().find(|(name, _)| suffix.eq_ignore_ascii_case(name));
        let bytes = unit.zip(amount).and_then(|((_, unit), amount)| amount.checked_mul(*unit));
        bytes.map(Size).ok_or_else(|| {
            ValueError::new("not a size", "bytes as a whole number, or `16k`, `1m`, `2g`")
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, unit): &&(&str, u64)| self.0 >= *unit && self.0.is_multiple_of(*unit);
        let (name, unit) = SIZES.iter().find(whole).unwrap_or(&("", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

/// A time, written with its unit: `500ms`, `10s`, `2m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time(pub(super) Duration);

const TIMES_MS: [(&str, u64); 4] =
    [("ms", 1), ("s", 1_000), ("m", 60 * 1_000), ("h", 3_600 * 1_000)];

impl FromStr for Time {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Time, ValueError> {
        let (amount, suffix) = amount_and_suffix(text);
        if let (Some(amount), "") = (amount, suffix) {
            let hint = format!("`{amount}s` for seconds, `{amount}ms` for milliseconds");
            return Err(ValueError::new("a time needs its unit", hint));
        }
        let unit = TIMES_MS.iter().find(|(name, _)| suffix.eq_ignore_ascii_case(name));
        let millis = unit.zip(amount).and_then(|((_, unit), amount)| amount.checked_mul(*unit));
        millis.map(|millis| Time(Duration::from_millis(millis))).ok_or_else(|| {
            ValueError::new("not a time", "a whole number and its unit: `500ms`, `10s`, `2m`, `1h`")
        })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

/// How long a worker polls before it sleeps: `off`, `auto`, or so many microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Polling(pub(super) Duration);

impl FromStr for Polling {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Polling, ValueError> {
        let micros = match text {
            "off" => Some(0),
            "auto" => Some(BUSY_POLL_AUTO_US),
            text => text.parse().ok(),
        };
        let hint = "`off`, `auto` or microseconds, such as `100`";
        let micros = micros.ok_or_else(|| ValueError::new("not a time to poll", hint))?;
        Ok(Polling(Duration::from_micros(micros)))
    }
}

impl fmt::Display for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_micros() {
            0 => f.write_str("off"),
            micros => write!(f, "{micros}"),
        }
    }
}

/// How connections are spread, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BalanceName(pub(super) Balance);

impl FromStr for BalanceName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<BalanceName, ValueError> {
        let named = Balance::ALL.into_iter().find(|balance| balance.name() == text);
        named.map(BalanceName).ok_or_else(|| {
            let hint = "`auto`, `ebpf`, `round-robin`, `handoff`, `cpu` or `off`";
            ValueError::new("no way to spread connections", hint)
        })
    }
}

impl fmt::Display for BalanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// The digits a text begins with, if they are a number, and what follows them.
fn amount_and_suffix(text: &str) -> (Option<u64>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, suffix) = text.split_at(digits);
    (amount.parse().ok(), suffix)
}

/// A whole number.
pub(super) fn number<N: FromStr>(text: &str) -> Result<N, ValueError> {
    text.parse().map_err(|_| ValueError::new("not a whole number", "digits only, such as `64`"))
}

/// An address, or a network of them.
pub(super) fn network(text: &str) -> Result<Network, ValueError> {
    text.parse().map_err(|why: NetworkError| {
        ValueError::new(why.to_string(), "such as `10.0.0.0/8`, `192.0.2.1` or `fd00::/8`")
    })
}

/// A number of workers: 1 or more.
pub(super) fn workers(text: &str) -> Result<NonZeroUsize, ValueError> {
    text.parse().map_err(|_| {
        ValueError::new("not a number of workers", "1 or more; left out: one for each CPU")
    })
}

/// The id of a process.
pub(super) fn process_id(text: &str) -> Result<u32, ValueError> {
    let id = text.parse::<NonZeroU32>().map(NonZeroU32::get);
    id.map_err(|_| ValueError::new("not a process id", "a number, as `pgrep corelane` prints it"))
}

/// The address of the admin listener, or none. A port alone is on 127.0.0.1: nobody should show
/// the inside of a server to a network without having written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AdminAddress(pub(super) Option<SocketAddr>);

impl FromStr for AdminAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<AdminAddress, ValueError> {
        if text == "off" {
            return Ok(AdminAddress(None));
        }
        if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
            return Ok(AdminAddress(Some((Ipv4Addr::LOCALHOST, port).into())));
        }
        listen_address(text).map(|address| AdminAddress(Some(address))).map_err(|error| {
            ValueError::new(error.reason, "`off`, `9090`, `127.0.0.1:9090` or `[::1]:9090`")
        })
    }
}

/// An address to listen on. A port alone, with or without a colon before it, is every IPv4
/// address; a name is its first IPv4 address or else its first, because the other address of
/// `localhost` cannot be bound where a machine has no IPv6.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, ValueError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let unbracketed = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !unbracketed(text) && !unbracketed(host) => (host, port),
        Some(_) => {
            let hint = "brackets around an IPv6 address, such as `[::1]:8080`";
            return Err(ValueError::new("no telling the port from the address", hint));
        }
        None => ("", text),
    };
    let Ok(port) = port.parse::<u16>() else {
        let hint = "`127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, `:8080` or `8080`";
        return Err(ValueError::new("no port from 0 to 65535", hint));
    };
    if host.is_empty() {
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    resolve(host, port)
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, ValueError> {
    let hint = "an IP address needs no look-up: `127.0.0.1:8080`, `[::1]:8080`";
    let found = (host, port)
        .to_socket_addrs()
        .map_err(|error| ValueError::new(format!("`{host}` was not found: {error}"), hint))?;
    let found: Vec<SocketAddr> = found.collect();
    let chosen = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    chosen.copied().ok_or_else(|| ValueError::new(format!("`{host}` has no address"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("16k", 16 << 10),
            ("1m", 1 << 20),
            ("1M", 1 << 20),
            ("2g", 2 << 30),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "k", "-1", "+1", "1.5m", "16kb", "1 k", "18446744073709551615k", "µ"] {
            assert_eq!(text.parse::<Size>().unwrap_err().reason, "not a size", "{text}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)]
        {
            assert_eq!(text.parse(), Ok(Time(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "s", "-1s", "1.5s", "10 s", "10us", "18446744073709551615h", "1d"] {
            assert_eq!(text.parse::<Time>().unwrap_err().reason, "not a time", "{text}");
        }
    }

    #[test]
    fn a_time_without_unit_is_told_its_spellings() {
        let error = "10".parse::<Time>().unwrap_err();
        assert_eq!(error.reason, "a time needs its unit");
        assert_eq!(error.hint, "`10s` for seconds, `10ms` for milliseconds");
    }

    #[test]
    fn sizes_and_times_are_written_as_they_are_read() {
        for text in ["0", "1000", "16k", "1m", "1025k", "3g"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for text in ["0s", "500ms", "1500ms", "10s", "75s"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn numbers_are_digits_within_their_type() {
        assert_eq!(number::<u32>("4096"), Ok(4096));
        assert!(number::<u32>("4294967296").is_err());
        assert!(number::<usize>("-1").is_err());
        assert!(workers("0").is_err());
        assert!(process_id("0").is_err() && process_id("-1").is_err());
        assert_eq!(process_id("17"), Ok(17));
        assert_eq!(workers("3"), Ok(NonZeroUsize::new(3).unwrap()));
    }

    #[test]
    fn addresses_may_leave_out_the_host_but_not_the_port() {
        for (text, address) in [
            ("127.0.0.1:9000", "127.0.0.1:9000"),
            ("[::1]:8080", "[::1]:8080"),
            ("[::]:0", "[::]:0"),
            (":8080", "0.0.0.0:8080"),
            ("8080", "0.0.0.0:8080"),
        ] {
            assert_eq!(listen_address(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", ":", "127.0.0.1", "127.0.0.1:", "localhost", "localhost:http", ":65536"] {
            assert_eq!(listen_address(text).unwrap_err().reason, "no port from 0 to 65535");
        }
    }

    #[test]
    fn an_ipv6_address_without_brackets_is_refused() {
        for text in ["::1:8080", "::1", "::", "fe80::1:80"] {
            let error = listen_address(text).unwrap_err();
            assert_eq!(error.reason, "no telling the port from the address", "{text}");
        }
    }

    #[test]
    fn a_name_is_one_address_that_can_be_bound() {
        let address = listen_address("localhost:8080").unwrap();
        assert!(address.ip().is_loopback());
        assert_eq!(address.port(), 8080);
    }
}
