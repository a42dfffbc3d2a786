//! The addresses that a load generator's connections come from, as a command line writes them.
//! Knows nothing of sockets and of the address that is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::values::ValueError;
use crate::limits::BENCH_SOURCES_MAX;

/// Addresses and ranges of them: `127.0.0.2-127.0.0.9,127.0.1.1`. At least one, all of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SourceAddresses(pub(super) Vec<IpAddr>);

const HINT: &str = "addresses and ranges, such as `127.0.0.2-127.0.0.9,127.0.1.1` or `fd00::2`";

impl FromStr for SourceAddresses {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<SourceAddresses, ValueError> {
        let wrong = |why: String| Err(ValueError::new(why, HINT));
        let mut addresses: Vec<IpAddr> = Vec::new();
        for item in text.split(',').map(str::trim) {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let ends = first.trim().parse::<IpAddr>().ok().zip(last.trim().parse::<IpAddr>().ok());
            let Some((first, last)) = ends else {
                return wrong(format!("`{item}` is no address and no range"));
            };
            let is_ipv4 = addresses.first().unwrap_or(&first).is_ipv4();
            if [first, last].iter().any(|end| end.is_ipv4() != is_ipv4) {
                return wrong("IPv4 and IPv6 addresses do not go together".to_owned());
            }
            let Some(steps) = number(last).checked_sub(number(first)) else {
                return wrong(format!("`{item}` ends before it begins"));
            };
            if steps >= (BENCH_SOURCES_MAX - addresses.len()) as u128 {
                return wrong(format!("more than {BENCH_SOURCES_MAX} addresses"));
            }
            addresses.extend((0..=steps).map(|step| address(number(first) + step, is_ipv4)));
        }
        Ok(SourceAddresses(addresses))
    }
}

/// An address as a number, so that those of a range follow each other.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address(number: u128, is_ipv4: bool) -> IpAddr {
    if is_ipv4 {
        Ipv4Addr::from_bits(number as u32).into()
    } else {
        Ipv6Addr::from_bits(number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let parsed = text.parse::<SourceAddresses>().map_err(|error| error.reason)?;
        Ok(parsed.0.iter().map(IpAddr::to_string).collect())
    }

    #[test]
    fn addresses_and_ranges_are_taken_in_their_order() {
        for (text, addresses) in [
            ("10.0.0.1", &["10.0.0.1"][..]),
            ("10.0.0.9,10.0.0.1", &["10.0.0.9", "10.0.0.1"]),
            (
                "127.0.0.2 - 127.0.0.4, 127.0.1.1",
                &["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.1.1"],
            ),
            ("10.0.0.255-10.0.1.0", &["10.0.0.255", "10.0.1.0"]),
            ("255.255.255.255-255.255.255.255", &["255.255.255.255"]),
            ("fd00::ffff-fd00::1:0", &["fd00::ffff", "fd00::1:0"]),
        ] {
            assert_eq!(read(text).unwrap(), addresses, "{text}");
        }
        assert_eq!(read("10.1.0.0-10.1.255.255").unwrap().len(), BENCH_SOURCES_MAX);
    }

    #[test]
    fn what_is_no_list_says_what_is_wrong_with_it() {
        for (text, reason) in [
            ("", "`` is no address"),
            ("10.0.0.1,", "`` is no address"),
            ("localhost", "`localhost` is no address"),
            ("10.0.0.1-9", "`10.0.0.1-9` is no address and no range"),
            ("10.0.0.1:80", "is no address"),
            ("10.0.0.9-10.0.0.1", "ends before it begins"),
            ("10.0.0.1-::1", "do not go together"),
            ("10.0.0.1,::1", "do not go together"),
            ("10.1.0.0-10.1.255.255,10.2.0.0", "more than 65536"),
            ("::-ffff::", "more than 65536"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
