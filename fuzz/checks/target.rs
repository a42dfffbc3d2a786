//! Request targets are judged and cut as a slow reading of RFC 9112 section 3.2 does it. Knows
//! the points in which this house differs from the RFC; the doc of `target::parse` names them.

use corelane::wire::head::{Method, Span};
use corelane::wire::refusal::Refusal;
use corelane::wire::target::{Form, Target, normalise_unreserved, parse};

use super::host_reference::is_host;
use super::input::Input;

/// Method (1 byte), padding (1), then the target.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let method = match usize::from(input.byte()) {
        index if index < Method::KNOWN.len() => Method::KNOWN[index],
        _ => Method::Unknown,
    };
    let padding = input.byte();
    let bytes = input.rest();
    let block = [&vec![b'/'; padding.into()], bytes].concat();
    let Ok(end) = u16::try_from(block.len()) else { return };
    let span = Span { start: padding.into(), end };
    match (parse(method, span, &block), reference(method, bytes)) {
        (Ok(target), Some(wanted)) => compare(&target, span, &block, &wanted),
        (Err(refusal), None) => assert_eq!(refusal, Refusal::Target),
        (result, wanted) => panic!("{result:?}, but the grammar: {wanted:?}"),
    }
    let normal = normalise_unreserved(bytes);
    assert!(normal.len() <= bytes.len());
    if !escapes_are_whole(bytes) {
        return;
    }
    assert_eq!(decoded(&normal), decoded(bytes), "normalising changes no meaning");
    assert_eq!(normalise_unreserved(&normal), &normal[..], "once is enough");
}

fn compare(target: &Target, span: Span, block: &[u8], wanted: &Parts<'_>) {
    for part in [target.path, target.query] {
        assert!(span.start <= part.start && part.start <= part.end && part.end <= span.end);
    }
    let authority = target.authority;
    assert!(authority.is_empty() || (span.start <= authority.start && authority.end <= span.end));
    let parts = Parts {
        form: target.form,
        authority: authority.of(block),
        path: target.path_of(block),
        query: target.query.of(block),
    };
    assert_eq!(parts, *wanted);
    assert_eq!(target.path_has_escapes, wanted.path.contains(&b'%'));
}

#[derive(Debug, PartialEq)]
struct Parts<'t> {
    form: Form,
    authority: &'t [u8],
    path: &'t [u8],
    query: &'t [u8],
}

/// The parts of a target by its grammar; `None` if it has none of the forms of its method.
fn reference(method: Method, target: &[u8]) -> Option<Parts<'_>> {
    if method == Method::Connect {
        let colon = target.iter().rposition(|byte| *byte == b':')?;
        let has_port =
            colon + 1 < target.len() && target[colon + 1..].iter().all(u8::is_ascii_digit);
        let parts = Parts { form: Form::Authority, authority: target, path: b"", query: b"" };
        return (has_port && is_host(target)).then_some(parts);
    }
    if method == Method::Options && target == b"*" {
        return Some(Parts { form: Form::Asterisk, authority: b"", path: b"*", query: b"" });
    }
    let (form, authority, rest) = match scheme_len(target) {
        _ if target.first() == Some(&b'/') => (Form::Origin, &b""[..], target),
        None => return None,
        Some(len) => {
            let after = &target[len..];
            let end = after.iter().position(|byte| b"/?".contains(byte)).unwrap_or(after.len());
            (Form::Absolute, &after[..end], &after[end..])
        }
    };
    if form == Form::Absolute && !is_host(authority) {
        return None;
    }
    let question = rest.iter().position(|byte| *byte == b'?');
    let (path, query) = match question {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, &b""[..]),
    };
    if !is_path(path) || !is_query(query) {
        return None;
    }
    let path = if path.is_empty() { b"/" } else { path };
    Some(Parts { form, authority, path, query })
}

fn scheme_len(target: &[u8]) -> Option<usize> {
    let colon = target.windows(3).position(|window| window == b"://")?;
    let scheme = target[..colon].to_ascii_lowercase();
    [&b"http"[..], b"https"].contains(&&scheme[..]).then_some(colon + 3)
}

/// `*( "/" *pchar )`, and the visible ASCII that browsers leave as it is, but no backslash.
fn is_path(path: &[u8]) -> bool {
    is_query(path) && !path.contains(&b'\\')
}

/// `*( pchar / "/" / "?" )`, and the visible ASCII that browsers leave as it is.
fn is_query(query: &[u8]) -> bool {
    escapes_are_whole(query) && query.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#')
}

fn escapes_are_whole(bytes: &[u8]) -> bool {
    let is_whole = |at: usize| {
        let digits = bytes.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    (0..bytes.len()).all(|at| bytes[at] != b'%' || is_whole(at))
}

/// `bytes`, whose escapes are whole, without escapes.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = str::from_utf8(&after[..2]).expect("two digits are text");
            decoded.push(u8::from_str_radix(digits, 16).expect("both were checked"));
            rest = &after[2..];
        } else {
            decoded.push(first);
            rest = after;
        }
    }
    decoded
}
