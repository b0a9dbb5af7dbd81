//! Whether an event is meant for Intercom, as its `integrations` say.

use super::options::OUR_NAMES;
use super::{Object, Value, get_matching};

/// The names that address the function: Intercom as a whole, and Segment's destination for servers.
const FUNCTION_NAMES: [&str; 2] = ["Intercom", "Intercom Cloud Mode (Actions)"];

/// Whether the event is addressed to the function.
///
/// A false under either name wins; true or an object of options means yes; else
/// `integrations.All` (any case) decides. Without `integrations`, `context.Intercom: false`
/// disables, as with Segment's classic destination. `Intercom Web (Actions)` addresses the page's
/// Messenger alone.
pub fn is_addressed_to_intercom(event: &Object<'_>) -> bool {
    let Some(integrations) = event.get("integrations").and_then(Value::as_object) else {
        let context = event.get("context").and_then(Value::as_object);
        let intercom = context.and_then(|context| get_matching(context, "intercom"));
        return intercom != Some(&Value::Bool(false));
    };
    let choices = FUNCTION_NAMES
        .iter()
        .filter_map(|name| match integrations.get(name) {
            Some(Value::Bool(is_addressed)) => Some(*is_addressed),
            Some(Value::Object(_)) => Some(true),
            _ => None,
        });
    choices
        .reduce(|one, other| one && other)
        .or_else(|| {
            let mut keys = integrations.iter();
            let (_, all) = keys.find(|(key, _)| key.eq_ignore_ascii_case("all"))?;
            all.as_bool()
        })
        .unwrap_or(true)
}

/// Whether the page has delivered the event itself: `_metadata.bundled`, in which analytics.js
/// lists the destinations of its device mode, names Intercom.
pub fn is_delivered_by_page(event: &Object<'_>) -> bool {
    let metadata = event.get("_metadata").and_then(Value::as_object);
    let bundled = metadata.and_then(|metadata| metadata.get("bundled")?.as_array());
    bundled.is_some_and(|names| {
        let mut names = names.iter().filter_map(Value::as_str);
        names.any(|name| OUR_NAMES.contains(&name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrations_decide() {
        let cases = [
            ("{}", true),
            (r#"{"integrations":null}"#, true),
            (r#"{"integrations":{}}"#, true),
            (r#"{"integrations":{"All":false}}"#, false),
            (r#"{"integrations":{"all":false}}"#, false),
            (r#"{"integrations":{"ALL":"no"}}"#, true),
            (r#"{"integrations":{"All":false,"Intercom":true}}"#, true),
            (r#"{"integrations":{"All":false,"Intercom":{}}}"#, true),
            (r#"{"integrations":{"All":false,"Intercom":"x"}}"#, false),
            (r#"{"integrations":{"All":true,"Intercom":false}}"#, false),
            (
                r#"{"integrations":{"All":false,"Intercom Cloud Mode (Actions)":true}}"#,
                true,
            ),
            (
                r#"{"integrations":{"Intercom Cloud Mode (Actions)":false}}"#,
                false,
            ),
            (
                r#"{"integrations":{"Intercom":{},"Intercom Cloud Mode (Actions)":false}}"#,
                false,
            ),
            (
                r#"{"integrations":{"Intercom":false,"Intercom Cloud Mode (Actions)":true}}"#,
                false,
            ),
            (r#"{"integrations":{"Intercom Web (Actions)":false}}"#, true),
            (
                r#"{"integrations":{"All":false,"Intercom Web (Actions)":true}}"#,
                false,
            ),
            (r#"{"context":{"Intercom":false}}"#, false),
            (r#"{"context":{"intercom":false}}"#, false),
            (r#"{"context":{"Intercom":true}}"#, true),
            (
                r#"{"context":{"Intercom":false},"integrations":{"All":true}}"#,
                true,
            ),
            (r#"{"context":null}"#, true),
        ];
        for (json, expected) in cases {
            let event: Value = serde_json::from_str(json).expect("valid JSON");
            let event = event.as_object().expect("an object");
            assert_eq!(is_addressed_to_intercom(event), expected, "{json}");
        }
    }
}
