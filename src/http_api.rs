//! The HTTP API: routes, authentication, bodies and answers.
//!
//! As `docs/api.md#routes` tells users.

mod answer;
mod authentication;
mod body;
mod body_error;
mod error;
mod event_array;
mod fields;
mod gzip;
mod key_in_body;
mod lone_surrogates;
mod request;
mod shared;

pub use answer::{Answer, Kept, MAX_ANSWER_BYTES};
pub use authentication::{
    Signed, proof, signed, user_hash_is_valid, write_key, write_keys_in_headers,
};
pub use body::{MAX_BATCH_EVENTS, MAX_BODY_BYTES, MAX_EVENT_BYTES, parse_call, parse_preview};
pub use body_error::BodyError;
pub use error::ApiError;
pub use event_array::{MAX_SEGMENT_EVENTS, entries_of_array};
pub use gzip::{decode, without_byte_order_mark};
pub use key_in_body::write_key_in;
pub use lone_surrogates::replace_lone_surrogates;
pub use request::HttpRequest;

use crate::browser;
use crate::segment::Kind;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// One call of the Tracking API.
    Single(Kind),
    /// Many of them: `/v1/batch` and `/v1/import`.
    Batch,
    /// Telemetry of the SDKs, answered and dropped.
    Telemetry,
    /// Segment's webhooks, classic and Actions.
    Webhook,
    /// What would be sent for these events?
    Preview,
    /// Is it up?
    Health,
    /// What a page or an app has to know of a write key: `/v1/projects/KEY/settings`.
    Settings,
    /// The plugin for Intercom's Messenger.
    BrowserFile,
    /// A part of analytics.js, from this build or from Segment's CDN.
    SegmentBundle,
    /// A browser asks what it may send.
    Preflight,
    /// The path is known, but not with this method.
    WrongMethod,
    /// Nothing is here.
    Unknown,
}

/// The routes that error messages list.
const ROUTES: &str = "POST /v1/identify, POST /v1/track, POST /v1/page, POST /v1/screen, \
    POST /v1/group, POST /v1/alias, POST /v1/batch, POST /v1/import, POST /v1/preview, \
    POST /webhook, GET /health, GET /v1/projects/KEY/settings, GET /browser/intercom.js";

impl Route {
    /// Its name in the log. A path can hold a key, so paths are never logged.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single(kind) => kind.as_str(),
            Self::Batch => "batch",
            Self::Telemetry => "telemetry",
            Self::Webhook => "webhook",
            Self::Preview => "preview",
            Self::Health => "health",
            Self::Settings => "settings",
            Self::BrowserFile => "browser file",
            Self::SegmentBundle => "analytics.js bundle",
            Self::Preflight => "preflight",
            Self::WrongMethod => "wrong method",
            Self::Unknown => "unknown path",
        }
    }

    /// The route of a method and path. A slash at the end and a stage or base path in front of
    /// `/v1` are tolerated.
    pub fn of(method: &http::Method, path: &str) -> Self {
        if method == http::Method::OPTIONS {
            return Self::Preflight;
        }
        let path = path.trim_end_matches('/');
        let is_settings = browser::settings_path(path).is_some();
        let is_file = browser::file(path).is_some();
        let is_bundle = browser::segment_bundle(path).is_some();
        let path = path.rfind("/v1/").map_or(path, |start| &path[start..]);
        let route = match path {
            _ if is_settings => Self::Settings,
            _ if is_file => Self::BrowserFile,
            _ if is_bundle => Self::SegmentBundle,
            "/v1/identify" | "/v1/i" => Self::Single(Kind::Identify),
            "/v1/track" | "/v1/t" => Self::Single(Kind::Track),
            "/v1/page" | "/v1/p" => Self::Single(Kind::Page),
            "/v1/screen" | "/v1/s" => Self::Single(Kind::Screen),
            "/v1/group" | "/v1/g" => Self::Single(Kind::Group),
            "/v1/alias" | "/v1/a" => Self::Single(Kind::Alias),
            "/v1/batch" | "/v1/b" | "/v1/import" => Self::Batch,
            "/v1/m" => Self::Telemetry,
            "/v1/preview" => Self::Preview,
            path if path.ends_with("/webhook") => Self::Webhook,
            path if path.ends_with("/health") => Self::Health,
            _ => Self::Unknown,
        };
        let is_right = match route {
            Self::Health | Self::Settings | Self::BrowserFile | Self::SegmentBundle => {
                matches!(method.as_str(), "GET" | "HEAD")
            }
            Self::Webhook => matches!(method.as_str(), "POST" | "PUT" | "PATCH"),
            _ => method == http::Method::POST,
        };
        match route {
            Self::Unknown => Self::Unknown,
            route if is_right => route,
            _ => Self::WrongMethod,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn the_routes_that_errors_name_are_there() {
        for route in ROUTES.split(", ") {
            let (method, path) = route.split_once(' ').expect("a method and a path");
            let method = method.parse().expect("a method");
            let found = Route::of(&method, path);
            assert!(
                !matches!(found, Route::Unknown | Route::WrongMethod),
                "{route}"
            );
        }
    }

    #[test]
    fn routes() {
        let cases = [
            (Method::POST, "/v1/track", Route::Single(Kind::Track)),
            (Method::POST, "/v1/t", Route::Single(Kind::Track)),
            (Method::POST, "/v1/identify/", Route::Single(Kind::Identify)),
            (Method::POST, "/prod/v1/batch", Route::Batch),
            (Method::POST, "/v1/v1/batch", Route::Batch),
            (Method::POST, "/v1/import/", Route::Batch),
            (Method::POST, "/v1/b", Route::Batch),
            (Method::POST, "/v1/m", Route::Telemetry),
            (Method::POST, "/webhook", Route::Webhook),
            (Method::PUT, "/webhook/", Route::Webhook),
            (Method::POST, "/v1/preview", Route::Preview),
            (Method::GET, "/health", Route::Health),
            (Method::GET, "/v1/projects/k/settings", Route::Settings),
            (Method::GET, "/prod/projects/k/settings", Route::Settings),
            (Method::POST, "/v1/projects/k/settings", Route::WrongMethod),
            (Method::GET, "/prod/browser/intercom.js", Route::BrowserFile),
            (Method::GET, "/browser/intercom.css", Route::Unknown),
            (Method::GET, "/v1/track", Route::WrongMethod),
            (Method::DELETE, "/webhook", Route::WrongMethod),
            (Method::OPTIONS, "/anything", Route::Preflight),
            (Method::POST, "/v1/tracks", Route::Unknown),
            (Method::GET, "/", Route::Unknown),
        ];
        for (method, path, expected) in cases {
            assert_eq!(Route::of(&method, path), expected, "{method} {path}");
        }
    }
}
