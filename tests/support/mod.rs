//! A world around the function for the simulation and the benches: instances of it, AWS, and
//! queues that behave like SQS.

use base64::Engine;
use serde_json::{Value, json};

use function::WRITE_KEY;

pub(crate) mod aws;
pub(crate) mod fifo_queue;
pub(crate) mod function;

/// The payload of a `POST /v1/batch` with these events and the right write key.
pub(crate) fn batch_call(events: &[&Value]) -> Value {
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let headers = json!({
        "Content-Type": "application/json",
        "Authorization": format!("Basic {}", base64(&format!("{WRITE_KEY}:"))),
    });
    json!({
        "resource": "/{proxy+}",
        "path": "/v1/batch",
        "httpMethod": "POST",
        "headers": headers,
        "requestContext": {"requestId": "r", "stage": "prod", "httpMethod": "POST"},
        "body": json!({"batch": events}).to_string(),
        "isBase64Encoded": false,
    })
}
