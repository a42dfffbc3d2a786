//! Tables of `Accept-Encoding` fields (RFC 9110 section 12.5.3). Knows only the pure functions.

use corelane::wire::accept_encoding::{Accepted, Coding};
use proptest::prelude::{any, prop, prop_assert, proptest};

fn read(lines: &[&str]) -> Accepted {
    Accepted::read(lines.iter().map(|line| line.as_bytes()))
}

#[test]
fn the_best_liked_of_all_codings() {
    for (value, chosen) in [
        ("", Some("identity")),
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip, deflate, zstd", Some("zstd")),
        ("gzip", Some("gzip")),
        ("x-gzip", Some("gzip")),
        ("GZIP;Q=0.5", Some("gzip")),
        ("br;q=0.1, gzip;q=0.2", Some("gzip")),
        ("br;q=0.999,zstd;q=1.000", Some("zstd")),
        ("br ; q=0.8 , gzip\t;\tq=0.9", Some("gzip")),
        ("*", Some("br")),
        ("*;q=0.5, br;q=0", Some("zstd")),
        ("identity, gzip;q=0.5", Some("identity")),
        ("identity;q=0.5, gzip;q=0.4", Some("identity")),
        ("identity;q=0, gzip", Some("gzip")),
        ("identity;q=0", None),
        ("*;q=0", None),
        ("*;q=0, identity;q=0.1", Some("identity")),
        ("gzip;q=0", Some("identity")),
        ("gzip;q=0, br;q=0, zstd;q=0.001", Some("zstd")),
        ("deflate", Some("identity")),
    ] {
        let found = read(&[value]).choose(|_| true);
        assert_eq!(found.map(Coding::name), chosen, "{value}");
    }
}

#[test]
fn only_what_is_there_is_chosen() {
    let accepted = read(&["br, gzip;q=0.5"]);
    assert_eq!(accepted.choose(|coding| coding != Coding::Brotli), Some(Coding::Gzip));
    let plain = |coding| coding == Coding::Identity;
    assert_eq!(accepted.choose(plain), Some(Coding::Identity));
    assert_eq!(read(&["*;q=0"]).choose(plain), None);
}

#[test]
fn an_element_that_breaks_a_rule_is_passed_over() {
    for value in [
        "gzip;q=2",
        "gzip;q=1.001",
        "gzip;q=0.1234",
        "gzip;q=",
        "gzip;q=a",
        "gzip;x=1",
        "gzip;q=-1",
        "gzip;q=1.0.0",
        "gzip;q=1;q=1",
        "gzip;",
        ";q=1",
        "gz ip",
        "gzip;q=.5",
    ] {
        assert_eq!(read(&[value]), Accepted::default(), "{value}");
    }
    assert_eq!(read(&["gzip;q=7, br;q=0.5"]).choose(|_| true), Some(Coding::Brotli));
}

#[test]
fn several_lines_are_one_list() {
    assert_eq!(read(&["gzip", "br"]), read(&["gzip, br"]));
    assert_eq!(read(&[]).choose(|_| true), Some(Coding::Identity));
}

proptest! {
    #[test]
    fn weights_are_thousandths_whatever_is_sent(
        lines in prop::collection::vec(any::<Vec<u8>>(), 0..4),
        text in "((br|gzip|\\*|identity)(;q=[01](\\.[0-9]{0,4})?)?[,; ]{0,2}){0,6}",
    ) {
        let all = lines.iter().map(|line| &line[..]).chain([text.as_bytes()]);
        let accepted = Accepted::read(all);
        for coding in Coding::ALL {
            prop_assert!(accepted.weight(coding) <= 1000);
        }
        if let Some(chosen) = accepted.choose(|_| true) {
            prop_assert!(accepted.weight(chosen) > 0);
        }
    }
}
