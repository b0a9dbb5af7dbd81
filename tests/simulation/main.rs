//! A seeded simulation: some hundred users, several instances that are killed now and then, SQS
//! with its duplicates, Intercom failing on every fifth call. Every contact has to end as if
//! each event had been applied once in order.
//!
//! `SEEDS=200` tries that many worlds, `SEED=17` a single one. A seed decides everything: time
//! passes as the world says, and nothing leaves the process.

mod circumstances;
mod expectation;
mod history;
mod senders;
mod simulation;
mod verdict;

use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::thread;

use simulation::{Mode, Simulation};

/// How many worlds are tried unless `SEEDS` says otherwise.
const SEEDS: u64 = 20;

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs it chooses the seeds"
)]
fn seeds() -> Range<u64> {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a whole number"))
    };
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    }
}

/// Tries the worlds side by side, each in a runtime of its own.
fn try_all(mode: Mode) {
    let (seeds, failures) = (Mutex::new(seeds()), Mutex::new(Vec::new()));
    let try_seeds = || {
        loop {
            let Some(seed) = seeds.lock().unwrap().next() else {
                return;
            };
            let (problems, _) = run(seed, mode);
            if !problems.is_empty() {
                let problems = problems.join("\n");
                eprintln!("SEED={seed} {mode:?}:\n{problems}\n");
                failures.lock().unwrap().push(seed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(try_seeds);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{mode:?} fails with the seeds {failures:?}"
    );
}

/// The problems of a world and the calls of Intercom in it.
fn run(seed: u64, mode: Mode) -> (Vec<String>, Vec<String>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(Simulation::run(seed, mode))
}

#[test]
fn everything_queued_arrives_once_and_in_order() {
    try_all(Mode::Queue);
}

#[test]
fn everything_of_one_sender_at_a_time_arrives_once_and_in_order() {
    try_all(Mode::Inline);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for mode in [Mode::Queue, Mode::Inline] {
        let (_, calls) = run(3, mode);
        let (_, again) = run(3, mode);
        for (call, again) in calls.iter().zip(&again) {
            assert_eq!(call, again, "{mode:?}");
        }
        assert_eq!(calls.len(), again.len(), "{mode:?}");
    }
}
