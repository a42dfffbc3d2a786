//! Formats on the wire as pure functions from bytes to values and back.
//! Knows no sockets, no clocks, no buffers, and no setting that changes a meaning.

pub mod accept;
pub mod accept_encoding;
pub mod cache_control;
pub mod chunked;
pub mod conditional;
pub mod cookie;
pub mod date;
pub mod encode;
pub mod field_lines;
pub mod forwarded;
pub mod framing;
pub mod head;
pub mod multipart;
pub mod parse;
pub mod proxy_header;
pub mod range;
pub mod refusal;
pub mod response_parse;
pub mod scan;
pub mod status;
pub mod target;
pub mod trailer;
mod weight;
