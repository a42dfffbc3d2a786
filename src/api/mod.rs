//! What an application sees: requests, responses, handlers, errors.
//! Knows no sockets and no workers.

mod error;
mod handler;
mod outbox;
mod request;
mod response;
mod worker_info;

pub use error::{Error, HandlerResult};
pub use handler::Handler;
pub use outbox::{Outbox, Persist};
pub use request::{Params, Request, RequestParts, RouteSlot, accepts_json};
pub use response::{Body, Responded, Response};
pub use worker_info::{Board, ServerStatus, WorkerInfo, WorkerStatus};
