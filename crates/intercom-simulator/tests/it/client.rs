//! A plain HTTP client: one connection per request.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use intercom_simulator::{ClockMode, Settings, Simulator};
use serde_json::{Value, json};

pub const START: u64 = 1_800_000_000;

pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["errors"][0]["code"].as_str().unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.body["errors"][0]["message"]
            .as_str()
            .unwrap_or_default()
    }

    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }
}

/// A simulator whose clock stands still.
pub fn simulator() -> Simulator {
    simulator_with(|_| {})
}

pub fn simulator_with(change: impl FnOnce(&mut Settings)) -> Simulator {
    let mut settings = Settings {
        clock: ClockMode::Manual {
            start_unix_seconds: START,
        },
        ..Settings::default()
    };
    change(&mut settings);
    Simulator::start(settings)
}

pub const HEADERS: [(&str, &str); 4] = [
    ("Authorization", "Bearer simulator-token"),
    ("Accept", "application/json"),
    ("Intercom-Version", "2.16"),
    ("Content-Type", "application/json"),
];

/// A well-behaved request that is answered.
pub fn call(simulator: &Simulator, method: &str, path: &str, body: Value) -> Answer {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    send(simulator, method, path, &HEADERS, &body).expect("an answer")
}

pub fn get(simulator: &Simulator, path: &str) -> Answer {
    call(simulator, "GET", path, Value::Null)
}

pub fn post(simulator: &Simulator, path: &str, body: Value) -> Answer {
    call(simulator, "POST", path, body)
}

pub fn put(simulator: &Simulator, path: &str, body: Value) -> Answer {
    call(simulator, "PUT", path, body)
}

pub fn delete(simulator: &Simulator, path: &str) -> Answer {
    call(simulator, "DELETE", path, Value::Null)
}

/// Creates a user and returns Intercom's id.
pub fn user(simulator: &Simulator, external_id: &str, email: &str) -> String {
    let body = json!({"role": "user", "external_id": external_id, "email": email});
    let answer = post(simulator, "/contacts", body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.id()
}

pub fn lead(simulator: &Simulator, body: Value) -> String {
    let mut lead = json!({"role": "lead"});
    lead.as_object_mut()
        .unwrap()
        .extend(body.as_object().unwrap().clone());
    let answer = post(simulator, "/contacts", lead);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.id()
}

pub fn attribute(simulator: &Simulator, model: &str, name: &str, data_type: &str) {
    let body = json!({"name": name, "model": model, "data_type": data_type});
    assert_eq!(post(simulator, "/data_attributes", body).status, 200);
}

/// Any request; `None` when the connection ends without an answer.
pub fn send(
    simulator: &Simulator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let url = simulator.base_url();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A reset shows up as an error here, a close as the end.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))
    };
    Some(Answer {
        status,
        headers,
        body,
    })
}
