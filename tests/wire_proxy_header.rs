//! Tables of PROXY headers, each of them at every cut and with whatever follows.

use std::net::SocketAddr;

use corelane::limits::PROXY_HEADER_BYTES_MAX;
use corelane::wire::proxy_header::{Parse, parse};
use proptest::prelude::{any, prop_assert_eq, proptest};

fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let len = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &len, addresses].concat()
}

/// `source`, a destination, their ports.
fn v2_addresses(source: &str) -> Vec<u8> {
    let source: SocketAddr = source.parse().unwrap();
    let (from, to) = match source {
        SocketAddr::V4(source) => (source.ip().octets().to_vec(), vec![10, 0, 0, 1]),
        SocketAddr::V6(source) => (source.ip().octets().to_vec(), vec![0xfd; 16]),
    };
    [&from, &to, &source.port().to_be_bytes()[..], &443_u16.to_be_bytes()].concat()
}

/// A whole header: its parts are partial, and what follows it is not looked at.
fn complete(header: &[u8], source: Option<&str>) {
    let shown = String::from_utf8_lossy(header);
    let source = source.map(|source| source.parse().unwrap());
    let whole = Parse::Complete { len: header.len(), source };
    assert_eq!(parse(header), whole, "{shown:?}");
    for cut in 0..header.len() {
        assert_eq!(parse(&header[..cut]), Parse::Partial, "{shown:?} cut at {cut}");
    }
    for behind in [&b"GET / HTTP/1.1\r\n"[..], b"\r\n", b"\n", b"\0", b" ", &[b'x'; 8_192]] {
        assert_eq!(parse(&[header, behind].concat()), whole, "{shown:?}");
    }
}

/// No header: once that is certain, nothing behind it changes it.
fn refused(input: &[u8]) {
    let shown = String::from_utf8_lossy(input);
    assert_eq!(parse(input), Parse::Refused, "{shown:?}");
    let mut is_certain = false;
    for cut in 0..input.len() {
        match parse(&input[..cut]) {
            Parse::Refused => is_certain = true,
            Parse::Partial => assert!(!is_certain, "{shown:?} cut at {cut}"),
            complete @ Parse::Complete { .. } => panic!("{shown:?} cut at {cut}: {complete:?}"),
        }
    }
    assert_eq!(parse(&[input, b"\r\n"].concat()), Parse::Refused, "{shown:?}");
}

#[test]
fn lines_of_version_1_name_the_source() {
    for (line, source) in [
        ("TCP4 192.168.0.1 192.168.0.11 56324 443", "192.168.0.1:56324"),
        ("TCP4 255.255.255.255 255.255.255.255 65535 65535", "255.255.255.255:65535"),
        ("TCP4 0.0.0.0 0.0.0.0 0 0", "0.0.0.0:0"),
        ("TCP6 2001:db8::1 fd00::2 56324 443", "[2001:db8::1]:56324"),
        ("TCP6 2001:DB8::A ::1 1 65535", "[2001:db8::a]:1"),
        ("TCP6 :: :: 9 9", "[::]:9"),
        ("TCP6 ::ffff:192.0.2.1 ::1 80 80", "[::ffff:192.0.2.1]:80"),
        (
            "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
             ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        ),
    ] {
        complete(format!("PROXY {line}\r\n").as_bytes(), Some(source));
    }
}

#[test]
fn lines_of_version_1_may_leave_the_source_unknown() {
    for line in [
        "UNKNOWN",
        "UNKNOWN ",
        "UNKNOWN anything at  all\t\u{fc}",
        "UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
         ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
    ] {
        complete(format!("PROXY {line}\r\n").as_bytes(), None);
    }
}

#[test]
fn lines_that_deviate_from_version_1_are_refused() {
    for line in [
        "",
        "TCP4",
        "TCP4 ",
        "TCP4 192.0.2.1",
        "TCP4 192.0.2.1 192.0.2.2 1",
        "TCP4 192.0.2.1 192.0.2.2 1 ",
        "TCP4 192.0.2.1 192.0.2.2 1 2 ",
        "TCP4 192.0.2.1 192.0.2.2 1 2 3",
        " TCP4 192.0.2.1 192.0.2.2 1 2",
        "TCP4  192.0.2.1 192.0.2.2 1 2",
        "TCP4 192.0.2.1  192.0.2.2 1 2",
        "TCP4 192.0.2.1 192.0.2.2  1 2",
        "TCP4 192.0.2.1 192.0.2.2 1\t2",
        "TCP4\t192.0.2.1 192.0.2.2 1 2",
        "tcp4 192.0.2.1 192.0.2.2 1 2",
        "TCP 192.0.2.1 192.0.2.2 1 2",
        "TCP5 192.0.2.1 192.0.2.2 1 2",
        "UDP4 192.0.2.1 192.0.2.2 1 2",
        "UNKNOWNS",
        "UNKNOWN\t",
        "unknown",
        "TCP4 192.0.2.1 192.0.2.2 01 2",
        "TCP4 192.0.2.1 192.0.2.2 1 02",
        "TCP4 192.0.2.1 192.0.2.2 00 2",
        "TCP4 192.0.2.1 192.0.2.2 +1 2",
        "TCP4 192.0.2.1 192.0.2.2 -1 2",
        "TCP4 192.0.2.1 192.0.2.2 65536 2",
        "TCP4 192.0.2.1 192.0.2.2 1 99999999999999999999",
        "TCP4 192.0.2.1 192.0.2.2 0x1 2",
        "TCP4 192.0.2.01 192.0.2.2 1 2",
        "TCP4 192.0.2.1 192.0.02.2 1 2",
        "TCP4 192.0.2 192.0.2.2 1 2",
        "TCP4 192.0.2.1.1 192.0.2.2 1 2",
        "TCP4 192.0.2.256 192.0.2.2 1 2",
        "TCP4 192.0.2.1 localhost 1 2",
        "TCP4 ::1 ::1 1 2",
        "TCP6 192.0.2.1 192.0.2.2 1 2",
        "TCP6 ::1 192.0.2.2 1 2",
        "TCP6 [::1] [::1] 1 2",
        "TCP6 fe80::1%1 ::1 1 2",
        "TCP6 1:2:3:4:5:6:7 ::1 1 2",
        "TCP6 1::2::3 ::1 1 2",
        "TCP6 12345::1 ::1 1 2",
        "TCP4 192.0.2.\u{661} 192.0.2.2 1 2",
        "TCP4 192.0.2.1 192.0.2.2 1 2\0",
    ] {
        refused(format!("PROXY {line}\r\n").as_bytes());
    }
    let good = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2";
    for end in ["\n", "\r", "\r\r\n", "\n\r", "\r \n"] {
        // A CR at the very end may still become a line end.
        refused(format!("{good}{end}x").as_bytes());
    }
    for input in ["PROXY\r\n", "PROXYTCP4 ", "proxy TCP4", " PROXY", "GET / HTTP/1.1\r\n", "\n"] {
        refused(input.as_bytes());
    }
    refused(b"PROXY TCP4 \xff\r\n");
    refused(&[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat());
}

#[test]
fn headers_of_version_2_name_the_source() {
    for source in ["192.0.2.1:56324", "255.255.255.255:65535", "0.0.0.0:0"] {
        complete(&v2(0x21, 0x11, &v2_addresses(source)), Some(source));
    }
    for source in ["[2001:db8::1]:56324", "[::]:0", "[::ffff:192.0.2.1]:80"] {
        complete(&v2(0x21, 0x21, &v2_addresses(source)), Some(source));
    }
}

#[test]
fn what_follows_the_addresses_of_version_2_is_skipped() {
    let most = PROXY_HEADER_BYTES_MAX - 16;
    for (family, source) in [(0x11, "192.0.2.1:1"), (0x21, "[2001:db8::1]:1")] {
        let mut addresses = v2_addresses(source);
        addresses.extend([0x04, 0, 3, 0, 0, 0]);
        complete(&v2(0x21, family, &addresses), Some(source));
        addresses.extend(b"not even vectors");
        complete(&v2(0x21, family, &addresses), Some(source));
        addresses.resize(most, 0xff);
        complete(&v2(0x21, family, &addresses), Some(source));
        addresses.push(0xff);
        refused(&v2(0x21, family, &addresses));
    }
}

#[test]
fn headers_of_version_2_may_have_no_source_for_us() {
    let four = v2_addresses("192.0.2.1:1");
    // LOCAL: whatever else it says is ignored.
    for family in [0x00, 0x11, 0x12, 0x21, 0x31, 0xff] {
        for addresses in [&[][..], &[1], &four, &[0; 216]] {
            complete(&v2(0x20, family, addresses), None);
        }
    }
    for family in [0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x31, 0x32] {
        for addresses in [&[][..], &four, &[0; 216]] {
            complete(&v2(0x21, family, addresses), None);
        }
    }
}

#[test]
fn headers_that_deviate_from_version_2_are_refused() {
    let four = v2_addresses("192.0.2.1:1");
    for command in (0..=0xff).filter(|command| ![0x20, 0x21].contains(command)) {
        refused(&v2(command, 0x11, &four));
    }
    for family in (0..=0xff).filter(|family| family >> 4 > 3 || family & 0xf > 2) {
        refused(&v2(0x21, family, &[0; 216]));
    }
    for (family, len) in [(0x11, 12), (0x21, 36)] {
        for short in 0..len {
            refused(&v2(0x21, family, &vec![0; short]));
        }
    }
    for at in 0..12 {
        let mut header = v2(0x21, 0x11, &four);
        header[at] ^= 0x20;
        refused(&header);
    }
}

proptest! {
    #[test]
    fn any_bytes_give_one_result_however_they_are_cut(
        bytes: Vec<u8>, kind in 0..4_u8, cut: u8, flip in any::<(u8, u8)>(),
    ) {
        let mut input = match kind {
            0 => bytes,
            1 => [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", &bytes[..]].concat(),
            2 => [&v2(0x21, 0x11, &v2_addresses("192.0.2.1:7")), &bytes[..]].concat(),
            _ => [&v2(0x21, 0x21, &v2_addresses("[::2]:7")), &bytes[..]].concat(),
        };
        if let Some(byte) = input.get_mut(usize::from(flip.0)) {
            *byte ^= flip.1;
        }
        let whole = parse(&input);
        match parse(&input[..input.len().min(usize::from(cut))]) {
            Parse::Partial => {}
            early => prop_assert_eq!(early, whole),
        }
        if let Parse::Complete { len, .. } = whole {
            prop_assert_eq!(parse(&input[..len]), whole);
            prop_assert_eq!(parse(&input[..len - 1]), Parse::Partial);
        }
    }
}
