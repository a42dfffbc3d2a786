//! Tables of request targets in their four forms (RFC 9112 section 3.2).

use corelane::wire::head::{Method, Span};
use corelane::wire::refusal::Refusal;
use corelane::wire::target::{Form, Target, parse};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

/// The form, authority, path and query of a target in the middle of a block.
type Parts<'t> = (Form, &'t str, &'t str, &'t str);

fn parse_in_block(method: Method, target: &[u8]) -> (Result<Target, Refusal>, Vec<u8>) {
    let block = [b"SEARCH ", target, b" HTTP/1.1\r\n"].concat();
    let span = Span { start: 7, end: (7 + target.len()).try_into().unwrap() };
    (parse(method, span, &block), block)
}

fn assert_parts(method: Method, target: &str, wanted: Parts<'_>) {
    let (parsed, block) = parse_in_block(method, target.as_bytes());
    let parsed = parsed.unwrap_or_else(|why| panic!("{target}: {why:?}"));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (authority, path) = (text(parsed.authority.of(&block)), text(parsed.path_of(&block)));
    let query = text(parsed.query.of(&block));
    assert_eq!((parsed.form, &*authority, &*path, &*query), wanted, "{target}");
    assert_eq!(parsed.path_has_escapes, path.contains('%'), "{target}");
}

fn refused(method: Method, target: &[u8]) {
    let (parsed, _) = parse_in_block(method, target);
    assert_eq!(parsed, Err(Refusal::Target), "{:?}", String::from_utf8_lossy(target));
}

#[test]
fn origin_form_is_path_and_query() {
    for (target, path, query) in [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("/a/b.c", "/a/b.c", ""),
        ("//evil.example/x", "//evil.example/x", ""),
        ("/a?b", "/a", "b"),
        ("/a?b?c=/d", "/a", "b?c=/d"),
        ("/%41%2f?%20", "/%41%2f", "%20"),
        ("/a?%41", "/a", "%41"),
        ("/a:b@c;d=e,f!$&'()*+~_-", "/a:b@c;d=e,f!$&'()*+~_-", ""),
        ("/http://x", "/http://x", ""),
        ("/a/../b", "/a/../b", ""),
        ("/\"<>[]^`{|}", "/\"<>[]^`{|}", ""),
        ("/?\"<>[]^`{|}\\", "/", "\"<>[]^`{|}\\"),
    ] {
        for method in [Method::Get, Method::Options, Method::Unknown] {
            assert_parts(method, target, (Form::Origin, "", path, query));
        }
    }
}

#[test]
fn absolute_form_names_its_host() {
    for (target, authority, path, query) in [
        ("http://a", "a", "/", ""),
        ("http://a/", "a", "/", ""),
        ("HTTP://A.example:80/b?c", "A.example:80", "/b", "c"),
        ("https://a?b", "a", "/", "b"),
        ("https://a?/b", "a", "/", "/b"),
        ("httpS://[::1]:8080/%41", "[::1]:8080", "/%41", ""),
        ("http://a//b", "a", "//b", ""),
    ] {
        assert_parts(Method::Get, target, (Form::Absolute, authority, path, query));
    }
    for target in [
        "http:/",
        "http://",
        "http:///",
        "http://?",
        "http://:80/",
        "http://a@b/",
        "http://a:b@c/",
        "http://a:x/",
        "http://a:65536/",
        "http://[::1/",
        "http://a\\b/",
        "http://a,b/",
        "http://a#b",
        "http://a/#b",
        "http://a/%zz",
        "http://a b/",
        "ftp://a/",
        "http:a",
        "ws://a/",
        "httpx://a/",
        " http://a/",
        "http://a/\\",
    ] {
        refused(Method::Get, target.as_bytes());
    }
}

#[test]
fn connect_has_the_authority_form_with_a_port_and_no_other() {
    for target in ["example.com:443", "127.0.0.1:1", "[::1]:443"] {
        assert_parts(Method::Connect, target, (Form::Authority, target, "", ""));
        refused(Method::Get, target.as_bytes());
        refused(Method::Unknown, target.as_bytes());
    }
    for target in [
        "",
        "/",
        "*",
        "a",
        "a1",
        "a:",
        "a:x",
        "a:0x1",
        "a:65536",
        ":443",
        "a@b:443",
        "[::1]",
        "[::1]:",
        "::1",
        "http://a:443",
        "http://a:443/",
        "a:443/",
        "a:443?",
        "a:443#",
    ] {
        refused(Method::Connect, target.as_bytes());
    }
}

#[test]
fn the_asterisk_is_for_options_alone() {
    assert_parts(Method::Options, "*", (Form::Asterisk, "", "*", ""));
    for method in Method::KNOWN {
        if method != Method::Options {
            refused(method, b"*");
        }
    }
    for target in ["**", "*?", "*/", "*a"] {
        refused(Method::Options, target.as_bytes());
    }
}

#[test]
fn a_target_that_has_no_form_is_refused() {
    for target in ["", "a", "a/b", "?", "?a", "..", "%2F", "index.html", "\\", "#", "#/"] {
        refused(Method::Get, target.as_bytes());
    }
}

#[test]
fn faulty_escapes_are_refused_in_path_and_query() {
    for escape in ["%", "%4", "%zz", "%4z", "%z4", "%%41", "%4%41", "% 41", "%u0041", "%+1"] {
        for prefix in ["/", "/ab", "/a?", "/a?bcd", "/%41", "/%41?%41"] {
            refused(Method::Get, format!("{prefix}{escape}").as_bytes());
        }
    }
    refused(Method::Get, b"/%4?1");
    refused(Method::Get, b"/%?41");
}

#[test]
fn each_byte_is_judged_by_where_it_stands() {
    for byte in 0..=u8::MAX {
        for pad in 0..9 {
            let filler = &b"aaaaaaaaa"[..pad];
            let in_path = [b"/", filler, &[byte], b"41"].concat();
            let in_query = [b"/a?", filler, &[byte], b"41"].concat();
            let is_visible = (b'!'..=b'~').contains(&byte) && byte != b'#';
            let path_taken = parse_in_block(Method::Get, &in_path).0.is_ok();
            let query_taken = parse_in_block(Method::Get, &in_query).0.is_ok();
            assert_eq!(path_taken, is_visible && byte != b'\\', "{byte:#x} in a path");
            assert_eq!(query_taken, is_visible, "{byte:#x} in a query");
        }
    }
}

proptest! {
    #[test]
    fn the_parts_of_an_origin_form_are_all_of_it(
        tail in prop::collection::vec(prop::sample::select(&b"ab/?%41&=\\\"."[..]), 0..24),
    ) {
        let target = [b"/", &tail[..]].concat();
        let (parsed, block) = parse_in_block(Method::Get, &target);
        if let Ok(parsed) = parsed {
            let (path, query) = (parsed.path_of(&block), parsed.query.of(&block));
            let mut parts = target.splitn(2, |&byte| byte == b'?');
            prop_assert_eq!(parts.next(), Some(path));
            prop_assert_eq!(parts.next().unwrap_or(b""), query);
            prop_assert_eq!(parsed.path_has_escapes, path.contains(&b'%'));
            prop_assert!(!path.contains(&b'\\'));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
        for method in [Method::Get, Method::Options, Method::Connect] {
            let _ = parse_in_block(method, &bytes);
            let _ = parse_in_block(method, &[b"http://", &bytes[..]].concat());
        }
    }
}
