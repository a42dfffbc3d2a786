//! Asks the server what it measured, before and after a run, and takes the difference.
//! Knows nothing of how the server measures, and disturbs the measured stretch by nothing.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::Value;

use crate::limits::{
    LATENCY_DIGITS, LATENCY_MAX_NS, PAGE_BYTES, SERVER_VIEW_BYTES_MAX, SERVER_VIEW_LEAD_MS,
    SERVER_VIEW_MS,
};
use crate::report::{ServerSide, ServerView, Stage};
use crate::wire::response_parse::{ResponseBody, parse_response_head};

/// The form that is understood.
const SCHEMA: &str = "corelane-latency/1";

/// How long before the measured stretch the server is asked: its answer takes it a few
/// milliseconds of processor time, which nobody should have to wait for.
const LEAD: Duration = Duration::from_millis(SERVER_VIEW_LEAD_MS);

const PATIENCE: Duration = Duration::from_millis(SERVER_VIEW_MS);

/// Where a server tells what it measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSource {
    /// Where it listens.
    pub address: SocketAddr,
    /// Value of the field `Host`.
    pub authority: String,
    /// The target of the request.
    pub target: String,
}

/// Nanoseconds and how many there were.
type Counts = BTreeMap<u64, u64>;

/// What a server measured since it started.
#[derive(Clone, Debug, Default, PartialEq)]
struct Snapshot {
    uptime: f64,
    service_times: Counts,
    stages: Vec<(String, Counts)>,
}

/// Runs `run`, whose measured stretch begins `warm_up` after it, and returns with its result what
/// the server measured meanwhile. A server that does not tell is no error.
pub fn around<T>(
    source: Option<&ViewSource>,
    warm_up: Duration,
    run: impl FnOnce() -> T,
) -> (T, ServerSide) {
    let Some(source) = source else {
        return (run(), ServerSide::Unseen("it was not asked for".to_owned()));
    };
    // Who does not answer now will not be asked under load.
    let first = match source.fetch() {
        Ok(first) => first,
        Err(why) => return (run(), ServerSide::Unseen(source.explain(&why))),
    };
    let wait = warm_up.checked_sub(LEAD);
    let (outcome, before) = thread::scope(|scope| {
        let later = wait.map(|wait| {
            scope.spawn(move || {
                thread::sleep(wait);
                source.fetch()
            })
        });
        let outcome = run();
        let before = later.map_or(Ok(first), |later| {
            later.join().unwrap_or_else(|_| Err("could not be read".to_owned()))
        });
        (outcome, before)
    });
    let view = before.and_then(|before| difference(&before, &source.fetch()?));
    let ahead = wait.map_or(warm_up, |_| LEAD);
    let side = match view {
        Ok(view) => ServerSide::Seen(Box::new(ServerView { ahead, ..view })),
        Err(why) => ServerSide::Unseen(source.explain(&why)),
    };
    (outcome, side)
}

impl ViewSource {
    fn explain(&self, why: &str) -> String {
        format!("http://{}{} {why}", self.authority, self.target)
    }

    fn fetch(&self) -> Result<Snapshot, String> {
        let bytes = self.ask().map_err(|error| format!("cannot be read: {error}"))?;
        let malformed = || "is no answer of HTTP/1".to_owned();
        let head = parse_response_head(&bytes, false).ok().flatten().ok_or_else(malformed)?;
        if head.status != 200 {
            return Err(format!("answered {}", head.status));
        }
        let body = &bytes[head.len..];
        let json = serde_json::from_slice(body).unwrap_or(Value::Null);
        read(&json).ok_or_else(|| format!("does not speak {SCHEMA}"))
    }

    /// The whole answer, head and body.
    fn ask(&self) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let ViewSource { authority, target, .. } = self;
        let accept = "Accept: application/json\r\nConnection: close";
        let request = format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n{accept}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut bytes = Vec::new();
        let mut piece = [0; PAGE_BYTES];
        while bytes.len() < SERVER_VIEW_BYTES_MAX && !is_whole(&bytes) {
            match stream.read(&mut piece)? {
                0 => break,
                len => bytes.extend_from_slice(&piece[..len]),
            }
        }
        Ok(bytes)
    }
}

/// Whether nothing more is to come, or nothing that is of use.
fn is_whole(bytes: &[u8]) -> bool {
    match parse_response_head(bytes, false) {
        Ok(Some(head)) if head.status != 200 => true,
        Ok(Some(head)) => match head.body {
            ResponseBody::Length(length) => (bytes.len() - head.len) as u64 >= length,
            ResponseBody::Chunked => true,
            ResponseBody::UntilClose => false,
        },
        Ok(None) => false,
        Err(_) => true,
    }
}

fn read(json: &Value) -> Option<Snapshot> {
    if json["schema"].as_str() != Some(SCHEMA) {
        return None;
    }
    // An object has no order of its own; the stages do.
    let order = |name: &str| Stage::ALL.iter().position(|stage| stage.name() == name);
    let mut stages: Vec<_> = json["stages_ns"].as_object()?.iter().collect();
    stages.sort_by_key(|(name, _)| order(name).unwrap_or(usize::MAX));
    let stages = stages.into_iter().map(|(name, pairs)| Some((name.clone(), counts(pairs)?)));
    Some(Snapshot {
        uptime: json["uptime_seconds"].as_f64()?,
        service_times: counts(&json["service_time_ns"])?,
        stages: stages.collect::<Option<_>>()?,
    })
}

fn counts(pairs: &Value) -> Option<Counts> {
    let pair = |pair: &Value| Some((pair[0].as_u64()?, pair[1].as_u64()?));
    pairs.as_array()?.iter().map(pair).collect()
}

fn difference(before: &Snapshot, after: &Snapshot) -> Result<ServerView, String> {
    let stages = after.stages.iter().map(|(name, counts)| {
        let earlier = before.stages.iter().find(|(known, _)| known == name);
        let nothing = Counts::new();
        let between = between(earlier.map_or(&nothing, |(_, counts)| counts), counts)?;
        Some((name.clone(), between))
    });
    let stages = stages.collect::<Option<Vec<_>>>();
    let service_times = between(&before.service_times, &after.service_times);
    match (service_times, stages) {
        (Some(service_times), Some(stages)) if after.uptime >= before.uptime => {
            Ok(ServerView { service_times, stages, ahead: Duration::ZERO })
        }
        _ => Err("was restarted meanwhile".to_owned()),
    }
}

/// What came between two counts; `None` if anything went.
fn between(before: &Counts, after: &Counts) -> Option<Histogram<u64>> {
    let mut histogram =
        Histogram::new_with_bounds(1, LATENCY_MAX_NS, LATENCY_DIGITS).expect("they are constants");
    for (value, count) in after {
        let earlier = before.get(value).copied().unwrap_or_default();
        let new = count.checked_sub(earlier)?;
        if new > 0 {
            histogram.saturating_record_n(*value, new);
        }
    }
    before.keys().all(|value| after.contains_key(value)).then_some(histogram)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn snapshot(service: &str, parse: &str) -> Snapshot {
        let json = format!(
            r#"{{"schema":"corelane-latency/1","uptime_seconds":1.5,"workers":1,
            "service_time_ns":{service},"stages_ns":{{"parse":{parse}}}}}"#
        );
        read(&serde_json::from_str(&json).unwrap()).unwrap()
    }

    #[test]
    fn the_difference_of_two_snapshots_is_what_came_between() {
        let before = snapshot("[[100,2],[300,1]]", "[]");
        let after = snapshot("[[100,5],[200,1],[300,1]]", "[[50,3]]");
        let view = difference(&before, &after).unwrap();
        assert_eq!(view.service_times.len(), 4);
        assert_eq!((view.service_times.min(), view.service_times.max()), (100, 200));
        assert_eq!(view.stages[0].1.len(), 3);
        let many: Vec<_> = Stage::ALL.map(|stage| format!("\"{}\":[]", stage.name())).into();
        let json = format!(
            r#"{{"schema":"{SCHEMA}","uptime_seconds":1,"service_time_ns":[],
            "stages_ns":{{"new":[],{}}}}}"#,
            many.join(",")
        );
        let read = read(&serde_json::from_str(&json).unwrap()).unwrap();
        let names: Vec<_> = read.stages.iter().map(|(name, _)| name.as_str()).collect();
        let ours = Stage::ALL.map(Stage::name);
        assert_eq!((&names[..5], names[5]), (&ours[..], "new"), "in their own order");
        assert!(difference(&after, &before).is_err(), "counts went");
    }

    #[test]
    fn what_is_no_snapshot_is_not_taken_for_one() {
        for text in ["{}", "null", r#"{"schema":"corelane-latency/2"}"#] {
            assert_eq!(read(&serde_json::from_str(text).unwrap()), None, "{text}");
        }
        let pairs = serde_json::from_str("[[1,2],[3]]").unwrap();
        assert_eq!(counts(&pairs), None);
    }

    /// What is told of a server that gives this answer to each connection.
    fn told(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let len = stream.read(&mut request).unwrap();
            assert!(request[..len].starts_with(b"GET /view HTTP/1.1\r\nHost: here\r\n"));
            stream.write_all(answer).unwrap();
        });
        let (authority, target) = ("here".to_owned(), "/view".to_owned());
        let source = ViewSource { address, authority, target };
        let ((), side) = around(Some(&source), Duration::ZERO, || ());
        server.join().unwrap();
        let ServerSide::Unseen(why) = side else { panic!("there is nothing to see") };
        why
    }

    #[test]
    fn a_server_that_does_not_tell_is_named_with_the_reason() {
        let why = told(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(why, "http://here/view answered 404");
        let why = told(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        assert_eq!(why, "http://here/view does not speak corelane-latency/1");
        assert!(told(b"SSH-2.0-x\r\n\r\n").ends_with("is no answer of HTTP/1"));
    }
}
