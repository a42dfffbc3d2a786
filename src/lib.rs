//! A thread-per-core, shared-nothing HTTP/1.1 server.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Floor 0: bounds and time.
pub mod clock;
pub mod limits;
pub mod settings;

// Floor 1.
pub mod report;
pub mod sys;
pub mod wire;

// Floor 5.
#[cfg(feature = "cli")]
pub mod config;
