//! Why a handler could not answer, and the status that says so.
//! Knows nothing of how the answer is written.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

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
    header: Option<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that answers `status` with `message`, which the client sees.
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Error {
        Error(Box::new(Inner { status, message: message.into(), header: None, source: None }))
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
        Error(Box::new(Inner {
            status: Status::INTERNAL_SERVER_ERROR,
            message: Cow::Borrowed("internal server error"),
            header: None,
            source: Some(source.into()),
        }))
    }

    /// The same error whose answer carries a field, as `Allow` or `WWW-Authenticate`. A value
    /// that is no field value is left out.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: String) -> Error {
        self.0.header = Some((name, value));
        self
    }

    /// The field its answer carries.
    pub fn header(&self) -> Option<(&'static str, &str)> {
        self.0.header.as_ref().map(|(name, value)| (*name, value.as_str()))
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
