//! A world around the function for the simulation and the benches: instances of it, AWS, and
//! queues that behave like SQS.

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use function::{WEBHOOK_SECRET, WRITE_KEY};

pub(crate) mod aws;
pub(crate) mod fifo_queue;
pub(crate) mod function;

/// The payload of a request with these events: a `POST /v1/batch` with the right write key or,
/// since no write key may delete, a signed webhook where one of them is a delete.
pub(crate) fn batch_call(events: &[&Value]) -> Value {
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (path, body, header) = if events.iter().any(|event| event["type"] == "delete") {
        let body = json!(events).to_string();
        let signature = signature(&body);
        ("/webhook", body, ("X-Signature", signature))
    } else {
        let body = json!({"batch": events}).to_string();
        let credentials = base64(&format!("{WRITE_KEY}:"));
        (
            "/v1/batch",
            body,
            ("Authorization", format!("Basic {credentials}")),
        )
    };
    json!({
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json", header.0: header.1},
        "requestContext": {"requestId": "r", "stage": "prod", "httpMethod": "POST"},
        "body": body,
        "isBase64Encoded": false,
    })
}

fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(WEBHOOK_SECRET.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
