//! A thread-per-core, shared-nothing HTTP/1.1 server.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Floor 0: bounds and time.
pub mod clock;
pub mod limits;
pub mod settings;

// Floor 1.
pub mod mem;
pub mod report;
pub mod sys;
pub mod wire;

// Floor 2.
pub mod api;

// Floor 3.
pub mod app;
pub mod proto;

// Floor 4.
pub mod testing;
pub mod worker;

// Floor 5.
#[cfg(feature = "cli")]
pub mod config;
pub mod control;

pub use api::{Error, Handler, HandlerResult, Request, Responded, Response, WorkerInfo};
pub use app::Router;
pub use control::{Result, Running, Server, StartError};
pub use mem::Bytes;
pub use settings::Settings;
pub use testing::TestClient;
pub use wire::head::{Method, Version};
pub use wire::status::Status;
