//! `/_simulator/*`: what drives the simulator from outside. No token is needed.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::contacts::Duplicates;
use crate::fault::Fault;
use crate::message::{self, ApiRequest, ApiResponse};
use crate::state::State;

/// Start of every path that belongs to the control interface.
pub(crate) const PREFIX: &str = "/_simulator";

impl State {
    /// Answers a control request. Errors are `{"error":"…"}` with 400 or 404.
    pub(crate) fn control(&mut self, request: &ApiRequest) -> ApiResponse {
        let mut response = match self.control_route(request) {
            Ok(body) => ApiResponse::ok(body),
            Err((status, message)) => ApiResponse {
                status,
                headers: Vec::new(),
                body: Some(json!({"error": message})),
                page: None,
            },
        };
        response.set_header("content-type", "application/json");
        response
    }

    fn control_route(&mut self, request: &ApiRequest) -> Result<Value, (u16, String)> {
        let segments = message::segments(&request.path);
        let name = segments.get(1).map_or("", String::as_str);
        let bad = |message: String| (400, message);
        match (request.method.as_str(), name) {
            ("GET", "state") => Ok(json!(self.snapshot())),
            ("GET", "requests") => Ok(self.log.entries().map(|entry| json!(entry)).collect()),
            ("DELETE", "requests") => {
                self.log.clear();
                Ok(json!({}))
            }
            ("GET", "faults") => Ok(json!(self.faults.list())),
            ("POST", "faults") => self.add_faults(parse(request)?).map_err(bad),
            ("DELETE", "faults") => {
                self.faults.clear();
                Ok(json!([]))
            }
            ("GET", "clock") => Ok(json!({"now": self.clock.now().as_secs_f64()})),
            ("POST", "clock") => self.advance_clock(&parse(request)?).map_err(bad),
            ("GET", "settings") => Ok(json!(self.settings)),
            ("POST", "settings") => {
                let changes: Map<String, Value> = serde_json::from_slice(&request.body)
                    .map_err(|error| bad(error.to_string()))?;
                self.settings = self.settings.with_changes(changes).map_err(bad)?;
                Ok(json!(self.settings))
            }
            ("POST", "contacts") => self.seed_contact(parse(request)?).map_err(bad),
            ("POST", "reset") => {
                self.reset();
                Ok(json!({}))
            }
            _ => Err((404, format!("no {} {}", request.method, request.path))),
        }
    }

    fn add_faults(&mut self, body: Value) -> Result<Value, String> {
        let single = !body.is_array();
        let rules = match body {
            Value::Array(rules) => rules,
            rule => vec![rule],
        };
        let faults = rules
            .into_iter()
            .map(|rule| {
                refuse_unknown_keys(&rule)?;
                let fault: Fault =
                    serde_json::from_value(rule).map_err(|error| error.to_string())?;
                fault.check()?;
                Ok(fault)
            })
            .collect::<Result<Vec<Fault>, String>>()?;
        let mut added = faults
            .into_iter()
            .map(|fault| self.add_fault(fault))
            .collect::<Result<Vec<Value>, String>>()?;
        match added.pop() {
            Some(rule) if single => Ok(rule),
            last => Ok(added.into_iter().chain(last).collect()),
        }
    }

    fn advance_clock(&mut self, body: &Value) -> Result<Value, String> {
        let by = body
            .get("advance_seconds")
            .and_then(Value::as_f64)
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or("advance_seconds must be a number of seconds, 0 or more")?;
        self.clock.advance(by);
        Ok(json!({"now": self.clock.now().as_secs_f64()}))
    }

    /// Makes a contact that may match others, as the Messenger and imports do. `archived: true`
    /// archives it.
    pub(crate) fn seed_contact(&mut self, mut body: Value) -> Result<Value, String> {
        let archived = body
            .as_object_mut()
            .and_then(|body| body.shift_remove("archived"))
            .is_some_and(|archived| archived == true);
        let seeded = self
            .create_contact(&body, Duplicates::Allow, &mut Vec::new())
            .and_then(|id| {
                let response = self.show_contact(&id)?;
                if archived {
                    self.archive_contact(&id)?;
                }
                Ok(response.body.unwrap_or_default())
            });
        seeded.map_err(|error| error.body("")["errors"][0]["message"].to_string())
    }
}

/// A misspelt key would make a rule match more than meant; serde can't refuse unknown keys of a
/// flattened structure.
fn refuse_unknown_keys(rule: &Value) -> Result<(), String> {
    const KNOWN: [&str; 15] = [
        "match",
        "kind",
        "when",
        "times",
        "probability",
        "seed",
        "status",
        "code",
        "message",
        "field",
        "page",
        "no_rate_limit",
        "retry_after",
        "headers",
        "seconds",
    ];
    let unknown = rule
        .as_object()
        .and_then(|rule| rule.keys().find(|key| !KNOWN.contains(&key.as_str())));
    match unknown {
        Some(key) => Err(format!("unknown key {key:?}")),
        None => Ok(()),
    }
}

fn parse(request: &ApiRequest) -> Result<Value, (u16, String)> {
    serde_json::from_slice(&request.body).map_err(|error| (400, error.to_string()))
}
