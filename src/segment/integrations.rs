//! Whether an event is meant for Intercom, as its `integrations` say.

use super::options::{OUR_NAMES, named};
use super::{Object, Value, get_matching};

/// The names that address the function: Intercom as a whole, and Segment's destination for servers.
const FUNCTION_NAMES: [&str; 2] = ["Intercom", "Intercom Cloud Mode (Actions)"];

/// Whether the event is addressed to the function.
///
/// A no under either name wins; a yes or an object of options means yes; else `integrations.All`
/// decides. Without `integrations`, `context.Intercom: false` disables, as with Segment's classic
/// destination. `Intercom Web (Actions)` addresses the page's Messenger alone. Case doesn't count.
///
/// Segment itself has obeyed `integrations` already: what its audiences, computed traits and
/// journeys send to a webhook says `{"All": false, "Webhooks": true}`. There only a no to Intercom
/// counts.
pub fn is_addressed_to_intercom(event: &Object<'_>, is_from_segment: bool) -> bool {
    let Some(integrations) = event.get("integrations").and_then(Value::as_object) else {
        let context = event.get("context").and_then(Value::as_object);
        let intercom = context.and_then(|context| get_matching(context, "intercom"));
        return intercom.and_then(switch) != Some(false);
    };
    let choices = FUNCTION_NAMES
        .iter()
        .filter_map(|name| switch(named(integrations, name)?));
    let own = choices.reduce(|one, other| one && other);
    let all = || switch(named(integrations, "All").filter(|_| !is_from_segment)?);
    own.or_else(all).unwrap_or(true)
}

/// What a value of `integrations` says: yes, no, or nothing that can be understood.
pub fn switch(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(is_on) => Some(*is_on),
        Value::Object(_) => Some(true),
        Value::Str(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::Str(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        Value::Number(number) => match number.as_f64()? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
        _ => None,
    }
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
            ("{}", true, true),
            (r#"{"integrations":null}"#, true, true),
            (r#"{"integrations":{}}"#, true, true),
            (r#"{"integrations":[]}"#, true, true),
            (r#"{"integrations":{"All":false}}"#, false, true),
            (r#"{"integrations":{"all":false}}"#, false, true),
            (r#"{"integrations":{"ALL":"FALSE"}}"#, false, true),
            (r#"{"integrations":{"All":0}}"#, false, true),
            (r#"{"integrations":{"ALL":"no"}}"#, true, true),
            (
                r#"{"integrations":{"All":false,"Webhooks":true}}"#,
                false,
                true,
            ),
            (
                r#"{"integrations":{"All":false,"Intercom":true}}"#,
                true,
                true,
            ),
            (
                r#"{"integrations":{"All":false,"Intercom":"true"}}"#,
                true,
                true,
            ),
            (r#"{"integrations":{"All":false,"Intercom":1}}"#, true, true),
            (
                r#"{"integrations":{"All":false,"Intercom":{}}}"#,
                true,
                true,
            ),
            (
                r#"{"integrations":{"All":false,"intercom":{}}}"#,
                true,
                true,
            ),
            (
                r#"{"integrations":{"All":false,"Intercom":"x"}}"#,
                false,
                true,
            ),
            (
                r#"{"integrations":{"All":false,"Intercom":null}}"#,
                false,
                true,
            ),
            (
                r#"{"integrations":{"All":true,"Intercom":false}}"#,
                false,
                false,
            ),
            (r#"{"integrations":{"Intercom":"False"}}"#, false, false),
            (r#"{"integrations":{"intercom":false}}"#, false, false),
            (r#"{"integrations":{"INTERCOM":0}}"#, false, false),
            (
                r#"{"integrations":{"All":false,"Intercom Cloud Mode (Actions)":true}}"#,
                true,
                true,
            ),
            (
                r#"{"integrations":{"intercom cloud mode (actions)":false}}"#,
                false,
                false,
            ),
            (
                r#"{"integrations":{"All":false,"Intercom Web (Actions)":true}}"#,
                false,
                true,
            ),
            (
                r#"{"integrations":{"Intercom Web (Actions)":false}}"#,
                true,
                true,
            ),
            (
                r#"{"integrations":{"Intercom":{},"Intercom Cloud Mode (Actions)":false}}"#,
                false,
                false,
            ),
            (
                r#"{"integrations":{"Intercom":false,"Intercom Cloud Mode (Actions)":true}}"#,
                false,
                false,
            ),
        ];
        assert_all(&cases);
    }

    #[test]
    fn the_context_decides_where_there_are_no_integrations() {
        assert_all(&[
            (r#"{"context":{"Intercom":false}}"#, false, false),
            (r#"{"context":{"intercom":"false"}}"#, false, false),
            (r#"{"context":{"Intercom":true}}"#, true, true),
            (
                r#"{"context":{"Intercom":false},"integrations":{"All":true}}"#,
                true,
                true,
            ),
            (r#"{"context":null}"#, true, true),
        ]);
    }

    /// Each event with what holds for it from an SDK, and from Segment itself.
    fn assert_all(cases: &[(&str, bool, bool)]) {
        for (json, from_sdk, from_segment) in cases {
            let event: Value = serde_json::from_str(json).expect("valid JSON");
            let event = event.as_object().expect("an object");
            assert_eq!(is_addressed_to_intercom(event, false), *from_sdk, "{json}");
            assert_eq!(
                is_addressed_to_intercom(event, true),
                *from_segment,
                "{json}"
            );
        }
    }
}
