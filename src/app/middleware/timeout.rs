//! How long promised answers of some routes may take.
//! Knows nothing of what they wait for.

use std::time::Duration;

use crate::api::{Error, Fields, Hook, Next, Request};

/// Answers 504 where a handler has promised its answer ([`crate::Response::later`]) and it does
/// not come in this time. The setting `later_time` holds besides; of several the shortest counts.
/// A handler that answers by itself is not cut off: nothing else runs on its worker meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Timeout(Duration);

impl Timeout {
    /// After so much time.
    pub fn after(time: Duration) -> Timeout {
        Timeout(time)
    }
}

impl Hook for Timeout {
    fn name(&self) -> String {
        format!("timeout({:?})", self.0)
    }

    fn before(&mut self, _: &Request<'_>, _: &mut Fields<'_>) -> Result<Next, Error> {
        Ok(Next::Go)
    }

    fn later_time_max(&self) -> Option<Duration> {
        Some(self.0)
    }
}
