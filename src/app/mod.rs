//! Ready-made applications on the same interface as everyone's.
//! Knows no protocols, no workers and no sockets.

mod compression;
#[cfg(feature = "cli")]
pub mod configured;
pub mod files;
mod group;
mod hooks;
mod latency;
pub mod middleware;
mod prepared;
mod route_tree;
mod router;
mod unique;
#[cfg(feature = "cli")]
pub mod welcome;

pub use group::RouteLine;
pub use latency::{LATENCY_SCHEMA, latency, latency_json};
pub use prepared::Prepared;
pub use router::Router;
