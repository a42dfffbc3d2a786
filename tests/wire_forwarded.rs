//! Tables of `X-Forwarded-For` and `Forwarded`, walked from the right.

use std::net::IpAddr;

use corelane::wire::forwarded::{client_by_forwarded, client_by_x_forwarded_for};
use proptest::prelude::{prop, prop_assert, proptest};

const PROXY: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// 10.0.0.0/8 and fd00::/8 are ours.
fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    }
}

/// The fields in the order of the head.
fn by_list(peer: &str, fields: &[&str]) -> String {
    let values = fields.iter().rev().map(|value| value.as_bytes());
    client_by_x_forwarded_for(ip(peer), values, is_ours).to_string()
}

fn by_forwarded(peer: &str, fields: &[&str]) -> String {
    let values = fields.iter().rev().map(|value| value.as_bytes());
    client_by_forwarded(ip(peer), values, is_ours).to_string()
}

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    for peer in ["192.0.2.9", "2001:db8::9"] {
        assert_eq!(by_list(peer, &["203.0.113.1"]), peer);
        assert_eq!(by_forwarded(peer, &["for=203.0.113.1"]), peer);
    }
    assert_eq!(by_list("::ffff:192.0.2.9", &["203.0.113.1"]), "192.0.2.9");
}

#[test]
fn x_forwarded_for_is_read_from_the_right() {
    for (fields, client) in [
        (&[][..], PROXY),
        (&[""], PROXY),
        (&[" , ,"], PROXY),
        (&["203.0.113.1"], "203.0.113.1"),
        (&["\t203.0.113.1 "], "203.0.113.1"),
        (&["6.6.6.6, 203.0.113.1"], "203.0.113.1"),
        (&["6.6.6.6,203.0.113.1,10.0.0.2 , 10.9.9.9"], "203.0.113.1"),
        (&["6.6.6.6", "203.0.113.1", "10.0.0.2"], "203.0.113.1"),
        (&["203.0.113.1", ""], "203.0.113.1"),
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["2001:db8::1, fd00::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:443"], "2001:db8::1"),
        (&["203.0.113.1:56324"], "203.0.113.1"),
        (&["::ffff:203.0.113.1"], "203.0.113.1"),
        (&["203.0.113.1, ::ffff:10.0.0.2"], "203.0.113.1"),
        (&["unknown"], PROXY),
        (&["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (&["203.0.113.1, 203.0.113.256"], PROXY),
        (&["203.0.113.1 6.6.6.6"], PROXY),
        (&["\"203.0.113.1\""], PROXY),
        (&["203.0.113.1;10.0.0.2"], PROXY),
    ] {
        assert_eq!(by_list(PROXY, fields), client, "{fields:?}");
    }
}

#[test]
fn forwarded_is_read_from_the_right() {
    for (fields, client) in [
        (&[][..], PROXY),
        (&["for=203.0.113.1"], "203.0.113.1"),
        (&["For=203.0.113.1;proto=https;by=10.0.0.1"], "203.0.113.1"),
        (&["proto=https; FOR=203.0.113.1 ; host=a"], "203.0.113.1"),
        (&["for=6.6.6.6, for=203.0.113.1"], "203.0.113.1"),
        (&["for=6.6.6.6, for=203.0.113.1,for=10.0.0.2"], "203.0.113.1"),
        (&["for=6.6.6.6", "for=203.0.113.1", "for=10.0.0.2"], "203.0.113.1"),
        (&["for=\"203.0.113.1\""], "203.0.113.1"),
        (&["for=\"203.0.113.1:4711\""], "203.0.113.1"),
        (&["for=\"203.0.113.1:_port\""], "203.0.113.1"),
        (&["for=\"[2001:db8:cafe::17]\""], "2001:db8:cafe::17"),
        (&["for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
        (&["for=\"\\2\\03.0.113.1\""], "203.0.113.1"),
        (&["for=203.0.113.1;host=\"a,b;for=6.6.6.6\""], "203.0.113.1"),
        (&["host=\"a\\\",\\\\\";for=203.0.113.1"], "203.0.113.1"),
        (&["for=203.0.113.1,for=\"10.0.0.2\";host=\"\\\"\""], "203.0.113.1"),
        (&["for=unknown"], PROXY),
        (&["for=_hidden, for=10.0.0.2"], "10.0.0.2"),
        (&["for=203.0.113.1, proto=https"], PROXY),
        (&["for=203.0.113.1, for"], PROXY),
        (&["for=203.0.113.1;for=6.6.6.6"], PROXY),
        (&["for="], PROXY),
        (&["for=203.0.113.1:80"], PROXY),
        (&["for=[2001:db8::1]"], PROXY),
        (&["for=\"2001:db8::1\""], PROXY),
        (&["for=\"203.0.113.1"], PROXY),
        (&["for= 203.0.113.1"], PROXY),
        (&["for =203.0.113.1"], PROXY),
        (&["203.0.113.1"], PROXY),
    ] {
        assert_eq!(by_forwarded(PROXY, fields), client, "{fields:?}");
    }
    let long = format!("for=\"{}\"", "1".repeat(100));
    assert_eq!(by_forwarded(PROXY, &[&long]), PROXY);
}

proptest! {
    /// What a client sends stands to the left of what the proxy adds, and cannot change it.
    #[test]
    fn a_client_cannot_hide_what_a_trusted_proxy_added(sent in r#"[a-z0-9=,;:.\[\]" \\\t]{0,40}"#) {
        let list = format!("{sent}, 203.0.113.1");
        prop_assert!(by_list(PROXY, &[&list]) == "203.0.113.1");
        for added in ["for=203.0.113.1", "for=\"203.0.113.1:80\";by=\"_a,b\""] {
            let forwarded = format!("{sent}, {added}");
            prop_assert!(by_forwarded(PROXY, &[&forwarded]) == "203.0.113.1", "{}", forwarded);
        }
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(sent in prop::collection::vec(0..=255_u8, 0..80)) {
        let values = || std::iter::once(&sent[..]);
        client_by_forwarded(ip(PROXY), values(), |_| true);
        client_by_x_forwarded_for(ip(PROXY), values(), |_| true);
    }
}
