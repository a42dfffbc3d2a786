//! What holds for any input: one `check` a target, which panics where it does not hold. The fuzz
//! targets and the replay in tests/fuzz_corpus.rs call the same; knows nothing of who calls.

pub mod chunked;
pub mod conditional;
pub mod config;
pub mod connection;
pub mod cookies;
pub mod forwarded;
pub mod head;
pub mod head_differential;
pub mod multipart;
pub mod proxy_header;
pub mod range;
pub mod target;

mod application;
mod drive;
mod framing_reference;
mod host_reference;
mod input;
