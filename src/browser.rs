//! What a page or an app loads before it sends: the settings document of analytics.js and of
//! Segment's mobile SDKs, and the plugin for Intercom's Messenger.

mod document;
mod files;

use percent_encoding::percent_decode_str;

pub use document::{NAME as PLUGIN, settings_document};
pub use files::{File, file};

/// `BROWSER_DELIVERY`: what the Messenger in the page delivers, and what the function does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BrowserDelivery {
    /// The Messenger learns who is there; the function delivers everything.
    #[default]
    Messenger,
    /// The Messenger takes traits, groups and events as well. The function skips what it has taken.
    Device,
}

/// The settings of the Messenger in the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `INTERCOM_APP_ID`. None: no browser part.
    pub app_id: Option<String>,
    /// Where the Messenger's API is in the workspace's region.
    pub api_base: &'static str,
    /// `BROWSER_DELIVERY`.
    pub delivery: BrowserDelivery,
    /// `BOOT_VISITORS`: whether the Messenger is there for people who aren't identified.
    pub boot_visitors: bool,
    /// `HIDE_DEFAULT_LAUNCHER`. None: Intercom's own setting decides.
    pub hide_default_launcher: Option<bool>,
    /// `CUSTOM_LAUNCHER_SELECTOR`.
    pub custom_launcher_selector: Option<String>,
    /// `CONSENT_CATEGORIES`: without consent to all of these the Messenger isn't there.
    pub consent_categories: Vec<String>,
    /// `middlewareSettings.routingRules`: what of the customer's rules holds for the Messenger.
    pub routing_rules: Vec<serde_json::Value>,
}

/// Where a request came in, as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'r> {
    /// `https` or, on this machine, `http`.
    pub protocol: &'r str,
    /// The host, with its port unless that is the protocol's default.
    pub host: &'r str,
    /// What precedes the route: a stage, a base path, or nothing.
    pub base_path: &'r str,
}

/// What precedes `/v1/projects/KEY/settings` or `/projects/KEY/settings`, and the key.
pub fn settings_path(path: &str) -> Option<(&str, String)> {
    let path = path.trim_end_matches('/').strip_suffix("/settings")?;
    let (before, key) = path.rsplit_once("/projects/")?;
    let base_path = before.strip_suffix("/v1").unwrap_or(before);
    let key = percent_decode_str(key).decode_utf8().ok()?;
    (!key.is_empty() && !key.contains('/')).then(|| (base_path, key.into_owned()))
}

/// A part of analytics.js that the library loads on demand, by `…/analytics-next/bundles/FILE` of
/// the page's `_cdn`.
#[derive(Debug)]
pub enum Bundle {
    /// This build has it.
    Here(&'static File),
    /// Of another version: where Segment's CDN has it.
    AtSegment(String),
}

/// The part of analytics.js of this path.
pub fn segment_bundle(path: &str) -> Option<Bundle> {
    let (_, file) = path.rsplit_once("/analytics-next/bundles/")?;
    if let Some(bundle) = files::bundle(file) {
        return Some(Bundle::Here(bundle));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let name = file.strip_suffix(".js");
    let is_script = name.is_some_and(|name| name.bytes().all(is_name));
    is_script.then(|| {
        Bundle::AtSegment(format!(
            "https://cdn.segment.com/analytics-next/bundles/{file}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_analytics_js_are_segments_own() {
        let here = "/prod/analytics-next/bundles/a.bundle.0f.js";
        let there = "https://cdn.segment.com/analytics-next/bundles/a.bundle.0f.js";
        assert!(matches!(segment_bundle(here), Some(Bundle::AtSegment(url)) if url == there));
        for path in [
            "/analytics-next/bundles/../x.js",
            "/analytics-next/bundles/x",
            "/x.js",
        ] {
            assert!(segment_bundle(path).is_none(), "{path}");
        }
    }

    #[test]
    fn paths_of_settings() {
        for (path, expected) in [
            ("/v1/projects/key/settings", Some(("", "key"))),
            ("/projects/key/settings", Some(("", "key"))),
            ("/prod/v1/projects/key/settings/", Some(("/prod", "key"))),
            ("/a/b/projects/k%20y/settings", Some(("/a/b", "k y"))),
            ("/projects/key", None),
            ("/projects//settings", None),
            ("/projects/a/b/settings", None),
            ("/settings", None),
        ] {
            let found = settings_path(path);
            let found = found.as_ref().map(|(base, key)| (*base, key.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }
}
