//! What a run is to do, checked. Knows nothing of how it is written on a command line.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::limits::{BENCH_CONNECTIONS_MAX, BENCH_PIPELINE_MAX, BENCH_RATE_MAX, BENCH_SOURCES_MAX};

/// Everything about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What is asked, one after the other and again from the first; at least one.
    pub exchanges: Vec<Exchange>,
    /// Connections that are kept open, 1 to [`BENCH_CONNECTIONS_MAX`].
    pub connections: usize,
    /// The processors of the threads, one thread each; at least one, at most as many as there are
    /// connections. `None`: not pinned.
    pub cpus: Vec<Option<usize>>,
    /// Whether a thread may poll for the last moment before a request is due: it needs a
    /// processor that nobody else wants.
    pub may_spin: bool,
    /// When requests are sent.
    pub load: Load,
    /// How long the run goes on before anything is counted.
    pub warm_up: Duration,
    /// How long everything is counted.
    pub duration: Duration,
    /// Requests after which a connection is closed and opened anew.
    pub requests_per_connection: Option<u32>,
    /// Addresses of this machine that connections come from, in turn, at most
    /// [`BENCH_SOURCES_MAX`]; none: the kernel chooses.
    pub source_addresses: Vec<IpAddr>,
    /// After so long without an answer a request has failed.
    pub timeout: Duration,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Each connection has so many requests under way and sends one for each answer. What is slow
    /// is then asked less often: latencies look better than they are.
    Closed {
        /// 1 to [`BENCH_PIPELINE_MAX`].
        pipeline: usize,
    },
    /// So many requests a second at fixed moments, whatever becomes of those before. A latency is
    /// counted from the moment at which its request was due.
    Open {
        /// Above 0, at most [`BENCH_RATE_MAX`].
        rate: f64,
    },
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// All of it, as it is sent.
    pub bytes: Vec<u8>,
    /// Whether its answer has no body whatever its fields say: the method is HEAD.
    pub is_head: bool,
}

/// What is wrong with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The number of connections.
    Connections,
    /// Nothing would be counted.
    Duration,
    /// Nothing to ask.
    Exchanges,
    /// The number of requests under way on a connection.
    Pipeline,
    /// The rate.
    Rate,
    /// The number of requests on a connection.
    RequestsPerConnection,
    /// One of the source addresses is of another family than the server's.
    SourceFamily(IpAddr),
    /// The number of source addresses.
    Sources,
    /// More threads than connections, or none.
    Threads,
    /// No time to answer in.
    Timeout,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::Connections => write!(f, "1 to {BENCH_CONNECTIONS_MAX} connections"),
            PlanError::Duration => f.write_str("a duration above zero"),
            PlanError::Exchanges => f.write_str("at least one request that is not empty"),
            PlanError::Pipeline => write!(f, "1 to {BENCH_PIPELINE_MAX} requests under way"),
            PlanError::Rate => write!(f, "a rate above 0, at most {BENCH_RATE_MAX}"),
            PlanError::RequestsPerConnection => f.write_str("at least 1 request a connection"),
            PlanError::SourceFamily(source) => {
                write!(f, "source addresses of the server's family, which {source} is not")
            }
            PlanError::Sources => write!(f, "at most {BENCH_SOURCES_MAX} source addresses"),
            PlanError::Threads => f.write_str("at least 1 thread, at most one a connection"),
            PlanError::Timeout => f.write_str("a timeout above zero"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Whether it can be run.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), PlanError> {
        let load = match self.load {
            Load::Closed { pipeline } => {
                ((1..=BENCH_PIPELINE_MAX).contains(&pipeline), PlanError::Pipeline)
            }
            Load::Open { rate } => {
                (rate > 0.0 && rate <= f64::from(BENCH_RATE_MAX), PlanError::Rate)
            }
        };
        let sources = &self.source_addresses;
        let is_strange = |source: &&IpAddr| source.is_ipv4() != self.address.is_ipv4();
        let families = match sources.iter().find(is_strange) {
            Some(source) => (false, PlanError::SourceFamily(*source)),
            None => (sources.len() <= BENCH_SOURCES_MAX, PlanError::Sources),
        };
        let has_requests = self.exchanges.iter().all(|exchange| !exchange.bytes.is_empty());
        let rules = [
            ((1..=BENCH_CONNECTIONS_MAX).contains(&self.connections), PlanError::Connections),
            (!self.duration.is_zero(), PlanError::Duration),
            (has_requests && !self.exchanges.is_empty(), PlanError::Exchanges),
            load,
            (self.requests_per_connection != Some(0), PlanError::RequestsPerConnection),
            families,
            ((1..=self.connections).contains(&self.cpus.len()), PlanError::Threads),
            (!self.timeout.is_zero(), PlanError::Timeout),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, error)| Err(error))
    }
}
