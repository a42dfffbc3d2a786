//! Bodies of requests that come in a content coding, decoded for the handlers behind.
//! Knows nothing of how they are decoded.

use super::super::compression::decoder::{Fault, decode};
use super::super::compression::encoder::CODINGS;
use crate::api::{Error, Fields, Hook, Next, Request};
use crate::limits::{DECODED_CODINGS_MAX, DECODED_RATIO_MAX, DECODED_SMALL_BYTES};
use crate::wire::accept_encoding::Coding;
use crate::wire::status::Status;

/// Decodes the whole bodies of requests with `Content-Encoding`, so that [`Request::body`] and
/// what reads it give what was encoded. The fields of the request stay as they came.
///
/// A body that would become larger than its bound, or a hundred times larger than it came once it
/// is above 64 KiB, answers 413; one that is damaged 400; another coding, more than two of them,
/// or a route whose sink takes the body, 415 with `Accept-Encoding`. Decoding is done on the
/// worker's loop, so the bound is one of time, too.
#[derive(Clone, Copy, Debug)]
pub struct DecodeBody {
    bytes_max: usize,
    ratio_max: usize,
}

impl DecodeBody {
    /// At most so many bytes once decoded.
    pub fn limit(bytes: usize) -> DecodeBody {
        DecodeBody { bytes_max: bytes, ratio_max: DECODED_RATIO_MAX }
    }

    /// How many times larger than it came a body may become.
    #[must_use]
    pub fn ratio(mut self, ratio: usize) -> DecodeBody {
        self.ratio_max = ratio;
        self
    }

    /// How large what came as `len` bytes may become.
    fn bytes_max(&self, len: usize) -> usize {
        // One more than that is still a length.
        let most = len.saturating_mul(self.ratio_max).max(DECODED_SMALL_BYTES);
        most.min(self.bytes_max).min(isize::MAX as usize)
    }
}

impl Hook for DecodeBody {
    fn name(&self) -> String {
        format!("decode_body({})", self.bytes_max)
    }

    fn before(&mut self, _: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        Ok(Next::Go)
    }

    fn decodes(&self) -> bool {
        true
    }

    fn decode(&mut self, request: &Request<'_>) -> Result<Option<Vec<u8>>, Error> {
        let codings = codings(request)?;
        let came = request.body();
        if came.is_empty() {
            return Ok(None);
        }
        let most = self.bytes_max(came.len());
        let mut decoded = None;
        // The last was applied last.
        for &coding in codings.iter().rev() {
            let body = decoded.as_deref().unwrap_or(came);
            decoded = Some(decode(coding, body, most).map_err(|fault| error(fault, most))?);
        }
        Ok(decoded)
    }
}

/// The codings of the body, in the order in which they were applied.
fn codings(request: &Request<'_>) -> Result<Vec<Coding>, Error> {
    let values = request.header_values("content-encoding");
    let names = values.flat_map(|value| value.split(|&byte| byte == b','));
    let names = names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
    let mut codings = Vec::new();
    for name in names {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let found = CODINGS.iter().find(|coding| is(coding.name()));
        match found {
            _ if is("identity") => {}
            Some(&coding) if codings.len() < DECODED_CODINGS_MAX => codings.push(coding),
            None if is("x-gzip") && CODINGS.contains(&Coding::Gzip) => codings.push(Coding::Gzip),
            _ => return Err(refusal()),
        }
    }
    Ok(codings)
}

fn error(fault: Fault, most: usize) -> Error {
    match fault {
        Fault::Damaged => Error::bad_request("the body is not what its Content-Encoding says"),
        Fault::TooLarge => {
            let message = format!("the body may have {most} bytes once it is decoded");
            Error::new(Status::CONTENT_TOO_LARGE, message)
        }
        Fault::Unknown => refusal(),
    }
}

/// RFC 9110 section 12.5.3: what could be sent instead.
fn refusal() -> Error {
    let names: Vec<&str> = CODINGS.iter().map(|coding| coding.name()).collect();
    let error = Error::new(Status::UNSUPPORTED_MEDIA_TYPE, "the body's coding is not known here");
    let accepted = if names.is_empty() { "identity".to_owned() } else { names.join(", ") };
    error.with_header("Accept-Encoding", accepted)
}
