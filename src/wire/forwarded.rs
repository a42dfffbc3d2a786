//! Where a request came from by what proxies say: `X-Forwarded-For`, and `Forwarded` (RFC 7239).
//! Knows not whom to believe: the caller says so.
//!
//! Each proxy adds at the right, and anybody may have written what stands at the left. So both are
//! read from the right, past proxies that are believed, up to the first address that is not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;

use super::framing::is_token_byte;

/// Bytes of a node in a quoted string: the longest is a bracketed address with a port.
const NODE_BYTES_MAX: usize = 64;

/// The client by the values of `X-Forwarded-For`, the last field first. A hop that is not an
/// address ends the walk at the last one that is.
pub fn client_by_x_forwarded_for<'a>(
    peer: IpAddr,
    values_from_the_last: impl Iterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let elements = values_from_the_last.flat_map(|value| value.rsplit(|byte| *byte == b','));
    walk(peer, elements, hop_of_list, is_trusted)
}

/// The client by the values of `Forwarded`, the last field first. A hop without an address
/// (`unknown`, an obfuscated one, none or a broken one) ends the walk at the last one that has.
pub fn client_by_forwarded<'a>(
    peer: IpAddr,
    values_from_the_last: impl Iterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let elements = values_from_the_last.flat_map(|value| ElementsFromTheLast(Some(value)));
    walk(peer, elements, hop_of_element, is_trusted)
}

/// Goes from hop to hop for as long as it believes the one before.
fn walk<'a>(
    peer: IpAddr,
    elements: impl Iterator<Item = &'a [u8]>,
    hop: impl Fn(&[u8]) -> Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut client = peer.to_canonical();
    // A list may have empty elements (RFC 9110 section 5.6.1.2).
    for element in elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = hop(element) else { break };
        client = address.to_canonical();
    }
    client
}

/// An address as it is found in `X-Forwarded-For`: some add a port, and some brackets.
fn hop_of_list(element: &[u8]) -> Option<IpAddr> {
    let bare = std::str::from_utf8(element).ok()?.parse().ok();
    bare.or_else(|| address_of_node(element))
}

/// The parts of a list between commas that stand in no quoted string, the last first. Quotes are
/// paired from the right too, so that one left open by a client cannot hide what a proxy added.
struct ElementsFromTheLast<'a>(Option<&'a [u8]>);

impl<'a> Iterator for ElementsFromTheLast<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let value = self.0?;
        let mut is_quoted = false;
        for (at, byte) in value.iter().enumerate().rev() {
            match byte {
                b'"' => is_quoted = !is_quoted || is_escaped(value, at),
                b',' if !is_quoted => {
                    self.0 = Some(&value[..at]);
                    return Some(&value[at + 1..]);
                }
                _ => {}
            }
        }
        self.0.take()
    }
}

/// Whether the byte at `at`, in a quoted string, is half of a quoted pair.
fn is_escaped(value: &[u8], at: usize) -> bool {
    value[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// The address of the one `for` parameter of a `Forwarded` element.
fn hop_of_element(element: &[u8]) -> Option<IpAddr> {
    let mut rest = element;
    let mut found = None;
    while !rest.is_empty() {
        let (pair, behind) = split_pair(rest);
        rest = behind;
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&pair[..equals], &pair[equals + 1..]);
        if !name.eq_ignore_ascii_case(b"for") {
            continue;
        }
        let is_first = found.replace(address_of_value(value)?).is_none();
        if !is_first {
            return None;
        }
    }
    found
}

/// Splits at the first semicolon that stands in no quoted string.
fn split_pair(element: &[u8]) -> (&[u8], &[u8]) {
    let mut is_quoted = false;
    for (at, byte) in element.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted || is_escaped(element, at),
            b';' if !is_quoted => {
                return (element[..at].trim_ascii(), element[at + 1..].trim_ascii());
            }
            _ => {}
        }
    }
    (element, b"")
}

/// The address in a token or a quoted string.
fn address_of_value(value: &[u8]) -> Option<IpAddr> {
    let [b'"', quoted @ .., b'"'] = value else {
        let is_token = value.iter().all(|byte| is_token_byte(*byte));
        return if is_token { address_of_node(value) } else { None };
    };
    let mut node = ArrayVec::<u8, NODE_BYTES_MAX>::new();
    let mut bytes = quoted.iter().copied();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'\\' { bytes.next()? } else { byte };
        node.try_push(byte).ok()?;
    }
    address_of_node(&node)
}

/// The address of a node with or without a port (RFC 7239 section 6).
fn address_of_node(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?;
    let (address, port): (IpAddr, &str) = if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        (address.parse::<Ipv6Addr>().ok()?.into(), port)
    } else {
        let (address, port) = node.split_at(node.find(':').unwrap_or(node.len()));
        (address.parse::<Ipv4Addr>().ok()?.into(), port)
    };
    (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(address)
}

/// A number, or an obfuscated port.
fn is_port(port: &str) -> bool {
    let is_hidden = |hidden: &str| {
        let mut bytes = hidden.bytes();
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !hidden.is_empty() && bytes.all(is_word)
    };
    match port.strip_prefix('_') {
        Some(hidden) => is_hidden(hidden),
        None => (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_paired_from_the_right() {
        let elements = |value| ElementsFromTheLast(Some(value)).collect::<Vec<_>>();
        assert_eq!(
            elements(br#"a="1,2", b="\",\\",c"#),
            [&b"c"[..], br#" b="\",\\""#, br#"a="1,2""#]
        );
        assert_eq!(elements(br#"for=", for=192.0.2.1"#), [&b" for=192.0.2.1"[..], b"for=\""]);
        assert_eq!(elements(b""), [b""]);
        assert_eq!(elements(b","), [b"", b""]);
    }

    #[test]
    fn a_node_is_an_address_with_or_without_a_port() {
        for (node, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("192.0.2.1:_hidden", "192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:65535", "2001:db8::1"),
        ] {
            assert_eq!(address_of_node(node.as_bytes()), address.parse().ok(), "{node}");
        }
        for node in [
            "",
            ":",
            "unknown",
            "_gazonk",
            "192.0.2.1:",
            "192.0.2.1:123456",
            "192.0.2.1:x",
            "192.0.2.1:_",
            "192.0.2.1:_a b",
            "192.0.2.01",
            "2001:db8::1",
            "[192.0.2.1]",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%2]",
            "192.0.2.1 ",
            "\u{fc}",
        ] {
            assert_eq!(address_of_node(node.as_bytes()), None, "{node}");
        }
    }
}
