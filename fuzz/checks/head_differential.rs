//! The head parser and its framing against httparse and against slow references. Knows every
//! reason for which we and httparse may differ; any other difference is a finding.

#[path = "../../tests/support/head_reference.rs"]
mod head_reference;

use corelane::limits::{FIELDS_MAX, HEAD_BYTES_MAX, METHOD_BYTES_MAX};
use corelane::wire::framing;
use corelane::wire::head::{Head, Span, Version};
use corelane::wire::parse::{HeadLimits, Parse, Progress, parse_head};
use corelane::wire::refusal::Refusal;
use httparse::{EMPTY_HEADER, Request, Status};

use self::head_reference::{Outcome, Reference};
use super::framing_reference::{self, Field};
use super::input::Input;

/// Flags (1 byte), limits (2 head, 1 fields, 2 target), then a head and what follows it.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    // The reference has seen a byte before it can say that no byte is allowed.
    let head_bytes = input.number().max(1);
    let fields = usize::from(input.byte()).min(FIELDS_MAX);
    let mut limits = HeadLimits { head_bytes, fields, target_bytes: input.number() };
    if flags & 1 == 0 {
        let target_bytes = HEAD_BYTES_MAX / 2;
        limits = HeadLimits { head_bytes: HEAD_BYTES_MAX, fields: FIELDS_MAX, target_bytes };
    }
    let bytes = input.rest();
    let mut head = Head::default();
    let parse = parse_head(bytes, 0, &mut head, &mut Progress::default(), &limits);
    compare_with_reference(bytes, &limits, parse, &head);
    compare_with_httparse(bytes, &limits, parse, &head);
    if let Parse::Complete { .. } = parse {
        let wanted = framing_reference::decide(head.version, &fields_of(&head, bytes));
        assert_eq!(framing::decide(&head, bytes), wanted);
    }
}

fn fields_of<'b>(head: &Head, bytes: &'b [u8]) -> Vec<Field<'b>> {
    head.fields.iter().map(|field| (field.name.of(bytes), field.value.of(bytes))).collect()
}

fn compare_with_reference(bytes: &[u8], limits: &HeadLimits, parse: Parse, head: &Head) {
    let mut reference = Reference::new(*limits);
    let outcome = bytes.iter().fold(Outcome::Partial, |_, byte| reference.feed(*byte));
    match (parse, outcome) {
        (Parse::Complete { len }, Outcome::Complete(wanted)) => {
            let range = |span: Span| usize::from(span.start)..usize::from(span.end);
            let contents = reference.contents;
            assert_eq!(len, wanted);
            assert_eq!(range(head.method_name), contents.method);
            assert_eq!(range(head.target), contents.target);
            assert_eq!(Some(head.version), contents.version);
            let fields = head.fields.iter().map(|field| (range(field.name), range(field.value)));
            assert_eq!(fields.collect::<Vec<_>>(), contents.fields);
        }
        (Parse::Partial, Outcome::Partial) => assert!(bytes.len() < limits.head_bytes),
        (Parse::Refused(refusal), Outcome::Refused(wanted)) => assert_eq!(refusal, wanted),
        _ => panic!("{parse:?}, but the reference: {outcome:?}"),
    }
}

fn compare_with_httparse(bytes: &[u8], limits: &HeadLimits, parse: Parse, head: &Head) {
    // It knows no minor version above 1; with another digit there it must agree all the same.
    let served_as_11 = minor_version(bytes).filter(|at| (b'2'..=b'9').contains(&bytes[*at]));
    let mut copy = bytes.to_vec();
    if let Some(at) = served_as_11 {
        copy[at] = b'1';
    }
    let mut fields = [EMPTY_HEADER; FIELDS_MAX + 28];
    let mut request = Request::new(&mut fields);
    let theirs = request.parse(&copy);
    match (parse, theirs) {
        (Parse::Complete { len }, Ok(Status::Complete(wanted))) => {
            assert_eq!(len, wanted);
            assert_eq!(Some(head.method_name.of(bytes)), request.method.map(str::as_bytes));
            assert_eq!(Some(head.target.of(bytes)), request.path.map(str::as_bytes));
            assert_eq!(request.version, Some(u8::from(head.version == Version::Http11)));
            let wanted: Vec<Field<'_>> =
                request.headers.iter().map(|field| (field.name.as_bytes(), field.value)).collect();
            assert_eq!(fields_of(head, bytes), wanted);
        }
        (Parse::Complete { .. }, _) => panic!("accepted, but httparse: {theirs:?}"),
        // A major version that nobody speaks is refused by them before the minor one came.
        (Parse::Partial, Ok(Status::Partial) | Err(httparse::Error::Version))
        | (Parse::Refused(_), Ok(Status::Partial) | Err(_)) => {}
        (Parse::Partial, _) => panic!("partial, but httparse: {theirs:?}"),
        (Parse::Refused(refusal), Ok(Status::Complete(len))) => {
            let is_known = is_known_difference(refusal, &bytes[..len], limits, &request);
            assert!(is_known, "refused as {refusal:?}, but httparse accepts");
        }
    }
}

/// Where the minor version stands, if the bytes begin with a request line.
fn minor_version(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|byte| !b"\r\n".contains(byte))?;
    let line = bytes[start..].split(|byte| b"\r\n".contains(byte)).next()?;
    let before = line.len().checked_sub(1)?;
    line[..before].ends_with(b" HTTP/1.").then_some(start + before)
}

/// Whether we refuse on purpose what httparse accepts: our limits, and four rules of RFC 9112
/// that it leaves to its caller or to tolerance.
fn is_known_difference(
    refusal: Refusal,
    bytes: &[u8],
    limits: &HeadLimits,
    theirs: &Request<'_, '_>,
) -> bool {
    let path = theirs.path.unwrap_or_default().as_bytes();
    match refusal {
        Refusal::HeadTooLarge => bytes.len() > limits.head_bytes,
        Refusal::FieldsTooMany => theirs.headers.len() > limits.fields,
        Refusal::TargetTooLong => path.len() > limits.target_bytes,
        Refusal::Method => theirs.method.is_some_and(|name| name.len() > METHOD_BYTES_MAX),
        // Section 2.2: a recipient may take a bare LF as a line end, and smugglers like that.
        Refusal::LineEnd => {
            let bare = |at: usize| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r');
            (0..bytes.len()).any(bare)
        }
        // Section 2.2: at least one empty line is passed over; we pass over one.
        Refusal::RequestLine => bytes.starts_with(b"\r\n\r\n"),
        // Section 3.2: a target is visible ASCII.
        Refusal::Target => path.iter().any(|byte| !byte.is_ascii_graphic()),
        _ => false,
    }
}
