//! Ready-made hooks: what many applications put before their handlers.
//! Knows nothing of routes; [`crate::Router::with`] puts them there.

mod body_limit;
mod cors;
mod credentials;
mod decode_body;
mod error_pages;
#[cfg(feature = "jwt")]
mod jwt;
mod rate_limit;
mod request_id;
mod response_cache;
mod security_headers;
mod timeout;

pub use super::compression::{Coding, Compression};
pub use body_limit::BodyLimit;
pub use cors::Cors;
pub use credentials::{BasicAuth, BearerAuth};
pub use decode_body::DecodeBody;
pub use error_pages::ErrorPages;
#[cfg(feature = "jwt")]
pub use jwt::{Claims, JwtAuth};
pub use rate_limit::RateLimit;
pub use request_id::RequestId;
pub use response_cache::{CacheCounts, ResponseCache};
pub use security_headers::SecurityHeaders;
pub use timeout::Timeout;
