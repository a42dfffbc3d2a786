//! Histograms and counters to text, JSON and `.hgrm`, for the server and the load generator.
//! Never knows where the numbers came from.
//!
//! Durations are nanoseconds everywhere in here. Percentiles are read from one histogram and
//! never averaged: for several workers, merge their histograms first.

pub mod bench;
pub mod compare;
pub mod counts;
#[cfg(feature = "doctor")]
pub mod doctor;
pub mod exposition;
pub mod hgrm;
#[cfg(feature = "bench")]
pub mod hlog;
pub mod html;
pub mod json;
pub mod merge;
pub mod server;
pub mod summary;
pub mod svg;
pub mod sweep;
pub mod table;
pub mod timings;
pub mod units;
pub mod views;

pub use bench::{BenchReport, BenchSecond, Doubt, NO_FREE_PORT};
pub use counts::{ConnectionState, Counts, DrainAccount, StateCounts};
pub use exposition::{Exposition, Form, Kind};
pub use hgrm::{TICKS_PER_HALF_DISTANCE, Unit, to_hgrm};
#[cfg(feature = "bench")]
pub use hlog::{HlogError, Interval, from_hlog, to_hlog};
pub use html::to_html;
pub use json::Json;
pub use merge::merged;
pub use server::{ServerReport, WorkerRow};
pub use summary::Summary;
pub use table::Table;
pub use timings::{Latencies, Stage, Timings};
pub use views::{ServerSide, ServerView};
