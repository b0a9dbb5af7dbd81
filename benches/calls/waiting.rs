//! What 50,000 events that wait for their users cost, and what live traffic beside them notices.

use std::cell::RefCell;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fastrand::Rng;
use futures_util::future::{join, join_all};
use segment_intercom::function::Function;
use serde_json::json;
use test_support::fifo_queue::Message;
use test_support::function::invoke;
use test_support::{KEYS, batch_call};

use crate::simulated_time::World;

const WAITING: usize = 50_000;
const WAITS_FOR: Duration = Duration::from_hours(24);

/// As many instances as the template's event source mapping of the waiting queue takes.
const WAITING_INSTANCES: u64 = 2;

const LIVE_PER_SECOND: u32 = 20;
const LIVE_USERS: u32 = 500;
const LASTS: Duration = Duration::from_mins(5);

const VARIABLES: [(&str, &str); 1] = [("UNKNOWN_USER_SECONDS", "86400")];

/// Prints the live events' latency without and with events that wait.
pub(crate) async fn print() {
    println!(
        "\nLive tracks, {LIVE_PER_SECOND} a second for {} minutes, one a request,",
        LASTS.as_secs() / 60
    );
    println!("beside events that have waited for their users for up to a day:\n");
    println!(
        "waiting   live p50   live p95   live p99   queued   calls a minute for the waiting   429"
    );
    for waiting in [0, WAITING] {
        println!("{}", beside(waiting).await);
    }
}

async fn beside(waiting: usize) -> String {
    let world = World::new();
    let mut rng = Rng::with_seed(1);
    for number in 0..waiting {
        let message = waits(number, world.clock().now(), &mut rng);
        world.aws.state().waiting.send(message, Duration::ZERO);
    }
    for user in 0..LIVE_USERS {
        let user = json!({"role": "user", "external_id": format!("live-{user}")});
        world.intercom.seed_contact(user);
    }
    let work = (1..=WAITING_INSTANCES).map(|seed| {
        let instance = world.instance(&VARIABLES, seed);
        world.work(instance, |aws| &mut aws.waiting, |_, now| now < LASTS)
    });
    let (mut latencies, _) = join(live(&world), join_all(work)).await;
    latencies.sort();
    let requests = world.intercom.requests();
    let of_live = world.intercom.state().events.len();
    let refused = requests
        .iter()
        .filter(|request| request.status == Some(429));
    let minutes = LASTS.as_secs() / 60;
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_millis();
    format!(
        "{waiting:>7}   {:>5} ms   {:>5} ms   {:>5} ms   {:>6}   {:>30}   {:>3}",
        at(50),
        at(95),
        at(99),
        latencies.len() - of_live,
        (requests.len() - of_live) as u64 / minutes,
        refused.count()
    )
}

/// A message of a track that has waited for some part of a day, due within a quarter of an hour.
fn waits(number: usize, now: DateTime<Utc>, rng: &mut Rng) -> Message {
    let since = WAITS_FOR.mul_f64(rng.f64());
    let since = (now - since).to_rfc3339();
    let event = json!({"type": "track", "event": "Opened", "userId": format!("waiting-{number}"),
        "messageId": format!("waiting-{number}"), "timestamp": since});
    Message {
        group_id: number.to_string(),
        deduplication_id: number.to_string(),
        body: json!({"v": 1, "source": "api", "receivedAt": since, "event": event}).to_string(),
        attributes: json!({"waitingSince": {"StringValue": since, "DataType": "String"}}),
        delay: Duration::from_mins(15).mul_f64(rng.f64()),
    }
}

/// Sends one event after another, each to an instance that has nothing to do.
async fn live(world: &World) -> Vec<Duration> {
    let idle: RefCell<Vec<Function>> = RefCell::default();
    let number = LIVE_PER_SECOND * u32::try_from(LASTS.as_secs()).expect("fits");
    let requests = (0..number).map(|number| {
        let idle = &idle;
        async move {
            tokio::time::sleep(Duration::from_secs(1) * number / LIVE_PER_SECOND).await;
            let began = world.elapsed();
            let instance = idle.borrow_mut().pop();
            let instance = instance.unwrap_or_else(|| world.instance(&VARIABLES, 100 + u64::from(number)));
            let event = json!({"type": "track", "event": "Clicked", "messageId": format!("live-{number}"),
                "userId": format!("live-{}", number % LIVE_USERS)});
            let answer = invoke(&instance, &batch_call(KEYS, &[&event])).await.expect("an answer");
            assert_eq!(answer["statusCode"], 200, "{answer}");
            idle.borrow_mut().push(instance);
            world.elapsed().saturating_sub(began)
        }
    });
    join_all(requests).await
}
