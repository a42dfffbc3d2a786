//! How many connections each address has open at this worker, where that is limited.
//! Knows nothing of the connections themselves.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use crate::settings::{Network, Origin, Settings};

/// Counts of open connections. An entry lives as long as a connection it counts, so there are
/// never more entries than connections; without a limit there are none.
#[derive(Debug)]
pub(super) struct PerAddress {
    max: Option<usize>,
    /// Proxies: many clients stand behind one.
    exempt: Vec<Network>,
    counts: HashMap<Origin, usize>,
}

impl PerAddress {
    pub(super) fn new(settings: &Settings) -> PerAddress {
        PerAddress {
            max: settings.connections_per_address_max,
            exempt: [&settings.trusted_proxies[..], &settings.proxy_protocol_from].concat(),
            counts: HashMap::new(),
        }
    }

    /// The same under other settings, for open connections of these addresses.
    pub(super) fn recounted(settings: &Settings, open: impl Iterator<Item = IpAddr>) -> PerAddress {
        let mut counted = PerAddress::new(settings);
        if counted.max.is_some() {
            for address in open {
                if !counted.is_exempt(address) {
                    // More than there may be now: none of them ends for it.
                    *counted.counts.entry(address.into()).or_default() += 1;
                }
            }
        }
        counted
    }

    /// Counts a connection of `address`, unless it would be one too many.
    #[inline]
    pub(super) fn enter(&mut self, address: IpAddr) -> bool {
        let Some(max) = self.max.filter(|_| !self.is_exempt(address)) else { return true };
        let count = self.counts.entry(address.into()).or_default();
        let has_room = *count < max;
        *count += usize::from(has_room);
        has_room
    }

    /// A connection of `address` that had entered ended.
    #[inline]
    pub(super) fn leave(&mut self, address: IpAddr) {
        if self.max.is_none() || self.is_exempt(address) {
            return;
        }
        if let Entry::Occupied(mut entry) = self.counts.entry(address.into()) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_address(max: Option<usize>) -> PerAddress {
        PerAddress::new(&Settings {
            connections_per_address_max: max,
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            proxy_protocol_from: vec!["fd00::/8".parse().unwrap()],
            ..Settings::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_counted_up_to_its_limit_and_forgotten_at_its_end() {
        let mut per_address = per_address(Some(2));
        assert!(per_address.enter(ip("192.0.2.1")) && per_address.enter(ip("192.0.2.1")));
        assert!(!per_address.enter(ip("::ffff:192.0.2.1")), "the same in another form");
        assert!(per_address.enter(ip("192.0.2.2")));
        per_address.leave(ip("192.0.2.1"));
        assert!(per_address.enter(ip("192.0.2.1")));
        for address in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
            per_address.leave(ip(address));
        }
        assert!(per_address.counts.is_empty());
    }

    #[test]
    fn the_lower_half_of_an_ipv6_address_is_nobodys_own() {
        let mut per_address = per_address(Some(1));
        assert!(per_address.enter(ip("2001:db8::1")));
        assert!(!per_address.enter(ip("2001:db8::ffff:0:0:2")));
        assert!(per_address.enter(ip("2001:db8:0:1::1")));
    }

    #[test]
    fn open_connections_count_under_other_settings_too() {
        let settings = Settings { connections_per_address_max: Some(2), ..Settings::default() };
        let open = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"].map(ip);
        let mut counted = PerAddress::recounted(&settings, open.into_iter());
        assert!(!counted.enter(ip("192.0.2.1")) && counted.enter(ip("192.0.2.2")));
        counted.leave(ip("192.0.2.1"));
        assert!(!counted.enter(ip("192.0.2.1")), "two are still there");
        counted.leave(ip("192.0.2.1"));
        assert!(counted.enter(ip("192.0.2.1")));
    }

    #[test]
    fn proxies_are_not_counted_and_without_a_limit_nobody_is() {
        let mut limited = per_address(Some(1));
        for address in ["10.1.2.3", "fd00::1"] {
            assert!((0..9).all(|_| limited.enter(ip(address))));
            limited.leave(ip(address));
        }
        let mut unlimited = per_address(None);
        assert!((0..9).all(|_| unlimited.enter(ip("192.0.2.1"))));
        assert!(limited.counts.is_empty() && unlimited.counts.is_empty());
    }
}
