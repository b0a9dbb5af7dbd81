//! `docs/walkthrough.md` shows what happens: its payloads are those of the function.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use intercom_simulator::Fault;
use regex::{Captures, Regex};
use segment_intercom::clock::Clock;
use segment_intercom::function::Function;
use serde_json::{Value, json};
use test_support::function::invoke;
use tracing::{Instrument, Level};

use crate::http::{Answer, Call};
use crate::support::{Log, World, sqs_event};

const PAGE: &str = include_str!("../../docs/walkthrough.md");

/// The page's payloads, in its order.
fn payloads() -> Vec<Value> {
    let block = Regex::new(r"(?s)```json\n(.*?)```").expect("a pattern");
    let blocks = block.captures_iter(PAGE);
    let parse = |block: Captures<'_>| {
        serde_json::from_str(&block[1]).unwrap_or_else(|error| panic!("{error}: {}", &block[1]))
    };
    blocks.map(parse).collect()
}

/// What differs from one run to the next is the same.
fn steady(value: &Value) -> Value {
    const MEASURED: [&str; 3] = ["latency_ms", "duration_ms", "delay_seconds"];
    const MADE_UP: [&str; 4] = ["timestamp", "notBefore", "intercom_request_id", "version"];
    match value {
        Value::Object(fields) => {
            let steady = |(name, value): (&String, &Value)| {
                let value = match value {
                    Value::Number(_) if MEASURED.contains(&&**name) => json!(0),
                    Value::String(_) if MADE_UP.contains(&&**name) => json!(""),
                    value => steady(value),
                };
                (name.clone(), value)
            };
            Value::Object(fields.iter().map(steady).collect())
        }
        Value::Array(items) => items.iter().map(steady).collect(),
        Value::String(text) => {
            // Ids of Intercom, and the milliseconds of a call.
            let id = Regex::new(r"\b[0-9a-f]{24}\b").expect("a pattern");
            let millis = Regex::new(r"([A-Z]+ /\S+ \d+) \d+").expect("a pattern");
            let text = id.replace_all(text, "ID");
            json!(millis.replace_all(&text, "$1 MS"))
        }
        scalar => scalar.clone(),
    }
}

/// What was asked of Intercom since the last time, and what it said.
fn calls(world: &World) -> Value {
    let calls = world.intercom.requests().into_iter().map(|request| {
        json!({"request": format!("{} {}", request.method, request.path),
            "body": request.request_body, "status": request.status})
    });
    let calls = calls.collect();
    world.intercom.clear_requests();
    calls
}

async fn sent(function: &Function, body: &Value) -> Value {
    let call = Call::post("/v1/batch").json(body);
    let answer = invoke(function, call.payload()).await;
    let answer = Answer::of(&answer.expect("an HTTP answer"));
    json!({"status": answer.status, "body": answer.body})
}

#[tokio::test]
async fn the_payloads_of_the_page_are_those_of_the_function() {
    let payloads = payloads();
    let time = Arc::new(AtomicI64::new(0));
    let seconds = Arc::clone(&time);
    let begin: DateTime<Utc> = "2026-11-20T09:41:07.412Z".parse().expect("a time");
    let clock = Clock::new(move || begin + TimeDelta::seconds(seconds.load(Ordering::Relaxed)));
    let world = World::new(&[]).await;
    let function = world.instance_at(&[], clock);
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "user-1"}));
    world.intercom.clear_requests();
    let (log, _guard) = Log::start(Level::INFO);
    let invocation = |id| tracing::info_span!("Lambda runtime invoke", requestId = id);

    // Delivered.
    let answer = sent(&function, &payloads[0])
        .instrument(invocation("4e074085-62be-4b8b-80ce-05c1decfe3ad"))
        .await;
    let mut happened = vec![payloads[0].clone(), calls(&world), answer];
    happened.extend(log.parsed());

    // Fails, and comes back.
    let before = log.parsed().len();
    let identify = &payloads[happened.len()];
    world.intercom.add_fault(Fault::status(503));
    let answer = sent(&function, identify)
        .instrument(invocation("7902699b-e42c-4a8e-86fb-bb4501726517"))
        .await;
    world.intercom.clear_faults();
    happened.extend([identify.clone(), calls(&world), answer]);
    let mut queue = std::mem::take(&mut world.aws().retry);
    assert_eq!(queue.len(), 1);
    let message = queue.pop().expect("one");
    happened.push(json!({"MessageGroupId": message.group_id,
        "MessageDeduplicationId": message.deduplication_id, "MessageBody": message.body,
        "notBefore": message.attribute("notBefore")}));
    happened.push(log.parsed()[before].clone());
    time.store(5, Ordering::Relaxed);
    let before = log.parsed().len();
    let answer = invoke(&function, &sqs_event(&[message], 1))
        .instrument(invocation("c80e8021-a70a-42c7-a470-796e1186f753"))
        .await;
    happened.extend([calls(&world), answer.expect("an answer")]);
    happened.push(log.parsed()[before].clone());

    let pretty = |values: &[Value]| {
        let values = values.iter().map(|value| format!("{:#}", steady(value)));
        values.collect::<Vec<_>>().join("\n\n")
    };
    assert_eq!(
        pretty(&happened),
        pretty(&payloads),
        "docs/walkthrough.md, as it happened:\n{}",
        happened
            .iter()
            .map(|value| format!("```json\n{value:#}\n```"))
            .collect::<Vec<_>>()
            .join("\n\n")
    );
}
