//! Stand-ins of Secrets Manager and SQS at the wire, with queues that behave like SQS.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::fifo_queue::{FifoQueue, Message};
use crate::function::{
    ACCESS_TOKEN, API_SECRET, DEAD_LETTER_QUEUE_URL, RETRY_QUEUE_ARN, RETRY_QUEUE_URL,
    WAITING_QUEUE_ARN, WAITING_QUEUE_URL, WEBHOOK_SECRET, WRITE_KEY,
};
use crate::{KEYS, Keys, ROTATED_KEYS};

/// The queues and how they behave.
pub struct SimulatedAwsState {
    now: Box<dyn Fn() -> Duration + Send>,
    pub retry: FifoQueue,
    /// A standard queue: each of its messages is a group of its own.
    pub waiting: FifoQueue,
    pub dead_letter: FifoQueue,
    /// Whether the keys were rotated: the old ones are still good.
    pub is_rotated: bool,
    /// Share of calls to SQS that fail.
    pub failure_rate: f64,
    /// Share of messages that SQS doesn't take, of those sent in calls that succeed.
    pub refusal_rate: f64,
    rng: Rng,
}

impl SimulatedAwsState {
    /// Empty queues, on a clock that tells the time since some beginning.
    pub fn new(now: impl Fn() -> Duration + Send + 'static, seed: u64) -> Self {
        Self {
            now: Box::new(now),
            retry: FifoQueue::new(RETRY_QUEUE_ARN),
            waiting: FifoQueue::new(WAITING_QUEUE_ARN),
            dead_letter: FifoQueue::new("nobody is invoked by it"),
            is_rotated: false,
            failure_rate: 0.0,
            refusal_rate: 0.0,
            rng: Rng::with_seed(seed),
        }
    }

    /// The answer to a call of this target: status and body.
    pub fn respond(&mut self, target: &str, body: &Value) -> (u16, Value) {
        if target == "secretsmanager.GetSecretValue" {
            let keys = self.keys();
            let secret = json!({"access_token": ACCESS_TOKEN,
                "api_secret": API_SECRET,
                "write_keys": [WRITE_KEY, keys.write_key],
                "webhook_secret": [WEBHOOK_SECRET, keys.webhook_secret]});
            return (200, json!({"SecretString": secret.to_string()}));
        }
        if self.rng.f64() < self.failure_rate {
            let error = json!({"__type": "AccessDenied", "message": "SQS fails"});
            return (400, error);
        }
        let now = (self.now)();
        let entries = body["Entries"].as_array().expect("entries");
        assert!(entries.len() <= 10, "SQS takes ten at most");
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let text = |key: &str| entry[key].as_str().expect("text").to_owned();
            if target == "AmazonSQS.ChangeMessageVisibilityBatch" {
                let seconds = entry["VisibilityTimeout"].as_u64().expect("a number");
                let timeout = Duration::from_secs(seconds);
                let queue = self.queue(&body["QueueUrl"]);
                queue.hide(&text("ReceiptHandle"), timeout, now);
                continue;
            }
            if self.rng.f64() < self.refusal_rate {
                failed.push(json!({"Id": entry["Id"], "Code": "InternalError",
                    "SenderFault": false, "Message": "SQS fails"}));
                continue;
            }
            done.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
            // In a standard queue each message is a group of its own.
            let mut id = |key: &str| {
                let id = entry["MessageDeduplicationId"]
                    .as_str()
                    .and(entry[key].as_str());
                id.map_or_else(|| self.rng.u128(..).to_string(), str::to_owned)
            };
            let message = Message {
                deduplication_id: id("MessageDeduplicationId"),
                group_id: id("MessageGroupId"),
                delay: Duration::from_secs(entry["DelaySeconds"].as_u64().unwrap_or_default()),
                body: text("MessageBody"),
                attributes: entry["MessageAttributes"].clone(),
            };
            self.queue(&body["QueueUrl"]).send(message, now);
        }
        (200, json!({"Successful": done, "Failed": failed}))
    }

    fn queue(&mut self, url: &Value) -> &mut FifoQueue {
        match url.as_str() {
            Some(RETRY_QUEUE_URL) => &mut self.retry,
            Some(WAITING_QUEUE_URL) => &mut self.waiting,
            Some(DEAD_LETTER_QUEUE_URL) => &mut self.dead_letter,
            other => panic!("no such queue: {other:?}"),
        }
    }

    /// The newest keys.
    pub fn keys(&self) -> Keys {
        if self.is_rotated { ROTATED_KEYS } else { KEYS }
    }

    /// Retries all dead letters, as the operator's tool does: in each user's order, one event a
    /// message.
    pub fn redrive(&mut self) {
        let now = (self.now)();
        let mut letters: Vec<(Value, Message)> = Vec::new();
        for message in self.dead_letter.take_all() {
            let body: Value = serde_json::from_str(&message.body).expect("our own envelope");
            letters.push((body, message));
        }
        letters.sort_by_key(|(body, _)| body["receivedAt"].as_str().map(str::to_owned));
        for (mut body, message) in letters {
            let events = match body["events"].take() {
                Value::Array(events) => events,
                _ => vec![body["event"].take()],
            };
            for event in events {
                let user = event["userId"].as_str().or(event["anonymousId"].as_str());
                let message = Message {
                    group_id: user.unwrap_or_default().to_owned(),
                    deduplication_id: self.rng.u128(..).to_string(),
                    body: json!({"v": 1, "source": body["source"], "event": event,
                        "receivedAt": body["receivedAt"]})
                    .to_string(),
                    delay: Duration::ZERO,
                    attributes: message.attributes.clone(),
                };
                self.retry.send(message, now);
            }
        }
    }
}

/// Secrets Manager and SQS.
pub struct SimulatedAws {
    state: Arc<Mutex<SimulatedAwsState>>,
    server: MockServer,
}

struct Wire(Arc<Mutex<SimulatedAwsState>>);

impl Respond for Wire {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let target = request.headers["x-amz-target"].to_str().expect("text");
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, answer) = state.respond(target, &body);
        ResponseTemplate::new(status).set_body_json(answer)
    }
}

impl SimulatedAws {
    /// Starts them, on a clock that tells the time since some beginning.
    pub async fn start(now: impl Fn() -> Duration + Send + 'static, seed: u64) -> Self {
        let state = Arc::new(Mutex::new(SimulatedAwsState::new(now, seed)));
        let server = MockServer::builder().disable_request_recording();
        let server = server.start().await;
        let wire = Wire(Arc::clone(&state));
        Mock::given(any()).respond_with(wire).mount(&server).await;
        Self { state, server }
    }

    pub fn state(&self) -> MutexGuard<'_, SimulatedAwsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn url(&self) -> String {
        self.server.uri()
    }
}

impl std::fmt::Debug for SimulatedAwsState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimulatedAwsState")
    }
}
