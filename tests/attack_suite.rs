//! The attacks of `benches/attacks.rs` with a hundredth of the connections: everybody is refused
//! or cut as designed, the counters say so, and the server serves afterwards. Measures no time.

#[path = "support/attacks.rs"]
mod attacks;
#[path = "support/http_client.rs"]
mod http_client;
#[path = "support/random.rs"]
#[allow(dead_code, reason = "the noise needs a part of it")]
mod random;
#[path = "support/swarm.rs"]
mod swarm;

use attacks::{ATTACKS, Attack, Size, application, problems, usual_settings};
use http_client::{Client, PATIENCE, serve};

const SIZE: Size = Size { connections: 100, hurry: 10, patience: PATIENCE };

/// Runs one attack to its end; returns what was not as designed.
fn withstand(attack: &Attack) -> Vec<String> {
    let mut settings = usual_settings(SIZE);
    (attack.settings)(&mut settings, SIZE);
    let server = serve(settings, |_| application());
    let address = server.addresses()[0];
    let wave = (attack.wave)(SIZE);
    let swarm = swarm::run(&wave, address);
    // Whoever still has a place loses it to nobody.
    let mut client = Client::connect(address);
    let mut problems_seen = Vec::new();
    if client.get("/plaintext").text() != "Hello, World!" {
        problems_seen.push("it does not serve any more".to_owned());
    }
    drop(client);
    let outcome = swarm.end().to_json();
    server.drain();
    let ended = server.wait().expect("no worker panicked");
    let report = serde_json::from_str::<serde_json::Value>(&ended.report().to_json().to_string());
    let total = &report.expect("the report is JSON")["total"];
    problems_seen.extend(problems(attack, &outcome, total));
    if !problems_seen.is_empty() {
        problems_seen.push(format!("attackers: {outcome}; server: {total}"));
    }
    problems_seen
}

/// Each attack is a test, so that they run side by side and a failure has a name.
macro_rules! withstands {
    ($($name:ident: $words:expr;)*) => {
        $(#[test]
        fn $name() {
            let attack = ATTACKS.iter().find(|attack| attack.name.starts_with($words));
            let problems = withstand(attack.expect("there is such an attack"));
            assert!(problems.is_empty(), "{problems:#?}");
        })*

        #[test]
        fn no_attack_is_left_out() {
            for attack in &ATTACKS {
                let tests = [$($words),*];
                let tests = tests.iter().filter(|words| attack.name.starts_with(**words));
                assert_eq!(tests.count(), 1, "{}", attack.name);
            }
        }
    };
}

withstands! {
    slow_heads_are_refused: "slow heads, a byte";
    slow_heads_beyond_the_memory_are_refused_at_once: "slow heads of 8 kB";
    slow_bodies_are_refused: "slow bodies";
    readers_that_read_nothing_are_cut: "readers of 1 MB that read nothing";
    readers_that_read_a_little_are_cut: "readers of 1 MB that read 64";
    readers_of_what_is_made_for_them_are_cut: "readers of 100 kB made";
    idle_connections_make_room: "a flood of idle";
    oversized_heads_are_refused: "heads of many";
    endless_heads_are_refused: "heads that do not end";
    heads_byte_by_byte_are_served: "heads of 16 kB";
    pipelining_without_reading_is_cut: "10,000 pipelined";
    half_closes_are_answered: "half-closes";
    noise_is_refused: "noise";
    silent_connections_end_unharmed: "connections closed";
    chunk_extensions_are_refused: "chunk extensions";
    chunks_of_one_byte_are_taken_up_to_the_limit: "chunks of one";
    resets_harm_nobody: "requests whose";
}
