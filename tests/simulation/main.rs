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

use std::ops::Range;

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

async fn try_all(mode: Mode) {
    let mut failures = Vec::new();
    for seed in seeds() {
        let (problems, _) = Simulation::run(seed, mode).await;
        if !problems.is_empty() {
            let problems = problems.join("\n");
            eprintln!("SEED={seed} {mode:?}:\n{problems}\n");
            failures.push(seed);
        }
    }
    assert!(
        failures.is_empty(),
        "{mode:?} fails with the seeds {failures:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn everything_queued_arrives_once_and_in_order() {
    try_all(Mode::Queue).await;
}

#[tokio::test(start_paused = true)]
async fn everything_of_one_sender_at_a_time_arrives_once_and_in_order() {
    try_all(Mode::Inline).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_world() {
    for mode in [Mode::Queue, Mode::Inline] {
        let (_, calls) = Simulation::run(3, mode).await;
        let (_, again) = Simulation::run(3, mode).await;
        for (call, again) in calls.iter().zip(&again) {
            assert_eq!(call, again, "{mode:?}");
        }
        assert_eq!(calls.len(), again.len(), "{mode:?}");
    }
}
