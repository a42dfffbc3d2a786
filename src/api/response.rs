//! The answer to one request, and the proof that it was given.
//! Knows nothing of sockets: an answer is finished when it is in the outbox.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::afterwards::Afterwards;
use super::outbox::{Outbox, Outcome};
use super::{Cookie, Encode, Error, FieldLines, Fields, Given, HandlerResult, Later, Source};
use crate::limits::FILE_PIECE_BYTES;
use crate::mem::{Bytes, FileRange};
use crate::wire::encode::{self, ContentType};
use crate::wire::status::Status;

/// Proof that a request was answered; only finishing a [`Response`] makes one.
#[derive(Debug)]
#[must_use = "return it from the handler: it is the proof of the answer"]
pub struct Responded(());

/// What an answer carries.
#[derive(Debug)]
pub enum Body<'b> {
    /// Bytes that are copied behind the head.
    Borrowed(&'b [u8]),
    /// Text that is formatted behind the head.
    Formatted(fmt::Arguments<'b>),
    /// Bytes that are sent from where they are if they are many.
    Whole(Bytes),
}

impl<'b> From<&'b str> for Body<'b> {
    fn from(text: &'b str) -> Body<'b> {
        Body::Borrowed(text.as_bytes())
    }
}

impl<'b> From<&'b String> for Body<'b> {
    fn from(text: &'b String) -> Body<'b> {
        Body::Borrowed(text.as_bytes())
    }
}

impl<'b> From<&'b [u8]> for Body<'b> {
    fn from(bytes: &'b [u8]) -> Body<'b> {
        Body::Borrowed(bytes)
    }
}

impl<'b, const N: usize> From<&'b [u8; N]> for Body<'b> {
    fn from(bytes: &'b [u8; N]) -> Body<'b> {
        Body::Borrowed(bytes)
    }
}

impl<'b> From<fmt::Arguments<'b>> for Body<'b> {
    fn from(text: fmt::Arguments<'b>) -> Body<'b> {
        Body::Formatted(text)
    }
}

impl From<String> for Body<'_> {
    fn from(text: String) -> Self {
        Body::Whole(Bytes::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Body<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Body::Whole(Bytes::Owned(bytes))
    }
}

impl From<Arc<[u8]>> for Body<'_> {
    fn from(bytes: Arc<[u8]>) -> Self {
        Body::Whole(Bytes::Shared(bytes))
    }
}

impl From<Bytes> for Body<'_> {
    fn from(bytes: Bytes) -> Self {
        Body::Whole(bytes)
    }
}

/// An answer in the making. It ends in exactly one of the finishing methods; the first of them
/// consumes it, so answering twice does not compile.
#[derive(Debug)]
pub struct Response<'a> {
    outbox: &'a mut Outbox,
    status: Status,
    fault: Option<String>,
}

impl<'a> Response<'a> {
    /// An answer that will be written to `outbox`.
    pub fn new(outbox: &'a mut Outbox) -> Response<'a> {
        Response { outbox, status: Status::OK, fault: None }
    }

    /// Sets the status; without it `200 OK`. One below 200 ends in an error when finishing.
    #[must_use]
    pub fn status(mut self, status: Status) -> Response<'a> {
        if status.class() == 1 {
            self.fault = Some(format!("{status} is not a final status"));
        }
        self.status = status;
        self
    }

    /// Adds a field. `Content-Type` replaces the one that the finishing method would set.
    ///
    /// A name or value that RFC 9110 does not allow, or a field that is ours to set (framing,
    /// `Connection`, `Date`), ends in an error when finishing: nothing can split an answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Response<'a> {
        let value = value.as_ref();
        match field_fault(name, value) {
            None => self.outbox.add_field(name, value),
            fault => self.fault = fault,
        }
        self
    }

    /// Adds fields that were checked before.
    #[must_use]
    pub fn fields(self, lines: &FieldLines) -> Response<'a> {
        self.outbox.add_lines(lines);
        self
    }

    /// The same, for somebody in between who sees afterwards what became of it.
    pub(crate) fn lend(&mut self) -> Response<'_> {
        Response { outbox: self.outbox, status: self.status, fault: self.fault.take() }
    }

    /// Whether the answer was promised.
    pub(crate) fn is_promised(&self) -> bool {
        self.outbox.outcome() == Outcome::Promised
    }

    /// What was promised comes within this time.
    pub(crate) fn limit_promise(&mut self, max: Duration) {
        self.outbox.limit_promise(max);
    }

    /// Has hooks set fields, which stay whatever is answered.
    pub(crate) fn keep<T>(
        &mut self,
        set: impl FnOnce(&mut Fields<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let moved = self.outbox.unkept();
        let (set, asked) = self.outbox.keep_fields(|lines| {
            let mut fields = Fields::new(lines);
            let set = set(&mut fields);
            (set, fields.take_asked())
        });
        if !asked.is_empty() {
            self.outbox.ask_afterwards(asked, moved);
        }
        set
    }

    /// Keeps the fields that hooks set before the answer was begun, and who they have encode it.
    pub(crate) fn keep_lines(&mut self, lines: &[u8], encode: Option<&Rc<dyn Encode>>) {
        self.outbox.keep_fields(|kept| kept.extend_from_slice(lines));
        if let Some(encode) = encode {
            let encode = Some(Rc::clone(encode));
            self.outbox.ask_afterwards(Afterwards { encode, ..Afterwards::default() }, 0);
        }
    }

    /// Answers as a hook did: with what it gave, or without a body.
    pub(crate) fn given(mut self, status: Status) -> HandlerResult {
        let Some(Given { lines, content_type, body }) = self.outbox.take_given() else {
            return self.status(status).empty();
        };
        self.outbox.add_raw_lines(&lines);
        self.status = status;
        self.finish_whole(content_type, body)
    }

    /// Sets a cookie. One that clients would not take ends in an error when finishing.
    #[must_use]
    pub fn cookie(mut self, cookie: &Cookie) -> Response<'a> {
        match cookie.line() {
            Ok(line) => self.header("Set-Cookie", line),
            Err(fault) => {
                self.fault = Some(fault);
                self
            }
        }
    }

    /// Sets `Content-Type` in place of the finishing method's.
    #[must_use]
    pub fn content_type(self, value: &str) -> Response<'a> {
        self.header("Content-Type", value)
    }

    /// Closes the connection after this answer.
    #[must_use]
    pub fn close(self) -> Response<'a> {
        self.outbox.close_after_answer();
        self
    }

    /// Answers with text: a `&str`, a `String` or `format_args!(…)`.
    ///
    /// # Errors
    /// If a field or the status set before cannot be sent.
    pub fn text<'b>(self, body: impl Into<Body<'b>>) -> HandlerResult {
        self.finish(ContentType::Text, body.into())
    }

    /// Answers with HTML.
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn html<'b>(self, body: impl Into<Body<'b>>) -> HandlerResult {
        self.finish(ContentType::Html, body.into())
    }

    /// Answers with bytes: a slice, a `Vec<u8>`, an `Arc<[u8]>` or [`Bytes`].
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn bytes<'b>(self, body: impl Into<Body<'b>>) -> HandlerResult {
        self.finish(ContentType::Bytes, body.into())
    }

    /// Answers without a body: `200 OK` becomes `204 No Content`, another status stays.
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn empty(mut self) -> HandlerResult {
        if self.status == Status::OK {
            self.status = Status::NO_CONTENT;
        }
        self.finish(ContentType::None, Body::Borrowed(b""))
    }

    /// Sends the client to `location`: `302 Found` unless another redirection was set.
    ///
    /// # Errors
    /// If `location` is not a field value, else as [`Response::text`].
    pub fn redirect(mut self, location: &str) -> HandlerResult {
        if self.status.class() != 3 {
            self.status = Status::FOUND;
        }
        self.header("Location", location).finish(ContentType::None, Body::Borrowed(b""))
    }

    /// Answers with JSON.
    ///
    /// # Errors
    /// 500 if `value` cannot be serialised, else as [`Response::text`].
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> HandlerResult {
        self.outbox.render(|scratch| serde_json::to_writer(scratch, value))?;
        self.finish_rendered(ContentType::Json)
    }

    /// Answers with a body that is made while it is sent: in the chunked coding, or up to the
    /// end of the connection for a client of HTTP/1.0.
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn stream(self, source: impl Source + 'static) -> HandlerResult {
        self.expect_sound()?.answer_stream(ContentType::Bytes, None, Box::new(source));
        Ok(Responded(()))
    }

    /// Answers with a body of exactly `length` bytes that is made while it is sent. A source that
    /// ends early or gives more is cut, as one that fails.
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn stream_exact(self, length: u64, source: impl Source + 'static) -> HandlerResult {
        self.expect_sound()?.answer_stream(ContentType::Bytes, Some(length), Box::new(source));
        Ok(Responded(()))
    }

    /// Promises the answer: `hand_over` takes the right to give it, from any thread, within the
    /// setting `later_time`. Fields set before are kept, a status is the [`super::Reply`]'s.
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn later(self, hand_over: impl FnOnce(Later)) -> HandlerResult {
        hand_over(self.expect_sound()?.promise(None));
        Ok(Responded(()))
    }

    /// As [`Response::later`] with a deadline of its own; beyond: 504.
    ///
    /// # Errors
    /// As [`Response::text`].
    pub fn later_within(self, time: Duration, hand_over: impl FnOnce(Later)) -> HandlerResult {
        hand_over(self.expect_sound()?.promise(Some(time)));
        Ok(Responded(()))
    }

    #[inline]
    pub(super) fn finish(self, content_type: ContentType, body: Body<'_>) -> HandlerResult {
        // Which one it is, is known where a handler names it.
        match body {
            Body::Borrowed(bytes) => self.finish_borrowed(content_type, bytes),
            Body::Formatted(text) => self.finish_formatted(content_type, text),
            Body::Whole(bytes) => self.finish_whole(content_type, bytes),
        }
    }

    fn finish_borrowed(self, content_type: ContentType, bytes: &[u8]) -> HandlerResult {
        self.expect_sound()?.answer(content_type, bytes);
        Ok(Responded(()))
    }

    fn finish_whole(self, content_type: ContentType, bytes: Bytes) -> HandlerResult {
        self.expect_sound()?.answer_large(content_type, bytes);
        Ok(Responded(()))
    }

    /// Finishes with a part of a file that is in memory, sent from where it is: no more than goes
    /// into one turn.
    pub(crate) fn file(self, range: FileRange) -> HandlerResult {
        debug_assert!(range.len() as u64 <= FILE_PIECE_BYTES, "longer ones are streamed");
        self.expect_sound()?.answer_file(ContentType::Bytes, range);
        Ok(Responded(()))
    }

    fn finish_formatted(
        self,
        content_type: ContentType,
        text: fmt::Arguments<'_>,
    ) -> HandlerResult {
        if let Some(text) = text.as_str() {
            return self.finish_borrowed(content_type, text.as_bytes());
        }
        self.outbox.render(|scratch| std::io::Write::write_fmt(scratch, text))?;
        self.finish_rendered(content_type)
    }

    fn finish_rendered(self, content_type: ContentType) -> HandlerResult {
        self.expect_sound()?.answer_rendered(content_type);
        Ok(Responded(()))
    }

    /// The outbox with the status set, unless something cannot be sent.
    #[inline]
    fn expect_sound(self) -> Result<&'a mut Outbox, Error> {
        if let Some(fault) = self.fault {
            return Err(Error::internal(fault));
        }
        self.outbox.set_status(self.status);
        Ok(self.outbox)
    }
}

/// Why [`Response::header`] would not send this field, if it would not.
#[inline]
pub fn field_fault(name: &str, value: &[u8]) -> Option<String> {
    if !encode::is_token(name.as_bytes()) || !encode::is_field_value(value) {
        return Some(format!("{name:?} is not a field, or its value has forbidden bytes"));
    }
    let is_ours = OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    is_ours.then(|| format!("`{name}` is set by the server"))
}

/// Fields that follow from the framing and the connection, not from the handler.
const OURS: [&str; 5] = ["Connection", "Content-Length", "Date", "Keep-Alive", "Transfer-Encoding"];
