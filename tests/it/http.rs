//! HTTP calls as a REST API hands them over, signed webhooks among them, and their answers.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::support::{WEBHOOK_SECRET, World, base64, rest_request};

/// A call under construction: it has the right write key until told otherwise.
#[derive(Clone)]
pub(crate) struct Call(Value);

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self(rest_request(method, path, ""))
    }

    pub(crate) fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.bytes(body.to_string().as_bytes())
    }

    pub(crate) fn bytes(mut self, body: &[u8]) -> Self {
        self.0["body"] = base64(body).into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = value.into();
        self.0["multiValueHeaders"][name] = json!([value]);
        self
    }

    /// A header with several values, or none.
    pub(crate) fn headers(mut self, name: &str, values: &[&str]) -> Self {
        if let Some(last) = values.last() {
            self.0["headers"][name] = (*last).into();
            self.0["multiValueHeaders"][name] = json!(values);
        }
        self
    }

    /// A body that API Gateway says is base64.
    pub(crate) fn encoded(mut self, body: &str) -> Self {
        self.0["body"] = body.into();
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        for headers in ["headers", "multiValueHeaders"] {
            let headers = self.0[headers].as_object_mut().expect("an object");
            headers.remove(name);
        }
        self
    }

    pub(crate) fn with_key(self, key: &str) -> Self {
        let credentials = base64(format!("{key}:").as_bytes());
        self.header("Authorization", &format!("Basic {credentials}"))
    }

    pub(crate) fn without_key(self) -> Self {
        self.without_header("Authorization")
    }

    pub(crate) fn with_origin(self, origin: &str) -> Self {
        self.header("Origin", origin)
    }

    /// What the function is invoked with.
    pub(crate) fn payload(&self) -> &Value {
        &self.0
    }

    pub(crate) async fn send(&self, world: &World) -> Answer {
        Answer::of(&world.invoke(&self.0).await.expect("an HTTP answer"))
    }
}

pub(crate) fn signature(body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(WEBHOOK_SECRET.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A webhook with this body, signed over `signed`.
pub(crate) fn webhook(body: &str, signed: &str) -> Call {
    let call = Call::post("/webhook").without_key().bytes(body.as_bytes());
    call.header("X-Signature", &signature(signed))
}

/// A webhook with this body, signed as a whole.
pub(crate) fn signed(body: &str) -> Call {
    webhook(body, body)
}

/// What the caller gets.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u64,
    /// Null without a body.
    pub(crate) body: Value,
    headers: Value,
}

impl Answer {
    pub(crate) fn of(payload: &Value) -> Self {
        let body = payload["body"].as_str().expect("a body");
        Self {
            status: payload["statusCode"].as_u64().expect("a status"),
            body: serde_json::from_str(body).unwrap_or_default(),
            headers: payload["headers"].clone(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers[name].as_str()
    }

    #[track_caller]
    pub(crate) fn assert_success(&self) {
        let seen = (self.status, &self.body);
        assert_eq!(seen, (200, &json!({"success": true})));
    }

    /// An error that every SDK can read, and that a browser may see.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u64, code: &str) {
        let seen = (self.status, self.body["code"].as_str());
        assert_eq!(seen, (status, Some(code)), "{self:?}");
        for field in ["message", "error"] {
            let text = self.body[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{field} of {self:?}");
        }
        assert!(self.header("Access-Control-Allow-Origin").is_some());
        let asks_to_wait = self.header("Retry-After").is_some();
        assert_eq!(asks_to_wait, status == 503, "{self:?}");
    }
}
