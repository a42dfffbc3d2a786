//! Answers whose bodies are encoded or kept, as hooks asked before they were made.
//! Knows nothing of codings; answers without such hooks never come here.

use super::{Outbox, Outcome};
use crate::api::afterwards::Afterwards;
use crate::api::{Encode, Error, Given, Made, Piece, Pull, Source};
use crate::limits::{ENCODED_WHOLE_BYTES_MAX, INLINE_BODY_BYTES_MAX, SPARE_BODY_BYTES_MAX};
use crate::mem::{Bytes, FileRange};
use crate::wire::encode::{ContentType, field};
use crate::wire::field_lines::{self as lines, values};
use crate::wire::status::Status;

impl Outbox {
    /// Has an answer encoded or kept, whatever it will be.
    pub(in crate::api) fn ask_afterwards(&mut self, asked: Afterwards, moved: usize) {
        self.afterwards.add(asked, moved);
        self.answer.is_watched = !self.afterwards.is_empty();
    }

    /// The answer that a hook gave.
    pub(in crate::api) fn take_given(&mut self) -> Option<Given> {
        self.afterwards.given.take()
    }

    pub(in crate::api) fn add_raw_lines(&mut self, given: &[u8]) {
        self.answer.has_content_type |= values(given, "content-type").next().is_some();
        self.fields.extend_from_slice(given);
    }

    pub(super) fn take_afterwards(&mut self) -> Afterwards {
        self.answer.is_watched = false;
        std::mem::take(&mut self.afterwards)
    }

    /// Answers with a whole body, encoded if it is worth it, and shows it to who keeps answers.
    #[cold]
    pub(super) fn answer_watched(&mut self, content_type: ContentType, body: Content<'_>) {
        let afterwards = self.take_afterwards();
        let keep = |outbox: &Outbox, body: &[u8]| {
            if let Some(keep) = &afterwards.keep {
                let (status, lines) = (outbox.answer.status, &outbox.fields);
                let lines = lines.get(afterwards.keep_from..).unwrap_or_default();
                keep.keep(&Made { status, lines, content_type, body });
            }
        };
        if afterwards.keeps_plain {
            keep(self, body.as_slice());
        }
        let length = body.as_slice().len() as u64;
        let encode = afterwards.encode.as_deref();
        let encode = encode.filter(|encode| self.may_encode(*encode, content_type, Some(length)));
        let Some(encode) = encode else {
            if !afterwards.keeps_plain {
                keep(self, body.as_slice());
            }
            if self.answer.status == Status::NOT_MODIFIED && afterwards.knows_weak_tag {
                // By the tag that the 200 had (RFC 9110 section 15.4.5).
                self.vary_by_coding();
                lines::weaken_tag(&mut self.fields);
            }
            return body.send(self, content_type);
        };
        self.vary_by_coding();
        if length > ENCODED_WHOLE_BYTES_MAX as u64 && encode.coding().is_some() {
            let source = Box::new(Whole { body: body.into_bytes(), sent: 0 });
            return self.answer_encoded_stream(content_type, encode, Some(length), source);
        }
        let mut encoded = std::mem::take(&mut self.encoded);
        encoded.clear();
        let is_smaller = self.is_encoded(encode, body.as_slice(), &mut encoded);
        let sent = if is_smaller { &encoded } else { body.as_slice() };
        if !afterwards.keeps_plain {
            keep(self, sent);
        }
        if !is_smaller {
            body.send(self, content_type);
        } else if encoded.len() > INLINE_BODY_BYTES_MAX {
            return self.answer_large(content_type, Bytes::Owned(encoded));
        } else {
            self.answer(content_type, &encoded);
        }
        if encoded.capacity() <= SPARE_BODY_BYTES_MAX {
            self.encoded = encoded;
        }
    }

    /// Encodes a whole body and says so, unless it would not become smaller.
    fn is_encoded(&mut self, encode: &dyn Encode, body: &[u8], encoded: &mut Vec<u8>) -> bool {
        let Some(coding) = encode.coding() else { return false };
        if !encode.whole(body, encoded) || encoded.len() >= body.len() {
            return false;
        }
        self.say_encoded(coding);
        true
    }

    /// Answers with a body that is made while it is sent, encoded if it is worth it.
    #[cold]
    pub(super) fn answer_stream_watched(
        &mut self,
        content_type: ContentType,
        length: Option<u64>,
        source: Box<dyn Source>,
    ) {
        let afterwards = self.take_afterwards();
        let encode = afterwards.encode.as_deref();
        let encode = encode.filter(|encode| self.may_encode(*encode, content_type, length));
        let Some(encode) = encode else {
            return self.answer_stream(content_type, length, source);
        };
        self.vary_by_coding();
        if encode.coding().is_none() || !self.sends_body() {
            if let Some(coding) = encode.coding() {
                self.say_encoded(coding);
                return self.answer_stream(content_type, None, source);
            }
            return self.answer_stream(content_type, length, source);
        }
        self.answer_encoded_stream(content_type, encode, length, source);
    }

    /// Answers with a part of a file, encoded if it is worth it; else the kernel sends it.
    #[cold]
    pub(super) fn answer_file_watched(&mut self, content_type: ContentType, range: FileRange) {
        let len = range.len() as u64;
        let encode = self.afterwards.encode.clone();
        let encode = encode.filter(|encode| self.may_encode(&**encode, content_type, Some(len)));
        if encode.as_ref().is_none_or(|encode| encode.coding().is_none()) {
            self.take_afterwards();
            if encode.is_some() {
                self.vary_by_coding();
            }
            return self.answer_file(content_type, range);
        }
        let mut rest = Some(range);
        let source = move |piece: &mut Piece<'_>| {
            rest.take().into_iter().for_each(|range| piece.push_range(range));
            Ok(Pull::Done)
        };
        self.answer_stream_watched(content_type, Some(len), Box::new(source));
    }

    fn answer_encoded_stream(
        &mut self,
        content_type: ContentType,
        encode: &dyn Encode,
        length: Option<u64>,
        source: Box<dyn Source>,
    ) {
        match (encode.stream(source, length), encode.coding()) {
            (Ok(source), Some(coding)) => {
                self.say_encoded(coding);
                self.answer_stream(content_type, None, source);
            }
            (Ok(source) | Err(source), _) => self.answer_stream(content_type, length, source),
        }
    }

    /// Whether the answer, as it is, may be encoded, and who encodes wants it.
    fn may_encode(
        &self,
        encode: &dyn Encode,
        content_type: ContentType,
        length: Option<u64>,
    ) -> bool {
        debug_assert_eq!(self.answer.outcome, Outcome::Open, "a request is answered once");
        let status = self.answer.status;
        if status.is_bodiless() || status == Status::PARTIAL_CONTENT {
            return false;
        }
        let has = |name| values(&self.fields, name).next().is_some();
        if has("content-encoding") || has("content-range") || has("content-digest") {
            return false;
        }
        let mut controls = values(&self.fields, "cache-control");
        if controls.any(|value| lines::has_element(value, "no-transform")) {
            return false;
        }
        let own = values(&self.fields, "content-type").last();
        encode.takes(own.unwrap_or(content_type.value()), length)
    }

    fn vary_by_coding(&mut self) {
        let is_told =
            |value| lines::has_element(value, "accept-encoding") || lines::has_element(value, "*");
        if !values(&self.fields, "vary").any(is_told) {
            field(&mut self.fields, b"Vary", b"Accept-Encoding");
        }
    }

    /// Says so of a body that will be sent encoded. Its bytes are others than those the handler
    /// tagged and counted (RFC 9110 section 8.8.1).
    fn say_encoded(&mut self, coding: &str) {
        lines::weaken_tag(&mut self.fields);
        lines::remove(&mut self.fields, self.answer.kept, "accept-ranges");
        field(&mut self.fields, b"Content-Encoding", coding.as_bytes());
    }
}

/// A body as a handler gave it.
pub(super) enum Content<'a> {
    Borrowed(&'a [u8]),
    Own(Bytes),
}

impl Content<'_> {
    fn as_slice(&self) -> &[u8] {
        match self {
            Content::Borrowed(bytes) => bytes,
            Content::Own(bytes) => bytes.as_slice(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Content::Borrowed(bytes) => Bytes::Owned(bytes.to_vec()),
            Content::Own(bytes) => bytes,
        }
    }

    /// Answers with it as it is.
    fn send(self, outbox: &mut Outbox, content_type: ContentType) {
        match self {
            Content::Borrowed(bytes) => outbox.answer(content_type, bytes),
            Content::Own(bytes) => outbox.answer_large(content_type, bytes),
        }
    }
}

/// A body that was made at once, sent in pieces.
struct Whole {
    body: Bytes,
    sent: usize,
}

impl Source for Whole {
    fn pull(&mut self, piece: &mut Piece<'_>) -> Result<Pull, Error> {
        let rest = &self.body.as_slice()[self.sent..];
        let len = rest.len().min(piece.room());
        piece.push(&rest[..len]);
        self.sent += len;
        Ok(if len == rest.len() { Pull::Done } else { Pull::More })
    }
}
