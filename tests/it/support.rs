//! A world around the function: Intercom's simulator, and what it needs of AWS.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use intercom_simulator::{Settings, Simulator};
use segment_intercom::function::{Function, InvocationError};
use serde_json::{Value, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

pub(crate) use crate::function::{ACCESS_TOKEN, WEBHOOK_SECRET, WRITE_KEY, invoke};
use crate::function::{
    DEAD_LETTER_QUEUE_URL, RETRY_QUEUE_ARN, RETRY_QUEUE_URL, function, invoke_raw, invoke_within,
};

pub(crate) const API_SECRET: &str = "local-api-secret";
pub(crate) const PUBLIC_WRITE_KEY: &str = "local-public-write-key";

/// A message that the function sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) group_id: String,
    pub(crate) deduplication_id: String,
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

/// What the stand-ins of AWS saw and how they behave.
#[derive(Debug)]
pub(crate) struct AwsState {
    pub(crate) secret: Value,
    pub(crate) secret_reads: usize,
    pub(crate) secret_fails: bool,
    pub(crate) retry: Vec<Sent>,
    pub(crate) dead_letter: Vec<Sent>,
    /// Visibility timeouts set, in seconds by receipt handle.
    pub(crate) hidden: Vec<(String, i64)>,
    pub(crate) sqs_fails: bool,
    /// How long Secrets Manager takes.
    pub(crate) secret_delay: Duration,
    /// How long a call of SQS takes.
    pub(crate) sqs_delay: Duration,
    pub(crate) sqs_calls: usize,
    /// Calls of SQS that succeed before `sqs_fails`.
    pub(crate) sqs_calls_left: Option<usize>,
    /// messageIds of events whose message SQS doesn't take, each once.
    pub(crate) refused_once: Vec<String>,
}

/// Secrets Manager and SQS at the wire.
#[derive(Clone)]
struct Aws(Arc<Mutex<AwsState>>);

impl Respond for Aws {
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
            let sent = Sent {
                group_id: text("MessageGroupId"),
                deduplication_id: text("MessageDeduplicationId"),
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
                Some(RETRY_QUEUE_URL) => state.retry.push(sent),
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

/// The function and all that it talks to.
pub(crate) struct World {
    pub(crate) function: Function,
    pub(crate) intercom: Simulator,
    aws: Arc<Mutex<AwsState>>,
    server: MockServer,
}

impl World {
    /// A world with these environment variables beside the required ones.
    pub(crate) async fn new(variables: &[(&str, &str)]) -> Self {
        let intercom = Simulator::start(Settings::default());
        let server = MockServer::start().await;
        let aws = Arc::new(Mutex::new(AwsState {
            secret: json!({"access_token": ACCESS_TOKEN, "api_secret": API_SECRET,
                "webhook_secret": WEBHOOK_SECRET, "write_keys": [WRITE_KEY],
                "public_write_keys": [PUBLIC_WRITE_KEY]}),
            secret_reads: 0,
            secret_fails: false,
            retry: Vec::new(),
            dead_letter: Vec::new(),
            hidden: Vec::new(),
            sqs_fails: false,
            secret_delay: Duration::ZERO,
            sqs_delay: Duration::ZERO,
            sqs_calls: 0,
            sqs_calls_left: None,
            refused_once: Vec::new(),
        }));
        Mock::given(header("content-type", "application/x-amz-json-1.1"))
            .respond_with(Aws(Arc::clone(&aws)))
            .mount(&server)
            .await;
        Mock::given(header("content-type", "application/x-amz-json-1.0"))
            .respond_with(Aws(Arc::clone(&aws)))
            .mount(&server)
            .await;
        let function = function(variables, &intercom.base_url(), &server.uri());
        Self {
            function,
            intercom,
            aws,
            server,
        }
    }

    pub(crate) fn aws(&self) -> std::sync::MutexGuard<'_, AwsState> {
        self.aws.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another instance of the function in the same world, with nothing in its memory.
    pub(crate) fn another_instance(&self, variables: &[(&str, &str)]) -> Function {
        function(variables, &self.intercom.base_url(), &self.server.uri())
    }

    pub(crate) async fn invoke(&self, payload: &Value) -> Result<Value, InvocationError> {
        invoke(&self.function, payload).await
    }

    /// Invokes the function with so much time.
    pub(crate) async fn invoke_within(&self, payload: &Value, limit: Duration) -> Value {
        let answer = invoke_within(&self.function, payload.to_string(), limit).await;
        answer.expect("an answer")
    }

    /// Invokes the function with this very JSON.
    pub(crate) async fn invoke_raw(&self, payload: &str) -> Result<Value, InvocationError> {
        invoke_raw(&self.function, payload.to_owned()).await
    }

    /// Sends a call of the Tracking API with the right key; gives back status and body.
    pub(crate) async fn call(&self, path: &str, body: &Value) -> (u64, Value) {
        self.http(&rest_request("POST", path, &body.to_string()))
            .await
    }

    /// Sends an API Gateway payload; gives back status and body.
    pub(crate) async fn http(&self, payload: &Value) -> (u64, Value) {
        let answer = self.invoke(payload).await.expect("an HTTP answer");
        let body = answer["body"].as_str().expect("a body");
        (
            answer["statusCode"].as_u64().expect("a status"),
            serde_json::from_str(body).unwrap_or(Value::Null),
        )
    }

    /// Hands the messages of the retry queue to the function, as SQS would, and takes what is
    /// then still there back into the queue in its place; new messages go to the end. The time
    /// for their first retry has come.
    pub(crate) async fn redeliver(&self, receive_count: u32) -> Value {
        let mut messages: Vec<Sent> = std::mem::take(&mut self.aws().retry);
        for message in &mut messages {
            if let Some(attributes) = message.attributes.as_object_mut() {
                attributes.remove("notBefore");
            }
        }
        let batch: Vec<Sent> = messages.iter().take(10).cloned().collect();
        let answer = self
            .invoke(&sqs_event(&batch, receive_count))
            .await
            .expect("an answer");
        let failed: Vec<usize> = answer["batchItemFailures"]
            .as_array()
            .expect("failures")
            .iter()
            .map(|failure| {
                failure["itemIdentifier"]
                    .as_str()
                    .expect("text")
                    .parse()
                    .expect("ours")
            })
            .collect();
        let mut state = self.aws();
        let new = std::mem::take(&mut state.retry);
        let kept = messages.into_iter().enumerate();
        let kept = kept.filter(|(index, _)| *index >= batch.len() || failed.contains(index));
        state.retry = kept.map(|(_, message)| message).chain(new).collect();
        answer
    }
}

impl World {
    /// Sends a batch that must be answered with success.
    pub(crate) async fn batch(&self, events: &[Value]) {
        let answer = self.call("/v1/batch", &json!({"batch": events})).await;
        assert_eq!(answer, (200, json!({"success": true})));
    }

    /// Method and path of every request to Intercom so far, with ids shortened to `:id`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let is_id = |part: &&str| part.len() == 24 && part.bytes().all(|b| b.is_ascii_hexdigit());
        let calls = self.intercom.requests().into_iter().map(|request| {
            let parts = request.path.split('/');
            let parts = parts.map(|part| if is_id(&part) { ":id" } else { part });
            format!("{} {}", request.method, parts.collect::<Vec<_>>().join("/"))
        });
        calls.collect()
    }

    pub(crate) fn reasons(&self) -> Vec<String> {
        let aws = self.aws();
        let reasons = aws
            .dead_letter
            .iter()
            .map(|message| message.attribute("reason"));
        reasons
            .map(|reason| reason.unwrap_or_default().to_owned())
            .collect()
    }
}

/// An SQS payload with these messages; message ids are their indexes.
pub(crate) fn sqs_event(messages: &[Sent], receive_count: u32) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| {
            json!({
                "messageId": index.to_string(),
                "receiptHandle": format!("receipt-{index}"),
                "body": message.text(),
                "attributes": {
                    "ApproximateReceiveCount": receive_count.to_string(),
                    "MessageGroupId": message.group_id,
                    "MessageDeduplicationId": message.deduplication_id,
                },
                "messageAttributes": message.attributes.as_object().map(|attributes| {
                    attributes.iter().map(|(name, value)| {
                        (name.clone(), json!({"stringValue": value["StringValue"],
                            "dataType": "String"}))
                    }).collect::<serde_json::Map<_, _>>()
                }).unwrap_or_default(),
                "eventSource": "aws:sqs",
                "eventSourceARN": RETRY_QUEUE_ARN,
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({"Records": records})
}

/// A message of the retry queue with this event.
pub(crate) fn payload_of(
    user: &str,
    id: &str,
    event: &Value,
    received_at: chrono::DateTime<chrono::Utc>,
) -> Sent {
    Sent {
        group_id: user.to_owned(),
        deduplication_id: id.to_owned(),
        body: json!({"v": 1, "source": "api", "receivedAt": received_at, "event": event}),
        attributes: json!({}),
    }
}

/// A REST API payload with the right write key.
pub(crate) fn rest_request(method: &str, path: &str, body: &str) -> Value {
    let key = base64(format!("{WRITE_KEY}:").as_bytes());
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "Authorization": format!("Basic {key}")},
        "multiValueHeaders": {"Content-Type": ["application/json"],
            "Authorization": [format!("Basic {key}")]},
        "requestContext": {"requestId": "r", "stage": "prod", "httpMethod": method},
        "body": base64(body.as_bytes()),
        "isBase64Encoded": true,
    })
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The payload in a file of `events/`.
pub(crate) fn payload(name: &str) -> Value {
    let path = format!("{}/events/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}
