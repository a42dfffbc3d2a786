//! The files beneath a directory: conditional requests, parts, and a cache of each worker's own.
//! Knows no protocol; what leads out of the directory is refused by the kernel.

mod body;
mod cache;
mod media_type;
mod path;
mod served;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;

use body::{Content, Part, Parts};
use cache::Cache;
use path::file_path;
use served::Served;

use super::unique::Unique;
use crate::api::{Error, HandlerResult, Request, Response};
use crate::clock::Clock;
use crate::limits::INLINE_BODY_BYTES_MAX;
use crate::sys::{Opened, Root};
use crate::wire::conditional::{Preconditions, Verdict};
use crate::wire::head::Method;
use crate::wire::range::{self, ByteRange, Multipart, Wanted};
use crate::wire::status::Status;

/// What a directory is answered with.
const INDEX: &[u8] = b"index.html";

/// The files beneath a directory, for [`crate::Router::files`].
///
/// A path is decoded once. `..`, hidden names (but `.well-known`), escaped slashes, backslashes
/// and NULs, links that lead out, devices and pipes answer the same 404 as a file that is missing.
/// A directory is answered with its `index.html`, and without a slash at the end of its path with
/// a redirection to the path that has one.
///
/// Files of up to 64 KiB are kept in memory by each worker and looked at again once a second;
/// larger ones are sent from where they are (`sendfile(2)`), and read ahead on the threads for
/// blocking work where a disk has to be waited for. One that becomes shorter meanwhile ends that
/// connection.
#[derive(Debug)]
pub struct Files {
    root: Result<Root, String>,
    cache: Cache,
    clock: Clock,
    /// What separates the parts of answers: not to be guessed by who writes the files.
    boundaries: Unique,
}

/// What a path leads to.
enum Found {
    Directory,
    File(Rc<Served>),
}

impl Files {
    /// The files beneath `directory`. What is wrong with it is reported when the server starts.
    pub fn at(directory: impl AsRef<Path>) -> Files {
        let directory = directory.as_ref();
        let root = Root::open(directory)
            .map_err(|error| format!("cannot serve the files of {}: {error}", directory.display()));
        Files { root, cache: Cache::default(), clock: Clock::new(), boundaries: Unique::new() }
    }

    /// Why they cannot be served, if they cannot.
    pub fn fault(&self) -> Option<&str> {
        self.root.as_ref().err().map(String::as_str)
    }

    /// Answers a GET or HEAD for the file that is `raw`, as sent, beneath the directory.
    pub(super) fn answer(
        &mut self,
        raw: &[u8],
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        let path = file_path(raw).ok_or_else(missing)?;
        match self.find(&path)? {
            Found::Directory => redirect(request, response),
            Found::File(file) => self.answer_file(&file, request, response),
        }
    }

    /// What `path` leads to, looked at within the last second.
    fn find(&mut self, path: &[u8]) -> Result<Found, Error> {
        let now = self.clock.now();
        let kept = match self.cache.get(path, now) {
            Some((file, true)) => return Ok(Found::File(file)),
            kept => kept.map(|(file, _)| file),
        };
        let is_directory = path.is_empty() || path.ends_with(b"/");
        let file_path =
            if is_directory { Cow::Owned([path, INDEX].concat()) } else { Cow::Borrowed(path) };
        let root = self.root.as_ref().map_err(|fault| Error::internal(fault.clone()))?;
        let opened = root.find(&file_path).map_err(Error::internal)?;
        let Opened::File(opened) = opened else {
            self.cache.forget(path);
            let is_found = matches!(opened, Opened::Directory) && !is_directory;
            return if is_found { Ok(Found::Directory) } else { Err(missing()) };
        };
        if let Some(file) = kept.filter(|file| file.facts == opened.facts()) {
            self.cache.confirm(path, now);
            return Ok(Found::File(file));
        }
        let file = Rc::new(Served::load(&file_path, opened, self.clock.unix_seconds())?);
        if file.may_be_kept() {
            self.cache.keep(path, &file, now);
        } else {
            self.cache.forget(path);
        }
        Ok(Found::File(file))
    }

    fn answer_file(
        &mut self,
        file: &Served,
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        let validators = file.validators();
        let ranges = match Preconditions::read(request.headers(), &validators).judge(&validators) {
            Verdict::Failed => {
                let message = "the file is not the one that the request names";
                return Err(Error::new(Status::PRECONDITION_FAILED, message));
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
                _ => self.several_parts(file, &parts, request, response),
            },
            Wanted::Unsatisfiable => {
                let message = "the file has none of these bytes";
                let error = Error::new(Status::RANGE_NOT_SATISFIABLE, message);
                Err(error.with_header("Content-Range", range::content_range_of_none(len)))
            }
        }
    }

    fn several_parts(
        &mut self,
        file: &Served,
        ranges: &[ByteRange],
        request: &Request<'_>,
        response: Response<'_>,
    ) -> HandlerResult {
        let boundary = self.boundaries.next();
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
}

/// The same for all that is not served, so that nothing is learned of what lies outside.
fn missing() -> Error {
    Error::not_found("no file has this path")
}

/// To the path of a directory that ends with a slash, so that relative links work.
pub(super) fn redirect(request: &Request<'_>, response: Response<'_>) -> HandlerResult {
    let (path, query) = (request.path(), request.query_string());
    let mark = if query.is_empty() { "" } else { "?" };
    response.status(Status::MOVED_PERMANENTLY).redirect(&format!("{path}/{mark}{query}"))
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
