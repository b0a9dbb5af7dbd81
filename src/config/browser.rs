//! The Messenger in the page.

use super::variable::{ConfigError, Lookup, comma_list, flag, not_allowed, one_of};
use crate::browser::{BrowserDelivery, Settings};

/// `INTERCOM_APP_ID`, `BROWSER_DELIVERY`, `BOOT_VISITORS`, `HIDE_DEFAULT_LAUNCHER`,
/// `CUSTOM_LAUNCHER_SELECTOR`.
pub(super) fn settings(lookup: Lookup<'_>) -> Result<Settings, ConfigError> {
    Ok(Settings {
        app_id: app_id(lookup)?,
        api_base: one_of(
            lookup,
            "INTERCOM_REGION",
            &[
                ("us", "https://api-iam.intercom.io"),
                ("eu", "https://api-iam.eu.intercom.io"),
                ("au", "https://api-iam.au.intercom.io"),
            ],
        )?,
        delivery: one_of(
            lookup,
            "BROWSER_DELIVERY",
            &[
                ("messenger", BrowserDelivery::Messenger),
                ("device", BrowserDelivery::Device),
            ],
        )?,
        boot_visitors: one_of(lookup, "BOOT_VISITORS", &[("true", true), ("false", false)])?,
        hide_default_launcher: match lookup("HIDE_DEFAULT_LAUNCHER") {
            None => None,
            Some(_) => Some(flag(lookup, "HIDE_DEFAULT_LAUNCHER")?),
        },
        custom_launcher_selector: lookup("CUSTOM_LAUNCHER_SELECTOR"),
        routing_rules: Vec::new(),
        consent_categories: comma_list(lookup, "CONSENT_CATEGORIES"),
    })
}

/// It becomes part of the widget's URL.
fn app_id(lookup: Lookup<'_>) -> Result<Option<String>, ConfigError> {
    const NAME: &str = "INTERCOM_APP_ID";
    let Some(id) = lookup(NAME) else {
        return Ok(None);
    };
    if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(Some(id))
    } else {
        let allowed = "the letters and digits of Settings > Installation in Intercom";
        Err(not_allowed(NAME, id, allowed))
    }
}
