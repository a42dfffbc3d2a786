//! The report of a stopping server, as text and as JSON.

use std::time::Duration;

use corelane::report::{ServerReport, Summary, WorkerRow, merged};
use hdrhistogram::Histogram;

fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u32> {
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    values.into_iter().for_each(|value| histogram.saturating_record(value));
    histogram
}

/// A fast and a slow worker.
fn report() -> ServerReport {
    let times = [histogram((1..=9_000).map(|n| n * 10)), histogram((1..=1_000).map(|n| n * 1_000))];
    let stages = [
        ("kernel_queue", merged([&histogram([])])),
        ("loop_wait", merged([&histogram((1..=9_000).map(|n| n * 3))])),
        ("parse", merged([&histogram([700, 800])])),
    ];
    let fast = WorkerRow {
        name: "worker 0".to_owned(),
        cpu: Some(2),
        requests: 9_000,
        connections: 120,
        statuses: [0, 8_990, 0, 10, 0],
        bytes_received: 900_000,
        bytes_sent: 1_200_000,
        closes: vec![("peer_closed", 118), ("idle", 2), ("failed", 0)],
        refusals: vec![("host_missing", 0), ("line_end", 10)],
        events: vec![("handler_panics", 2), ("table_full", 0)],
        routes: vec![("GET /".to_owned(), 8_000), ("GET /users/{id}".to_owned(), 1_000)],
        service_time: Summary::of(&times[0]),
        stages: stages.iter().map(|(name, times)| (*name, Summary::of(times))).collect(),
    };
    let slow = WorkerRow {
        name: "worker 1".to_owned(),
        cpu: None,
        requests: 1_000,
        connections: 3,
        statuses: [0, 999, 0, 1, 0],
        bytes_received: 100_000,
        bytes_sent: 131_072,
        closes: vec![("drained", 1), ("peer_closed", 2)],
        refusals: vec![("line_end", 1)],
        events: vec![("handler_panics", 1), ("table_full", 0)],
        routes: vec![("GET /".to_owned(), 1_000)],
        service_time: Summary::of(&times[1]),
        stages: Vec::new(),
    };
    ServerReport::new(Duration::from_millis(12_345), vec![fast, slow], merged(&times), &stages)
}

#[test]
fn the_text_has_a_row_per_worker_a_total_and_the_counts_above_zero() {
    let expected = "\
corelane ran for 12.3 s: 10,000 requests on 123 connections, 977 KiB received, 1.27 MiB sent

                 requests  connections      P50      P90      P99    P99.9   P99.99      max
worker 0, cpu 2     9,000          120  45.0 µs  81.0 µs  89.2 µs  89.9 µs  90.0 µs  90.0 µs
worker 1            1,000            3   500 µs   900 µs   990 µs   999 µs  1.00 ms  1.00 ms
total              10,000          123  49.5 µs  89.2 µs   900 µs   990 µs   999 µs  1.00 ms

Service time: from the moment the turn saw the bytes to the moment the kernel took the answer; \
time in the kernel's queues and on the network is not in it.

stage         count      P50      P90      P99    P99.9   P99.99      max
kernel_queue      0        -        -        -        -        -        -
loop_wait     9,000  13.5 µs  24.3 µs  26.7 µs  27.0 µs  27.0 µs  27.0 µs
parse             2   700 ns   800 ns   800 ns   800 ns   800 ns   800 ns

Stages: the kernel's queue up to the turn, the wait within the turn, then parsing, the handler
and the send call. Waits are those of all requests, the others of a sample; a percentile of one
stage is not of the same request as that of another.

answers by status:
  2xx  9,989
  4xx     11

closes by reason:
                 peer_closed  idle  drained
worker 0, cpu 2          118     2        0
worker 1                   2     0        1
total                    120     2        1

refusals by reason:
  line_end  11

other events:
  handler_panics  3

requests by route:
  GET /            9,000
  GET /users/{id}  1,000
";
    let text = report().to_text();
    for (ours, expected) in text.lines().zip(expected.lines()) {
        assert_eq!(ours, expected);
    }
    assert_eq!(text, expected);
}

#[test]
fn percentiles_of_the_total_come_from_the_merged_histogram() {
    let report = report();
    let total = report.total().service_time.unwrap();
    assert_eq!(total.count, 10_000);
    // The mean of the workers' P99 would be about 540 µs; one request of ten was slow.
    assert_eq!(total.p99_ns / 1_000, 900);
}

#[test]
fn the_json_has_its_schema_its_units_and_every_counter() {
    let json: serde_json::Value = serde_json::from_str(&report().to_json().to_string()).unwrap();
    assert_eq!(json["schema"], "corelane-report/1");
    assert_eq!(json["uptime_seconds"], 12.345);
    assert_eq!(json["workers"].as_array().unwrap().len(), 2);
    let worker = &json["workers"][0];
    assert_eq!(worker["name"], "worker 0");
    assert_eq!(worker["cpu"], 2);
    assert_eq!(worker["closes"]["failed"], 0);
    assert_eq!(worker["routes"]["GET /users/{id}"], 1_000);
    assert_eq!(json["workers"][1]["cpu"], serde_json::Value::Null);
    let total = &json["total"];
    assert_eq!(total["requests"], 10_000);
    assert_eq!(total["received_bytes"], 1_000_000);
    assert_eq!(total["statuses"]["2xx"], 9_989);
    assert_eq!(total["refusals"]["line_end"], 11);
    assert_eq!(total["stages"]["kernel_queue"], serde_json::Value::Null);
    assert_eq!(total["stages"]["loop_wait"]["count"], 9_000);
    assert_eq!(worker["stages"]["parse"]["max_ns"], 800);
    let service_time = &total["service_time"];
    assert_eq!(service_time["count"], 10_000);
    for key in ["mean_ns", "p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns"] {
        assert!(service_time[key].as_u64().unwrap() > 0, "{key}");
    }
}

#[test]
fn a_server_that_served_nothing_shows_no_made_up_zero() {
    let idle = WorkerRow { name: "worker 0".to_owned(), ..WorkerRow::default() };
    let report =
        ServerReport::new(Duration::from_secs(3_723), vec![idle], merged([&histogram([])]), &[]);
    let text = report.to_text();
    assert!(text.starts_with("corelane ran for 1 h 2 min 3 s: 0 requests on 0 connections, 0 B"));
    let row = text.lines().find(|line| line.starts_with("worker 0")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[2..], ["0", "0", "-", "-", "-", "-", "-", "-"]);
    assert!(text.contains("\ncloses by reason: none\n"), "{text}");
    assert!(!text.contains("stage"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report.to_json().to_string()).unwrap();
    assert_eq!(json["total"]["service_time"], serde_json::Value::Null);
}
