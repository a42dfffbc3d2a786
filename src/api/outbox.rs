//! Where answers are written: one a worker, lent to one request after the other.
//! Knows nothing of the kernel; the worker sends what is queued here.

mod after;
mod failure;

use std::time::Duration;

use super::afterwards::Afterwards;
use super::{
    Error, FieldLines, Later, Persist, Piece, Promise, Pull, Remote, RequestKey, Source, Timing,
};
use crate::limits::{INLINE_BODY_BYTES_MAX, PIECE_BYTES, QUEUE_BYTES, SPARE_BODY_BYTES_MAX};
use crate::mem::{Bytes, FileRange, SendQueue};
use crate::wire::date::DateText;
use crate::wire::encode::{self, ContentType, Opening};
use crate::wire::head::Version;
use crate::wire::status::Status;

/// What an answer must know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What becomes of the connection, unless the handler closes it.
    pub persist: Persist,
    /// The request was HEAD: the body is left out, its length is not.
    pub head_only: bool,
    /// The version the client speaks.
    pub version: Version,
    /// Which request it is.
    pub key: RequestKey,
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing of it is decided.
    Open,
    /// It is in the queue.
    Answered,
    /// It was promised: [`Outbox::take_promised`].
    Promised,
    /// Its head is in the queue: [`Outbox::take_streamed`].
    Streamed,
}

/// What is kept of a request whose answer was promised.
#[derive(Debug)]
pub struct Promised {
    /// Tells the other end when nobody waits any more.
    pub promise: Promise,
    /// How long it may take, if the handler said so.
    pub time: Option<Duration>,
    fields: Vec<u8>,
    kept: usize,
    has_content_type: bool,
    timing: Option<Timing>,
    afterwards: Afterwards,
}

/// How a streamed body ends (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFraming {
    /// By its last chunk.
    Chunked,
    /// After so many more bytes.
    Length(u64),
    /// With the connection.
    UntilClose,
}

/// The body of an answer whose head is in the queue.
pub struct Streamed {
    source: Box<dyn Source>,
    framing: StreamFraming,
    /// Bytes of it that were queued.
    queued: u64,
}

impl Streamed {
    /// Bytes of the body that were queued, without what frames them.
    pub fn queued(&self) -> u64 {
        self.queued
    }
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streamed").field("framing", &self.framing).finish_non_exhaustive()
    }
}

/// What the answer in the making is like.
#[derive(Debug)]
struct Answer {
    asked: Asked,
    has_content_type: bool,
    /// Whether hooks asked for something: [`Outbox::afterwards`].
    is_watched: bool,
    /// Bytes of the fields, from the begin, that stay if an error takes the answer's place.
    kept: usize,
    status: Status,
    outcome: Outcome,
    /// Bytes of the body that were queued with the head.
    body_bytes: u64,
    /// There if the client is told what its request took.
    timing: Option<Timing>,
}

impl Answer {
    fn to(asked: Asked) -> Answer {
        let (status, outcome) = (Status::OK, Outcome::Open);
        let (kept, body_bytes) = (0, 0);
        let (has_content_type, is_watched, timing) = (false, false, None);
        Answer { asked, has_content_type, is_watched, kept, status, outcome, body_bytes, timing }
    }
}

/// Answers gathered for one connection, and what it takes to write them without allocating.
#[derive(Debug)]
pub struct Outbox {
    /// What the worker sends.
    pub queue: SendQueue,
    /// Fields of the present answer, as lines.
    fields: Vec<u8>,
    /// A body whose length is known only when it is rendered.
    rendered: Vec<u8>,
    /// A body that is encoded.
    encoded: Vec<u8>,
    /// What hooks asked for of the present answer, while it is watched.
    afterwards: Afterwards,
    /// How answers begin, by their content type.
    openings: [Opening; ContentType::ALL.len()],
    /// The answer of an overloaded worker but for its end, so that it costs one copy.
    overloaded: Vec<u8>,
    date: DateText,
    server_name: Option<String>,
    remote: Remote,
    answer: Answer,
    promised: Option<Promised>,
    streamed: Option<Streamed>,
}

impl Outbox {
    /// An empty outbox whose answers carry `Server: server_name`, if given. Promised answers
    /// come home by `remote`.
    pub fn new(server_name: Option<&str>, unix_seconds: u64, remote: Remote) -> Outbox {
        let nobody = Asked {
            persist: Persist::Close,
            head_only: false,
            version: Version::Http11,
            key: RequestKey::default(),
        };
        let mut outbox = Outbox {
            queue: SendQueue::with_capacity(QUEUE_BYTES),
            fields: Vec::new(),
            rendered: Vec::new(),
            encoded: Vec::new(),
            afterwards: Afterwards::default(),
            openings: Default::default(),
            overloaded: Vec::new(),
            date: DateText::new(unix_seconds),
            server_name: server_name.map(str::to_owned),
            remote,
            answer: Answer { outcome: Outcome::Answered, ..Answer::to(nobody) },
            promised: None,
            streamed: None,
        };
        outbox.make_openings();
        outbox
    }

    /// Brings `Date` up to `unix_seconds`.
    pub fn refresh_date(&mut self, unix_seconds: u64) {
        self.date.refresh(unix_seconds);
        self.make_openings();
    }

    fn make_openings(&mut self) {
        for (opening, content_type) in self.openings.iter_mut().zip(ContentType::ALL) {
            opening.renew(self.server_name.as_deref(), self.date.bytes(), content_type);
        }
        self.overloaded.clear();
        let opening = &self.openings[ContentType::None as usize];
        opening.push_with_length(&mut self.overloaded, Status::SERVICE_UNAVAILABLE, 0);
        encode::field(&mut self.overloaded, b"Retry-After", b"1");
    }

    /// The way to this worker.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Begins an answer.
    #[inline]
    pub fn begin(&mut self, asked: Asked) {
        debug_assert_ne!(self.answer.outcome, Outcome::Open, "one answer after the other");
        self.fields.clear();
        if self.answer.is_watched {
            self.take_afterwards();
        }
        self.answer = Answer::to(asked);
    }

    /// Begins the answer that was promised: with the fields that were set before.
    pub fn resume(&mut self, asked: Asked, promised: Promised) {
        self.begin(asked);
        self.fields = promised.fields;
        self.answer.kept = promised.kept;
        self.answer.has_content_type = promised.has_content_type;
        self.answer.timing = promised.timing;
        self.ask_afterwards(promised.afterwards, 0);
    }

    /// Has the answer begun tell its client what its request took.
    pub fn tell(&mut self, timing: Timing) {
        self.answer.timing = Some(timing);
    }

    /// How far the answer is that was begun last.
    #[inline]
    pub fn outcome(&self) -> Outcome {
        self.answer.outcome
    }

    /// What is kept of a promised answer.
    pub fn take_promised(&mut self) -> Option<Promised> {
        self.promised.take()
    }

    /// The body of a streamed answer.
    pub fn take_streamed(&mut self) -> Option<Streamed> {
        self.streamed.take()
    }

    /// The status of the answer begun last.
    #[inline]
    pub fn status(&self) -> Status {
        self.answer.status
    }

    /// Bytes of the body of the answer begun last that were queued with its head.
    #[inline]
    pub fn body_bytes(&self) -> u64 {
        self.answer.body_bytes
    }

    /// What the answer says of the connection.
    #[inline]
    pub fn persist(&self) -> Persist {
        self.answer.asked.persist
    }

    /// Appends the interim answer that asks for the body.
    pub fn push_continue(&mut self) {
        self.queue.tail().extend_from_slice(encode::CONTINUE);
    }

    /// Bytes of the fields that do not stay if an error takes the answer's place.
    pub(super) fn unkept(&self) -> usize {
        self.fields.len() - self.answer.kept
    }

    /// Keeps the lines that `set` appends, whatever is answered.
    pub(super) fn keep_fields<T>(&mut self, set: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = self.fields.len();
        let set = set(&mut self.fields);
        let len = self.fields.len() - start;
        self.fields[self.answer.kept..].rotate_right(len);
        self.answer.kept += len;
        set
    }

    pub(super) fn add_field(&mut self, name: &str, value: &[u8]) {
        self.answer.has_content_type |= name.eq_ignore_ascii_case("content-type");
        encode::field(&mut self.fields, name.as_bytes(), value);
    }

    pub(super) fn add_lines(&mut self, lines: &FieldLines) {
        self.answer.has_content_type |= lines.has_content_type();
        self.fields.extend_from_slice(lines.as_bytes());
    }

    pub(super) fn close_after_answer(&mut self) {
        self.answer.asked.persist = Persist::Close;
    }

    pub(super) fn set_status(&mut self, status: Status) {
        self.answer.status = status;
    }

    /// Renders a body into the scratch; [`Outbox::answer_rendered`] sends it.
    pub(super) fn render<E>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.rendered.clear();
        write(&mut self.rendered).map_err(Error::internal)
    }

    pub(super) fn answer_rendered(&mut self, content_type: ContentType) {
        let body = std::mem::take(&mut self.rendered);
        if body.len() > INLINE_BODY_BYTES_MAX {
            self.answer_large(content_type, Bytes::Owned(body));
            return;
        }
        self.answer(content_type, &body);
        self.rendered = body;
    }

    /// Answers with a body that is copied behind its head.
    #[inline]
    pub(super) fn answer(&mut self, content_type: ContentType, body: &[u8]) {
        if self.answer.is_watched {
            return self.answer_watched(content_type, after::Content::Borrowed(body));
        }
        self.write_head(content_type, StreamFraming::Length(body.len() as u64));
        if self.sends_body() {
            self.answer.body_bytes = body.len() as u64;
            if body.len() <= INLINE_BODY_BYTES_MAX {
                self.queue.tail().extend_from_slice(body);
            } else {
                self.queue.push_large(Bytes::Owned(body.to_vec()));
            }
        }
        self.answer.outcome = Outcome::Answered;
    }

    /// Answers with a body that is sent from where it is, if it is not small.
    pub(super) fn answer_large(&mut self, content_type: ContentType, body: Bytes) {
        if self.answer.is_watched {
            return self.answer_watched(content_type, after::Content::Own(body));
        }
        if body.len() <= INLINE_BODY_BYTES_MAX {
            self.answer(content_type, body.as_slice());
            return;
        }
        self.write_head(content_type, StreamFraming::Length(body.len() as u64));
        if self.sends_body() {
            self.answer.body_bytes = body.len() as u64;
            self.queue.push_large(body);
        }
        self.answer.outcome = Outcome::Answered;
    }

    /// Answers with a part of a file that is sent from where it is.
    pub(super) fn answer_file(&mut self, content_type: ContentType, range: FileRange) {
        if self.answer.is_watched {
            return self.answer_file_watched(content_type, range);
        }
        self.write_head(content_type, StreamFraming::Length(range.len() as u64));
        if self.sends_body() {
            self.answer.body_bytes = range.len() as u64;
            self.queue.push_file(range);
        }
        self.answer.outcome = Outcome::Answered;
    }

    /// Answers with a body that is pulled from `source` later, of `length` bytes if known.
    pub(super) fn answer_stream(
        &mut self,
        content_type: ContentType,
        length: Option<u64>,
        source: Box<dyn Source>,
    ) {
        if self.answer.is_watched {
            return self.answer_stream_watched(content_type, length, source);
        }
        let framing = match length {
            Some(length) => StreamFraming::Length(length),
            None if self.answer.asked.version == Version::Http11 => StreamFraming::Chunked,
            None => {
                self.close_after_answer();
                StreamFraming::UntilClose
            }
        };
        self.write_head(content_type, framing);
        if self.sends_body() && framing != StreamFraming::Length(0) {
            self.answer.outcome = Outcome::Streamed;
            self.streamed = Some(Streamed { source, framing, queued: 0 });
        } else {
            self.answer.outcome = Outcome::Answered;
        }
    }

    /// Queues the next piece of a streamed body.
    ///
    /// # Errors
    /// What the source failed with, or that it did not keep to its length. The body can then not
    /// be completed.
    pub fn pull(&mut self, streamed: &mut Streamed) -> Result<Pull, Error> {
        self.rendered.clear();
        let mut piece = Piece::new(&mut self.rendered, PIECE_BYTES);
        let pull = streamed.source.pull(&mut piece)?;
        let files = piece.into_files();
        let bytes = self.rendered.len() as u64;
        let len = bytes + files.iter().map(|(_, range)| range.len() as u64).sum::<u64>();
        if let StreamFraming::Length(left) = &mut streamed.framing {
            let rest = left.checked_sub(len);
            *left = rest.ok_or_else(|| Error::internal("the source gave more than it said"))?;
            if pull == Pull::Done && *left > 0 {
                return Err(Error::internal("the source ended before the length it said"));
            }
        }
        // No data would end a body in chunks.
        let is_chunk = streamed.framing == StreamFraming::Chunked && len > 0;
        if is_chunk {
            encode::open_chunk(self.queue.tail(), len);
        }
        self.queue_piece(files);
        if is_chunk {
            encode::close_chunk(self.queue.tail());
        }
        if streamed.framing == StreamFraming::Chunked && pull == Pull::Done {
            self.queue.tail().extend_from_slice(encode::LAST_CHUNK);
        }
        streamed.queued += len;
        if self.rendered.capacity() > SPARE_BODY_BYTES_MAX {
            self.rendered = Vec::new();
        }
        Ok(pull)
    }

    /// Queues what is rendered, and each part of a file in its place.
    fn queue_piece(&mut self, files: Vec<(usize, FileRange)>) {
        let mut from = 0;
        for (after, range) in files {
            self.queue.tail().extend_from_slice(&self.rendered[from..after]);
            self.queue.push_file(range);
            from = after;
        }
        self.queue.tail().extend_from_slice(&self.rendered[from..]);
    }

    /// Promises the answer begun.
    pub(super) fn promise(&mut self, time: Option<Duration>) -> Later {
        let (later, promise) = self.remote.promise(self.answer.asked.key);
        self.answer.outcome = Outcome::Promised;
        self.promised = Some(Promised {
            promise,
            time,
            fields: std::mem::take(&mut self.fields),
            kept: self.answer.kept,
            has_content_type: self.answer.has_content_type,
            timing: self.answer.timing,
            afterwards: self.take_afterwards(),
        });
        later
    }

    /// What was promised just now comes within this time.
    pub(super) fn limit_promise(&mut self, max: Duration) {
        if let Some(promised) = &mut self.promised {
            promised.time = Some(promised.time.map_or(max, |time| time.min(max)));
        }
    }

    fn sends_body(&self) -> bool {
        !self.answer.asked.head_only && !self.answer.status.is_bodiless()
    }

    #[inline]
    fn write_head(&mut self, content_type: ContentType, framing: StreamFraming) {
        debug_assert_eq!(self.answer.outcome, Outcome::Open, "a request is answered once");
        let status = self.answer.status;
        let has_body = !status.is_bodiless();
        let is_typed = has_body && !self.answer.has_content_type;
        let content_type = if is_typed { content_type } else { ContentType::None };
        let opening = &self.openings[content_type as usize];
        let out = self.queue.tail();
        match framing {
            StreamFraming::Length(length) if has_body => {
                opening.push_with_length(out, status, length);
            }
            _ => opening.push_without_length(out, status),
        }
        if framing == StreamFraming::Chunked && has_body {
            out.extend_from_slice(encode::CHUNKED);
        }
        self.answer.asked.persist.push(out);
        if !self.fields.is_empty() {
            out.extend_from_slice(&self.fields);
        }
        if let Some(timing) = &self.answer.timing {
            timing.write(out);
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Home, NoBlocking, Parcel, Response};
    use super::*;

    struct Nowhere;

    impl Home for Nowhere {
        fn take(&self, _: Parcel) {}
    }

    fn outbox() -> Outbox {
        let remote = Remote::new(Arc::new(Nowhere), Arc::new(NoBlocking));
        Outbox::new(Some("test"), 784_111_777, remote)
    }

    fn asked(persist: Persist, head_only: bool) -> Asked {
        Asked { persist, head_only, version: Version::Http11, key: RequestKey::default() }
    }

    fn sent(outbox: &Outbox) -> String {
        let (segments, _) = outbox.queue.front();
        let bytes: Vec<u8> = segments.iter().flat_map(|segment| segment.to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_answer_is_a_head_and_its_body() {
        let mut outbox = outbox();
        outbox.begin(asked(Persist::KeepAlive, false));
        let _ = Response::new(&mut outbox).header("X-A", "b").text("hi").unwrap();
        assert_eq!(
            sent(&outbox),
            "HTTP/1.1 200 OK\r\nServer: test\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi"
        );
        assert_eq!((outbox.outcome(), outbox.status()), (Outcome::Answered, Status::OK));
    }

    #[test]
    fn head_keeps_the_length_and_leaves_the_body_out() {
        let mut outbox = outbox();
        outbox.begin(asked(Persist::KeepAlive10, true));
        let _ = Response::new(&mut outbox).text("hello").unwrap();
        let sent = sent(&outbox);
        assert!(sent.contains("Content-Length: 5\r\nConnection: keep-alive\r\n"));
        assert!(sent.ends_with("\r\n\r\n"));
    }

    #[test]
    fn no_content_has_neither_body_nor_length() {
        let mut outbox = outbox();
        outbox.begin(asked(Persist::Close, false));
        let _ = Response::new(&mut outbox).status(Status::NOT_MODIFIED).text("ignored").unwrap();
        let sent = sent(&outbox);
        assert!(sent.starts_with("HTTP/1.1 304 Not Modified\r\n"));
        assert!(!sent.contains("Content-Length") && sent.ends_with("Connection: close\r\n\r\n"));
    }

    #[test]
    fn a_field_that_could_split_the_answer_ends_in_an_error() {
        for (name, value) in
            [("X", "a\r\nB: c"), ("a b", "c"), ("Content-Length", "5"), ("X", "\0")]
        {
            let mut outbox = outbox();
            outbox.begin(asked(Persist::KeepAlive, false));
            let error = Response::new(&mut outbox).header(name, value).text("x").unwrap_err();
            assert_eq!(error.status(), Status::INTERNAL_SERVER_ERROR, "{name}: {value}");
            assert!(outbox.queue.is_empty() && outbox.outcome() == Outcome::Open);
        }
        let mut outbox = outbox();
        outbox.begin(asked(Persist::KeepAlive, false));
        assert!(Response::new(&mut outbox).redirect("/a\r\nSet-Cookie: b").is_err());
    }

    #[test]
    fn an_error_replaces_what_was_prepared() {
        let mut outbox = outbox();
        outbox.begin(asked(Persist::KeepAlive, false));
        let _ = Response::new(&mut outbox).header("X-Prepared", "1");
        outbox.answer_error(&Error::not_found("no \"such\"\nuser"), true);
        let sent = sent(&outbox);
        assert!(!sent.contains("X-Prepared") && sent.contains("Content-Type: application/json"));
        let body = r#"{"error":{"status":404,"message":"no \"such\"\u000auser"}}"#;
        assert!(sent.ends_with(body), "{sent}");
    }

    #[test]
    fn a_large_body_is_queued_from_where_it_is_and_a_small_one_is_copied() {
        for (len, is_copied) in [(INLINE_BODY_BYTES_MAX, true), (INLINE_BODY_BYTES_MAX + 1, false)]
        {
            let mut outbox = outbox();
            outbox.begin(asked(Persist::KeepAlive, false));
            let _ = Response::new(&mut outbox).bytes(vec![b'x'; len]).unwrap();
            assert_eq!(outbox.queue.as_single().is_some(), is_copied);
            assert!(sent(&outbox).ends_with("xxx"));
        }
    }

    #[test]
    fn formatted_text_is_measured_before_it_is_sent() {
        let mut outbox = outbox();
        outbox.begin(asked(Persist::KeepAlive, false));
        let _ = Response::new(&mut outbox).text(format_args!("{}-{}", 1, 23)).unwrap();
        assert!(sent(&outbox).contains("Content-Length: 4\r\n") && sent(&outbox).ends_with("1-23"));
    }

    #[test]
    fn a_content_type_of_the_handlers_own_replaces_the_default() {
        let mut outbox = outbox();
        outbox.begin(asked(Persist::KeepAlive, false));
        let _ = Response::new(&mut outbox).content_type("image/png").bytes(b"x").unwrap();
        assert_eq!(sent(&outbox).matches("Content-Type").count(), 1);
    }
}
