//! A file of filters, and an event that meets them: what is kept out stays out.

use std::collections::BTreeMap;
use std::str;

use segment_intercom::filters::{Expression, Filtered, Filters, Rules};
use segment_intercom::mapping::{Channel, Sender, Settings};
use segment_intercom::segment::Event;
use serde_json::{Deserializer, Map, Value as Json};

use super::checks::{arrival, check_mapping, ignored};

/// A line with the event, then the file.
pub fn filters(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Some((event, file)) = text.split_once('\n') else {
        return;
    };
    check_statement(file);
    let rules = Rules::parse(file);
    let documents: Vec<Json> = Deserializer::from_str(file)
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    documents.iter().for_each(check_statements);
    let rules = match rules {
        Ok(rules) => rules,
        Err(why) => {
            assert!(!why.is_empty() && !why.contains(char::is_control), "{why}");
            return;
        }
    };
    let Some(event) = serde_json::from_str(event)
        .ok()
        .and_then(|value| Event::new(value, &ignored()).ok())
    else {
        return;
    };
    let (_, transformations) = rules.counts();
    let filters = Filters::new(vec!["Advertising".to_owned()], rules);
    for rule in filters.page_rules("Intercom").routing_rules {
        let matcher = rule["matchers"][0]["ir"].as_str().expect("a condition");
        serde_json::from_str::<Json>(matcher).expect("JSON");
    }
    let filtered = filters.apply(&event, &ignored());
    assert_eq!(filtered, filters.apply(&event, &ignored()));
    if let Filtered::Changed(changed) = &filtered {
        let read_again = Event::new(changed.event.as_value().clone(), &ignored());
        assert_eq!(read_again.as_ref(), Ok(&changed.event));
        let arrival = arrival(Sender::by(Channel::Server));
        check_mapping(&changed.event, arrival, &Settings::default());
    }
    // A transformation may put something back, for that is what it is told to do.
    if transformations == 0 {
        for filter in documents.iter().flat_map(filters_in) {
            check_filter(filter, &event, &filtered);
        }
    }
}

/// Checks every statement in a document, also where the reader doesn't come to it.
fn check_statements(json: &Json) {
    match json {
        Json::Array(items) => items.iter().for_each(check_statements),
        Json::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Json::String(text) if key == "if" || key == "fql" => check_statement(text),
                    value => check_statements(value),
                }
            }
        }
        _ => {}
    }
}

/// Checks that an error names a place in the statement.
fn check_statement(statement: &str) {
    if let Err(error) = Expression::parse(statement) {
        let end = statement.chars().count() + 1;
        assert!((1..=end).contains(&error.position), "{error}");
        assert!(!error.message.is_empty());
    }
}

/// The filters of a document that was read.
fn filters_in(document: &Json) -> Vec<&Map<String, Json>> {
    match document {
        Json::Array(documents) => documents.iter().flat_map(filters_in).collect(),
        Json::Object(fields) => match (fields.get("data"), fields.get("filters")) {
            (Some(data), _) => filters_in(data),
            _ if fields.contains_key("actions") => vec![fields],
            (_, Some(Json::Array(items))) => items.iter().filter_map(Json::as_object).collect(),
            (_, Some(answer)) => filters_in(answer),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Checks that what a filter keeps out isn't in the result.
fn check_filter(filter: &Map<String, Json>, event: &Event<'_>, filtered: &Filtered<'_>) {
    let is_dropped = matches!(filtered, Filtered::Dropped(_));
    if filter.get("enabled") == Some(&Json::Bool(false)) || is_dropped {
        return;
    }
    let condition = filter["if"].as_str().expect("a condition");
    let parsed = Expression::parse(condition).expect("it was parsed");
    if !parsed.is_met_by(event) {
        // What can't be evaluated drops the event. One level more may be too deep.
        if let Ok(negated) = Expression::parse(&format!("!( {condition} )")) {
            assert!(negated.is_met_by(event), "{condition}");
        }
        return;
    }
    let result = match filtered {
        Filtered::Changed(changed) => changed.event.as_value(),
        _ => event.as_value(),
    };
    let result = serde_json::to_value(result).expect("JSON");
    for action in filter["actions"].as_array().expect("actions") {
        let is_to_drop = match action["type"].as_str() {
            Some("DROP_PROPERTIES") => true,
            Some("ALLOW_PROPERTIES") => false,
            Some("DROP") => panic!("it was to be dropped: {condition}"),
            _ => continue,
        };
        for (path, keys) in fields_of(&action["fields"]) {
            let is_kept = |key: &str| {
                let always_stays = path.is_empty() && matches!(key, "type" | "messageId");
                always_stays || keys.iter().any(|named| named == key) != is_to_drop
            };
            for object in objects_at(&result, &keys_of(&path)) {
                assert!(object.keys().all(|key| is_kept(key)), "{path} {result}");
            }
        }
    }
}

fn fields_of(fields: &Json) -> BTreeMap<String, Vec<String>> {
    let fields = match fields {
        Json::String(text) => serde_json::from_str(text),
        fields => serde_json::from_value(fields.clone()),
    };
    fields.expect("lists of keys by path")
}

/// The keys of a path. A backslash makes a dot one of a key.
fn keys_of(path: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = path.chars();
    while let Some(char) = chars.next() {
        match char {
            '.' => keys.push(String::new()),
            '\\' => keys
                .last_mut()
                .expect("a key")
                .push(chars.next().unwrap_or(char)),
            char => keys.last_mut().expect("a key").push(char),
        }
    }
    if path.is_empty() { Vec::new() } else { keys }
}

/// The objects that a path leads to, through each item of the lists on the way.
fn objects_at<'j>(json: &'j Json, keys: &[String]) -> Vec<&'j Map<String, Json>> {
    match json {
        Json::Array(items) => items
            .iter()
            .flat_map(|item| objects_at(item, keys))
            .collect(),
        Json::Object(fields) => match keys.split_first() {
            None => vec![fields],
            Some((key, rest)) => fields
                .get(key)
                .map_or(Vec::new(), |json| objects_at(json, rest)),
        },
        _ => Vec::new(),
    }
}
