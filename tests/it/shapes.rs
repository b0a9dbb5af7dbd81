//! Events and JSON of given shapes and sizes.

use serde_json::{Value, json};

pub(crate) const KB: usize = 1024;
pub(crate) const MB: usize = 1024 * KB;

pub(crate) fn identify(user_id: &str) -> Value {
    json!({"type": "identify", "messageId": format!("m-{user_id}"), "userId": user_id})
}

/// The JSON of an identify with one more field.
pub(crate) fn identify_with(user_id: &str, field: &str) -> String {
    let event = identify(user_id).to_string();
    format!("{},{field}}}", &event[..event.len() - 1])
}

pub(crate) fn batch_of(items: &[&str]) -> String {
    format!(r#"{{"batch":[{}]}}"#, items.join(","))
}

/// Arrays nested this deep.
pub(crate) fn deep(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

/// Objects nested this deep.
pub(crate) fn deep_object(levels: usize) -> String {
    format!("{}1{}", r#"{"x":"#.repeat(levels), "}".repeat(levels))
}

/// An object with this many keys.
pub(crate) fn wide_object(keys: usize) -> String {
    let pairs: Vec<String> = (0..keys).map(|n| format!("\"key {n}\":{n}")).collect();
    format!("{{{}}}", pairs.join(","))
}

pub(crate) fn wide_array(elements: usize) -> String {
    format!("[{}0]", "0,".repeat(elements - 1))
}
