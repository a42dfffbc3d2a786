//! The PROXY protocol, versions 1 and 2: what a proxy sends before the first byte of a client, so
//! that its address is not lost (HAProxy, `doc/proxy-protocol.txt`).
//! Knows no sockets and not whom to believe.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::limits::PROXY_HEADER_BYTES_MAX;

/// What the first bytes of a connection are. More bytes behind them change `Partial` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parse {
    /// A header of `len` bytes; the client's bytes follow.
    Complete {
        /// Bytes of the header.
        len: usize,
        /// Where the client is. `None`: the proxy speaks for itself (`LOCAL`), or the client is
        /// not on TCP over IP; then the peer's own address is as good as it gets.
        source: Option<SocketAddr>,
    },
    /// The beginning of a header, or nothing yet.
    Partial,
    /// No header.
    Refused,
}

const SIGNATURE_1: &[u8] = b"PROXY ";
const SIGNATURE_2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1: `UNKNOWN` and two IPv6 addresses, CRLF included.
const LINE_BYTES_MAX: usize = 107;

/// Signature, command, family and length, before the addresses of version 2.
const FIXED_BYTES: usize = SIGNATURE_2.len() + 4;

const _: () = assert!(LINE_BYTES_MAX <= PROXY_HEADER_BYTES_MAX);

/// Parses the header at the front of `input`, which is everything received so far.
pub fn parse(input: &[u8]) -> Parse {
    if begins_alike(input, SIGNATURE_1) {
        parse_line(input)
    } else if begins_alike(input, SIGNATURE_2) {
        parse_binary(input)
    } else {
        Parse::Refused
    }
}

/// Whether `input` begins with `signature`, as far as it goes.
fn begins_alike(input: &[u8], signature: &[u8]) -> bool {
    let len = input.len().min(signature.len());
    input[..len] == signature[..len]
}

/// Version 1: a line of ASCII.
fn parse_line(input: &[u8]) -> Parse {
    let window = &input[..input.len().min(LINE_BYTES_MAX)];
    // Neither may stand alone: whoever ended the line there would see another request behind it.
    let Some(end) = window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        // The last byte that a line may have is the LF behind the CR.
        return if window.len() < LINE_BYTES_MAX - 1 { Parse::Partial } else { Parse::Refused };
    };
    match window[end..] {
        [b'\r', b'\n', ..] => match window.get(SIGNATURE_1.len()..end).map(parse_addresses) {
            Some(Ok(source)) => Parse::Complete { len: end + 2, source },
            Some(Err(Invalid)) | None => Parse::Refused,
        },
        [b'\r'] if window.len() < LINE_BYTES_MAX => Parse::Partial,
        _ => Parse::Refused,
    }
}

struct Invalid;

/// The source in what stands behind the signature of a line.
fn parse_addresses(text: &[u8]) -> Result<Option<SocketAddr>, Invalid> {
    // What follows `UNKNOWN` is to be ignored.
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let text = std::str::from_utf8(text).map_err(|_| Invalid)?;
    let (family, addresses) = text.split_once(' ').ok_or(Invalid)?;
    match family {
        "TCP4" => parse_pair::<Ipv4Addr>(addresses).map(Some),
        "TCP6" => parse_pair::<Ipv6Addr>(addresses).map(Some),
        _ => Err(Invalid),
    }
}

/// `source destination source-port destination-port`, exactly one blank between two.
fn parse_pair<A: FromStr>(text: &str) -> Result<SocketAddr, Invalid>
where
    SocketAddr: From<(A, u16)>,
{
    let mut parts = text.split(' ');
    let mut next = || parts.next().ok_or(Invalid);
    // The standard library takes no leading zeros in IPv4 addresses, and no scope in IPv6 ones.
    let source: A = next()?.parse().map_err(|_| Invalid)?;
    next()?.parse::<A>().map_err(|_| Invalid)?;
    let port = parse_port(next()?)?;
    parse_port(next()?)?;
    if parts.next().is_some() {
        return Err(Invalid);
    }
    Ok(SocketAddr::from((source, port)))
}

/// Decimal digits without a leading zero; the standard library alone would take a sign.
fn parse_port(text: &str) -> Result<u16, Invalid> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().map_err(|_| Invalid) } else { Err(Invalid) }
}

/// Version 2: a fixed part, two addresses, and vectors of other facts, which are skipped.
fn parse_binary(input: &[u8]) -> Parse {
    let Some(fixed) = input.get(SIGNATURE_2.len()..FIXED_BYTES) else { return Parse::Partial };
    let (command, family) = (fixed[0], fixed[1]);
    let len = FIXED_BYTES + usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if len > PROXY_HEADER_BYTES_MAX {
        return Parse::Refused;
    }
    let Some(addresses) = input.get(FIXED_BYTES..len) else { return Parse::Partial };
    let source = match (command, family >> 4, family & 0x0f) {
        (0x21, 1, 1) => source_of::<4>(addresses).map(Some),
        (0x21, 2, 1) => source_of::<16>(addresses).map(Some),
        // LOCAL, for instance to look whether we are alive: the rest does not count. Or
        // unspecified, UNIX or datagrams: valid, and of no use here.
        (0x20, ..) | (0x21, 0..=3, 0..=2) => Some(None),
        _ => None,
    };
    source.map_or(Parse::Refused, |source| Parse::Complete { len, source })
}

/// The source of two addresses of `N` bytes and their ports; `None` if they are not all there.
fn source_of<const N: usize>(addresses: &[u8]) -> Option<SocketAddr>
where
    SocketAddr: From<([u8; N], u16)>,
{
    let ip: [u8; N] = addresses.get(..N)?.try_into().ok()?;
    let ports = addresses.get(2 * N..2 * N + 4)?;
    Some(SocketAddr::from((ip, u16::from_be_bytes([ports[0], ports[1]]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_every_part_of_a_signature_may_become_a_header() {
        for signature in [SIGNATURE_1, SIGNATURE_2] {
            for len in 0..=signature.len() {
                assert_eq!(parse(&signature[..len]), Parse::Partial);
                let mut other = signature[..len].to_vec();
                other.push(b'\x7f');
                let at_end = len == signature.len();
                assert_eq!(parse(&other) == Parse::Refused, !at_end, "{other:?}");
            }
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_its_bound_and_no_longer() {
        let line = |len: usize| {
            let rest = len - b"PROXY UNKNOWN \r\n".len();
            format!("PROXY UNKNOWN {}\r\n", "f".repeat(rest)).into_bytes()
        };
        let longest = line(LINE_BYTES_MAX);
        let complete = Parse::Complete { len: LINE_BYTES_MAX, source: None };
        assert_eq!(parse(&longest), complete);
        assert_eq!(parse(&longest[..LINE_BYTES_MAX - 1]), Parse::Partial);
        assert_eq!(parse(&line(LINE_BYTES_MAX + 1)), Parse::Refused);
        assert_eq!(parse(&line(LINE_BYTES_MAX + 1)[..LINE_BYTES_MAX - 1]), Parse::Refused);
    }
}
