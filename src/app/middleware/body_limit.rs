//! A bound of the bodies of some routes, stricter than that of the server.
//! Knows nothing of how bodies are read.

use crate::api::{Error, Fields, Hook, Next, Request};
use crate::wire::status::Status;

/// Answers 413 to larger bodies: before they are read where their length is declared, else once
/// they are larger, or whole. The settings `body_bytes_max` and `upload_bytes_max` hold besides.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(u64);

impl BodyLimit {
    /// At most so many bytes.
    pub fn bytes(max: u64) -> BodyLimit {
        BodyLimit(max)
    }
}

impl Hook for BodyLimit {
    fn name(&self) -> String {
        format!("body_limit({})", self.0)
    }

    fn before(&mut self, request: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        let declared = request.header("content-length").and_then(|len| len.parse().ok());
        if declared.unwrap_or(0).max(request.body().len() as u64) > self.0 {
            let message = format!("the body may have {} bytes", self.0);
            return Err(Error::new(Status::CONTENT_TOO_LARGE, message));
        }
        Ok(Next::Go)
    }

    fn body_bytes_max(&self) -> Option<u64> {
        Some(self.0)
    }
}
