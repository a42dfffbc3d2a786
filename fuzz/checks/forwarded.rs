//! What a client writes into `Forwarded` or `X-Forwarded-For` hides nothing that a trusted proxy
//! adds behind it. Knows the form in which proxies add, and no meaning of what clients write.

use std::net::{IpAddr, Ipv4Addr};

use corelane::wire::forwarded::{client_by_forwarded, client_by_x_forwarded_for};

use super::input::Input;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Flags (1 byte), an address (4), then what the client wrote.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let added = Ipv4Addr::from([(); 4].map(|()| input.byte()));
    let written = input.rest();
    if added == PEER {
        return;
    }
    let trusts_peer = |address: IpAddr| address == PEER;

    let hop = match flags % 4 {
        0 => format!("for={added}"),
        1 => format!("for=\"{added}:80\";proto=http"),
        2 => format!("by=_x;For=\"[{}]\"", added.to_ipv6_mapped()),
        _ => format!("proto=https;for={added};host=\"a,b;c\\\"\""),
    };
    // A proxy trusts nobody either: it adds a field or an element behind what is there.
    let list = [written, b", ", hop.as_bytes()].concat();
    let client = client_by_forwarded(PEER, [&list[..]].into_iter(), trusts_peer);
    assert_eq!(client, IpAddr::V4(added), "hidden by an element");
    let fields = [hop.as_bytes(), written];
    let client = client_by_forwarded(PEER, fields.into_iter(), trusts_peer);
    assert_eq!(client, IpAddr::V4(added), "hidden by a field");

    let hop = if flags & 4 == 0 { added.to_string() } else { format!("{added}:80") };
    let list = [written, b",", hop.as_bytes()].concat();
    let client = client_by_x_forwarded_for(PEER, [&list[..]].into_iter(), trusts_peer);
    assert_eq!(client, IpAddr::V4(added), "hidden in X-Forwarded-For");

    // Nobody is believed whom nobody trusts, and everybody may be believed without harm.
    for walk in [by_forwarded, by_x_forwarded_for] {
        assert_eq!(walk(written, false), PEER);
        let client = walk(written, true);
        assert_eq!(client, client.to_canonical());
    }
}

fn by_forwarded(value: &[u8], is_trusted: bool) -> IpAddr {
    client_by_forwarded(PEER, [value].into_iter(), |_| is_trusted)
}

fn by_x_forwarded_for(value: &[u8], is_trusted: bool) -> IpAddr {
    client_by_x_forwarded_for(PEER, [value].into_iter(), |_| is_trusted)
}
