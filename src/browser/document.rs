//! The settings document of analytics.js and of Segment's mobile SDKs.

use serde_json::{Map, Value, json};

use super::{BrowserDelivery, Endpoint, Settings, files};
use crate::mapping::{self, CompanyIdHash, Nested};

/// The plugin's name to analytics.js, under which middlewares and filters find it.
pub const NAME: &str = "Intercom";

/// The name of Segment's own destination for pages, by which pages address the plugin as well.
const WEB_NAME: &str = "Intercom Web (Actions)";

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
        // A further entry makes builds for script elements load parts of the library before
        // anything else, and lose every event where an ad blocker stops those.
        "integrations": {"Segment.io": {
            "apiKey": key,
            "apiHost": format!("{host}{base_path}/v1"),
            "protocol": protocol,
            "retryQueue": true,
            // The plugin marks what the Messenger has really taken. The library would mark every
            // event, even where an ad blocker keeps the Messenger away.
            "addBundledMetadata": false,
        }},
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
        document["remotePlugins"] = json!([{
            "name": WEB_NAME,
            "creationName": NAME,
            "libraryName": "segmentIntercom",
            "url": url,
            "settings": plugin_settings(app_id, settings, mapping),
        }]);
        if !settings.routing_rules.is_empty() {
            document["middlewareSettings"]["routingRules"] = json!(settings.routing_rules);
        }
        let categories = &settings.consent_categories;
        if !categories.is_empty() {
            // Segment's consent wrappers look for it only here.
            document["integrations"][NAME] = json!({"consentSettings": {"categories": categories}});
            // A page may have other destinations besides the function, so the library is loaded
            // without consent too.
            document["consentSettings"] =
                json!({"allCategories": categories, "hasUnmappedDestinations": true});
        }
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
    if !settings.consent_categories.is_empty() {
        set("consentCategories", json!(settings.consent_categories));
    }
    if let Some(selector) = &settings.custom_launcher_selector {
        set("customLauncherSelector", selector.as_str().into());
    }
    if mapping.company_id_hash == CompanyIdHash::Segment {
        set("companyIdHash", "segment".into());
    }
    if settings.delivery == BrowserDelivery::Device {
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

    fn document(consent_categories: &[&str]) -> Value {
        let settings = Settings {
            app_id: Some("abc123".to_owned()),
            consent_categories: consent_categories.iter().map(ToString::to_string).collect(),
            ..Settings::default()
        };
        let endpoint = Endpoint {
            protocol: "https",
            host: "api.example.com",
            base_path: "",
        };
        settings_document("key", endpoint, &settings, &mapping::Settings::default())
    }

    /// As Segment's consent wrappers and the plugin read it.
    #[test]
    fn consent() {
        let with = document(&["Support", "Chat"]);
        let categories = json!(["Support", "Chat"]);
        let of_wrapper = &with["integrations"]["Intercom"]["consentSettings"]["categories"];
        let of_plugin = &with["remotePlugins"][0]["settings"]["consentCategories"];
        assert_eq!((of_wrapper, of_plugin), (&categories, &categories));
        assert_eq!(with["consentSettings"]["hasUnmappedDestinations"], true);
        let without = document(&[]);
        assert!(without["integrations"]["Intercom"].is_null());
        assert!(without["consentSettings"].is_null());
        assert!(without["remotePlugins"][0]["settings"]["consentCategories"].is_null());
    }
}
