//! How well a backlog of few users with many events each uses what Intercom allows: SQS fills
//! batches with messages of one user.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_support::function::invoke;
use test_support::{KEYS, batch_call};

use crate::simulated_time::{ALLOWANCE, WINDOW, World};

const USERS: usize = 100;
const EVENTS_PER_USER: usize = 100;

/// As many instances as `RetryConcurrency` allows by default.
const INSTANCES: u64 = 5;

/// How long nothing could be delivered.
const OUTAGE: Duration = Duration::from_mins(10);

/// Drains the backlog and prints how.
pub(crate) async fn print() {
    println!(
        "\nA backlog of {USERS} users with {EVENTS_PER_USER} tracks each, one a message, {INSTANCES} instances,"
    );
    println!(
        "{ALLOWANCE} calls allowed in {} s, 150 ms a call.",
        WINDOW.as_secs()
    );
    let world = World::new();
    let variables = [("DELIVERY_MODE", "queue")];
    let users = 0..USERS;
    for user in users.clone() {
        let user = json!({"role": "user", "external_id": format!("user-{user}")});
        world.intercom.seed_contact(user);
    }
    let filling = world.instance(&variables, 0);
    for number in 0..EVENTS_PER_USER {
        let event = |user| {
            json!({"type": "track", "event": format!("Event {number}"),
            "userId": format!("user-{user}"), "messageId": format!("{user}-{number}")})
        };
        let events: Vec<Value> = users.clone().map(event).collect();
        let payload = batch_call(KEYS, &events.iter().collect::<Vec<_>>());
        let answer = invoke(&filling, &payload).await.expect("an answer");
        assert_eq!(answer["statusCode"], 200, "{answer}");
    }
    tokio::time::sleep(OUTAGE).await;
    let began = world.elapsed();
    let work = (1..=INSTANCES).map(|seed| {
        let instance = world.instance(&variables, seed);
        world.work(instance, |aws| &mut aws.retry, |queue, _| !queue.is_empty())
    });
    join_all(work).await;
    let took = world.elapsed().saturating_sub(began);
    let delivered = world.intercom.state().events.len();
    assert_eq!(delivered, USERS * EVENTS_PER_USER, "an event is missing");
    let requests = world.intercom.requests();
    let refused = requests
        .iter()
        .filter(|request| request.status == Some(429));
    let refused = refused.count();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let used = (requests.len() - refused) as f64
        / (took.as_secs_f64() / WINDOW.as_secs_f64() * ALLOWANCE as f64);
    println!(
        "{} calls in {:.1} s: {:.1}% of the allowance (wanted: 90% or more), {refused} answered 429",
        requests.len(),
        took.as_secs_f64(),
        100.0 * used
    );
}
