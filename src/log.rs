//! The log: one JSON object a line on standard output, from where Lambda takes it to CloudWatch.
//!
//! ```json
//! {"timestamp":"2026-11-24T18:26:31.204Z","level":"INFO","requestId":"8f5c…","fields":{"message":"event","status":"delivered"}}
//! ```
//!
//! Lambda counts a line without a valid `timestamp` as INFO, whatever its `level`
//! ([log-level filtering][filtering]); the metric filters of template.yaml look into `fields`.
//!
//! `LOG_LEVEL` decides what is written, here. Lambda's own filter, `ApplicationLogLevel`, knows only
//! levels and would hide [`COUNTED`] lines from the metrics, so the template leaves it wide open.
//!
//! [filtering]: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html

use std::io::Write;

use chrono::{SecondsFormat, Utc};
use lambda_runtime::tracing::subscriber::fmt::MakeWriter;
use lambda_runtime::tracing::subscriber::layer::{Context, Layer, SubscriberExt};
use lambda_runtime::tracing::subscriber::registry::{LookupSpan, Registry};
use serde::Serialize;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber, span};
use tracing_serde::fields::AsMap;

/// Target of the lines that metrics and alarms are counted from: what became of an event, and what a
/// person has to know. They are written whatever `LOG_LEVEL` says, since what was delivered matters
/// at WARN too.
pub const COUNTED: &str = "counted";

/// Most bytes of a line. What senders write can stand in it, and CloudWatch bills by the byte.
const MAX_LINE_BYTES: usize = 4096;

/// What stands in place of the rest of a text.
const CUT: &str = "… (cut)";

/// The span in which the runtime runs the handler, and its field.
const INVOCATION: &str = "Lambda runtime invoke";
const REQUEST_ID: &str = "requestId";

/// A subscriber that writes lines of at least this level, and all that are [`COUNTED`].
pub fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    Registry::default().with(Lines { level, writer })
}

struct Lines<W> {
    level: LevelFilter,
    writer: W,
}

#[derive(Serialize)]
struct Line<'a, F> {
    timestamp: String,
    level: &'a str,
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    fields: F,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        if metadata.is_span() {
            return metadata.name() == INVOCATION;
        }
        metadata.target() == COUNTED || *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // At least INFO, for the invocation's span and for what is counted.
        Some(self.level.max(LevelFilter::INFO))
    }

    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        let mut request_id = RequestId::default();
        attributes.record(&mut request_id);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(request_id);
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a line is written now, whatever a simulation's clock says"
    )]
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let span = context.event_span(event);
        let extensions = span.as_ref().map(|span| span.extensions());
        let request_id = extensions.as_ref().and_then(|all| all.get::<RequestId>());
        let line = Line {
            timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            level: event.metadata().level().as_str(),
            request_id: request_id.map(|RequestId(id)| id.as_str()),
            fields: event.field_map(),
        };
        let Ok(line) = serde_json::to_value(&line) else {
            return;
        };
        let line = short(line) + "\n";
        // An event mustn't fail because its line can't be written.
        let _ = self
            .writer
            .make_writer_for(event.metadata())
            .write_all(line.as_bytes());
    }
}

/// A line's JSON in at most [`MAX_LINE_BYTES`]: its longest texts are cut, and say so.
fn short(mut line: Value) -> String {
    loop {
        let json = escaped(&line.to_string());
        if json.len() <= MAX_LINE_BYTES {
            return json;
        }
        let fields = line.get_mut("fields").and_then(Value::as_object_mut);
        let texts = fields.into_iter().flat_map(serde_json::Map::values_mut);
        let texts = texts.filter_map(|field| match field {
            Value::String(text) => Some(text),
            _ => None,
        });
        match texts.max_by_key(|text| text.len()) {
            Some(text) if text.len() > CUT.len() => {
                let kept = text.floor_char_boundary(text.len() * 2 / 3 - CUT.len() / 2);
                text.truncate(kept);
                text.push_str(CUT);
            }
            _ => return json,
        }
    }
}

/// JSON with the characters escaped that a terminal would obey: JSON itself escapes only those below
/// U+0020.
fn escaped(json: &str) -> String {
    let is_obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !json.contains(is_obeyed) {
        return json.to_owned();
    }
    let escape = |c: char| {
        if is_obeyed(c) {
            format!("\\u{:04x}", u32::from(c))
        } else {
            c.to_string()
        }
    };
    json.chars().map(escape).collect()
}

#[derive(Default)]
struct RequestId(String);

impl Visit for RequestId {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == REQUEST_ID {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_at_most_four_kilobytes_whatever_it_quotes() {
        for text in ["x", "\"\n", "\u{1b}[2J", "é\u{9b}", "\u{202e}"] {
            let long = text.repeat(300_000 / text.len());
            let line = serde_json::json!({"level": "INFO",
                "fields": {"message": "event", "reason": long, "kind": long, "calls": 3}});
            let json = short(line);
            assert!(
                (2_000..=MAX_LINE_BYTES).contains(&json.len()),
                "{}",
                json.len()
            );
            assert!(!json.contains(char::is_control), "{text:?}");
            let line: Value = serde_json::from_str(&json).expect("JSON");
            assert_eq!(line["fields"]["message"], "event");
            assert_eq!(line["fields"]["calls"], 3);
            let reason = line["fields"]["reason"].as_str().expect("text");
            assert!(reason.ends_with(CUT), "{reason}");
        }
        let line = serde_json::json!({"fields": {"message": "é\u{9b}"}});
        assert_eq!(short(line), r#"{"fields":{"message":"é\u009b"}}"#);
    }
}
