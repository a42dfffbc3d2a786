//! An answer that owns everything it carries, so that any thread can make it.
//! Knows nothing of the request it will answer.

use super::response::Body;
use super::{HandlerResult, Response, Source};
use crate::mem::Bytes;
use crate::wire::encode::ContentType;
use crate::wire::status::Status;

/// An answer made elsewhere than in a handler, for [`super::Later::answer`].
///
/// What may be wrong with it (a field that is none, a status below 200) answers 500 when it is
/// sent, as with [`Response`].
pub struct Reply {
    status: Status,
    headers: Vec<(String, Vec<u8>)>,
    content: Content,
}

enum Content {
    Bytes(ContentType, Bytes),
    Empty,
    Stream(Option<u64>, Box<dyn Source + Send>),
}

impl Reply {
    /// Text.
    pub fn text(text: impl Into<String>) -> Reply {
        Reply::of(ContentType::Text, Bytes::Owned(text.into().into_bytes()))
    }

    /// HTML.
    pub fn html(html: impl Into<String>) -> Reply {
        Reply::of(ContentType::Html, Bytes::Owned(html.into().into_bytes()))
    }

    /// Bytes: a `Vec<u8>`, an `Arc<[u8]>` or [`Bytes`].
    pub fn bytes(bytes: impl Into<Bytes>) -> Reply {
        Reply::of(ContentType::Bytes, bytes.into())
    }

    /// JSON.
    ///
    /// # Errors
    /// If `value` cannot be serialised.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Reply, super::Error> {
        let bytes = serde_json::to_vec(value).map_err(super::Error::internal)?;
        Ok(Reply::of(ContentType::Json, Bytes::Owned(bytes)))
    }

    /// No body: `204 No Content`, unless a status is set.
    pub fn empty() -> Reply {
        Reply { status: Status::OK, headers: Vec::new(), content: Content::Empty }
    }

    /// A body pulled from `source`, as [`Response::stream`].
    pub fn stream(source: impl Source + Send + 'static) -> Reply {
        let content = Content::Stream(None, Box::new(source));
        Reply { status: Status::OK, headers: Vec::new(), content }
    }

    /// A body of `length` bytes pulled from `source`, as [`Response::stream_exact`].
    pub fn stream_exact(length: u64, source: impl Source + Send + 'static) -> Reply {
        let content = Content::Stream(Some(length), Box::new(source));
        Reply { status: Status::OK, headers: Vec::new(), content }
    }

    /// Sets the status; without it `200 OK`.
    #[must_use]
    pub fn status(mut self, status: Status) -> Reply {
        self.status = status;
        self
    }

    /// Adds a field, as [`Response::header`].
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Reply {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    fn of(content_type: ContentType, bytes: Bytes) -> Reply {
        let content = Content::Bytes(content_type, bytes);
        Reply { status: Status::OK, headers: Vec::new(), content }
    }

    /// Gives this as the answer to a request.
    ///
    /// # Errors
    /// As the finishing methods of [`Response`].
    pub fn send(self, response: Response<'_>) -> HandlerResult {
        let mut response = response.status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        match self.content {
            Content::Bytes(content_type, bytes) => {
                response.finish(content_type, Body::Whole(bytes))
            }
            Content::Empty => response.empty(),
            Content::Stream(None, source) => response.stream(source),
            Content::Stream(Some(length), source) => response.stream_exact(length, source),
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply").field("status", &self.status).finish_non_exhaustive()
    }
}
