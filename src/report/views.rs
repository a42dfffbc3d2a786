//! What the server measured in a run, beside what its client saw. Knows nothing of how either
//! came here.

#![allow(clippy::cast_precision_loss, reason = "counts are compared by a tenth")]

use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::json::Json;
use super::summary::Summary;
use super::table::Table;
use super::units;

/// What a server measured of the requests of a run.
#[derive(Clone, Debug)]
pub struct ServerView {
    /// In nanoseconds, from the turn that saw a request to the kernel's taking of its answer.
    pub service_times: Histogram<u64>,
    /// In nanoseconds, the stages of requests by their names, in their order.
    pub stages: Vec<(String, Histogram<u64>)>,
    /// How long before the run was counted this began.
    pub ahead: Duration,
}

/// The server's side of a run.
#[derive(Clone, Debug)]
pub enum ServerSide {
    /// It told what it measured.
    Seen(Box<ServerView>),
    /// Nothing is known of it, and why.
    Unseen(String),
}

/// Where the time of the mean request went, in nanoseconds. Means of the same requests may be
/// subtracted from each other; percentiles may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shares {
    client: u64,
    service: u64,
    /// Of a sample; `None` if there is none.
    queue: Option<u64>,
    elsewhere: Option<u64>,
}

/// The stage that is not within the service time.
const QUEUE: &str = "kernel_queue";

/// A server that answered so much more than we asked for has served others too.
const OTHERS_MIN: f64 = 1.1;
/// Requests that may be under way at the ends of a run.
const SPARE: f64 = 50.0;

impl ServerSide {
    /// The section of the report for people; `latencies` are the client's within `wall`, from the
    /// moment a request was sent where there are such.
    pub(super) fn to_text(&self, latencies: &Histogram<u64>, wall: Duration) -> String {
        let view = match self {
            ServerSide::Seen(view) => view,
            ServerSide::Unseen(why) => return format!("Server's view: none, {why}.\n"),
        };
        let mut text = view.table(latencies).to_string();
        if let Some(shares) = view.shares(latencies) {
            let queue = shares.queue.map_or_else(String::new, |queue| {
                format!(" and lay {} in its kernel's queue", units::nanos(queue))
            });
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\nThe mean request took {}: the server had it for {}{queue};\n{}. Percentiles of \
                 two columns are of other\nrequests: their difference means nothing.\n",
                units::nanos(shares.client),
                units::nanos(shares.service),
                shares.elsewhere.map_or_else(
                    || "the sample of the queue was too small for the rest".to_owned(),
                    |rest| format!(
                        "{} passed in the network, in the kernels and in the client",
                        units::nanos(rest)
                    ),
                )
            );
        }
        if view.served_others(latencies, wall) {
            text.push_str("The server answered others meanwhile: its figures are of those too.\n");
        }
        text
    }

    /// The same for programs; `null` if nothing is known.
    pub(super) fn to_json(&self, latencies: &Histogram<u64>, wall: Duration) -> Json {
        let ServerSide::Seen(view) = self else { return Json::Null };
        let stages = view.stages.iter().map(|(name, times)| (name.clone(), summary_json(times)));
        let shares = view.shares(latencies);
        let elsewhere = shares.and_then(|shares| shares.elsewhere);
        Json::object([
            ("service_time", summary_json(&view.service_times)),
            ("stages", Json::object(stages)),
            ("mean_elsewhere_ns", elsewhere.map_or(Json::Null, Json::Unsigned)),
            ("served_others", Json::Bool(view.served_others(latencies, wall))),
        ])
    }
}

impl ServerView {
    /// A column for the client, one for the server and one for each stage.
    fn table(&self, latencies: &Histogram<u64>) -> Table {
        let stages = self.stages.iter().map(|(name, times)| (name.replace('_', " "), times));
        let both = [("client", latencies), ("service time", &self.service_times)];
        let both = both.map(|(name, times)| (name.to_owned(), times));
        let columns: Vec<_> = both.into_iter().chain(stages).collect();
        let names = columns.iter().map(|(name, _)| name.clone());
        let mut table = Table::new(["server's view".to_owned()].into_iter().chain(names));
        let mut row = |name: &str, of: &dyn Fn(&Summary) -> String| {
            let cell = |(_, times): &(String, &Histogram<u64>)| {
                Summary::of(times).map_or_else(|| "-".to_owned(), |summary| of(&summary))
            };
            table.row([name.to_owned()].into_iter().chain(columns.iter().map(cell)));
        };
        row("count", &|summary| units::count(summary.count));
        row("mean", &|summary| units::nanos(summary.mean_ns));
        for (index, name) in Summary::FIGURES.into_iter().enumerate() {
            row(name, &|summary| units::nanos(summary.figures()[index]));
        }
        table
    }

    fn shares(&self, latencies: &Histogram<u64>) -> Option<Shares> {
        let mean = |times| Summary::of(times).map(|summary| summary.mean_ns);
        let (client, service) = (mean(latencies)?, mean(&self.service_times)?);
        let queue = self.stages.iter().find(|(name, _)| name == QUEUE);
        let queue = queue.and_then(|(_, times)| mean(times));
        let elsewhere = client.checked_sub(service + queue.unwrap_or_default());
        Some(Shares { client, service, queue, elsewhere })
    }

    fn served_others(&self, latencies: &Histogram<u64>, wall: Duration) -> bool {
        let wall = wall.as_secs_f64().max(f64::MIN_POSITIVE);
        let asked = latencies.len() as f64 * (1.0 + self.ahead.as_secs_f64() / wall);
        self.service_times.len() as f64 > asked * OTHERS_MIN + SPARE
    }
}

fn summary_json(times: &Histogram<u64>) -> Json {
    Summary::of(times).map_or(Json::Null, |summary| summary.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Duration = Duration::from_secs(1);

    fn times(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut times = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
        values.into_iter().for_each(|value| times.record(value).unwrap());
        times
    }

    fn side(queue: &[u64]) -> ServerSide {
        let stages = [(QUEUE, times(queue.iter().copied())), ("parse", times([400]))];
        let stages = stages.map(|(name, times)| (name.to_owned(), times)).into();
        ServerSide::Seen(Box::new(ServerView {
            service_times: times([20_000; 10]),
            stages,
            ahead: Duration::from_millis(100),
        }))
    }

    #[test]
    fn both_views_stand_side_by_side_and_the_rest_is_a_difference_of_means() {
        let text = side(&[5_000]).to_text(&times([100_000; 10]), WALL);
        let expected = "\
server's view  client  service time  kernel queue   parse
count              10            10             1       1
mean           100 µs       20.0 µs       5.00 µs  400 ns
P50            100 µs       20.0 µs       5.00 µs  400 ns";
        assert!(text.starts_with(expected), "{text}");
        let sentence = "The mean request took 100 µs: the server had it for 20.0 µs and lay \
             5.00 µs in its kernel's queue;\n75.0 µs passed in the network";
        assert!(text.contains(sentence), "{text}");
        let json = side(&[]).to_json(&times([100_000; 10]), WALL).to_string();
        assert!(json.contains("\"kernel_queue\":null"), "{json}");
        assert!(json.contains("\"mean_elsewhere_ns\":79992"), "{json}");
    }

    #[test]
    fn a_sample_that_says_more_than_there_is_leaves_no_rest() {
        let side = side(&[90_000]);
        let text = side.to_text(&times([100_000; 10]), WALL);
        assert!(text.contains("was too small for the rest"), "{text}");
        let json = side.to_json(&times([100_000; 10]), WALL).to_string();
        assert!(json.contains("\"mean_elsewhere_ns\":null"), "{json}");
    }

    #[test]
    fn a_server_that_served_others_too_is_told() {
        let text = side(&[]).to_text(&times([100_000]), WALL);
        assert!(!text.contains("others meanwhile"), "{text}");
        let ServerSide::Seen(mut view) = side(&[]) else { panic!("it is seen") };
        view.service_times = times([20_000; 100]);
        let text = ServerSide::Seen(view).to_text(&times([100_000]), WALL);
        assert!(text.contains("others meanwhile"), "{text}");
    }

    #[test]
    fn an_unknown_view_is_one_line() {
        let side = ServerSide::Unseen("a/b answered 404".to_owned());
        assert_eq!(side.to_text(&times([1]), WALL), "Server's view: none, a/b answered 404.\n");
        assert_eq!(side.to_json(&times([1]), WALL), Json::Null);
    }
}
