//! What invoked the function, recognised by explicit marks in the payload.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use aws_lambda_events::sqs::SqsEvent;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::http_api::HttpRequest;
use crate::queue::Queue;

/// One invocation of the function.
#[derive(Debug)]
pub enum Trigger<'p> {
    /// API Gateway's REST API (payload 1.0), HTTP API (payload 2.0) or a Function URL.
    Http(Box<HttpRequest>),
    /// Messages of this queue.
    Sqs(Queue, SqsEvent),
    /// Segment's `EventBridge` destination: the whole event.
    EventBridge(&'p RawValue),
    /// Segment's Amazon Lambda destination, or a person: a bare event, or an array of events.
    Direct(&'p RawValue),
    /// A person who asks what would be sent.
    Preview(PreviewRequest<'p>),
}

/// `{"preview": …, "source"?: "api"|"webhook", "if"?: "FQL"}`.
#[derive(Debug, Deserialize)]
pub struct PreviewRequest<'p> {
    /// An event, an array of events, or `{"batch":[…]}`.
    #[serde(borrow, rename = "preview")]
    pub events: &'p RawValue,
    /// By whose rules of time and `integrations`. None: each event shows whose it is.
    pub source: Option<PreviewSource>,
    /// A condition in FQL: events that don't meet it are shown as skipped.
    #[serde(rename = "if")]
    pub condition: Option<String>,
}

/// How previewed events would come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreviewSource {
    /// By the Tracking API.
    Api,
    /// By Segment's webhook.
    Webhook,
}

/// The URLs of the queues whose messages invoke the function.
#[derive(Clone, Debug)]
pub struct OwnQueues {
    /// Of the retry queue.
    pub retry: String,
    /// Of the waiting queue.
    pub waiting: String,
}

impl OwnQueues {
    /// The queue with this ARN.
    fn of_arn(&self, arn: &str) -> Option<Queue> {
        if is_arn_of(arn, &self.retry) {
            Some(Queue::Retry)
        } else if is_arn_of(arn, &self.waiting) {
            Some(Queue::Waiting)
        } else {
            None
        }
    }
}

/// A payload that isn't one of the triggers.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// None of the marks is there.
    #[error(
        "unknown trigger: {0}. This function takes API Gateway requests, SQS records, \
         EventBridge events with detail, Segment events with a type, and preview"
    )]
    Unknown(String),
    /// The marks of a trigger are there, but not its shape.
    #[error("a broken {0} payload: {1}")]
    Broken(&'static str, serde_json::Error),
}

impl<'p> Trigger<'p> {
    /// Its name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Sqs(Queue::Waiting, _) => "waiting",
            Self::Sqs(..) => "sqs",
            Self::EventBridge(_) => "eventbridge",
            Self::Direct(_) => "direct",
            Self::Preview(_) => "preview",
        }
    }

    /// Recognises a payload. An event's `type` decides first, since no trigger of AWS has it at the
    /// top level: nobody who chooses the rest of an event may pass it off as messages of our queue.
    /// Messages are taken only from queues of our own, and those of a batch from one of them.
    ///
    /// # Errors
    /// [`TriggerError`], which names what was seen; never values.
    pub fn of(payload: &'p RawValue, own: &OwnQueues) -> Result<Self, TriggerError> {
        if payload.get().trim_start().starts_with('[') {
            return Ok(Self::Direct(payload));
        }
        let marks: Marks<'p> = serde_json::from_str(payload.get())
            .map_err(|_| TriggerError::Unknown(what(payload.get()).to_owned()))?;
        if marks.has_type {
            return Ok(Self::Direct(payload));
        }
        let broken = |trigger| move |error| TriggerError::Broken(trigger, error);
        if let Some(records) = marks.records {
            let origins = origins(records);
            let queue_of = |origin: &Origin| {
                let arn = origin.event_source_arn.as_deref();
                let arn = arn.filter(|_| origin.event_source.as_deref() == Some("aws:sqs"))?;
                own.of_arn(arn)
            };
            let first = origins.first().and_then(queue_of);
            let is_of_first = |origin: &&Origin| first.is_some() && queue_of(origin) == first;
            return match (first, origins.iter().find(|origin| !is_of_first(origin))) {
                (Some(queue), None) => {
                    let records = serde_json::from_str(payload.get()).map_err(broken("SQS"))?;
                    Ok(Self::Sqs(queue, records))
                }
                (_, foreign) => Err(TriggerError::Unknown(foreign.map_or_else(
                    || "Records without a record".to_owned(),
                    |origin| {
                        format!(
                            "Records with the eventSource {:?} of {:?}, which is neither the \
                             retry queue nor that of events that wait, or not the other records'",
                            shown(origin.event_source.as_deref()),
                            shown(origin.event_source_arn.as_deref()),
                        )
                    },
                ))),
            };
        }
        if marks.has_preview {
            let request = serde_json::from_str(payload.get()).map_err(broken("preview"))?;
            return Ok(Self::Preview(request));
        }
        match (marks.has_request_context, marks.version.as_deref()) {
            (true, Some("2.0")) => {
                let request: ApiGatewayV2httpRequest =
                    serde_json::from_str(payload.get()).map_err(broken("HTTP API (2.0)"))?;
                return Ok(Self::Http(Box::new(request.into())));
            }
            (true, _) if marks.has_http_method => {
                let request: ApiGatewayProxyRequest =
                    serde_json::from_str(payload.get()).map_err(broken("REST API (1.0)"))?;
                return Ok(Self::Http(Box::new(request.into())));
            }
            _ => {}
        }
        match marks.detail {
            Some(detail) if marks.has_detail_type => Ok(Self::EventBridge(detail)),
            _ => Err(TriggerError::Unknown(format!(
                "an object with the keys {:?}",
                marks.keys
            ))),
        }
    }
}

/// The top-level keys that identify triggers.
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
    has_preview: bool,
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
                    marks.has_preview |= key == "preview";
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

/// Where a record says that it comes from.
#[derive(Deserialize)]
struct Origin {
    #[serde(default, rename = "eventSource")]
    event_source: Option<String>,
    #[serde(default, rename = "eventSourceARN")]
    event_source_arn: Option<String>,
}

/// The origin of each record; empty if the records aren't objects.
fn origins(records: &RawValue) -> Vec<Origin> {
    serde_json::from_str(records.get()).unwrap_or_default()
}

/// The beginning of a text from the payload, short enough for an error.
fn shown(text: Option<&str>) -> Option<&str> {
    const MOST: usize = 200;
    text.map(|text| {
        text.char_indices()
            .nth(MOST)
            .map_or(text, |(end, _)| &text[..end])
    })
}

/// Whether an ARN is that of the queue with this URL: the same account and name, and the same
/// region if the URL names one, as AWS's do but those of emulators needn't.
fn is_arn_of(arn: &str, queue_url: &str) -> bool {
    let arn: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "sqs", region, account, name] = arn[..] else {
        return false;
    };
    let Some((rest, url_name)) = queue_url.rsplit_once('/') else {
        return false;
    };
    let Some((endpoint, url_account)) = rest.rsplit_once('/') else {
        return false;
    };
    let host = endpoint.rsplit('/').next().unwrap_or_default();
    let mut labels = host.split(['.', ':']);
    let url_region = match labels.next() {
        Some("sqs") => labels.next(),
        _ => None,
    };
    (account, name) == (url_account, url_name) && url_region.is_none_or(|known| known == region)
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

    const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/1/retry.fifo";

    fn own() -> OwnQueues {
        OwnQueues {
            retry: QUEUE.to_owned(),
            waiting: "https://sqs.eu-west-1.amazonaws.com/1/waiting".to_owned(),
        }
    }

    #[test]
    fn the_messages_of_a_batch_are_of_one_queue_of_ours() {
        let records = |names: &[&str]| {
            let arn = |name| format!("arn:aws:sqs:eu-west-1:1:{name}");
            let record = |name| {
                format!(
                    r#"{{"eventSource":"aws:sqs","eventSourceARN":"{}","body":"x"}}"#,
                    arn(name)
                )
            };
            let records: Vec<String> = names.iter().map(record).collect();
            raw(&format!(r#"{{"Records":[{}]}}"#, records.join(",")))
        };
        for (names, expected) in [
            (&["retry.fifo", "retry.fifo"][..], Some(Queue::Retry)),
            (&["waiting"], Some(Queue::Waiting)),
            (&["waiting", "retry.fifo"], None),
            (&["dead"], None),
            (&["waiting", "dead"], None),
        ] {
            let payload = records(names);
            let queue = match Trigger::of(&payload, &own()) {
                Ok(Trigger::Sqs(queue, _)) => Some(queue),
                _ => None,
            };
            assert_eq!(queue, expected, "{names:?}");
        }
    }

    #[test]
    fn the_arn_of_a_queue_is_that_of_its_url() {
        let emulated = "http://127.0.0.1:4566/1/retry.fifo";
        let named = "http://sqs.eu-west-1.localhost:4566/1/retry.fifo";
        let china = "https://sqs.eu-west-1.amazonaws.com.cn/1/retry.fifo";
        for (arn, url, expected) in [
            ("arn:aws:sqs:eu-west-1:1:retry.fifo", QUEUE, true),
            ("arn:aws:sqs:eu-west-1:1:retry.fifo", emulated, true),
            ("arn:aws:sqs:eu-west-1:1:retry.fifo", named, true),
            ("arn:aws-cn:sqs:eu-west-1:1:retry.fifo", china, true),
            ("arn:aws:sqs:us-east-1:1:retry.fifo", QUEUE, false),
            ("arn:aws:sqs:eu-west-1:2:retry.fifo", QUEUE, false),
            ("arn:aws:sqs:eu-west-1:1:other.fifo", QUEUE, false),
            ("arn:aws:sns:eu-west-1:1:retry.fifo", QUEUE, false),
            ("arn:aws:sqs:eu-west-1:1:retry.fifo:x", QUEUE, false),
            ("retry.fifo", QUEUE, false),
            ("", "", false),
        ] {
            assert_eq!(is_arn_of(arn, url), expected, "{arn} {url}");
        }
    }

    #[test]
    fn an_event_stays_direct_whatever_else_it_holds() {
        let records = r#""Records":[{"eventSource":"aws:sqs",
            "eventSourceARN":"arn:aws:sqs:eu-west-1:1:retry.fifo","body":"{}"}]"#;
        for other in [
            records,
            r#""detail-type":"delete","detail":{"type":"delete"}"#,
            r#""requestContext":{"http":{"method":"POST"}},"version":"2.0""#,
            r#""requestContext":{},"httpMethod":"POST","path":"/v1/track""#,
        ] {
            for json in [
                format!(r#"{{"type":"track",{other}}}"#),
                format!(r#"{{{other},"type":"track"}}"#),
            ] {
                let payload = raw(&json);
                let trigger = Trigger::of(&payload, &own());
                assert!(matches!(trigger, Ok(Trigger::Direct(_))), "{json}");
            }
        }
    }

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("valid JSON")
    }

    #[test]
    fn direct_and_eventbridge() {
        for json in [r#"{"type":"track"}"#, "[]", r#"[{"type":"track"}]"#] {
            let payload = raw(json);
            assert!(
                matches!(Trigger::of(&payload, &own()), Ok(Trigger::Direct(_))),
                "{json}"
            );
        }
        let payload = raw(r#"{"version":"0","detail-type":"track","detail":{"type":"track"}}"#);
        let Ok(Trigger::EventBridge(detail)) = Trigger::of(&payload, &own()) else {
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
            (r#"{"Records":[]}"#, "Records without a record"),
            (
                r#"{"Records":[{"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:r:2:q"}]}"#,
                "neither the retry queue",
            ),
            (r#"{"detail-type":"x"}"#, "detail-type"),
            (r#"{"requestContext":{}}"#, "requestContext"),
            ("3", "a number"),
            ("null", "null"),
            (r#""x""#, "a string"),
        ] {
            let payload = raw(json);
            let error = Trigger::of(&payload, &own()).expect_err(json).to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
