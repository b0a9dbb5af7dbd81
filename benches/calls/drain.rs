//! How well a backlog in the retry queue uses what Intercom allows, in real time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use intercom_simulator::{Fault, LoggedRequest, Settings, Simulator};
use segment_intercom::function::Function;
use serde_json::{Value, json};

use test_support::function::{function, invoke};
use test_support::simulated_aws::SimulatedAws;
use test_support::{KEYS, batch_call};

/// What Intercom allows 1,000 calls a minute for, in a window of ten seconds.
const ALLOWANCE: usize = 167;
const WINDOW_SECONDS: usize = 10;

const EVENTS: usize = 2_000;
const USERS: usize = 400;

/// How many instances work on the queue at once (`RetryConcurrency`).
const INSTANCES: [u64; 2] = [1, 10];

/// By how much Intercom names the reset of a window late.
const RESET_LATE_SECONDS: [u64; 3] = [0, 2, 6];

/// How long Intercom takes to answer.
const LATENCY: Duration = Duration::from_millis(50);

/// How often an instance looks for messages when there are none to have.
const POLL: Duration = Duration::from_millis(100);

/// Drains backlogs side by side and prints how.
pub(crate) async fn print() {
    let expected = EVENTS * WINDOW_SECONDS / ALLOWANCE;
    println!("\nA backlog of {EVENTS} events of {USERS} users, {ALLOWANCE} calls allowed in");
    println!(
        "{WINDOW_SECONDS} s (takes about {expected} s). Wanted: 95% of the allowance of whole"
    );
    println!("windows used or more, under 1% of calls answered 429.\n");
    let mut drains = Vec::new();
    for late in RESET_LATE_SECONDS {
        for instances in INSTANCES {
            drains.push(drain(instances, late));
        }
    }
    println!("instances  reset late  used   learned   429    calls in each window");
    for line in join_all(drains).await {
        println!("{line}");
    }
}

async fn drain(instances: u64, reset_late_seconds: u64) -> String {
    let intercom = Simulator::start(Settings {
        rate_limit: ALLOWANCE as u64,
        reset_late_seconds,
        ..Settings::default()
    });
    intercom.add_fault(Fault::hang(LATENCY.as_secs_f64()));
    let start = Instant::now();
    let aws = SimulatedAws::start(move || start.elapsed(), 0).await;
    let variables = [("DELIVERY_MODE", "queue")];
    let instance = || function(&variables, &intercom.base_url(), &aws.url());
    fill(&instance(), &intercom).await;
    join_all((0..instances).map(|seed| work(instance(), &aws, start, seed))).await;
    assert_eq!(aws.state().dead_letter.len(), 0, "an event was given up");
    assert_eq!(intercom.state().events.len(), EVENTS, "an event is missing");
    let report = report(&intercom.requests());
    format!("{instances:>9}  {reset_late_seconds:>8} s  {report}")
}

/// Makes the users in Intercom and puts a track of one after the other into the queue.
async fn fill(instance: &Function, intercom: &Simulator) {
    for user in 0..USERS {
        intercom.seed_contact(json!({"role": "user", "external_id": format!("user-{user}")}));
    }
    let events: Vec<Value> = (0..EVENTS)
        .map(|number| {
            json!({"type": "track", "event": format!("Event {}", number / USERS),
                "userId": format!("user-{}", number % USERS),
                "messageId": format!("message-{number}")})
        })
        .collect();
    for request in events.chunks(100) {
        let payload = batch_call(KEYS, &request.iter().collect::<Vec<_>>());
        let answer = invoke(instance, &payload).await.expect("an answer");
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
}

/// One instance, handed batch after batch until the queue is empty.
async fn work(instance: Function, aws: &SimulatedAws, start: Instant, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    loop {
        let batch = {
            let mut aws = aws.state();
            if aws.retry.is_empty() {
                return;
            }
            aws.retry.receive(start.elapsed(), &mut rng)
        };
        if batch.is_empty() {
            tokio::time::sleep(POLL).await;
            continue;
        }
        let answer = invoke(&instance, &batch.payload()).await;
        let done = batch.done(&answer.expect("an answer"));
        aws.state().retry.delete(&done, start.elapsed());
        assert!(start.elapsed() < Duration::from_mins(10), "no end in sight");
    }
}

fn report(requests: &[LoggedRequest]) -> String {
    let is_refused = |request: &&LoggedRequest| request.status == Some(429);
    let refused = requests.iter().filter(is_refused).count();
    // A window is named by its reset.
    let mut windows: BTreeMap<&str, usize> = BTreeMap::new();
    for request in requests.iter().filter(|request| !is_refused(request)) {
        let reset = &request.response_headers["x-ratelimit-reset"];
        *windows.entry(reset).or_default() += 1;
    }
    let calls: Vec<usize> = windows.into_values().collect();
    // The first and the last window aren't whole. From the second, each instance learns how late
    // the reset is.
    let used = |whole: &[usize]| percent(whole.iter().sum(), ALLOWANCE * whole.len());
    let (all, learned) = (
        used(&calls[1..calls.len() - 1]),
        used(&calls[2..calls.len() - 1]),
    );
    let refused = percent(refused, requests.len());
    format!("{all:>4.1}%  {learned:>7.1}%  {refused:>4.2}%  {calls:?}")
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}
