//! Ready-made applications on the same interface as everyone's.
//! Knows no protocols, no workers and no sockets.

mod compression;
#[cfg(feature = "cli")]
pub mod configured;
mod events;
pub mod files;
mod form;
mod given;
mod group;
mod hooks;
#[cfg(feature = "signed")]
mod keys;
mod latency;
pub mod middleware;
mod prepared;
mod route_tree;
mod router;
mod secret;
mod unique;
#[cfg(feature = "cli")]
pub mod welcome;

pub use events::{Event, EventWriter, Events};
pub use form::{Form, FormPart, FormSink, Multipart};
pub use given::Given;
pub use group::RouteLine;
#[cfg(feature = "signed")]
pub use keys::Keys;
pub use latency::{LATENCY_SCHEMA, latency, latency_json};
pub use prepared::Prepared;
pub use router::Router;
pub use secret::SecretFault;
