//! Ready-made applications on the same interface as everyone's.
//! Knows no protocols, no workers and no sockets.

#[cfg(feature = "cli")]
pub mod configured;
pub mod compression;
pub mod files;
mod group;
mod hooks;
mod latency;
pub mod middleware;
mod route_tree;
mod router;
mod unique;
#[cfg(feature = "cli")]
pub mod welcome;

pub use group::RouteLine;
pub use latency::{LATENCY_SCHEMA, latency, latency_json};
pub use router::Router;
