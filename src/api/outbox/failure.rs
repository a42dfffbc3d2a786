//! Answers that take the place of those that failed, and what stays of these.
//! Knows nothing of what failed but its status, its message and its fields.

use std::sync::Arc;

use super::{Asked, Outbox, Outcome, Persist};
use crate::api::{Error, RequestKey};
use crate::mem::Bytes;
use crate::wire::encode::{self, ContentType};
use crate::wire::head::Version;
use crate::wire::refusal::Refusal;
use crate::wire::status::Status;

impl Outbox {
    /// Answers the request begun with `error`, in place of anything prepared for it.
    pub fn answer_error(&mut self, error: &Error, as_json: bool) {
        self.discard_prepared();
        self.fields.extend_from_slice(error.lines());
        for (name, value) in error.headers() {
            if encode::is_token(name.as_bytes()) && encode::is_field_value(value.as_bytes()) {
                self.add_field(name, value.as_bytes());
            }
        }
        if let Some(page) = error.page() {
            self.answer.status = error.status();
            self.answer_large(ContentType::Html, Bytes::Shared(Arc::clone(page)));
            return;
        }
        self.answer_message(error.status(), error.message(), as_json);
    }

    /// Answers a request that broke a rule; what is known of it is not believed. The connection
    /// closes.
    pub fn answer_refusal(&mut self, refusal: Refusal, head_only: bool, as_json: bool) {
        self.answer.outcome = Outcome::Answered;
        let (persist, version) = (Persist::Close, Version::Http11);
        self.begin(Asked { persist, head_only, version, key: RequestKey::default() });
        if refusal.status() == Status::SERVICE_UNAVAILABLE {
            self.add_field("Retry-After", b"1");
        }
        self.answer_message(refusal.status(), refusal.message(), as_json);
    }

    /// Answers 503 to the request begun, in the cheapest way there is.
    pub fn answer_overloaded(&mut self) {
        debug_assert_eq!(self.answer.outcome, Outcome::Open, "only what is not answered");
        self.answer.status = Status::SERVICE_UNAVAILABLE;
        let out = self.queue.tail();
        out.extend_from_slice(&self.overloaded);
        self.answer.asked.persist.push(out);
        out.extend_from_slice(b"\r\n");
        self.answer.outcome = Outcome::Answered;
    }

    /// Answers 500 in place of a handler that panicked, unless it had answered before. The
    /// connection closes.
    pub fn answer_panic(&mut self, as_json: bool) {
        self.answer.asked.persist = Persist::Close;
        if self.answer.outcome == Outcome::Promised {
            self.promised = None;
            self.answer.outcome = Outcome::Open;
        }
        if self.answer.outcome == Outcome::Open {
            self.discard_prepared();
            self.answer_message(Status::INTERNAL_SERVER_ERROR, "internal server error", as_json);
        }
    }

    fn answer_message(&mut self, status: Status, message: &str, as_json: bool) {
        debug_assert_eq!(self.answer.outcome, Outcome::Open, "only what is not answered");
        self.answer.status = status;
        let mut body = std::mem::take(&mut self.rendered);
        body.clear();
        if as_json {
            body.extend_from_slice(b"{\"error\":{\"status\":");
            body.extend_from_slice(itoa::Buffer::new().format(status.code()).as_bytes());
            body.extend_from_slice(b",\"message\":\"");
            encode::json_inside(&mut body, message);
            body.extend_from_slice(b"\"}}");
            self.answer(ContentType::Json, &body);
        } else {
            body.extend_from_slice(status.to_string().as_bytes());
            body.extend_from_slice(b"\n");
            body.extend_from_slice(message.as_bytes());
            body.extend_from_slice(b"\n");
            self.answer(ContentType::Text, &body);
        }
        self.rendered = body;
    }

    /// Gives up the fields of an answer that will not be given, but for those of hooks.
    fn discard_prepared(&mut self) {
        self.fields.truncate(self.answer.kept);
        self.answer.has_content_type = false;
    }
}
