//! A name for each request, by which its answer is found again elsewhere.
//! Knows nothing of logs.

use super::super::unique::Unique;
use crate::api::{Error, Fields, Hook, Next, Request};

/// Names have at most so many bytes: those of tracing systems have up to 64.
const ID_BYTES_MAX: usize = 64;

/// Answers with `X-Request-Id`: the one that came, if it has letters, digits, `-`, `_` and `.`
/// alone and at most 64 of them, else a new one of 32 hexadecimal digits.
#[derive(Clone, Debug)]
pub struct RequestId(Unique);

impl Default for RequestId {
    fn default() -> RequestId {
        RequestId(Unique::new())
    }
}

impl RequestId {
    /// Names that this worker has not given before.
    pub fn new() -> RequestId {
        RequestId::default()
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
            fields.set("X-Request-Id", id);
            return Ok(Next::Go);
        }
        fields.set("X-Request-Id", self.0.next());
        Ok(Next::Go)
    }
}
