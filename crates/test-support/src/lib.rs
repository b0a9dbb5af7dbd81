//! A world around the function for the simulation and the benches: instances of it, AWS, and
//! queues that behave like SQS.

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::function::{WEBHOOK_SECRET, WRITE_KEY};

pub mod fifo_queue;
pub mod function;
pub mod in_process;
pub mod simulated_aws;

/// With what a sender proves who it is.
#[derive(Clone, Copy)]
pub struct Keys {
    pub write_key: &'static str,
    pub webhook_secret: &'static str,
}

pub const KEYS: Keys = Keys {
    write_key: WRITE_KEY,
    webhook_secret: WEBHOOK_SECRET,
};

/// Those that replace them.
pub const ROTATED_KEYS: Keys = Keys {
    write_key: "rotated-server-write-key",
    webhook_secret: "rotated-webhook-secret",
};

/// The payload of a request with these events: a `POST /v1/batch` with the right write key or,
/// since no write key may delete, a signed webhook where one of them is a delete.
pub fn batch_call(keys: Keys, events: &[&Value]) -> Value {
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (path, body, header) = if events.iter().any(|event| event["type"] == "delete") {
        let body = json!(events).to_string();
        let signature = signature(keys.webhook_secret, &body);
        ("/webhook", body, ("X-Signature", signature))
    } else {
        let body = json!({"batch": events}).to_string();
        let credentials = base64(&format!("{}:", keys.write_key));
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

fn signature(webhook_secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(webhook_secret.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}
