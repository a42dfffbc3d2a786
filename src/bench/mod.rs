//! The load generator: threads with a kernel loop of their own, a schedule and histograms.
//! Shares no code with the protocol and the worker that it measures, and prints nothing.

mod answer;
mod connection;
mod figures;
mod generator;
mod placement;
mod plan;
mod run;
mod schedule;
mod server_view;
mod stretches;

pub use figures::{Failure, Figures};
pub use placement::Placement;
pub use plan::{Exchange, Load, Plan, PlanError};
pub use run::{BenchError, Outcome, Second, run};
pub use server_view::{ViewSource, around};

pub use crate::sys::machine_facts;
