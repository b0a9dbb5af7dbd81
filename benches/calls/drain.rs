//! How well a backlog in the retry queue uses what Intercom allows, in real time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use intercom_simulator::{Fault, LoggedRequest, Settings, Simulator};
use segment_intercom::function::Function;
use serde_json::{Value, json};

use crate::support::aws::Aws;
use crate::support::batch_call;
use crate::support::function::{function, invoke};

/// What Intercom allows 1,000 calls a minute for, in a window of ten seconds.
const ALLOWANCE: usize = 167;
const WINDOW_SECONDS: usize = 10;

const EVENTS: usize = 2_000;
const USERS: usize = 400;

/// Instances that work on the queue at once (`RetryConcurrency`).
const INSTANCES: u64 = 10;

/// How long Intercom takes to answer.
const LATENCY: Duration = Duration::from_millis(100);

/// How often an instance looks for messages when there are none to have.
const POLL: Duration = Duration::from_millis(100);

/// Drains a backlog and prints how.
pub(crate) async fn print() {
    let expected = EVENTS * WINDOW_SECONDS / ALLOWANCE;
    println!("\nA backlog of {EVENTS} events of {USERS} users, {ALLOWANCE} calls allowed in");
    println!("{WINDOW_SECONDS} s, {INSTANCES} instances (takes about {expected} s)\n");
    let intercom = Simulator::start(Settings {
        rate_limit: ALLOWANCE as u64,
        ..Settings::default()
    });
    intercom.add_fault(Fault::hang(LATENCY.as_secs_f64()));
    let start = Instant::now();
    let aws = Aws::start(move || start.elapsed(), 0).await;
    let variables = [("DELIVERY_MODE", "queue")];
    let instance = || function(&variables, &intercom.base_url(), &aws.url());
    fill(&instance(), &intercom).await;
    join_all((0..INSTANCES).map(|seed| work(instance(), &aws, start, seed))).await;
    assert_eq!(aws.state().dead_letter.len(), 0, "an event was given up");
    assert_eq!(intercom.state().events.len(), EVENTS, "an event is missing");
    report(&intercom.requests());
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
        let payload = batch_call(&request.iter().collect::<Vec<_>>());
        let answer = invoke(instance, &payload).await.expect("an answer");
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
}

/// One instance, handed batch after batch until the queue is empty.
async fn work(instance: Function, aws: &Aws, start: Instant, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    loop {
        let batch = {
            let mut aws = aws.state();
            if aws.retry.len() == 0 {
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

fn report(requests: &[LoggedRequest]) {
    let refused = requests
        .iter()
        .filter(|request| request.status == Some(429));
    let refused = refused.count();
    // A window is named by its end.
    let mut windows: BTreeMap<&str, usize> = BTreeMap::new();
    for request in requests
        .iter()
        .filter(|request| request.status != Some(429))
    {
        let reset = &request.response_headers["x-ratelimit-reset"];
        *windows.entry(reset).or_default() += 1;
    }
    let calls: Vec<usize> = windows.into_values().collect();
    // The first and the last window aren't whole.
    let whole = &calls[1..calls.len() - 1];
    println!("calls in each window: {calls:?}");
    println!(
        "{:.1}% of the allowance of whole windows used (wanted: 95% or more)",
        percent(whole.iter().sum(), ALLOWANCE * whole.len())
    );
    println!(
        "{:.2}% of {} calls answered 429 (wanted: under 1%)",
        percent(refused, requests.len()),
        requests.len()
    );
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}
