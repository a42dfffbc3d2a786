//! Start, signals, drain, and the merging of what the workers measured.
//! Knows nothing of the inside of a protocol.

mod access_log;
mod admin;
mod attendant;
mod balancing;
mod blocking;
mod ends;
mod error;
mod events;
mod handover;
mod inherited;
mod listening;
mod manager;
mod operator;
mod phase;
mod reload;
mod running;
mod server;
mod spawn;
mod stall;
mod supervisor;
mod upgrade;

pub use blocking::BlockingPool;
pub use error::{Result, StartError};
pub use events::{Destination, EventLog, LogForm};
pub use operator::Operator;
pub use reload::Reloader;
pub use running::{Ended, Running, WorkerPlace};
pub use server::Server;
pub use upgrade::{UpgradeError, Upgraded, upgrade};
