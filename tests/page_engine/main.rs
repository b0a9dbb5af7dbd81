//! Whatever `page_rules` says holds in the page does: analytics.js's own engine, in Node, makes of
//! 10,000 random events what the function makes of them. Nothing is compared without Node or the
//! SDKs that `make test` installs.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use fastrand::Rng;
use segment_intercom::filters::{Filtered, Filters, Rules};
use segment_intercom::segment::{Event, IgnoredUserIds};
use serde_json::{Map, Value, json};

const CASES: usize = 10_000;

const PATHS: &[&str] = &[
    "type",
    "event",
    "userId",
    "context.traits.plan",
    "properties.plan",
    "properties.n",
    "properties.list",
    "properties.object",
    "properties.object.plan",
    "properties.vip",
    "properties.missing",
    r"properties.product\ 1",
    "traits.plan",
    "traits.n",
    "traits.vip",
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "pro",
    "Pro plan",
    "a*b",
    "Order [1]",
    "u1",
    "track",
    "identify",
    "é",
    "true",
];
const PATTERNS: &[&str] = &[
    "*",
    "?",
    "p*",
    "*o",
    "*r*",
    "[a-p]*",
    "[^a-p]*",
    r"a\*b",
    "Order [[]1]",
    "??",
    "P?o*",
    "",
];
const KEYS: &[&str] = &["plan", "n", "list", "object", "vip", "product 1"];

fn one<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    of[random.usize(..of.len())]
}

/// A constant of FQL.
fn constant(random: &mut Rng) -> String {
    match random.u8(..8) {
        0 => "true".to_owned(),
        1 => "false".to_owned(),
        2 => "null".to_owned(),
        3 | 4 => random.i8(-2..6).to_string(),
        5 => "2.5".to_owned(),
        _ => format!("'{}'", one(random, TEXTS)),
    }
}

fn operand(random: &mut Rng) -> String {
    match random.u8(..12) {
        0..=5 => one(random, PATHS).to_owned(),
        6..=8 => constant(random),
        9 => format!("lowercase( {} )", one(random, PATHS)),
        10 => format!("length( {} )", one(random, PATHS)),
        _ => format!("contains( {}, {} )", one(random, PATHS), constant(random)),
    }
}

fn condition(random: &mut Rng, depth: u8) -> String {
    match random.u8(..if depth == 0 { 9 } else { 14 }) {
        0 if random.bool() => format!("length( {} ) > 0", one(random, PATHS)),
        0 => one(random, PATHS).to_owned(),
        1 | 2 => {
            let sign = one(random, &["=", "!="]);
            format!("{} {sign} {}", operand(random), operand(random))
        }
        3 => {
            let sign = one(random, &["<", "<=", ">", ">="]);
            format!("{} {sign} {}", operand(random), operand(random))
        }
        4 | 5 => {
            let items: Vec<String> = (0..random.u8(1..4)).map(|_| constant(random)).collect();
            format!("{} in [{}]", one(random, PATHS), items.join(", "))
        }
        6 => format!("contains( {}, {} )", one(random, PATHS), constant(random)),
        7 => format!(
            "match( {}, '{}' )",
            one(random, PATHS),
            one(random, PATTERNS)
        ),
        8 => constant(random),
        9 | 10 => format!(
            "( {} and {} )",
            condition(random, depth - 1),
            condition(random, depth - 1)
        ),
        11 | 12 => format!(
            "( {} or {} )",
            condition(random, depth - 1),
            condition(random, depth - 1)
        ),
        _ => format!("!( {} )", condition(random, depth - 1)),
    }
}

fn keys(random: &mut Rng) -> Vec<&'static str> {
    (0..random.u8(1..3)).map(|_| one(random, KEYS)).collect()
}

fn filter(random: &mut Rng) -> Value {
    let path = one(
        random,
        &[
            "properties",
            "traits",
            "context.traits",
            "properties.object",
            "properties.list",
        ],
    );
    let fields = json!({path: keys(random)});
    let action = match random.u8(..4) {
        0 | 1 => json!({"type": "DROP"}),
        2 => json!({"type": "DROP_PROPERTIES", "fields": fields}),
        _ => json!({"type": "ALLOW_PROPERTIES", "fields": fields}),
    };
    json!({"title": "F", "if": condition(random, 2), "actions": [action]})
}

fn transformation(random: &mut Rng) -> Value {
    let mut rule = json!({"name": "T", "if": condition(random, 1)});
    let name = |random: &mut Rng| {
        one(
            random,
            &["plan", "n", "list", "object", "vip", "fresh", "other"],
        )
    };
    match random.u8(..6) {
        0 => rule["newEventName"] = json!("New"),
        1 => rule["propertyDrops"] = json!([name(random), name(random)]),
        2 => rule["allowProperties"] = json!([name(random), name(random)]),
        3 => {
            rule["propertyValueTransformations"] =
                json!([{"propertyPaths": [name(random)], "propertyValue": 7}]);
        }
        4 => rule["drop"] = json!(true),
        _ => {
            let mut names = ["plan", "n", "list", "vip", "fresh", "other"];
            random.shuffle(&mut names);
            rule["propertyRenames"] = json!([{"oldName": names[0], "newName": names[1]},
                {"oldName": names[1 + random.usize(..2)], "newName": names[3]}]);
            if random.bool() {
                rule["propertyDrops"] = json!([name(random)]);
            }
        }
    }
    rule
}

fn rules(random: &mut Rng) -> Value {
    let filters: Vec<Value> = (0..random.u8(0..3)).map(|_| filter(random)).collect();
    let transformations: Vec<Value> = (0..random.u8(0..2))
        .map(|_| transformation(random))
        .collect();
    json!({"filters": filters, "transformations": transformations})
}

fn value(random: &mut Rng) -> Value {
    match random.u8(..9) {
        0 => Value::Null,
        1 => json!(random.bool()),
        2 | 3 => json!(random.i8(-2..6)),
        4 => json!(2.5),
        _ => json!(one(random, TEXTS)),
    }
}

fn fields(random: &mut Rng) -> Map<String, Value> {
    let mut fields = Map::new();
    for key in KEYS {
        if random.bool() {
            let value = match *key {
                "list" => json!([value(random), {"plan": "x", "n": 1}, value(random)]),
                "object" => json!({"plan": value(random), "n": value(random)}),
                _ => value(random),
            };
            fields.insert((*key).to_owned(), value);
        }
    }
    fields
}

fn event(random: &mut Rng) -> Value {
    let kind = one(random, &["track", "identify", "group", "page"]);
    let place = if matches!(kind, "track" | "page") {
        "properties"
    } else {
        "traits"
    };
    let mut event = json!({"type": kind, "messageId": "m", place: fields(random),
        "context": {"traits": fields(random)}});
    if kind == "track" {
        event["event"] = json!(one(random, TEXTS));
    }
    if random.bool() {
        event["userId"] = json!("u1");
    }
    event
}

/// What the function makes of an event; null if it isn't sent.
fn by_the_function(filters: &Filters, event: &Value) -> Value {
    let text = event.to_string();
    let nobody = IgnoredUserIds::default();
    let parsed = Event::new(serde_json::from_str(&text).expect("JSON"), &nobody);
    match filters.apply(&parsed.expect("an object"), &nobody) {
        Filtered::AsItCame => event.clone(),
        Filtered::Dropped(_) => Value::Null,
        Filtered::Changed(changed) => {
            serde_json::from_str(&changed.event.as_value().to_string()).expect("JSON")
        }
    }
}

#[test]
fn the_pages_engine_does_what_the_function_does() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/javascript/node_modules");
    let node = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page_engine/engine.cjs"))
        .env("NODE_PATH", &modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let (true, Ok(mut node)) = (modules.is_dir(), node) else {
        println!("nothing is compared without Node.js and `python3 local/tools.py tests`");
        return;
    };
    let mut random = Rng::with_seed(27);
    let mut cases = Vec::new();
    while cases.len() < CASES {
        let file = rules(&mut random);
        let parsed = Rules::parse(&file.to_string()).expect("a good file");
        let filters = Filters::new(Vec::new(), parsed);
        let page = filters.page_rules("Messenger");
        if page.left_out.is_empty() && !page.routing_rules.is_empty() {
            let event = event(&mut random);
            let ours = by_the_function(&filters, &event);
            let line = json!({"rules": page.routing_rules, "event": event}).to_string();
            cases.push((file, event, ours, line));
        }
    }
    let lines: Vec<&str> = cases.iter().map(|(.., line)| line.as_str()).collect();
    let input = lines.join("\n");
    let mut stdin = node.stdin.take().expect("piped");
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = node.wait_with_output().expect("it ends");
    writer
        .join()
        .expect("no panic")
        .expect("it reads everything");
    let output = String::from_utf8(output.stdout).expect("text");
    let mut differing = Vec::new();
    for ((file, event, ours, _), theirs) in cases.iter().zip(output.lines()) {
        let theirs: Value = serde_json::from_str(theirs).expect("JSON");
        if theirs != *ours {
            differing.push(format!(
                "{file}\n  {event}\n  here: {ours}\n  page: {theirs}"
            ));
        }
    }
    assert_eq!(output.lines().count(), CASES);
    let changed = cases
        .iter()
        .filter(|(_, event, ours, _)| ours != event)
        .count();
    assert!(changed > CASES / 5, "only {changed} rules did something");
    let shown = differing
        .iter()
        .take(12)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(
        differing.is_empty(),
        "{} differ, such as\n{shown}",
        differing.len()
    );
}
