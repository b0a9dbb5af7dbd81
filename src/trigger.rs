//! What invoked the function, told apart by explicit marks of each trigger's payload.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use aws_lambda_events::sqs::SqsEvent;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::door::HttpRequest;

/// One invocation of the function.
#[derive(Debug)]
pub enum Trigger<'p> {
    /// API Gateway's REST API (payload 1.0), HTTP API (payload 2.0) or a Function URL.
    Http(HttpRequest),
    /// Messages of the retry queue.
    Sqs(SqsEvent),
    /// Segment's `EventBridge` destination: the whole event.
    EventBridge(&'p RawValue),
    /// Segment's Amazon Lambda destination, or a person: a bare event, or an array of such.
    Direct(&'p RawValue),
}

/// A payload that isn't one of the triggers.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// None of the marks is there.
    #[error(
        "unknown trigger: {0}. This function takes API Gateway requests, SQS records, \
         EventBridge events with detail, and Segment events with a type"
    )]
    Unknown(String),
    /// The marks of a trigger are there, but not its shape.
    #[error("a broken {0} payload: {1}")]
    Broken(&'static str, serde_json::Error),
}

impl<'p> Trigger<'p> {
    /// Tells what a payload is.
    ///
    /// # Errors
    /// [`TriggerError`], which names what was seen; never values.
    pub fn of(payload: &'p RawValue) -> Result<Self, TriggerError> {
        if payload.get().trim_start().starts_with('[') {
            return Ok(Self::Direct(payload));
        }
        let marks: Marks<'p> = serde_json::from_str(payload.get())
            .map_err(|_| TriggerError::Unknown(what(payload.get()).to_owned()))?;
        let broken = |trigger| move |error| TriggerError::Broken(trigger, error);
        if let Some(records) = marks.records {
            let source = first_event_source(records);
            if source.as_deref() == Some("aws:sqs") {
                let records = serde_json::from_str(payload.get()).map_err(broken("SQS"))?;
                return Ok(Self::Sqs(records));
            }
            return Err(TriggerError::Unknown(format!(
                "Records with the eventSource {source:?}"
            )));
        }
        match (marks.has_request_context, marks.version.as_deref()) {
            (true, Some("2.0")) => {
                let request: ApiGatewayV2httpRequest =
                    serde_json::from_str(payload.get()).map_err(broken("HTTP API (2.0)"))?;
                return Ok(Self::Http(request.into()));
            }
            (true, _) if marks.has_http_method => {
                let request: ApiGatewayProxyRequest =
                    serde_json::from_str(payload.get()).map_err(broken("REST API (1.0)"))?;
                return Ok(Self::Http(request.into()));
            }
            _ => {}
        }
        match marks.detail {
            Some(detail) if marks.has_detail_type => Ok(Self::EventBridge(detail)),
            _ if marks.has_type => Ok(Self::Direct(payload)),
            _ => Err(TriggerError::Unknown(format!(
                "an object with the keys {:?}",
                marks.keys
            ))),
        }
    }
}

/// The top-level keys by which triggers are told apart.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for one key")]
struct Marks<'p> {
    keys: Vec<String>,
    records: Option<&'p RawValue>,
    has_request_context: bool,
    has_http_method: bool,
    version: Option<String>,
    has_detail_type: bool,
    detail: Option<&'p RawValue>,
    has_type: bool,
}

/// An error names this many keys at most.
const KEYS_SHOWN: usize = 12;

impl<'de> Deserialize<'de> for Marks<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MarksVisitor;

        impl<'de> Visitor<'de> for MarksVisitor {
            type Value = Marks<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Marks<'de>, A::Error> {
                let mut marks = Marks::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "Records" => marks.records = Some(map.next_value()?),
                        "detail" => marks.detail = Some(map.next_value()?),
                        "version" => {
                            let version: &RawValue = map.next_value()?;
                            marks.version = serde_json::from_str(version.get()).ok();
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                    marks.has_request_context |= key == "requestContext";
                    marks.has_http_method |= key == "httpMethod";
                    marks.has_detail_type |= key == "detail-type";
                    marks.has_type |= key == "type";
                    if marks.keys.len() < KEYS_SHOWN {
                        marks.keys.push(key.chars().take(40).collect());
                    }
                }
                Ok(marks)
            }
        }

        deserializer.deserialize_map(MarksVisitor)
    }
}

fn first_event_source(records: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "eventSource")]
        event_source: Option<String>,
    }
    let records: Vec<Record> = serde_json::from_str(records.get()).ok()?;
    records.into_iter().next()?.event_source
}

fn what(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'{') => "an object that does not parse",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("valid JSON")
    }

    #[test]
    fn direct_and_eventbridge() {
        for json in [r#"{"type":"track"}"#, "[]", r#"[{"type":"track"}]"#] {
            let payload = raw(json);
            assert!(
                matches!(Trigger::of(&payload), Ok(Trigger::Direct(_))),
                "{json}"
            );
        }
        let payload = raw(r#"{"version":"0","detail-type":"track","detail":{"type":"track"}}"#);
        let Ok(Trigger::EventBridge(detail)) = Trigger::of(&payload) else {
            panic!("an EventBridge event");
        };
        assert_eq!(detail.get(), r#"{"type":"track"}"#);
    }

    #[test]
    fn anything_else_is_named() {
        for (json, named) in [
            (
                r#"{"foo":1,"bar":2}"#,
                r#"an object with the keys ["foo", "bar"]"#,
            ),
            (
                r#"{"Records":[{"eventSource":"aws:kinesis"}]}"#,
                "aws:kinesis",
            ),
            (r#"{"Records":[]}"#, "Records with the eventSource None"),
            (r#"{"detail-type":"x"}"#, "detail-type"),
            (r#"{"requestContext":{}}"#, "requestContext"),
            ("3", "a number"),
            ("null", "null"),
            (r#""x""#, "a string"),
        ] {
            let payload = raw(json);
            let error = Trigger::of(&payload).expect_err(json).to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
