//! PROXY headers of both versions are told apart, measured and read as a slow reading of
//! `doc/proxy-protocol.txt` does it, and never otherwise once they are whole. Knows no sockets.

use std::net::{IpAddr, SocketAddr};

use corelane::limits::PROXY_HEADER_BYTES_MAX;
use corelane::wire::proxy_header::{Parse, parse};

use super::host_reference::{is_ipv4, is_ipv6};

/// The longest line of version 1 by its document.
const LINE_BYTES_MAX: usize = 107;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes of a connection are.
pub fn check(data: &[u8]) {
    let parse_to = |len: usize| {
        // A copy of each prefix, so that a read behind its end is seen.
        let prefix = data[..len].to_vec();
        parse(&prefix)
    };
    let decided = (0..=data.len()).find(|&len| parse_to(len) != Parse::Partial);
    let Some(decided) = decided else {
        assert!(data.len() < PROXY_HEADER_BYTES_MAX, "every header is awaited up to a bound");
        return;
    };
    let decision = parse_to(decided);
    check_decision(&data[..decided], decision);
    for len in (decided..data.len()).take(8).chain([data.len()]) {
        assert_eq!(parse_to(len), decision, "{len} bytes");
    }
}

/// `bytes` are the first ones that are no longer the beginning of a header.
fn check_decision(bytes: &[u8], parsed: Parse) {
    let wanted = match reference(bytes) {
        Ok(source) => Parse::Complete { len: bytes.len(), source },
        Err(NoHeader) => Parse::Refused,
    };
    assert_eq!(parsed, wanted);
}

struct NoHeader;

/// The source of a header that is exactly `bytes`, as far as it is of use.
fn reference(bytes: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    if bytes.starts_with(SIGNATURE) {
        return if bytes.len() > PROXY_HEADER_BYTES_MAX { Err(NoHeader) } else { binary(bytes) };
    }
    let text = bytes.strip_prefix(b"PROXY ").and_then(|text| text.strip_suffix(b"\r\n"));
    let text = text.ok_or(NoHeader)?;
    if bytes.len() > LINE_BYTES_MAX || text.contains(&b'\r') || text.contains(&b'\n') {
        return Err(NoHeader);
    }
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    if parts[0] == b"UNKNOWN" {
        return Ok(None);
    }
    tcp(&parts).map(Some).ok_or(NoHeader)
}

fn tcp(parts: &[&[u8]]) -> Option<SocketAddr> {
    let words: Option<Vec<&str>> = parts.iter().map(|part| str::from_utf8(part).ok()).collect();
    let [family, source, destination, source_port, destination_port] = words?[..] else {
        return None;
    };
    let is_address = match family {
        "TCP4" => is_ipv4,
        "TCP6" => is_ipv6,
        _ => return None,
    };
    let is_good = is_address(source) && is_address(destination) && port(destination_port).is_some();
    let address: IpAddr = source.parse().ok().filter(|_| is_good)?;
    Some(SocketAddr::from((address, port(source_port)?)))
}

/// A number that would be written as it was read.
fn port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port.to_string() == text).then_some(port)
}

/// Version 2, by the offsets of its fields.
fn binary(bytes: &[u8]) -> Result<Option<SocketAddr>, NoHeader> {
    let byte = |at: usize| bytes.get(at).copied().ok_or(NoHeader);
    let number = |at: usize| Ok(u16::from_be_bytes([byte(at)?, byte(at + 1)?]));
    if bytes.len() != 16 + usize::from(number(14)?) {
        return Err(NoHeader);
    }
    let (ip, port, end): (IpAddr, _, _) = match (byte(12)?, byte(13)?) {
        (0x21, 0x11) => {
            let octets: [u8; 4] = bytes.get(16..20).and_then(as_array).ok_or(NoHeader)?;
            (octets.into(), number(24)?, 28)
        }
        (0x21, 0x21) => {
            let octets: [u8; 16] = bytes.get(16..32).and_then(as_array).ok_or(NoHeader)?;
            (octets.into(), number(48)?, 52)
        }
        // LOCAL, whose family is to be ignored; unspecified, UNIX, and datagrams.
        (0x20, _) | (0x21, 0x00..=0x02 | 0x10 | 0x12 | 0x20 | 0x22 | 0x30..=0x32) => {
            return Ok(None);
        }
        _ => return Err(NoHeader),
    };
    if bytes.len() < end { Err(NoHeader) } else { Ok(Some(SocketAddr::from((ip, port)))) }
}

fn as_array<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}
