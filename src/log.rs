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
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber, span};
use tracing_serde::fields::AsMap;

/// Target of the lines that metrics and alarms are counted from: what became of an event, and what a
/// person has to know. They are written whatever `LOG_LEVEL` says, since what was delivered matters
/// at WARN too.
pub const COUNTED: &str = "counted";

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
        let Ok(mut bytes) = serde_json::to_vec(&line) else {
            return;
        };
        bytes.push(b'\n');
        // An event mustn't fail because its line can't be written.
        let _ = self
            .writer
            .make_writer_for(event.metadata())
            .write_all(&bytes);
    }
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
