//! What an application sees: requests, responses, handlers, errors.
//! Knows no sockets and no workers.

mod afterwards;
mod answer_counts;
mod blocking;
mod cookie;
mod error;
mod field_lines;
mod handler;
mod hook;
mod later;
mod measured;
mod outbox;
mod panicked;
mod persist;
mod pulse;
mod refused_path;
mod reply;
mod request;
mod response;
mod stream;
mod timing;
#[cfg(feature = "json")]
mod typed;
mod worker_info;

pub use afterwards::{Encode, Given, Keep, Made};
pub use answer_counts::{AnswerCount, AnswerCounts};
pub use blocking::{Blocking, Job, NoBlocking};
pub use cookie::{Cookie, SameSite};
pub use error::{Error, HandlerResult};
pub use field_lines::FieldLines;
pub use handler::Handler;
pub(crate) use hook::Named;
pub use hook::{Fields, Hook, Next};
pub use later::{Delivery, Home, Later, Parcel, PendingWake, Promise, Remote, RequestKey, Waker};
pub use measured::{Ask, Measured, Told, Wanted};
pub use outbox::{Asked, Outbox, Outcome, Promised, StreamFraming, Streamed};
pub use panicked::panic_message;
pub use persist::Persist;
pub use pulse::{Beat, NO_ROUTE, Place, Pulse, RouteSlot};
pub use refused_path::RefusedPath;
pub use reply::Reply;
pub use request::{Params, Request, RequestParts, accepts_json};
pub use response::{Body, Responded, Response, field_fault};
pub use stream::{Intake, Piece, Pull, Sink, Source, Taken};
pub use timing::Timing;
pub use worker_info::{Board, ServerStatus, WorkerInfo, WorkerStatus};
