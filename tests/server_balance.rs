//! How connections are spread over workers, asked of real servers: by whom each is answered.
//! Knows nothing below the public face, and measures no time.

#[path = "support/http_client.rs"]
mod http_client;
#[allow(dead_code, reason = "half of it is used here")]
#[path = "support/random.rs"]
mod random;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use corelane::settings::Balance;
use corelane::{Router, Running, Server, Settings, StartError};
use http_client::{Client, PATIENCE, settings};
use random::Random;

/// Workers, whatever the machine has.
const WORKERS: [usize; 3] = [4, 8, 16];

/// Connections open at once.
const CONNECTIONS: [usize; 3] = [4, 16, 64];

fn server(balance: Balance, workers: usize, addresses: &[&str]) -> Result<Running, StartError> {
    let settings = settings(|settings| {
        settings.balance = balance;
        settings.idle_time = PATIENCE * 2;
    });
    let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Server::bind(&addresses[..])
        .workers(NonZeroUsize::new(workers).unwrap())
        .pin(false)
        .settings(settings)
        .start(|worker| {
            let index = worker.index();
            Router::new().get("/", move |_, res| res.text(format_args!("{index}")))
        })
}

/// A server, unless the kernel lets only others place connections.
fn server_if_allowed(balance: Balance, workers: usize, addresses: &[&str]) -> Option<Running> {
    match server(balance, workers, addresses) {
        Err(error @ StartError::Steering(_)) => {
            assert!(error.hint().unwrap().contains("CAP_BPF"));
            println!("skipped: {error}");
            None
        }
        started => Some(started.expect("it starts")),
    }
}

/// An open connection and the worker that serves it.
struct Open {
    client: Client,
    worker: usize,
}

fn open(address: SocketAddr) -> Open {
    let mut client = Client::connect(address);
    // So many requests that connections of a test are long ones.
    let answers: Vec<usize> =
        (0..16).map(|_| client.get("/").text().parse().expect("a number")).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one worker has a connection");
    Open { client, worker: answers[0] }
}

fn counts(open: &[Open], workers: usize) -> Vec<usize> {
    (0..workers).map(|worker| open.iter().filter(|open| open.worker == worker).count()).collect()
}

fn expect_even(what: &str, counts: &[usize]) {
    let all: usize = counts.iter().sum();
    let best = all.div_ceil(counts.len());
    let busiest = *counts.iter().max().unwrap();
    println!("{what}: busiest {busiest} of at best {best}: {counts:?}");
    // A tenth more than the best that is possible.
    assert!(busiest * 10 <= best * 11, "{what}: {counts:?}");
}

/// Closes half of the connections, and waits until their worker knows.
fn close_half(open: &mut Vec<Open>, random: &mut Random) {
    for _ in 0..open.len() / 2 {
        let index = random.below(open.len());
        let Open { mut client, .. } = open.swap_remove(index);
        // The worker's end comes after it has counted one less.
        client.finish_sending().expect_end();
    }
}

fn expect_even_at_all_times(balance: Balance) {
    let mut random = Random::new(7);
    for workers in WORKERS {
        for connections in CONNECTIONS {
            let Some(server) = server_if_allowed(balance, workers, &["127.0.0.1:0"]) else {
                return;
            };
            assert_eq!(server.balance(), balance);
            let address = server.addresses()[0];
            let name = balance.name();
            let mut all: Vec<_> = (0..connections).map(|_| open(address)).collect();
            expect_even(&format!("{name}, {workers} workers"), &counts(&all, workers));
            for _ in 0..4 {
                close_half(&mut all, &mut random);
                all.extend((all.len()..connections).map(|_| open(address)).collect::<Vec<_>>());
                expect_even(&format!("{name}, {workers}, churned"), &counts(&all, workers));
            }
        }
    }
}

#[test]
fn a_program_of_the_kernel_spreads_connections_evenly() {
    expect_even_at_all_times(Balance::Ebpf);
}

#[test]
fn workers_that_hand_over_spread_connections_evenly() {
    expect_even_at_all_times(Balance::HandOver);
}

#[test]
fn a_burst_is_spread_before_anybody_has_accepted_of_it() {
    for workers in WORKERS {
        let Some(server) = server_if_allowed(Balance::Ebpf, workers, &["127.0.0.1:0"]) else {
            return;
        };
        let address = server.addresses()[0];
        let clients: Vec<_> = (0..4 * workers).map(|_| Client::connect(address)).collect();
        let open: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                let worker = client.get("/").text().parse().unwrap();
                Open { client, worker }
            })
            .collect();
        expect_even("burst", &counts(&open, workers));
    }
}

#[test]
fn connections_to_all_addresses_count_together() {
    for balance in [Balance::Ebpf, Balance::HandOver] {
        let addresses = ["127.0.0.1:0", "[::1]:0"];
        let Some(server) = server_if_allowed(balance, 4, &addresses) else { continue };
        let [four, six] = *server.addresses() else { panic!("two addresses") };
        let mut all: Vec<_> = (0..6).map(|_| open(four)).collect();
        all.extend((0..6).map(|_| open(six)));
        expect_even(balance.name(), &counts(&all, 4));
    }
}

#[test]
fn in_turns_every_worker_has_as_many() {
    let Some(server) = server_if_allowed(Balance::RoundRobin, 4, &["127.0.0.1:0"]) else { return };
    let all: Vec<_> = (0..16).map(|_| open(server.addresses()[0])).collect();
    assert_eq!(counts(&all, 4), [4; 4]);
}

#[test]
fn the_report_says_how_connections_were_spread_and_how_many_moved() {
    let server = server(Balance::HandOver, 4, &["127.0.0.1:0"]).unwrap();
    let all: Vec<_> = (0..32).map(|_| open(server.addresses()[0])).collect();
    drop(all);
    server.drain();
    let report = server.wait().unwrap().report();
    let json: serde_json::Value = serde_json::from_str(&report.to_json().to_string()).unwrap();
    assert_eq!(json["balance"], "handoff");
    assert_eq!(json["busiest_over_mean"], 1.0);
    assert!(report.to_text().contains("\nbalance handoff: connections of the busiest worker"));
    let events = &json["total"]["events"];
    assert_eq!(events["connections_given"], events["connections_taken"]);
    assert!(events["connections_given"].as_u64() > Some(0), "a hash never is as even as that");
    let workers = json["workers"].as_array().unwrap();
    assert!(workers.iter().all(|worker| worker["connections"] == 8), "{workers:?}");
}

#[test]
fn short_connections_are_not_handed_over() {
    let server = server(Balance::HandOver, 4, &["127.0.0.1:0"]).unwrap();
    let address = server.addresses()[0];
    let given = |server: Running| {
        server.drain();
        let events = server.wait().unwrap().report().total().events.clone();
        events.iter().find(|(name, _)| *name == "connections_given").unwrap().1
    };
    // All workers come to know that connections are short, whoever has them.
    for _ in 0..400 {
        let mut client = Client::connect(address);
        client.get("/");
        client.finish_sending().expect_end();
    }
    let clients: Vec<_> = (0..64).map(|_| Client::connect(address)).collect();
    for mut client in clients {
        client.get("/");
    }
    assert_eq!(given(server), 0);
}

#[test]
fn a_server_that_stops_or_drains_loses_no_connection_that_moves() {
    for stops in [false, true] {
        let server = server(Balance::HandOver, 8, &["127.0.0.1:0"]).unwrap();
        let address = server.addresses()[0];
        let clients: Vec<_> = (0..200).map(|_| Client::connect(address)).collect();
        if stops {
            server.stop();
        } else {
            server.drain();
        }
        drop(clients);
        let report = server.wait().unwrap().report();
        let closed: u64 = report.total().closes.iter().map(|(_, count)| count).sum();
        assert_eq!(report.total().connections, closed, "stopped: {stops}");
    }
}

#[test]
fn without_pinned_workers_connections_cannot_follow_cpus() {
    let error = server(Balance::Cpu, 2, &["127.0.0.1:0"]).unwrap_err();
    assert!(matches!(error, StartError::Unpinned(0)), "{error}");
    assert!(error.hint().unwrap().contains("pinned"));
}

#[test]
fn pinned_workers_take_connections_by_cpu() {
    let mut settings = Settings::default();
    settings.balance = Balance::Cpu;
    let workers = std::thread::available_parallelism().unwrap().min(NonZeroUsize::new(2).unwrap());
    let server = Server::bind("127.0.0.1:0").workers(workers).settings(settings);
    let server = server.start(|_| Router::new().get("/", |_, res| res.text("here"))).unwrap();
    let in_force = if workers.get() == 1 { Balance::Off } else { Balance::Cpu };
    assert_eq!(server.balance(), in_force);
    assert!((0..16).all(|_| Client::to(&server).get("/").text() == "here"));
}

#[test]
fn whatever_is_left_to_us_is_one_that_spreads() {
    let server = server(Balance::Auto, 4, &["127.0.0.1:0"]).unwrap();
    assert!(matches!(server.balance(), Balance::Ebpf | Balance::HandOver));
    let all: Vec<_> = (0..16).map(|_| open(server.addresses()[0])).collect();
    expect_even("auto", &counts(&all, 4));
}
