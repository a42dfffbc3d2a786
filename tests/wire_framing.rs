//! Tables of heads and the framing that RFC 9112 sections 3.2, 6 and 9.3 give them.

use corelane::wire::framing::{BodyFraming, Framing, decide};
use corelane::wire::head::{Field, Head, Span, Version};
use corelane::wire::refusal::Refusal;
use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, proptest};

/// A head of these `name:value` lines, and the block it points into.
fn head_of(version: Version, lines: &[&str]) -> (Head, Vec<u8>) {
    let mut head = Head { version, ..Head::default() };
    let mut block = b"GET / HTTP/1.1\r\n".to_vec();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a test line has a colon");
        let name = append(&mut block, name);
        block.push(b':');
        let value = append(&mut block, value);
        block.extend(b"\r\n");
        head.fields.push(Field { name, value });
    }
    (head, block)
}

fn append(block: &mut Vec<u8>, text: &str) -> Span {
    let start = block.len();
    block.extend(text.as_bytes());
    Span { start: start.try_into().unwrap(), end: block.len().try_into().unwrap() }
}

fn decide_lines(version: Version, lines: &[&str]) -> Result<Framing, Refusal> {
    let (head, block) = head_of(version, lines);
    decide(&head, &block)
}

/// HTTP/1.1 with a Host in front.
fn decide_11(lines: &[&str]) -> Result<Framing, Refusal> {
    decide_lines(Version::Http11, &[&["Host:a"], lines].concat())
}

fn decide_10(lines: &[&str]) -> Result<Framing, Refusal> {
    decide_lines(Version::Http10, lines)
}

fn body_11(lines: &[&str]) -> Result<BodyFraming, Refusal> {
    decide_11(lines).map(|framing| framing.body)
}

#[test]
fn a_request_without_framing_fields_has_no_body_and_keeps_the_connection() {
    let framing = decide_11(&["Accept:*/*", "Upgrade:h2c", "TE:trailers"]).unwrap();
    let wanted = Framing { body: BodyFraming::None, keep_alive: true, expects_continue: false };
    assert_eq!(framing, wanted);
}

#[test]
fn http_1_1_wants_exactly_one_valid_host() {
    let decide = |lines: &[&str]| decide_lines(Version::Http11, lines).err();
    assert_eq!(decide(&["HOST:a:80"]), None);
    assert_eq!(decide(&[]), Some(Refusal::HostMissing));
    assert_eq!(decide(&["Hosts:a", "Most:a"]), Some(Refusal::HostMissing));
    assert_eq!(decide(&["Host:"]), Some(Refusal::HostInvalid));
    assert_eq!(decide(&["Host:a@b"]), Some(Refusal::HostInvalid));
    assert_eq!(decide(&["Host:a", "host:a"]), Some(Refusal::HostRepeated));
    assert_eq!(decide(&["Host:a", "Accept:x", "host:"]), Some(Refusal::HostRepeated));
}

#[test]
fn http_1_0_takes_no_host_or_one_valid_host() {
    assert!(decide_10(&[]).is_ok());
    assert!(decide_10(&["Host:a"]).is_ok());
    assert_eq!(decide_10(&["Host:a/"]), Err(Refusal::HostInvalid));
    assert_eq!(decide_10(&["Host:a", "Host:a"]), Err(Refusal::HostRepeated));
}

#[test]
fn content_length_is_one_canonical_number() {
    assert_eq!(body_11(&["Content-Length:0"]), Ok(BodyFraming::None));
    assert_eq!(body_11(&["CONTENT-LENGTH:1"]), Ok(BodyFraming::Length(1)));
    let largest = format!("Content-Length:{}", u64::MAX);
    assert_eq!(body_11(&[&largest]), Ok(BodyFraming::Length(u64::MAX)));
    for value in [
        "",
        "00",
        "01",
        "+1",
        "-1",
        "-0",
        "1_0",
        "0x1",
        "1e1",
        "1.0",
        "1 0",
        "1,1",
        "1, 1",
        ",1",
        "1,",
        "\"1\"",
        "1;",
        "a",
        "١",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        let line = format!("Content-Length:{value}");
        assert_eq!(body_11(&[&line]), Err(Refusal::ContentLength), "{value}");
    }
    let twice = ["Content-Length:1", "Content-Length:1"];
    assert_eq!(body_11(&twice), Err(Refusal::ContentLength));
    assert_eq!(decide_10(&twice), Err(Refusal::ContentLength));
    assert_eq!(decide_10(&["Content-Length:7"]).unwrap().body, BodyFraming::Length(7));
}

#[test]
fn transfer_encoding_is_one_chunked() {
    for value in ["chunked", "CHUNKED", "Chunked"] {
        let line = format!("Transfer-Encoding:{value}");
        assert_eq!(body_11(&[&line]), Ok(BodyFraming::Chunked));
    }
    for value in ["identity", "gzip", "chunkedx", "xchunked", "chunke"] {
        let line = format!("transfer-encoding:{value}");
        assert_eq!(body_11(&[&line]), Err(Refusal::TransferEncodingUnknown), "{value}");
    }
    for value in [
        "",
        ",",
        ",chunked",
        "chunked,",
        "chunked, ",
        "chunked,chunked",
        "gzip, chunked",
        "chunked, gzip",
        "chunked;a=b",
        "chunked;",
        "\"chunked\"",
        "chun ked",
        "chunked\x0b",
        "\x0cchunked",
        "chunked\u{a0}",
    ] {
        let line = format!("Transfer-Encoding:{value}");
        assert_eq!(body_11(&[&line]), Err(Refusal::TransferEncoding), "{value:?}");
    }
    let chunked = "Transfer-Encoding:chunked";
    assert_eq!(body_11(&[chunked, chunked]), Err(Refusal::TransferEncoding));
    assert_eq!(body_11(&["Transfer-Encoding:gzip", chunked]), Err(Refusal::TransferEncoding));
    assert_eq!(decide_10(&[chunked]), Err(Refusal::TransferEncoding));
    assert_eq!(decide_10(&["Transfer-Encoding:gzip"]), Err(Refusal::TransferEncoding));
}

#[test]
fn both_framings_are_refused_whatever_their_values_and_their_order() {
    for coding in ["chunked", "", "gzip", "identity"] {
        for length in ["5", "0", "", "x"] {
            let coding = format!("Transfer-Encoding:{coding}");
            let length = format!("Content-Length:{length}");
            for lines in [[coding.as_str(), &length], [&length, &coding]] {
                let both = Refusal::ContentLengthAndTransferEncoding;
                assert_eq!(body_11(&lines), Err(both));
                assert_eq!(decide_10(&lines), Err(both));
            }
        }
    }
}

#[test]
fn close_in_any_connection_line_wins() {
    let keeps = |lines: &[&str]| decide_11(lines).unwrap().keep_alive;
    assert!(keeps(&["Connection:keep-alive"]));
    assert!(keeps(&["Connection:"]));
    assert!(keeps(&["Connection:closed, close-notify, xclose, cl ose"]));
    assert!(keeps(&["Connection:\"close\""]));
    assert!(!keeps(&["Connection:close"]));
    assert!(!keeps(&["connection:CLOSE"]));
    assert!(!keeps(&["Connection:keep-alive , ,\tClose\t, Upgrade"]));
    assert!(!keeps(&["Connection:close", "Connection:keep-alive"]));
    assert!(!keeps(&["Connection:keep-alive", "Connection:close"]));
}

#[test]
fn http_1_0_closes_unless_told_to_keep_alive() {
    let keeps = |lines: &[&str]| decide_10(lines).unwrap().keep_alive;
    assert!(!keeps(&[]));
    assert!(!keeps(&["Connection:upgrade"]));
    assert!(!keeps(&["Keep-Alive:timeout=5"]));
    assert!(keeps(&["Connection:Keep-Alive"]));
    assert!(keeps(&["Connection:upgrade,keep-alive"]));
    assert!(!keeps(&["Connection:keep-alive", "Connection:close"]));
}

#[test]
fn a_client_waits_for_100_only_with_a_body_and_in_1_1() {
    let expects = |lines: &[&str]| decide_11(lines).unwrap().expects_continue;
    assert!(expects(&["Expect:100-continue", "Content-Length:5"]));
    assert!(expects(&["Transfer-Encoding:chunked", "EXPECT:100-Continue"]));
    assert!(expects(&["Expect:, 100-continue ,", "Content-Length:5"]));
    assert!(!expects(&["Expect:100-continue"]));
    assert!(!expects(&["Expect:100-continue", "Content-Length:0"]));
    assert!(!expects(&["Expect:", "Content-Length:5"]));
    assert!(!expects(&["Content-Length:5"]));
    let framing = decide_10(&["Expect:100-continue", "Content-Length:5"]).unwrap();
    assert!(!framing.expects_continue);
}

#[test]
fn another_expectation_fails_in_1_1_and_is_ignored_in_1_0() {
    for value in ["200-ok", "100-continue;a=b", "100-continue, x", "100", "100-continuee"] {
        let line = format!("Expect:{value}");
        assert_eq!(decide_11(&[&line]), Err(Refusal::Expectation), "{value}");
        assert!(decide_10(&[&line]).is_ok(), "{value}");
    }
}

#[test]
fn a_broken_rule_of_framing_is_named_before_a_failed_expectation() {
    assert_eq!(decide_11(&["Expect:x", "Content-Length:x"]), Err(Refusal::ContentLength));
    let result = decide_lines(Version::Http11, &["Expect:x", "Transfer-Encoding:gzip"]);
    assert_eq!(result, Err(Refusal::HostMissing));
}

fn lines() -> impl Strategy<Value = Vec<&'static str>> {
    let line = prop::sample::select(vec![
        "Host:a",
        "Host:",
        "Content-Length:1",
        "Content-Length:+1",
        "Transfer-Encoding:chunked",
        "Transfer-Encoding:gzip",
        "Connection:close",
        "Connection:keep-alive",
        "Expect:100-continue",
        "Expect:x",
        "Accept:x",
        "Cookies:Host",
    ]);
    prop::collection::vec(line, 0..6)
}

proptest! {
    #[test]
    fn the_order_of_the_fields_changes_nothing(
        (lines, shuffled) in lines().prop_flat_map(|lines| {
            let shuffled = Just(lines.clone()).prop_shuffle();
            (Just(lines), shuffled)
        }),
    ) {
        for version in [Version::Http10, Version::Http11] {
            let framing = decide_lines(version, &lines);
            // Of two values that may stand once the last one is read: only the count decides.
            prop_assert_eq!(decide_lines(version, &shuffled), framing);
        }
    }
}
