//! The whole worker on a scripted kernel: random clients, faults and times, all from one seed.
//!
//! `CORELANE_SIM_SEED=<seed>` runs one simulation again, `CORELANE_SIM_SCHEDULES=<count>` so many.

#[path = "support/random.rs"]
mod random;
#[path = "support/response_reader.rs"]
mod response_reader;
#[path = "support/sim_application.rs"]
mod sim_application;
#[path = "support/sim_client.rs"]
mod sim_client;
#[path = "support/sim_elsewhere.rs"]
mod sim_elsewhere;
#[path = "support/sim_faults.rs"]
mod sim_faults;
#[path = "support/sim_kernel.rs"]
mod sim_kernel;
#[path = "support/sim_log.rs"]
mod sim_log;
#[path = "support/sim_overload.rs"]
mod sim_overload;
#[path = "support/sim_pace.rs"]
mod sim_pace;
#[path = "support/sim_pipe.rs"]
mod sim_pipe;
#[path = "support/sim_schedule.rs"]
mod sim_schedule;
#[path = "support/sim_verdict.rs"]
mod sim_verdict;
#[path = "support/sim_world.rs"]
mod sim_world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use corelane::proto::CloseReason;
use corelane::wire::refusal::Refusal;

use sim_application::SCRIPTED;
use sim_schedule::{Reached, run};

const SCHEDULES: u64 = 100_000;

/// Leaves the panics out of the output that the application is told to have.
fn silence_scripted_panics() {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&SCRIPTED) {
                hook(info);
            }
        }));
    });
}

/// What the simulation of `seed` came to, or what is wrong with it.
fn outcome_of(seed: u64) -> Result<Reached, String> {
    silence_scripted_panics();
    catch_unwind(AssertUnwindSafe(|| run(seed)))
        .unwrap_or_else(|_| Err("it panicked, see above".to_owned()))
        .map_err(|why| {
            format!("{why}\nagain: CORELANE_SIM_SEED={seed} cargo test --test sim_worker")
        })
}

fn number_from(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Runs the seeds `first`, `first + step`, … below `end`, up to the first fault of any thread.
fn search(first: u64, step: usize, end: u64, is_over: &AtomicBool) -> Result<Reached, String> {
    let mut reached = Reached::default();
    for seed in (first..end).step_by(step) {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        reached.add(&outcome_of(seed).inspect_err(|_| is_over.store(true, Ordering::Relaxed))?);
    }
    Ok(reached)
}

/// Runs the seeds below `end` on two threads.
fn search_all(end: u64) -> Result<Reached, String> {
    let is_over = AtomicBool::new(false);
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| search(0, 2, end, &is_over));
        let other = search(1, 2, end, &is_over);
        (one.join().expect("panics are caught in each simulation"), other)
    });
    let (mut one, other) = (one?, other?);
    one.add(&other);
    Ok(one)
}

#[test]
fn whatever_clients_and_kernel_do_every_request_is_answered_or_its_end_counted() {
    if let Some(seed) = number_from("CORELANE_SIM_SEED") {
        outcome_of(seed).unwrap_or_else(|why| panic!("{why}"));
        return;
    }
    let schedules = number_from("CORELANE_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let reached = search_all(schedules).unwrap_or_else(|why| panic!("{why}"));
    println!("{reached:?}");
    if schedules >= SCHEDULES {
        expect_all(&reached);
    }
}

/// Seeds that failed before a fault was mended.
fn expect_sound(seed: u64) {
    outcome_of(seed).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_pause_of_accepting_rests_every_listener_though_one_cannot_be_watched_again() {
    expect_sound(13);
}

#[test]
fn idle_time_begins_when_the_last_byte_of_a_waiting_answer_was_sent() {
    expect_sound(19);
}

#[test]
fn nothing_is_made_for_a_client_that_takes_nothing() {
    expect_sound(149);
}

#[test]
fn a_sink_is_offered_bytes_again_only_after_its_wake() {
    expect_sound(229);
}

#[test]
fn every_promise_made_after_the_client_ended_says_so() {
    expect_sound(382);
}

#[test]
fn a_request_that_was_received_is_answered_though_its_connection_is_old() {
    expect_sound(10_595);
}

#[test]
fn a_late_wake_does_not_forget_that_a_connection_must_linger() {
    expect_sound(121);
}

#[test]
fn a_late_answer_refuses_no_request_that_is_whole() {
    expect_sound(883_669);
}

/// A simulation that never comes to something proves nothing about it.
fn expect_all(reached: &Reached) {
    for reason in CloseReason::ALL {
        assert!(reached.closes[reason as usize] > 0, "no connection ended as {reason:?}");
    }
    for refusal in Refusal::ALL {
        let is_rare = UNREACHED.contains(&refusal);
        assert!(is_rare || reached.refusals[refusal as usize] > 0, "nothing is {refusal:?}");
    }
    assert!(
        reached.aborted > 0
            && reached.exhausted > 0
            && reached.failed > 0
            && reached.table_full > 0
            && reached.later_dropped > 0
            && reached.later_expired > 0
            && reached.later_unwanted > 0
            && reached.shed > 0
            && reached.shed_unread > 0
            && reached.spared > 0
            && reached.slow_bodies > 0
            && reached.slow_reads > 0
            && reached.handed > 0
            && reached.from_files > 0
            && reached.from_short_files > 0
    );
}

/// Refusals that the scripts leave to the tests of the formats.
const UNREACHED: [Refusal; 5] = [
    Refusal::FieldColon,
    Refusal::HostInvalid,
    Refusal::TrailerTooLarge,
    Refusal::TransferEncoding,
    Refusal::Version,
];
