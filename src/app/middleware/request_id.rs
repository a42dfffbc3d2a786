//! A name for each request, by which its answer is found again elsewhere.
//! Knows nothing of logs.

use super::super::Given;
use super::super::unique::Unique;
use crate::api::{Error, Fields, Hook, Next, Request};

/// Names have at most so many bytes: those of tracing systems have up to 64.
const ID_BYTES_MAX: usize = 64;

/// Answers with `X-Request-Id`: the one that came, if it has letters, digits, `-`, `_` and `.`
/// alone and at most 64 of them, else a new one of 32 hexadecimal digits.
#[derive(Clone, Debug)]
pub struct RequestId {
    ids: Unique,
    given: Option<Given<String>>,
}

impl Default for RequestId {
    fn default() -> RequestId {
        RequestId { ids: Unique::new(), given: None }
    }
}

impl RequestId {
    /// Names that this worker has not given before.
    pub fn new() -> RequestId {
        RequestId::default()
    }

    /// Tells the handlers behind it by `given`, at the price of an allocation a request.
    #[must_use]
    pub fn tell(mut self, given: &Given<String>) -> RequestId {
        self.given = Some(given.clone());
        self
    }

    fn set(&self, request: &Request<'_>, fields: &mut Fields<'_>, id: &[u8]) {
        fields.set("X-Request-Id", id);
        if let Some(given) = &self.given {
            given.give(request, String::from_utf8_lossy(id).into_owned());
        }
    }
}

impl Hook for RequestId {
    fn name(&self) -> String {
        "request_id".to_owned()
    }

    fn before(&mut self, request: &Request<'_>, fields: &mut Fields<'_>) -> Result<Next, Error> {
        let is_plain = |id: &&[u8]| {
            let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
            (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(is_safe)
        };
        if let Some(id) = request.header_bytes("x-request-id").filter(is_plain) {
            self.set(request, fields, id);
            return Ok(Next::Go);
        }
        let id = self.ids.next();
        self.set(request, fields, &id);
        Ok(Next::Go)
    }
}
