//! The request target (RFC 9112 section 3.2): which of the four forms it has and where its parts
//! are, and which percent escapes mean no more than their character.
//! Knows no routes, no files and nothing of dot segments.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2};

use super::framing::is_host;
use super::head::{Method, Span};
use super::refusal::Refusal;
use super::scan::plain_path_end;

/// The form of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `http://host/path?query`, as sent to proxies; its host wins over the Host field.
    Absolute,
    /// `*`, the server as a whole; only with OPTIONS.
    Asterisk,
    /// `host:port`; only with CONNECT, and CONNECT has no other.
    Authority,
    /// `/path?query`
    #[default]
    Origin,
}

/// A target's form and parts; the spans name bytes of the block of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The form.
    pub form: Form,
    /// Whether the path contains `%`: a path without is already decoded.
    pub path_has_escapes: bool,
    /// `host[:port]` of the absolute and the authority form; empty in the others.
    pub authority: Span,
    /// The path, `*` in the asterisk form. Empty in the authority form and where the absolute
    /// form leaves it out; [`Target::path_of`] knows what that means.
    pub path: Span,
    /// What follows the first `?`; empty if nothing does.
    pub query: Span,
}

const _: () = assert!(size_of::<Target>() <= 16);

impl Target {
    /// The path: `/` where the absolute form has none (RFC 9110 section 4.2.3).
    ///
    /// # Panics
    /// If `block` is shorter than the one the target was parsed from.
    #[inline]
    pub fn path_of<'b>(&self, block: &'b [u8]) -> &'b [u8] {
        if self.form == Form::Absolute && self.path.is_empty() { b"/" } else { self.path.of(block) }
    }
}

/// Parses the target of a request with this method.
///
/// Paths and queries are taken as RFC 3986 has them, and as browsers send them: visible ASCII
/// that the RFC would have escaped (`"<>[]^{|}` and the backtick) is left in, since it has no
/// meaning here that two parsers could disagree on. Refused are `#` (no fragment is ever sent),
/// a backslash in a path (some servers read it as `/`, and browsers send it so), escapes that
/// are not two hexadecimal digits, blanks, control bytes and bytes above ASCII.
///
/// # Errors
/// [`Refusal::Target`] for any of these, for a form that the method does not have, for a scheme
/// other than `http` and `https`, and for an authority that is not a valid `host[:port]`
/// (userinfo is none). CONNECT must name a port (RFC 9110 section 9.3.6).
///
/// # Panics
/// If `block` is shorter than the one `target` was made for.
#[inline]
pub fn parse(method: Method, target: Span, block: &[u8]) -> Result<Target, Refusal> {
    let bytes = target.of(block);
    if method == Method::Connect {
        return parse_authority(target, block);
    }
    match bytes {
        [b'/', ..] => parse_path_and_query(Form::Origin, Span::default(), target, block),
        b"*" if method == Method::Options => Ok(Target {
            form: Form::Asterisk,
            path_has_escapes: false,
            authority: Span::default(),
            path: target,
            query: Span { start: target.end, end: target.end },
        }),
        _ => parse_absolute(target, block),
    }
}

/// What a byte of a target may be besides ordinary; the marks of a target are ORed together.
mod mark {
    /// `?`
    pub(super) const QUERY: u8 = 1;
    /// `%`
    pub(super) const ESCAPE: u8 = 2;
    /// The backslash, which only a query may contain.
    pub(super) const BACKSLASH: u8 = 4;
    /// A byte that no target contains.
    pub(super) const FORBIDDEN: u8 = 8;
}

static MARKS: [u8; 256] = {
    let mut marks = [mark::FORBIDDEN; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        marks[byte as usize] = match byte {
            b'#' => mark::FORBIDDEN,
            b'%' => mark::ESCAPE,
            b'?' => mark::QUERY,
            b'\\' => mark::BACKSLASH,
            _ => 0,
        };
        byte += 1;
    }
    marks
};

/// `span` names a path or nothing, then a query or nothing. Most paths have nothing to look for.
#[inline]
fn parse_path_and_query(
    form: Form,
    authority: Span,
    span: Span,
    block: &[u8],
) -> Result<Target, Refusal> {
    let end = usize::from(span.end);
    if plain_path_end(block, usize::from(span.start), end) < end {
        return parse_marked(form, authority, span, span.of(block));
    }
    let query = Span { start: span.end, end: span.end };
    Ok(Target { form, path_has_escapes: false, authority, path: span, query })
}

/// The same where some of the bytes have marks.
fn parse_marked(form: Form, authority: Span, span: Span, bytes: &[u8]) -> Result<Target, Refusal> {
    let marks = bytes.iter().fold(0, |marks, &byte| marks | MARKS[usize::from(byte)]);
    let question = if marks & mark::QUERY == 0 { None } else { memchr(b'?', bytes) };
    // A length within a span fits its type.
    let path_len = question.unwrap_or(bytes.len());
    let path = Span { start: span.start, end: span.start + path_len as u16 };
    let query = Span { start: path.end + u16::from(question.is_some()), end: span.end };
    let path_bytes = &bytes[..path_len];
    let is_refused = marks & mark::FORBIDDEN != 0
        || marks & mark::BACKSLASH != 0 && memchr(b'\\', path_bytes).is_some()
        || marks & mark::ESCAPE != 0 && !are_escapes_valid(bytes);
    if is_refused {
        return Err(Refusal::Target);
    }
    let path_has_escapes = marks & mark::ESCAPE != 0 && memchr(b'%', path_bytes).is_some();
    Ok(Target { form, path_has_escapes, authority, path, query })
}

/// Whether two hexadecimal digits follow every `%`.
fn are_escapes_valid(bytes: &[u8]) -> bool {
    memchr_iter(b'%', bytes).all(|at| unescape(&bytes[at..]).is_some())
}

/// The byte of the escape that `bytes` begin with.
fn unescape(bytes: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

#[cold]
fn parse_absolute(span: Span, block: &[u8]) -> Result<Target, Refusal> {
    let bytes = span.of(block);
    let scheme_len = ["http://", "https://"]
        .map(str::as_bytes)
        .into_iter()
        .find(|scheme| {
            bytes.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        })
        .map(<[u8]>::len)
        .ok_or(Refusal::Target)?;
    let after = &bytes[scheme_len..];
    let authority_len = memchr2(b'/', b'?', after).unwrap_or(after.len());
    // Lengths within a span fit its type.
    let start = span.start + scheme_len as u16;
    let authority = Span { start, end: start + authority_len as u16 };
    if !is_host(block, authority) {
        return Err(Refusal::Target);
    }
    let rest = Span { start: authority.end, end: span.end };
    parse_path_and_query(Form::Absolute, authority, rest, block)
}

#[cold]
fn parse_authority(span: Span, block: &[u8]) -> Result<Target, Refusal> {
    let bytes = span.of(block);
    // Behind a valid host a last digit with a colon somewhere before it is a port's.
    let has_port = bytes.last().is_some_and(u8::is_ascii_digit) && bytes.contains(&b':');
    if !has_port || !is_host(block, span) {
        return Err(Refusal::Target);
    }
    let nothing = Span { start: span.end, end: span.end };
    Ok(Target {
        form: Form::Authority,
        path_has_escapes: false,
        authority: span,
        path: nothing,
        query: nothing,
    })
}

/// `path` with the escapes of unreserved characters replaced by these (RFC 3986 section
/// 6.2.2.2), so that `/h%65llo` is `/hello` while `%2F` stays; borrowed if nothing changes.
/// A dot is unreserved: dot segments may appear that were escaped before.
pub fn normalise_unreserved(path: &[u8]) -> Cow<'_, [u8]> {
    let mut normal = Vec::new();
    let mut copied = 0;
    for at in memchr_iter(b'%', path) {
        if let Some(byte) = unescape(&path[at..]).filter(|&byte| is_unreserved(byte)) {
            normal.extend_from_slice(&path[copied..at]);
            normal.push(byte);
            copied = at + 3;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(path);
    }
    normal.extend_from_slice(&path[copied..]);
    Cow::Owned(normal)
}

/// unreserved of RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::*;

    fn percent_decode(bytes: &[u8]) -> Cow<'_, [u8]> {
        percent_encoding::percent_decode(bytes).into()
    }

    #[test]
    fn only_escapes_of_unreserved_characters_are_normalised() {
        let normal = |path: &'static str| normalise_unreserved(path.as_bytes());
        assert_eq!(*normal("/h%65llo"), *b"/hello");
        assert_eq!(*normal("%41%7a%30%2D%2e%5F%7E"), *b"Az0-._~");
        assert_eq!(*normal("/%2e%2E/"), *b"/../");
        assert_eq!(*normal("/%2565"), *b"/%2565", "decoded once, never twice");
        for path in ["/hello", "/a%2Fb%2f", "/%25%20%00%ff%C3", "/%", "/%6", "/%6g"] {
            let is_borrowed =
                matches!(normal(path), Cow::Borrowed(same) if same == path.as_bytes());
            assert!(is_borrowed, "{path}");
        }
    }

    #[test]
    fn a_decoded_text_without_escapes_is_borrowed() {
        assert!(matches!(percent_decode(b"/hello+x"), Cow::Borrowed(b"/hello+x")));
        assert_eq!(*percent_decode(b"%2F%c3%BC%00"), *b"/\xc3\xbc\0");
    }

    proptest! {
        #[test]
        fn normalising_changes_no_meaning_and_needs_no_repetition(
            path in prop::collection::vec(prop::sample::select(&b"%2456eEfF7a./~"[..]), 0..24),
        ) {
            let normal = normalise_unreserved(&path);
            if are_escapes_valid(&path) {
                prop_assert_eq!(percent_decode(&normal), percent_decode(&path));
                prop_assert_eq!(normalise_unreserved(&normal), &normal[..]);
            }
        }

        #[test]
        fn a_path_without_marks_is_parsed_as_any_other(
            path in "/([!-~]{0,40}|[a-z/.-]{0,40}[#%?\\\\ \x00\x7f\u{80}]?[a-z]{0,3})",
            behind in 0_usize..32,
        ) {
            let block = [path.as_bytes(), &vec![b' '; behind]].concat();
            let span = Span { start: 0, end: path.len() as u16 };
            prop_assert_eq!(
                parse(Method::Get, span, &block),
                parse_marked(Form::Origin, Span::default(), span, path.as_bytes())
            );
        }
    }
}
