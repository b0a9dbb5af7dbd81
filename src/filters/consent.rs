//! The consent that an event carries.

use crate::segment::{Object, Value};

/// Those of the categories that the event carries no consent for; none if it says nothing about
/// consent. Segment stamps `context.consent.categoryPreferences`, RudderStack
/// `context.consentManagement`.
pub(super) fn lacking<'c>(categories: &'c [String], event: &Object<'_>) -> Vec<&'c str> {
    if categories.is_empty() {
        return Vec::new();
    }
    let context = event.get("context").and_then(Value::as_object);
    let object = |key: &str| context?.get(key)?.as_object();
    let preferences = object("consent").and_then(|consent| consent.get("categoryPreferences"));
    let not_preferred = match preferences {
        None | Some(Value::Null) => Vec::new(),
        Some(preferences) => chosen(categories, |category| {
            let preferences = preferences.as_object();
            let preference = preferences.and_then(|preferences| preferences.get(category));
            preference != Some(&Value::Bool(true))
        }),
    };
    if !not_preferred.is_empty() {
        return not_preferred;
    }
    let Some(management) = object("consentManagement") else {
        return Vec::new();
    };
    let Some(Value::Array(ids)) = management.get("deniedConsentIds") else {
        return Vec::new();
    };
    let denied = chosen(categories, |category| {
        ids.iter().any(|id| id.as_str() == Some(category))
    });
    let one_is_enough = management.get("resolutionStrategy").and_then(Value::as_str) == Some("or");
    if one_is_enough && denied.len() < categories.len() {
        return Vec::new();
    }
    denied
}

fn chosen(categories: &[String], choose: impl Fn(&str) -> bool) -> Vec<&str> {
    let categories = categories.iter().map(String::as_str);
    categories.filter(|category| choose(category)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_event_says_about_consent() {
        let categories = ["Advertising".to_owned(), "C0002".to_owned()];
        for (context, expected) in [
            ("{}", &[][..]),
            ("null", &[]),
            (r#"{"consent":{}}"#, &[]),
            (r#"{"consent":null}"#, &[]),
            (r#"{"consent":{"categoryPreferences":null}}"#, &[]),
            (
                r#"{"consent":{"categoryPreferences":{}}}"#,
                &["Advertising", "C0002"],
            ),
            (
                r#"{"consent":{"categoryPreferences":[]}}"#,
                &["Advertising", "C0002"],
            ),
            (
                r#"{"consent":{"categoryPreferences":{"Advertising":true,"C0002":true,"x":false}}}"#,
                &[],
            ),
            (
                r#"{"consent":{"categoryPreferences":{"Advertising":true}}}"#,
                &["C0002"],
            ),
            (
                r#"{"consent":{"categoryPreferences":{"Advertising":"true","C0002":true}}}"#,
                &["Advertising"],
            ),
            (r#"{"consentManagement":{}}"#, &[]),
            (r#"{"consentManagement":{"deniedConsentIds":[]}}"#, &[]),
            (r#"{"consentManagement":{"deniedConsentIds":["x"]}}"#, &[]),
            (
                r#"{"consentManagement":{"deniedConsentIds":["x","C0002"]}}"#,
                &["C0002"],
            ),
            (
                r#"{"consentManagement":{"deniedConsentIds":["C0002"],"resolutionStrategy":"and"}}"#,
                &["C0002"],
            ),
            (
                r#"{"consentManagement":{"deniedConsentIds":["C0002"],"resolutionStrategy":"or"}}"#,
                &[],
            ),
            (
                r#"{"consentManagement":{"deniedConsentIds":["C0002","Advertising"],"resolutionStrategy":"or"}}"#,
                &["Advertising", "C0002"],
            ),
            (
                r#"{"consent":{"categoryPreferences":{"Advertising":true,"C0002":true}},"consentManagement":{"deniedConsentIds":["C0002"]}}"#,
                &["C0002"],
            ),
        ] {
            let json = format!(r#"{{"context":{context}}}"#);
            let event: Value<'_> = serde_json::from_str(&json).expect("JSON");
            let event = event.as_object().expect("an object");
            assert_eq!(lacking(&categories, event), expected, "{context}");
            assert!(lacking(&[], event).is_empty(), "{context}");
        }
    }
}
