//! Why a handler could not answer, and the status that says so.
//! Knows nothing of how the answer is written.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::Responded;
use crate::wire::status::Status;

/// What a handler returns.
pub type HandlerResult = Result<Responded, Error>;

/// A handler's failure: answered with its status and its message.
///
/// Any [`std::error::Error`] becomes one through `?`, as `500 Internal Server Error`: its text
/// goes to the log and not to the client.
pub struct Error(Box<Inner>);

struct Inner {
    status: Status,
    message: Cow<'static, str>,
    headers: Vec<(&'static str, String)>,
    /// Fields that hooks set before the answer was begun.
    lines: Vec<u8>,
    page: Option<Arc<[u8]>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that answers `status` with `message`, which the client sees.
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Error {
        Error::of(status, message.into(), None)
    }

    fn of(
        status: Status,
        message: Cow<'static, str>,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        let (headers, lines) = (Vec::new(), Vec::new());
        Error(Box::new(Inner { status, message, headers, lines, page: None, source }))
    }

    /// `400 Bad Request`.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Status::BAD_REQUEST, message)
    }

    /// `404 Not Found`.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(Status::NOT_FOUND, message)
    }

    /// `500 Internal Server Error` with the reason for the log only.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        let message = Cow::Borrowed("internal server error");
        Error::of(Status::INTERNAL_SERVER_ERROR, message, Some(source.into()))
    }

    /// The same error whose answer carries a field, as `Allow` or `WWW-Authenticate`. A value
    /// that is no field value is left out.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Error {
        self.0.headers.push((name, value));
        self
    }

    /// The fields its answer carries.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.headers.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The same error whose answer has this HTML as its body, in place of its message.
    #[must_use]
    pub fn with_page(mut self, html: impl Into<Arc<[u8]>>) -> Error {
        self.0.page = Some(html.into());
        self
    }

    /// The body of its answer, if it is not the message.
    pub fn page(&self) -> Option<&Arc<[u8]>> {
        self.0.page.as_ref()
    }

    /// The same error behind fields that were set before the answer was begun.
    pub(crate) fn with_lines(mut self, lines: &[u8]) -> Error {
        self.0.lines.splice(0..0, lines.iter().copied());
        self
    }

    pub(super) fn lines(&self) -> &[u8] {
        &self.0.lines
    }

    /// The status it answers.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// What the client sees.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the log sees besides.
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync)> {
        self.0.source.as_deref()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Error {
        Error::internal(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.status, self.0.message)?;
        self.source().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_error_answers_500_and_keeps_its_text_for_the_log() {
        let foreign = "x".parse::<u32>().unwrap_err();
        let error = Error::from(foreign);
        assert_eq!(error.status(), Status::INTERNAL_SERVER_ERROR);
        assert_eq!(error.message(), "internal server error");
        assert!(error.to_string().ends_with("invalid digit found in string"));
    }

    #[test]
    fn a_handlers_result_is_no_larger_than_a_pointer() {
        assert_eq!(size_of::<HandlerResult>(), size_of::<usize>());
    }
}
