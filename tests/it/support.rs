//! A world around the function: Intercom's simulator, and what it needs of AWS.

mod captured_log;
mod recorded_aws;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use intercom_simulator::{Settings, Simulator};
use segment_intercom::clock::Clock;
use segment_intercom::function::{Function, InvocationError};
use serde_json::{Value, json};
pub(crate) use test_support::function::{
    ACCESS_TOKEN, API_SECRET, WEBHOOK_SECRET, WRITE_KEY, invoke,
};
use test_support::function::{
    RETRY_QUEUE_ARN, WAITING_QUEUE_ARN, function, function_at, invoke_raw, invoke_within,
};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer};

pub(crate) use captured_log::Log;
pub(crate) use recorded_aws::Sent;
use recorded_aws::{RecordedAws, Wire};

pub(crate) const PUBLIC_WRITE_KEY: &str = "local-public-write-key";

/// An instance with a wall clock of its own, which goes on while it is frozen.
pub(crate) struct Freezable {
    pub(crate) function: Function,
    slept_millis: Arc<AtomicU64>,
}

impl Freezable {
    /// Lambda freezes it for so long.
    pub(crate) fn sleep(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).expect("no eternity");
        self.slept_millis.fetch_add(millis, Ordering::Relaxed);
    }
}

/// The function and all that it talks to.
pub(crate) struct World {
    pub(crate) function: Function,
    pub(crate) intercom: Simulator,
    aws: Arc<Mutex<RecordedAws>>,
    server: MockServer,
}

impl World {
    /// A world with these environment variables beside the required ones.
    pub(crate) async fn new(variables: &[(&str, &str)]) -> Self {
        let intercom = Simulator::start(Settings::default());
        let server = MockServer::start().await;
        let aws = Arc::new(Mutex::new(RecordedAws::new()));
        Mock::given(header("content-type", "application/x-amz-json-1.1"))
            .respond_with(Wire(Arc::clone(&aws)))
            .mount(&server)
            .await;
        Mock::given(header("content-type", "application/x-amz-json-1.0"))
            .respond_with(Wire(Arc::clone(&aws)))
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

    pub(crate) fn aws(&self) -> MutexGuard<'_, RecordedAws> {
        self.aws.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another instance of the function in the same world, with nothing in its memory.
    pub(crate) fn another_instance(&self, variables: &[(&str, &str)]) -> Function {
        function(variables, &self.intercom.base_url(), &self.server.uri())
    }

    /// Another instance, which Lambda can freeze.
    pub(crate) fn freezable_instance(&self, variables: &[(&str, &str)]) -> Freezable {
        let slept_millis = Arc::new(AtomicU64::new(0));
        let slept = Arc::clone(&slept_millis);
        let clock = Clock::new(move || {
            chrono::Utc::now() + Duration::from_millis(slept.load(Ordering::Relaxed))
        });
        Freezable {
            function: self.instance_at(variables, clock),
            slept_millis,
        }
    }

    /// Another instance with this clock.
    pub(crate) fn instance_at(&self, variables: &[(&str, &str)], clock: Clock) -> Function {
        function_at(
            variables,
            &self.intercom.base_url(),
            &self.server.uri(),
            clock,
        )
    }

    pub(crate) async fn invoke(&self, payload: &Value) -> Result<Value, InvocationError> {
        invoke(&self.function, payload).await
    }

    /// Invokes the function with this time limit.
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
        if self.aws().retry.is_empty() {
            self.try_waiting().await;
            return json!({"batchItemFailures": []});
        }
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
    /// Hands all messages that wait to the function, as if their delays were over.
    pub(crate) async fn try_waiting(&self) {
        let messages = std::mem::take(&mut self.aws().waiting);
        for batch in messages.chunks(10) {
            let answer = self.invoke(&waiting_event(batch)).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer, json!({"batchItemFailures": []}));
        }
    }

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

impl World {
    pub(crate) fn external_ids(&self) -> Vec<String> {
        let contacts = self.intercom.state().contacts.into_iter();
        let mut ids: Vec<String> = contacts.filter_map(|contact| contact.external_id).collect();
        ids.sort();
        ids
    }

    pub(crate) fn dead_letters(&self) -> Vec<Sent> {
        self.aws().dead_letter.clone()
    }

    #[track_caller]
    pub(crate) fn assert_nothing_happened(&self) {
        assert!(self.intercom.requests().is_empty());
        let aws = self.aws();
        assert!(aws.retry.is_empty() && aws.waiting.is_empty() && aws.dead_letter.is_empty());
    }

    /// The only message of the retry queue, which is then delivered.
    pub(crate) async fn queued_and_back(&self) -> String {
        let queued = self.aws().retry.clone();
        assert_eq!(queued.len(), 1, "{:?}", self.dead_letters());
        self.redeliver(1).await;
        assert!(self.dead_letters().is_empty(), "{:?}", self.dead_letters());
        queued[0].text()
    }
}

/// The reason that a dead letter names.
pub(crate) fn reason(record: &Sent) -> &str {
    record.attribute("reason").expect("a reason")
}

/// A payload with these messages of the queue of those that wait.
pub(crate) fn waiting_event(messages: &[Sent]) -> Value {
    let mut payload = sqs_event(messages, 1);
    for record in payload["Records"].as_array_mut().expect("records") {
        record["eventSourceARN"] = WAITING_QUEUE_ARN.into();
    }
    payload
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
        delay_seconds: 0,
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
        "requestContext": {"requestId": "r", "stage": "prod", "httpMethod": method,
            "path": format!("/prod{path}")},
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
