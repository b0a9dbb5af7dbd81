//! Secrets Manager and SQS, which record what the function sends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use test_support::function::{
    ACCESS_TOKEN, DEAD_LETTER_QUEUE_URL, RETRY_QUEUE_URL, WAITING_QUEUE_URL, WEBHOOK_SECRET,
    WRITE_KEY,
};
use wiremock::{Request, Respond, ResponseTemplate};

use super::{API_SECRET, PUBLIC_WRITE_KEY};

/// A message that the function sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Empty in a queue without groups.
    pub(crate) group_id: String,
    /// Empty in a standard queue.
    pub(crate) deduplication_id: String,
    pub(crate) delay_seconds: i64,
    /// The body's JSON. A string, where it is none that `serde_json` reads.
    pub(crate) body: Value,
    pub(crate) attributes: Value,
}

impl Sent {
    pub(crate) fn event(&self) -> &Value {
        &self.body["event"]
    }

    /// Its events, several where they share the message.
    pub(crate) fn events(&self) -> Vec<&Value> {
        let several = self.body["events"].as_array();
        several.map_or_else(|| vec![self.event()], |events| events.iter().collect())
    }

    /// The messageIds of its events.
    pub(crate) fn message_ids(&self) -> Vec<&str> {
        let ids = self
            .events()
            .into_iter()
            .map(|event| event["messageId"].as_str());
        ids.map(|id| id.expect("an id")).collect()
    }

    /// The body as it was sent.
    pub(crate) fn text(&self) -> String {
        let as_it_is = self.body.as_str().map(str::to_owned);
        as_it_is.unwrap_or_else(|| self.body.to_string())
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes[name]["StringValue"].as_str()
    }
}

/// What the stand-ins of Secrets Manager and SQS saw, and how they behave. Nothing comes back out of
/// these queues by itself: a test hands messages to the function.
#[derive(Debug)]
pub(crate) struct RecordedAws {
    pub(crate) secret: Value,
    pub(crate) secret_reads: usize,
    pub(crate) secret_fails: bool,
    pub(crate) retry: Vec<Sent>,
    pub(crate) waiting: Vec<Sent>,
    pub(crate) dead_letter: Vec<Sent>,
    /// Visibility timeouts set, in seconds by receipt handle.
    pub(crate) hidden: Vec<(String, i64)>,
    pub(crate) sqs_fails: bool,
    /// How long Secrets Manager takes.
    pub(crate) secret_delay: Duration,
    /// How long a call to SQS takes.
    pub(crate) sqs_delay: Duration,
    pub(crate) sqs_calls: usize,
    /// Calls to SQS that succeed before `sqs_fails`.
    pub(crate) sqs_calls_left: Option<usize>,
    /// messageIds of events whose message SQS doesn't take, each once.
    pub(crate) refused_once: Vec<String>,
}

impl RecordedAws {
    /// All keys, empty queues, and nothing that fails.
    pub(super) fn new() -> Self {
        Self {
            secret: json!({"access_token": ACCESS_TOKEN, "api_secret": API_SECRET,
                "webhook_secret": WEBHOOK_SECRET, "write_keys": [WRITE_KEY],
                "public_write_keys": [PUBLIC_WRITE_KEY]}),
            secret_reads: 0,
            secret_fails: false,
            retry: Vec::new(),
            waiting: Vec::new(),
            dead_letter: Vec::new(),
            hidden: Vec::new(),
            sqs_fails: false,
            secret_delay: Duration::ZERO,
            sqs_delay: Duration::ZERO,
            sqs_calls: 0,
            sqs_calls_left: None,
            refused_once: Vec::new(),
        }
    }
}

/// Secrets Manager and SQS at the wire.
#[derive(Clone)]
pub(super) struct Wire(pub(super) Arc<Mutex<RecordedAws>>);

impl Respond for Wire {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let target = request.headers["x-amz-target"].to_str().expect("text");
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if target == "secretsmanager.GetSecretValue" {
            state.secret_reads += 1;
            if state.secret_fails {
                return ResponseTemplate::new(400)
                    .set_body_json(json!({"__type": "AccessDeniedException", "message": "no"}));
            }
            let secret = state.secret.to_string();
            return ResponseTemplate::new(200)
                .set_body_json(json!({"SecretString": secret}))
                .set_delay(state.secret_delay);
        }
        let delay = state.sqs_delay;
        state.sqs_calls += 1;
        if let Some(left) = &mut state.sqs_calls_left {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => state.sqs_fails = true,
            }
        }
        if state.sqs_fails {
            return ResponseTemplate::new(400)
                .set_body_json(json!({"__type": "AccessDenied", "message": "no"}));
        }
        let entries = body["Entries"].as_array().expect("entries").clone();
        assert!(entries.len() <= 10, "SQS takes ten at most");
        if entries.iter().map(bytes_of).sum::<usize>() > 1024 * 1024 {
            return ResponseTemplate::new(400).set_body_json(json!({
                "__type": "com.amazonaws.sqs#BatchRequestTooLong", "message": "over 1 MiB"}));
        }
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let taken = json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"});
            if target == "AmazonSQS.ChangeMessageVisibilityBatch" {
                let receipt = entry["ReceiptHandle"].as_str().expect("text").to_owned();
                let seconds = entry["VisibilityTimeout"].as_i64().expect("a number");
                state.hidden.push((receipt, seconds));
                done.push(taken);
                continue;
            }
            let text = |key: &str| entry[key].as_str().expect("text").to_owned();
            let id = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            let sent = Sent {
                group_id: id("MessageGroupId"),
                deduplication_id: id("MessageDeduplicationId"),
                delay_seconds: entry["DelaySeconds"].as_i64().unwrap_or_default(),
                body: serde_json::from_str(&text("MessageBody"))
                    .unwrap_or_else(|_| Value::String(text("MessageBody"))),
                attributes: entry["MessageAttributes"].clone(),
            };
            let events = sent.events().into_iter();
            let ids: Vec<&str> = events.filter_map(|e| e["messageId"].as_str()).collect();
            let mut refused = state.refused_once.iter();
            if let Some(place) = refused.position(|id| ids.contains(&&**id)) {
                state.refused_once.remove(place);
                failed.push(json!({"Id": entry["Id"], "Code": "InternalError",
                    "SenderFault": false, "Message": "no"}));
                continue;
            }
            done.push(taken);
            match body["QueueUrl"].as_str() {
                Some(RETRY_QUEUE_URL) => {
                    assert!(!sent.group_id.is_empty() && !sent.deduplication_id.is_empty());
                    state.retry.push(sent);
                }
                Some(_) if !sent.deduplication_id.is_empty() => {
                    panic!("a standard queue takes no deduplication id")
                }
                Some(WAITING_QUEUE_URL) => state.waiting.push(sent),
                Some(DEAD_LETTER_QUEUE_URL) => state.dead_letter.push(sent),
                other => panic!("no such queue: {other:?}"),
            }
        }
        ResponseTemplate::new(200)
            .set_body_json(json!({"Successful": done, "Failed": failed}))
            .set_delay(delay)
    }
}

/// What counts towards the size of a message: its body and its attributes.
fn bytes_of(entry: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let attributes = entry["MessageAttributes"].as_object().into_iter().flatten();
    let attributes = attributes
        .map(|(name, value)| name.len() + text(&value["DataType"]) + text(&value["StringValue"]));
    text(&entry["MessageBody"]) + attributes.sum::<usize>()
}
