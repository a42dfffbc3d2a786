//! A route that hands out what the workers measured since their start, without loss, so that two
//! fetches give what came between them. Knows nothing of how it is measured.

use hdrhistogram::Histogram;

use crate::api::{HandlerResult, Measured, Reply, Request, Response, WorkerInfo};
use crate::report::{Json, Latencies};

/// Name and version of the JSON form. A key may be added under the same version; none changes its
/// meaning or goes.
pub const LATENCY_SCHEMA: &str = "corelane-latency/1";

/// Answers with the latencies of all workers together, since they started: service times and the
/// times of each stage, as pairs of a value in nanoseconds and how many there were. Runs on a
/// thread for blocking work; 503 if a worker does not answer.
///
/// It tells how busy the server is: choose who may ask.
///
/// ```
/// use corelane::{Router, WorkerInfo};
///
/// fn application(worker: &WorkerInfo) -> Router {
///     Router::new().get("/internal/latency", corelane::app::latency(worker))
/// }
/// ```
pub fn latency(
    worker: &WorkerInfo,
) -> impl FnMut(&Request<'_>, Response<'_>) -> HandlerResult + use<> {
    let worker = worker.clone();
    move |_, response| {
        let worker = worker.clone();
        response.header("Cache-Control", "no-store").later(|later| {
            later.run_blocking(move || {
                let json = latency_json(&worker.measured()?).to_string();
                Ok(Reply::bytes(json.into_bytes()).header("Content-Type", "application/json"))
            });
        })
    }
}

/// What [`latency`] answers with.
pub fn latency_json(measured: &Measured) -> Json {
    let workers: Vec<_> = measured.workers.iter().collect();
    let (service_time, stages) = Latencies::together(&workers);
    let stages = stages.iter().map(|(name, times)| (*name, pairs(times)));
    Json::object([
        ("schema", Json::text(LATENCY_SCHEMA)),
        ("uptime_seconds", Json::Float(measured.uptime.as_secs_f64())),
        ("workers", Json::Unsigned(workers.len() as u64)),
        ("service_time_ns", pairs(&service_time)),
        ("stages_ns", Json::object(stages)),
    ])
}

/// The values of a histogram, each the upper end of its bucket, with their counts.
fn pairs(histogram: &Histogram<u64>) -> Json {
    let pair = |value, count| Json::List(vec![Json::Unsigned(value), Json::Unsigned(count)]);
    let buckets = histogram.iter_recorded();
    let pairs = buckets.map(|bucket| pair(bucket.value_iterated_to(), bucket.count_at_value()));
    Json::List(pairs.collect())
}
