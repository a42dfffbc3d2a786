//! The framing of a request once more, slowly: every field by its name, every rule of RFC 9112
//! sections 3.2, 6 and 9.3 on its own. Knows only names and values.

use corelane::wire::framing::{BodyFraming, Framing};
use corelane::wire::head::Version;
use corelane::wire::refusal::Refusal;

use super::host_reference::is_host;

/// A field's name and value.
pub(crate) type Field<'a> = (&'a [u8], &'a [u8]);

/// What [`corelane::wire::framing::decide`] should find.
pub(crate) fn decide(version: Version, fields: &[Field<'_>]) -> Result<Framing, Refusal> {
    let values = |name: &str| -> Vec<&[u8]> {
        let named = fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|field| field.1).collect()
    };
    match (&values("host")[..], version) {
        ([], Version::Http11) => return Err(Refusal::HostMissing),
        ([], Version::Http10) => {}
        ([host], _) if is_host(host) => {}
        ([_], _) => return Err(Refusal::HostInvalid),
        _ => return Err(Refusal::HostRepeated),
    }
    let body = body(version, &values("transfer-encoding"), &values("content-length"))?;
    let connection = elements(&values("connection"));
    let expect = elements(&values("expect"));
    if version == Version::Http11 && expect.iter().any(|element| element != "100-continue") {
        return Err(Refusal::Expectation);
    }
    let has = |option: &str| connection.iter().any(|element| element == option);
    Ok(Framing {
        body,
        keep_alive: match version {
            Version::Http10 => has("keep-alive") && !has("close"),
            Version::Http11 => !has("close"),
        },
        expects_continue: version == Version::Http11
            && body != BodyFraming::None
            && !expect.is_empty(),
    })
}

fn body(version: Version, codings: &[&[u8]], lengths: &[&[u8]]) -> Result<BodyFraming, Refusal> {
    match (codings, lengths) {
        ([], []) => Ok(BodyFraming::None),
        ([], [length]) => match canonical_number(length) {
            Some(0) => Ok(BodyFraming::None),
            Some(length) => Ok(BodyFraming::Length(length)),
            None => Err(Refusal::ContentLength),
        },
        ([], _) => Err(Refusal::ContentLength),
        ([coding], []) if version == Version::Http11 => {
            if coding.eq_ignore_ascii_case(b"chunked") {
                Ok(BodyFraming::Chunked)
            } else if is_token(coding) {
                Err(Refusal::TransferEncodingUnknown)
            } else {
                Err(Refusal::TransferEncoding)
            }
        }
        (_, []) => Err(Refusal::TransferEncoding),
        _ => Err(Refusal::ContentLengthAndTransferEncoding),
    }
}

/// A number that would be written as it was read.
fn canonical_number(text: &[u8]) -> Option<u64> {
    let number: u64 = str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

fn is_token(text: &[u8]) -> bool {
    let is_separator = |byte: &u8| b"\"(),/:;<=>?@[\\]{}".contains(byte);
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_graphic() && !is_separator(byte))
}

/// The elements of these lists in lower case.
fn elements(values: &[&[u8]]) -> Vec<String> {
    let mut elements = Vec::new();
    for value in values {
        // Each byte a character, so that nothing but ASCII is changed.
        let text: String = value.iter().copied().map(char::from).collect();
        let parts = text.split(',').map(|part| part.trim_matches([' ', '\t']));
        elements.extend(parts.filter(|part| !part.is_empty()).map(str::to_ascii_lowercase));
    }
    elements
}
