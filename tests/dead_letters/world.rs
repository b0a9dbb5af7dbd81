//! The function between its queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use segment_intercom::clock::Clock;
use segment_intercom::function::Function;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use test_support::fifo_queue::Message;
use test_support::function::{API_SECRET, function, invoke_within};
use test_support::simulated_aws::SimulatedAws;

/// When the events of a test began to come in.
const BEGINNING: &str = "2026-11-23T12:00:00Z";

pub(crate) fn seconds_after(seconds: usize) -> String {
    let beginning: DateTime<Utc> = BEGINNING.parse().expect("a date");
    (beginning + Duration::from_secs(seconds as u64)).to_rfc3339()
}

pub(crate) fn user_hash(user: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(API_SECRET.as_bytes()).expect("a key");
    mac.update(user.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

pub(crate) struct World {
    function: Function,
    aws: SimulatedAws,
    /// How many seconds SQS is ahead.
    ahead: Arc<AtomicU64>,
}

impl World {
    pub(crate) async fn new(variables: &[(&str, &str)]) -> Self {
        let ahead = Arc::new(AtomicU64::new(0));
        let of_sqs = Arc::clone(&ahead);
        let now = move || now_of(&of_sqs);
        let aws = SimulatedAws::start(now, 17).await;
        let of_function = Arc::clone(&ahead);
        let clock = Clock::new(move || DateTime::from(UNIX_EPOCH + now_of(&of_function)));
        Self {
            function: function_at(variables, "http://127.0.0.1:9", &aws.url(), clock),
            aws,
            ahead,
        }
    }

    /// Puts a dead letter into its queue, as the function does.
    pub(crate) fn letter(&self, event: &Value, reason: &str) {
        self.letter_with(event, 0, &[("reason", reason), ("status", "rejected")]);
    }

    /// One whose event came in this many seconds after the beginning.
    pub(crate) fn letter_with(&self, event: &Value, seconds: usize, attributes: &[(&str, &str)]) {
        let body = json!({"v": 1, "source": "api", "receivedAt": seconds_after(seconds),
            "event": event});
        let group_id = match &event["userId"] {
            Value::String(user) => user.clone(),
            user => user.to_string(),
        };
        self.send(body.to_string(), group_id, attributes);
    }

    pub(crate) fn unreadable(&self, body: &str) {
        self.send(
            body.to_owned(),
            "nobody".to_owned(),
            &[("reason", "not ours")],
        );
    }

    fn send(&self, body: String, group_id: String, attributes: &[(&str, &str)]) {
        let message = message(body, group_id, attributes);
        let now = now_of(&self.ahead);
        self.aws.state().dead_letter.send(message, now);
        // A queue's message of the same millisecond as a pass counts as new.
        std::thread::sleep(Duration::from_micros(10));
    }

    pub(crate) fn failed_invocation(&self, body: &Value, attributes: &[(&str, &str)]) {
        let message = message(body.to_string(), fastrand::u64(..).to_string(), attributes);
        let now = now_of(&self.ahead);
        self.aws.state().failed_invocations.send(message, now);
    }

    /// The events in the dead-letter queue, in order.
    pub(crate) fn dead_letters(&self) -> Vec<Value> {
        events(self.aws.state().dead_letter.messages())
    }

    /// The events in the retry queue, in order.
    pub(crate) fn retried(&self) -> Vec<Value> {
        events(self.aws.state().retry.messages())
    }

    pub(crate) fn retry_messages(&self) -> Vec<Message> {
        self.aws.state().retry.messages().cloned().collect()
    }

    /// Share of SQS's calls that fail.
    pub(crate) fn sqs_fails(&self, share: f64) {
        self.aws.state().failure_rate = share;
    }

    pub(crate) fn let_a_minute_pass(&self) {
        // The model's visibility timeout is that of the retry queue.
        self.ahead.fetch_add(181, Ordering::Relaxed);
    }

    pub(crate) async fn command(&self, verb: &str, options: Value) -> Value {
        self.try_command(verb, options).await.expect("an answer")
    }

    pub(crate) async fn command_within(&self, seconds: u64, verb: &str, options: Value) -> Value {
        let limit = Duration::from_secs(seconds);
        let answer = self.invoke(limit, verb, options).await;
        answer.expect("an answer")
    }

    pub(crate) async fn try_command(&self, verb: &str, options: Value) -> Result<Value, String> {
        self.invoke(Duration::from_secs(30), verb, options).await
    }

    async fn invoke(&self, limit: Duration, verb: &str, options: Value) -> Result<Value, String> {
        std::thread::sleep(Duration::from_millis(2));
        let payload = json!({"deadLetters": {verb: options}}).to_string();
        let answer = invoke_within(&self.function, payload, limit).await;
        answer.map_err(|error| error.to_string())
    }
}

fn now_of(ahead: &AtomicU64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970") + Duration::from_secs(ahead.load(Ordering::Relaxed))
}

fn message(body: String, group_id: String, attributes: &[(&str, &str)]) -> Message {
    let attributes: Map<String, Value> = attributes
        .iter()
        .map(|(name, value)| {
            let value = json!({"StringValue": value, "DataType": "String"});
            ((*name).to_owned(), value)
        })
        .collect();
    Message {
        group_id,
        deduplication_id: fastrand::u64(..).to_string(),
        body,
        attributes: attributes.into(),
    }
}

fn events<'m>(messages: impl Iterator<Item = &'m Message>) -> Vec<Value> {
    let events = messages.map(|message| {
        let body: Value = serde_json::from_str(&message.body).unwrap_or_default();
        body["event"].clone()
    });
    events.collect()
}
