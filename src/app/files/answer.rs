//! Answers from one state of a file: preconditions, the whole, one part or several.
//! Knows no paths, and not how the file was chosen.

use std::collections::VecDeque;

use super::body::{Content, Part, Parts};
use super::served::Served;
use crate::api::{Error, HandlerResult, Request, Response};
use crate::app::unique::Unique;
use crate::limits::INLINE_BODY_BYTES_MAX;
use crate::wire::conditional::{Preconditions, Verdict};
use crate::wire::head::Method;
use crate::wire::range::{self, ByteRange, Multipart, Wanted};
use crate::wire::status::Status;

/// Answers a GET or HEAD with one state of a file. `boundaries` are what parts are framed with.
pub(super) fn answer(
    file: &Served,
    boundaries: &mut Unique,
    request: &Request<'_>,
    response: Response<'_>,
) -> HandlerResult {
    let validators = file.validators();
    let ranges = match Preconditions::read(request.headers(), &validators).judge(&validators) {
        Verdict::Failed => {
            let message = "the file is not the one that the request names";
            return Err(varying(file, Error::new(Status::PRECONDITION_FAILED, message)));
        }
        Verdict::NotModified => {
            return response.status(Status::NOT_MODIFIED).fields(&file.known).empty();
        }
        Verdict::Proceed { ranges } => ranges && request.method() == Method::Get,
    };
    let len = file.facts.len;
    let range = request.header_bytes("range").filter(|_| ranges);
    match range.map_or(Wanted::Whole, |value| range::parse(value, len)) {
        Wanted::Whole => whole(file, request, response),
        Wanted::Parts(parts) => match parts[..] {
            [part] => one_part(file, part, request, response),
            // The parts of a body could not tell that they are of a coding.
            _ if file.is_coded => whole(file, request, response),
            _ => several_parts(boundaries, file, &parts, request, response),
        },
        Wanted::Unsatisfiable => {
            let message = "the file has none of these bytes";
            let error = Error::new(Status::RANGE_NOT_SATISFIABLE, message);
            Err(varying(file, error)
                .with_header("Content-Range", range::content_range_of_none(len)))
        }
    }
}

fn several_parts(
    boundaries: &mut Unique,
    file: &Served,
    ranges: &[ByteRange],
    request: &Request<'_>,
    response: Response<'_>,
) -> HandlerResult {
    let boundary = boundaries.next();
    let boundary = String::from_utf8_lossy(&boundary);
    let content_type = file.content_type;
    let frame = Multipart { boundary: &boundary, content_type, len: file.facts.len };
    let mut rest = VecDeque::with_capacity(2 * ranges.len() + 1);
    for &range in ranges {
        let mut open = Vec::new();
        frame.open(&mut open, range);
        rest.extend([Part::Frame(open), Part::Range(range)]);
    }
    let mut close = Vec::new();
    frame.close(&mut close);
    rest.push_back(Part::Frame(close));
    let response = response.status(Status::PARTIAL_CONTENT).fields(&file.known);
    let source = Parts::new(&file.content, rest, request.waker());
    response.content_type(&frame.value()).stream_exact(frame.body_len(ranges), source)
}

/// An error that another variant of the file might not have been.
fn varying(file: &Served, error: Error) -> Error {
    if file.varies { error.with_header("Vary", "Accept-Encoding".to_owned()) } else { error }
}

fn whole(file: &Served, request: &Request<'_>, response: Response<'_>) -> HandlerResult {
    let response = response.fields(&file.whole);
    match &file.content {
        // What is copied anyway is not counted.
        Content::Kept(bytes) if bytes.len() <= INLINE_BODY_BYTES_MAX => response.bytes(&bytes[..]),
        Content::Kept(bytes) => response.bytes(bytes.clone()),
        Content::Open(_) => {
            let all = ByteRange { first: 0, last: file.facts.len - 1 };
            stream(file, all, request, response)
        }
    }
}

fn one_part(
    file: &Served,
    range: ByteRange,
    request: &Request<'_>,
    response: Response<'_>,
) -> HandlerResult {
    let content_range = range::content_range(range, file.facts.len);
    let response = response.status(Status::PARTIAL_CONTENT).fields(&file.whole);
    let response = response.header("Content-Range", content_range);
    match &file.content {
        // A part lies within the whole, which is within an address space.
        Content::Kept(bytes) => response.bytes(&bytes[range.first as usize..=range.last as usize]),
        Content::Open(_) => stream(file, range, request, response),
    }
}

fn stream(
    file: &Served,
    range: ByteRange,
    request: &Request<'_>,
    response: Response<'_>,
) -> HandlerResult {
    let source = Parts::new(&file.content, [Part::Range(range)].into(), request.waker());
    response.stream_exact(range.len(), source)
}
