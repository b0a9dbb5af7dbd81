//! What a page or an app loads before it sends: the settings document of analytics.js and of
//! Segment's mobile SDKs, and the plugin for Intercom's Messenger.

mod files;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

pub use files::{File, file};

use crate::mapping::{self, CompanyIdHash, Nested};

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

/// Where Segment's CDN has a part of analytics.js that the library loads on demand. A page whose
/// snippet has this endpoint as `_cdn` asks for it here: `…/analytics-next/bundles/FILE`.
pub fn segment_bundle(path: &str) -> Option<String> {
    let (_, file) = path.rsplit_once("/analytics-next/bundles/")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let name = file.strip_suffix(".js");
    let is_script = name.is_some_and(|name| name.bytes().all(is_name));
    is_script.then(|| format!("https://cdn.segment.com/analytics-next/bundles/{file}"))
}

/// The settings document of a public write key: where events go (this very endpoint), and the
/// plugin that the library is to load. In the shape of
/// `https://cdn.segment.com/v1/projects/KEY/settings`.
pub fn settings_document(
    key: &str,
    endpoint: Endpoint<'_>,
    settings: &Settings,
    mapping: &mapping::Settings,
) -> Value {
    let Endpoint {
        protocol,
        host,
        base_path,
    } = endpoint;
    let mut document = json!({
        "integrations": {"Segment.io": {
            "apiKey": key,
            "apiHost": format!("{host}{base_path}/v1"),
            "protocol": protocol,
            "retryQueue": true,
            // The plugin marks what the Messenger has really taken. The library would mark every
            // event, even where an ad blocker keeps the Messenger away.
            "addBundledMetadata": false,
        }},
        "plan": {"track": {"__default": {"enabled": true, "integrations": {}}}},
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    });
    if let Some(app_id) = &settings.app_id {
        let url = format!(
            "{protocol}://{host}{base_path}/browser/{}/{}",
            *files::VERSION,
            files::SCRIPT
        );
        document["integrations"]["Intercom"] = plugin_settings(app_id, settings, mapping);
        document["remotePlugins"] = json!([{
            "name": "Intercom",
            "creationName": "Intercom",
            "libraryName": "segmentIntercom",
            "url": url,
            "settings": {},
        }]);
    }
    document
}

/// The settings that the plugin gets, under the names of `browser/src/settings.ts`; what equals the
/// default there is left out.
fn plugin_settings(app_id: &str, settings: &Settings, mapping: &mapping::Settings) -> Value {
    let mut plugin = Map::new();
    let mut set = |name: &str, value: Value| plugin.insert(name.to_owned(), value);
    set("appId", app_id.into());
    set("apiBase", settings.api_base.into());
    set("bootVisitors", settings.boot_visitors.into());
    set("requireUserHash", mapping.require_user_hash.into());
    set("ignoredUserIds", json!(mapping.ignored_user_ids));
    if let Some(is_hidden) = settings.hide_default_launcher {
        set("hideDefaultLauncher", is_hidden.into());
    }
    if let Some(selector) = &settings.custom_launcher_selector {
        set("customLauncherSelector", selector.as_str().into());
    }
    if mapping.company_id_hash == CompanyIdHash::Segment {
        set("companyIdHash", "segment".into());
    }
    if settings.delivery == BrowserDelivery::Device {
        // Segment's word for an integration that a page delivers to itself.
        set("bundlingStatus", "bundled".into());
        set("delivery", "device".into());
        set("metadataLimit", mapping.metadata_limit.into());
        set("richLinkProperties", json!(mapping.rich_link_properties));
        set("eventFilter", json!(mapping.event_filter));
        match mapping.nested {
            Nested::Drop => None,
            Nested::Flatten => set("nested", "flatten".into()),
            Nested::Stringify => set("nested", "stringify".into()),
        };
    }
    plugin.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_analytics_js_are_segments_own() {
        let here = "/prod/analytics-next/bundles/a.bundle.0f.js";
        let there = "https://cdn.segment.com/analytics-next/bundles/a.bundle.0f.js";
        assert_eq!(segment_bundle(here).as_deref(), Some(there));
        for path in [
            "/analytics-next/bundles/../x.js",
            "/analytics-next/bundles/x",
            "/x.js",
        ] {
            assert_eq!(segment_bundle(path), None, "{path}");
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
