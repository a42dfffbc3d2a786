//! A network of IP addresses, written as `10.0.0.0/8` or as one address.
//! Knows nothing of who is in it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The addresses that begin with the same bits. An IPv4 address mapped into IPv6
/// (`::ffff:10.0.0.1`) is the IPv4 address, here and where it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Bits of `::ffff:0:0/96`, which all mapped addresses begin with.
const MAPPED_PREFIX: u8 = 96;

impl Network {
    /// Whether `address` belongs to it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs) = (self.address, address.to_canonical());
        ours.is_ipv4() == theirs.is_ipv4() && first_bits(theirs, self.prefix) == bits(ours)
    }
}

/// The address as the upper bits of an integer.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << MAPPED_PREFIX,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The first `count` bits of the address, the others cleared.
fn first_bits(address: IpAddr, count: u8) -> u128 {
    let mask = u128::MAX.checked_shl(u128::BITS - u32::from(count)).unwrap_or(0);
    bits(address) & mask
}

impl From<IpAddr> for Network {
    /// The network of this address alone.
    fn from(address: IpAddr) -> Network {
        let address = address.to_canonical();
        Network { address, prefix: width(address) }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// A text that is not a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NetworkError {}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads an address, or an address and the number of its bits that count.
    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let Some((address, prefix)) = text.split_once('/') else {
            return parse_address(text).map(Network::from);
        };
        let (written, is_plain) = (parse_address(address)?, !prefix.starts_with('+'));
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= width(written) && is_plain);
        let Some(prefix) = prefix else {
            let most = width(written);
            return Err(NetworkError(format!("the prefix is not a number from 0 to {most}")));
        };
        let network = match (written, written.to_canonical()) {
            (IpAddr::V6(_), address @ IpAddr::V4(_)) if prefix >= MAPPED_PREFIX => {
                Network { address, prefix: prefix - MAPPED_PREFIX }
            }
            (address, _) => Network { address, prefix },
        };
        network.without_more_bits()
    }
}

fn parse_address(text: &str) -> Result<IpAddr, NetworkError> {
    text.parse().map_err(|_| NetworkError("not an IP address".to_owned()))
}

impl Network {
    /// Bits behind the prefix are a slip of the finger: who writes `10.0.0.1/8` for one address
    /// would trust millions.
    fn without_more_bits(self) -> Result<Network, NetworkError> {
        let first = first_bits(self.address, self.prefix);
        if first == bits(self.address) {
            return Ok(self);
        }
        let address = match self.address {
            IpAddr::V4(_) => IpAddr::from(((first >> MAPPED_PREFIX) as u32).to_be_bytes()),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::from_bits(first)),
        };
        let meant = Network { address, ..self };
        let alone = Network::from(self.address);
        Err(NetworkError(format!("bits behind the prefix: write `{meant}` or `{alone}`")))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.prefix < width(self.address) { write!(f, "/{}", self.prefix) } else { Ok(()) }
    }
}

/// What counts as one address, where clients are counted by theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// All of it.
    V4(u32),
    /// The upper half, of which a provider gives at least one to each customer (RFC 6177).
    V6(u64),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Origin {
        match address.to_canonical() {
            IpAddr::V4(address) => Origin::V4(address.to_bits()),
            IpAddr::V6(address) => Origin::V6((address.to_bits() >> u64::BITS) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_network_contains_the_addresses_that_share_its_bits() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.4/30", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("2001:db8::8/125", "2001:db8::f", "2001:db8::10"),
            ("::1", "::1", "::2"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ] {
            let network = network(text);
            assert!(network.contains(inside.parse().unwrap()), "{inside} is in {text}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} is not in {text}");
        }
    }

    #[test]
    fn a_network_is_written_as_it_is_read() {
        for (text, written) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1/32", "10.0.0.1"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::1/128", "::1"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ] {
            assert_eq!(network(text).to_string(), written);
            assert_eq!(network(written), network(text));
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "not an IP address"),
            ("localhost", "not an IP address"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/+8", "from 0 to 32"),
            ("10.0.0.0/8/8", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.0.0/8", "not an IP address"),
            ("[::1]", "not an IP address"),
            ("10.0.0.1:80", "not an IP address"),
            ("10.0.0.1/8", "bits behind the prefix: write `10.0.0.0/8` or `10.0.0.1`"),
            ("2001:db8::1/32", "write `2001:db8::/32` or `2001:db8::1`"),
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
