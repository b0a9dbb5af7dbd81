//! Calls per event of a workload, from cold caches, beside what a peer needs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::DateTime;
use intercom_simulator::{ClockMode, Settings, Simulator};
use segment_intercom::clock::Clock;
use segment_intercom::function::Function;
use serde_json::Value;

use crate::workload::{BATCH, Workload};
use test_support::function::{function_at, invoke};
use test_support::simulated_aws::SimulatedAws;
use test_support::{KEYS, batch_call};

/// As much as a lagging index of search may hide.
const SEARCH_LAG: Duration = Duration::from_mins(1);

const START_UNIX_SECONDS: u64 = 1_760_000_000;

/// When the events of a workload happened, and how much of the peer's calls is wanted at most.
#[derive(Clone, Copy)]
enum Age {
    /// While they are sent, by users who weren't seen for years.
    Live,
    /// Two years before: the history of users who were seen since.
    History,
}

impl Age {
    fn limit(self) -> f64 {
        match self {
            Self::Live => 0.70,
            Self::History => 0.75,
        }
    }
}

const TWO_YEARS: Duration = Duration::from_hours(2 * 365 * 24);

const SEEDS: u64 = 10;

/// Prints the calls of the workload for some seeds.
pub(crate) async fn print() {
    println!("Calls to Intercom for 3,000 events: 35% identify, 55% track, 10% group,");
    println!("300 users, requests of {BATCH} events one second apart, one cold instance.");
    println!("A peer spends 2 calls on an identify, 1 on a track, 3 on a group: 4,650.\n");
    println!("Events as they happen:");
    print_age(Age::Live).await;
    println!("\nThe same events two years later, of users who were seen since:");
    print_age(Age::History).await;
}

async fn print_age(age: Age) {
    println!("seed  calls  per event  of a peer's  least possible");
    let mut shares = Vec::new();
    let mut by_kind: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..SEEDS {
        let workload = Workload::random(seed);
        let calls = calls_of(&workload, seed, age).await;
        let total: usize = calls.values().sum();
        let peer = workload.calls_of_peer();
        let share = ratio(total, peer);
        let least = ratio(workload.least_calls(), peer);
        let per_event = ratio(total, workload.len());
        println!("{seed:>4}  {total:>5}  {per_event:>9.3}  {share:>11.3}  {least:>14.3}");
        shares.push(share);
        for (kind, count) in calls {
            *by_kind.entry(kind).or_default() += count;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let mean = shares.iter().sum::<f64>() / SEEDS as f64;
    println!(
        "mean                      {mean:.3} (wanted: {:.2} or less)\n",
        age.limit()
    );
    println!("  all  call");
    for (kind, count) in by_kind {
        println!("{count:>5}  {kind}");
    }
}

/// The calls of the workload by method and kind of path.
async fn calls_of(workload: &Workload, seed: u64, age: Age) -> BTreeMap<String, usize> {
    let intercom = Simulator::start(Settings {
        search_lag_seconds: SEARCH_LAG.as_secs(),
        rate_limit: 1_000_000,
        clock: ClockMode::Manual {
            start_unix_seconds: START_UNIX_SECONDS,
        },
        ..Settings::default()
    });
    let aws = SimulatedAws::start(|| Duration::ZERO, seed).await;
    let now = Arc::new(AtomicI64::new(unix_seconds(&intercom)));
    let instance = || {
        let now = Arc::clone(&now);
        let date = move || DateTime::from_timestamp_secs(now.load(Ordering::Relaxed));
        let clock = Clock::new(move || date().expect("a date"));
        function_at(&[], &intercom.base_url(), &aws.url(), clock)
    };
    let before = instance();
    let start = DateTime::from_timestamp_secs(unix_seconds(&intercom)).expect("a date");
    let (last_seen, late) = match age {
        Age::Live => (start - 3 * TWO_YEARS, Duration::ZERO),
        Age::History => (start, TWO_YEARS),
    };
    for request in Workload::past(last_seen) {
        send(&before, &request).await;
    }
    intercom.advance(SEARCH_LAG * 2);
    intercom.clear_requests();
    let cold = instance();
    for request in workload.requests(intercom.now().saturating_sub(late).as_secs()) {
        intercom.advance(Duration::from_secs(BATCH as u64));
        now.store(unix_seconds(&intercom), Ordering::Relaxed);
        send(&cold, &request).await;
    }
    assert_eq!(aws.state().retry.len(), 0, "an event was queued");
    assert_eq!(aws.state().dead_letter.len(), 0, "an event was rejected");
    let mut calls = BTreeMap::new();
    for request in intercom.requests() {
        *calls
            .entry(kind_of(&request.method, &request.path))
            .or_default() += 1;
    }
    calls
}

fn unix_seconds(intercom: &Simulator) -> i64 {
    intercom.now().as_secs().cast_signed()
}

async fn send(instance: &Function, events: &[Value]) {
    let payload = batch_call(KEYS, &events.iter().collect::<Vec<_>>());
    let answer = invoke(instance, &payload).await.expect("an answer");
    assert_eq!(answer["statusCode"], 200, "{answer}");
}

/// Method and path, ids left out.
fn kind_of(method: &str, path: &str) -> String {
    let is_word = |part: &&str| part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let path: Vec<&str> = path
        .split('/')
        .map(|part| if is_word(&part) { part } else { "{id}" })
        .collect();
    format!("{method} {}", path.join("/"))
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
