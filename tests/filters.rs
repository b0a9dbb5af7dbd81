//! The customer's own rules: files, conditions, and what they make of an event.

use segment_intercom::filters::{Filtered, Filters, Rules};
use segment_intercom::segment::{Event, IgnoredUserIds};
use serde_json::{Value, json};

/// What the rules make of an event: its JSON and the warnings, or why it is dropped.
fn applied(rules: &Value, event: &Value) -> Result<(Value, Vec<String>), String> {
    let rules = Rules::parse(&rules.to_string()).expect("a good file");
    let filters = Filters::new(Vec::new(), rules);
    let text = event.to_string();
    let value = serde_json::from_str(&text).expect("JSON");
    let nobody = IgnoredUserIds::default();
    let event = Event::new(value, &nobody).expect("an object");
    match filters.apply(&event, &nobody) {
        Filtered::AsItCame => Ok((serde_json::from_str(&text).expect("JSON"), Vec::new())),
        Filtered::Changed(changed) => {
            let fields = changed.event.as_value().to_string();
            let warnings = changed.warnings.iter().map(ToString::to_string);
            Ok((
                serde_json::from_str(&fields).expect("JSON"),
                warnings.collect(),
            ))
        }
        Filtered::Dropped(reason) => Err(reason.into_owned()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a call ends with json!")]
fn filter(condition: &str, actions: Value) -> Value {
    json!({"filters": [{"title": "F", "if": condition, "actions": actions}]})
}

fn is_dropped(condition: &str, event: &Value) -> Result<bool, String> {
    match applied(&filter(condition, json!([{"type": "DROP"}])), event) {
        Ok(_) => Ok(false),
        Err(reason) if reason == "filter: F" => Ok(true),
        Err(reason) => Err(reason),
    }
}

#[test]
fn conditions_of_segments_documentation() {
    let event = json!({"event": "Button Clicked", "type": "track", "context": {
        "library": {"name": "analytics.js", "version": "1.0"}},
        "properties": {"features": ["discounts", "dark-mode"], "product 1": {"price": "19.99"}}});
    for (condition, expected) in [
        ("event = 'Button Clicked'", true),
        ("event = 'Screen Tapped'", false),
        ("context.path.path = '/login'", false),
        ("type = 'identify' or type = 'track'", true),
        ("event = 'Button Clicked' and type = 'track'", true),
        ("match( context.library.version, '1.*' )", true),
        ("match( context.library.version, '2.*' )", false),
        (
            "type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )",
            true,
        ),
        ("!contains( context.library.name, 'js' )", false),
        ("'dark-mode' in properties.features", true),
        ("'blink' in properties.features", false),
        (r"properties.product\ 1.price = '19.99'", true),
        ("!( type in ['track', 'identify'] )", false),
        ("length( userId ) > 0", false),
        (
            "length( null ) = 0 and lowercase( null ) = null and typeof( null ) = 'null'",
            true,
        ),
        ("contains( null, 'a' ) or match( null, '*' )", false),
        (
            "length('a') = 1 and length('ア') = 3 and length(properties.features) = 2",
            true,
        ),
        (r"match( 'ab*d', 'ab\*d' )", true),
        ("match( '', '*' ) and !match( 'abc', 'ab' )", true),
    ] {
        assert_eq!(is_dropped(condition, &event), Ok(expected), "{condition}");
    }
}

#[test]
fn values_and_types() {
    let event = json!({"type": "track", "properties": {"vip": true, "said": "true", "n": 5,
        "f": 5.0, "list": [1, "a"], "object": {"a": 1, "b": [2]}, "nothing": null, "text": "It's",
        "big": 18_446_744_073_709_551_615_u64}});
    for (condition, expected) in [
        ("properties.vip", true),
        ("properties.said", false),
        ("properties.n", false),
        ("!properties.said", true),
        ("!!properties.vip", true),
        (
            "properties.n = 5 and properties.n = 5.0 and properties.f = 5",
            true,
        ),
        ("properties.n = '5'", false),
        ("properties.n != '5'", true),
        ("properties.n > '4'", false),
        (
            "properties.said > 0 or properties.missing >= 0 or properties.missing <= 0",
            false,
        ),
        (
            "properties.n >= 5 and properties.n <= 5 and properties.n < 5.5 and properties.n > -1",
            true,
        ),
        ("properties.list = [1, 'a']", true),
        ("properties.list = ['a', 1]", false),
        (
            "properties.n in properties.list or properties.missing in properties.missing",
            false,
        ),
        ("properties.n in [1, properties.f]", true),
        ("null in [null]", true),
        (
            "properties.missing = null and properties.nothing = null",
            true,
        ),
        ("properties.missing != null", false),
        (
            "properties.object = properties.object and properties.object != properties.list",
            true,
        ),
        ("properties.object.a = 1 and properties.list.1 = 'a'", true),
        (
            r#"properties.text = 'It\'s' and properties.text = "It's""#,
            true,
        ),
        ("properties.big = 18446744073709551615", true),
        (
            "typeof(properties.object) = 'object' and typeof(properties.list) = 'list'",
            true,
        ),
        (
            "typeof(properties.vip) = 'bool' and typeof(properties.n) = 'number'",
            true,
        ),
        (
            "uppercase('aB') = 'AB' and lowercase('aB') = 'ab' and titlecase('a test') = 'A Test'",
            true,
        ),
        (
            "snakecase('a b c') = 'a_b_c' and kebabcase('a b') = 'a-b'",
            true,
        ),
        (
            "string(5) = '5' and number('5.5') = 5.5 and bool('x') = true and bool('') = false",
            true,
        ),
        ("lowercase(properties.n) = null", true),
        ("contains(properties.n, '5')", false),
        (
            "semver('1.10.0', '>=', '1.9') and !semver('1', '>', 'x')",
            true,
        ),
        ("(properties.n = 5) = true", true),
        ("false or false and true", false),
        ("true or false and false", true),
    ] {
        assert_eq!(is_dropped(condition, &event), Ok(expected), "{condition}");
    }
}

/// Whatever the rule would have done, the event isn't sent.
#[test]
fn what_cannot_be_evaluated_drops_the_event() {
    let event = json!({"type": "identify", "traits": {"plan": "pro", "ssn": "1"}});
    for condition in [
        "'pro' in traits.plan",
        "number(traits.plan) > 5",
        "!('a' in traits)",
    ] {
        let fields = json!({"traits": ["ssn"]});
        let actions = json!([{"type": "DROP_PROPERTIES", "fields": fields}]);
        let reason = applied(&filter(condition, actions), &event).expect_err(condition);
        assert!(
            reason.starts_with("filter: F (it can't be evaluated"),
            "{reason}"
        );
        let rules = json!({"transformations":
            [{"name": "T", "if": condition, "propertyDrops": ["ssn"]}]});
        let reason = applied(&rules, &event).expect_err(condition);
        assert!(
            reason.starts_with("transformation: T (it can't be"),
            "{reason}"
        );
    }
}

#[test]
fn properties_are_dropped_and_allowed() {
    let event = json!({"type": "track", "messageId": "m", "userId": "u", "event": "E",
        "properties": {"products": [{"price": 1, "sku": "a"}, {"sku": "b"}, 3], "a": 1, "b": 2},
        "context": {"traits": {"phone": "1", "e\u{e9}\n": 1}, "ip": "x"}, "integrations": {"All": true}});
    let fields = json!({"properties.products": ["price"], "context.traits": ["phone"],
        "": ["integrations", "type", "messageId"], "traits": ["x"], "properties.a": ["b"]});
    let (changed, warnings) = applied(
        &filter(
            "true",
            json!([{"type": "DROP_PROPERTIES", "fields": fields}]),
        ),
        &event,
    )
    .expect("sent");
    let mut expected = event.clone();
    expected["properties"]["products"] = json!([{"sku": "a"}, {"sku": "b"}, 3]);
    expected["context"]["traits"] = json!({"e\u{e9}\n": 1});
    expected
        .as_object_mut()
        .expect("an object")
        .remove("integrations");
    assert_eq!(changed, expected);
    assert_eq!(
        warnings,
        [
            r#"field "integrations" left out by the filter "F""#,
            r#"context "traits.phone" left out by the filter "F""#,
            r#"property "products.price" left out by the filter "F""#,
        ]
    );
    // Terraform's form.
    let fields = json!({"properties": ["a"], "properties.products": ["sku"]}).to_string();
    let actions = json!([{"type": "ALLOW_PROPERTIES", "fields": fields, "percent": null}]);
    let (changed, _) = applied(&filter("true", actions), &event).expect("sent");
    assert_eq!(changed["properties"], json!({"a": 1}));
    assert_eq!(changed["context"], event["context"]);
}

/// The conditions of all filters see what the first of them takes away, and dropping comes first.
#[test]
fn filters_see_the_event_before_the_first_of_them() {
    let event = json!({"type": "identify", "traits": {"email": "a@b.co", "plan": "free"}});
    let rules = json!({"filters": [
        {"title": "A", "if": "true",
            "actions": [{"type": "DROP_PROPERTIES", "fields": {"traits": ["email", "plan"]}}]},
        {"title": "B", "if": "contains(traits.email, '@b.co')",
            "actions": [{"type": "DROP_PROPERTIES", "fields": {"": ["traits"]}}]},
        {"title": "off", "enabled": false, "if": "oops\"", "actions": []},
    ]});
    assert_eq!(
        applied(&rules, &event).expect("sent").0,
        json!({"type": "identify"})
    );
    let mut rules = rules;
    rules["filters"][1]["actions"] = json!([{"type": "DROP"}]);
    assert_eq!(applied(&rules, &event), Err("filter: B".to_owned()));
}

#[test]
fn a_share_is_the_same_for_each_try_and_each_event_of_a_user() {
    let share = |path: Option<&str>, count: u32| {
        let actions = json!([{"type": "SAMPLE", "percent": 0.3, "path": path}]);
        let rules = filter("true", actions);
        let kept = (0..count).filter(|n| {
            let event = json!({"type": "track", "messageId": format!("m{n}"),
                "userId": format!("u{}", n / 4)});
            let first = applied(&rules, &event).is_ok();
            assert_eq!(applied(&rules, &event).is_ok(), first);
            first
        });
        kept.count()
    };
    assert!(
        (250..350).contains(&share(None, 1000)),
        "{}",
        share(None, 1000)
    );
    let by_user = share(Some("userId"), 4000);
    assert_eq!(by_user % 4, 0);
    assert!((1000..1400).contains(&by_user), "{by_user}");
    // The MD5 of "u1" begins with 01, that of null with 37, which is 0.0063 and 0.2173.
    for (id, percent, is_kept) in [
        (json!("u1"), 0.0062, false),
        (json!("u1"), 0.0064, true),
        (Value::Null, 0.217, false),
        (Value::Null, 0.218, true),
        (json!("u1"), 0.0, false),
        (json!("u1"), 1.0, true),
    ] {
        let rules = filter(
            "true",
            json!([{"type": "SAMPLE", "percent": percent, "path": "userId"}]),
        );
        let event = json!({"type": "track", "userId": id});
        assert_eq!(applied(&rules, &event).is_ok(), is_kept, "{id} {percent}");
    }
}

#[test]
fn transformations() {
    let track = json!({"type": "track", "event": "old", "properties":
        {"a": 1, "b": 2, "email": "a@b.co", "deep": {"x": 1}, "n": 5}, "context": {"ip": "1.2.3.4"}});
    let rules = json!({"transformations": [{"name": "T", "if": "type = 'track'",
        "newEventName": "New",
        "propertyRenames": [{"oldName": "a", "newName": "b"}, {"oldName": "b", "newName": "a"},
            {"oldName": "email", "newName": "contact.mail"}, {"oldName": "nope", "newName": "y"},
            {"oldName": "deep.x", "newName": "context.moved"}],
        "propertyValueTransformations": [{"propertyPaths": ["currency", "context.kind"], "propertyValue": "EUR"}],
        "fqlDefinedProperties": [{"fql": "uppercase(event)", "propertyName": "was"}],
        "hashPropertiesConfiguration": {"algorithm": "SHA256", "encoding": "HEX", "paths": ["email", "nope"]},
        "propertyDrops": ["n", "context.ip"], "allowProperties": []}]});
    let (changed, warnings) = applied(&rules, &track).expect("sent");
    let hash = "80305c9bb1bb2480e03894350e0a8a366dcbdeb302e69e0817aa0743abd77054";
    assert_eq!(changed["event"], "New");
    assert_eq!(changed["context"], json!({"moved": 1, "kind": "EUR"}));
    let properties = changed["properties"].as_object().expect("an object");
    assert_eq!((&properties["a"], &properties["b"]), (&json!(2), &json!(1)));
    assert_eq!(properties["was"], "OLD");
    assert_eq!(properties["currency"], "EUR");
    assert_eq!(properties["contact"]["mail"], hash);
    assert!(!properties.contains_key("email") && !properties.contains_key("n"));
    assert!(
        warnings.contains(
            &r#"property "a" renamed to "properties.b" by the transformation "T""#.to_owned()
        ),
        "{warnings:#?}"
    );
    assert!(!changed.to_string().contains("a@b.co"));
    // An identify's names are traits, and a track's new name isn't its business.
    let identify = json!({"type": "identify", "traits": {"plan_name": "gold", "x": 1}});
    let rules = json!({"transformations": [
        {"name": "T", "if": "type = 'identify'", "newEventName": "New",
            "propertyRenames": [{"oldName": "plan_name", "newName": "plan"}]},
        {"name": "U", "if": "traits.plan = 'gold'", "allowProperties": ["plan"]},
        {"name": "V", "if": "type = 'group'", "drop": true}]});
    let (changed, _) = applied(&rules, &identify).expect("sent");
    assert_eq!(
        changed,
        json!({"type": "identify", "traits": {"plan": "gold"}})
    );
    let reason = applied(&rules, &json!({"type": "group"}));
    assert_eq!(reason, Err("transformation: V".to_owned()));
}

#[test]
fn hashes_are_those_of_other_tools() {
    for (algorithm, encoding, key, expected) in [
        ("MD5", "HEX", None, "187ef4436122d1cc2f40dc2b92f0eba0"),
        (
            "sha-1",
            "BASE16",
            None,
            "da23614e02469a0d7c7bd1bdab5c9c474b1904dc",
        ),
        (
            "SHA256",
            "BASE64",
            None,
            "+44g/C5MPySMYMOb1lLzwTRymLuXe4tNWQO4UFViBgM=",
        ),
        (
            "SHA256",
            "BASE64URL",
            None,
            "-44g_C5MPySMYMOb1lLzwTRymLuXe4tNWQO4UFViBgM=",
        ),
        (
            "SHA256",
            "HEX",
            Some("k"),
            "7475bb119fe9b74cc0af5014a49d80ab23bd1ac82987e7696cdc242288654436",
        ),
    ] {
        let rules = json!({"transformations": [{"name": "T", "if": "true",
            "hashPropertiesConfiguration":
                {"algorithm": algorithm, "encoding": encoding, "key": key, "paths": ["a"]}}]});
        let event = json!({"type": "identify", "traits": {"a": "ab"}});
        let (changed, _) = applied(&rules, &event).expect("sent");
        assert_eq!(changed["traits"]["a"], expected, "{algorithm} {encoding}");
    }
}

/// Source, filters, destination.
#[test]
fn the_order_of_all_rules() {
    let event = json!({"type": "track", "event": "a", "properties": {}});
    let rename = |from: &str, to: &str, id: Option<&str>| {
        json!({"name": to, "if": format!("event = '{from}'"), "newEventName": to,
            "destinationMetadataId": id})
    };
    let rules = json!({
        "transformations": [rename("b", "c", Some("54521fd725e721e32a72eebb")), rename("a", "b", None)],
        "filters": [{"title": "F", "if": "event = 'b'", "actions":
            [{"type": "DROP_PROPERTIES", "fields": {"": ["properties"]}}]}],
    });
    assert_eq!(
        applied(&rules, &event).expect("sent").0,
        json!({"type": "track", "event": "c"})
    );
}

#[test]
fn every_form_of_a_file() {
    let filter = json!({"id": "1", "sourceId": "s", "destinationId": "d", "title": "F",
        "description": "x", "enabled": true, "if": "type = 'track'", "actions": [{"type": "DROP"}],
        "createdAt": "2026-01-01", "updatedAt": "2026-01-01"});
    let transformation = json!({"id": "1", "name": "T", "sourceId": "s", "enabled": true,
        "destinationMetadataId": "d", "if": "type = 'track'", "newEventName": "N",
        "propertyRenames": [], "fqlDefinedProperties": null});
    let of_filters =
        json!({"data": {"filters": [filter], "pagination": {"current": "MA==", "next": null}}});
    let of_transformations = json!({"data": {"transformations": [transformation]}});
    for text in [
        json!({"filters": [filter], "transformations": [transformation]}).to_string(),
        format!("{of_filters}\n{of_transformations}"),
        json!([of_filters, of_transformations]).to_string(),
        json!({"filters": of_filters, "transformations": of_transformations}).to_string(),
        json!([filter, {"transformations": [transformation]}]).to_string(),
    ] {
        let rules = Rules::parse(&text).expect("a good file");
        assert_eq!(rules.counts(), (1, 1), "{text}");
    }
    assert_eq!(
        Rules::parse("{\"filters\": []}").map(|rules| rules.counts()),
        Ok((0, 0))
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_wrong_file_says_which_rule_and_what_is_allowed() {
    let with = |key: &str, value: Value| {
        let mut filter =
            json!({"title": "Only customers", "if": "true", "actions": [{"type": "DROP"}]});
        filter[key] = value;
        json!({"filters": [filter]}).to_string()
    };
    let of_transformation = |key: &str, value: Value| {
        let mut transformation = json!({"name": "Rename", "if": "true"});
        transformation[key] = value;
        json!({"transformations": [transformation]}).to_string()
    };
    for (text, named) in [
        (String::new(), vec!["it is empty"]),
        ("{\"filters\": [".to_owned(), vec!["isn't JSON", "line 1"]),
        (
            "{\"rules\": []}".to_owned(),
            vec!["[\"rules\"]", "transformations"],
        ),
        (
            "{\"filters\": [], \"rules\": []}".to_owned(),
            vec!["\"rules\""],
        ),
        ("3".to_owned(), vec!["something else than objects"]),
        (
            "{\"filters\": 3}".to_owned(),
            vec!["\"filters\" isn't a list"],
        ),
        (
            "{\"data\": {\"filters\": [], \"pagination\": {\"next\": \"MQ==\"}}}".to_owned(),
            vec!["first page"],
        ),
        (
            with("if", json!("userId = oops\"")),
            vec!["\"Only customers\"", "at character 14", "and, or"],
        ),
        (
            with("if", Value::Null),
            vec!["\"Only customers\"", "no \"if\""],
        ),
        (with("actions", json!([])), vec!["no actions", "SAMPLE"]),
        (
            with("actions", json!([{"type": "REPLACE"}])),
            vec!["\"REPLACE\"", "DROP_PROPERTIES"],
        ),
        (with("actions", json!([{}])), vec!["no type"]),
        (
            with("actions", json!([{"type": "SAMPLE", "percent": 5}])),
            vec!["0 to 1"],
        ),
        (with("actions", json!([{"type": "SAMPLE"}])), vec!["0 to 1"]),
        (
            with("actions", json!([{"type": "DROP_PROPERTIES"}])),
            vec!["lists of keys"],
        ),
        (
            with(
                "actions",
                json!([{"type": "DROP_PROPERTIES", "fields": {"traits": "ssn"}}]),
            ),
            vec!["lists of keys"],
        ),
        (
            with(
                "actions",
                json!([{"type": "DROP_PROPERTIES", "fields": "{"}]),
            ),
            vec!["lists of keys"],
        ),
        (
            with("actions", json!([{"type": "DROP", "fields": {"a": ["b"]}}])),
            vec!["\"fields\""],
        ),
        (
            with("action", json!([])),
            vec!["Only customers", "unknown field `action`"],
        ),
        (
            with("two\nlines", json!([])),
            vec!["Only customers", "unknown field `two lines`"],
        ),
        (
            with("enabled", json!("yes")),
            vec!["Only customers", "boolean"],
        ),
        (
            of_transformation("x", json!(1)),
            vec!["\"Rename\"", "unknown field `x`"],
        ),
        (
            of_transformation("newEventName", json!("")),
            vec!["\"Rename\"", "does nothing"],
        ),
        (
            of_transformation(
                "fqlDefinedProperties",
                json!([{"fql": "a =", "propertyName": "p"}]),
            ),
            vec!["\"Rename\"", "\"p\"", "at character 4"],
        ),
        (
            of_transformation("propertyDrops", json!(["a..b"])),
            vec!["no name"],
        ),
        (
            of_transformation(
                "hashPropertiesConfiguration",
                json!({"algorithm": "CRC", "paths": ["a"]}),
            ),
            vec!["\"CRC\"", "SHA512"],
        ),
        (
            of_transformation(
                "hashPropertiesConfiguration",
                json!({"algorithm": "MD5", "encoding": "x", "paths": ["a"]}),
            ),
            vec!["\"x\"", "BASE64URL"],
        ),
    ] {
        let error = Rules::parse(&text).expect_err(&text);
        for part in named {
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

/// Keys with escapes are not borrowed from the JSON, and are as good as others.
#[test]
fn keys_with_escapes() {
    let text =
        r#"{"type":"identify","traits":{"ss\u006e":1,"\"q\"":{"\n":[1.5,-2,null,true]},"k":2}}"#;
    let rules = Rules::parse(
        &filter(
            "true",
            json!([{"type": "DROP_PROPERTIES", "fields": {"traits": ["ssn", "k"]}}]),
        )
        .to_string(),
    );
    let filters = Filters::new(Vec::new(), rules.expect("a good file"));
    let nobody = IgnoredUserIds::default();
    let event = Event::new(serde_json::from_str(text).expect("JSON"), &nobody).expect("an object");
    let Filtered::Changed(changed) = filters.apply(&event, &nobody) else {
        panic!("it has what is dropped");
    };
    assert_eq!(
        changed.event.as_value().to_string(),
        r#"{"type":"identify","traits":{"\"q\"":{"\n":[1.5,-2,null,true]}}}"#
    );
}

#[test]
fn the_pages_form() {
    let page = |rules: Value| {
        let rules = Rules::parse(&rules.to_string()).expect("a good file");
        Filters::new(Vec::new(), rules).page_rules("Intercom")
    };
    let rules = page(filter(
        "type = 'track' and contains(properties.email, '@example.com')",
        json!([{"type": "DROP"}]),
    ));
    assert!(rules.left_out.is_empty(), "{:?}", rules.left_out);
    assert_eq!(
        rules.routing_rules,
        [
            json!({"scope": "destinations", "target_type": "workspace::project::destination::config",
            "destinationName": "Intercom",
            "matchers": [{"type": "fql", "ir":
                r#"["and",["=","type",{"value":"track"}],["contains","properties.email",{"value":"@example.com"}]]"#}],
            "transformers": [[{"type": "drop"}]]})
        ]
    );
    // What the engine can't do is named; data that is kept out stays out.
    let actions = json!([{"type": "SAMPLE", "percent": 0.5, "path": "userId"}]);
    let rules = page(filter("true", actions));
    assert!(rules.routing_rules.is_empty() && rules.left_out[0].contains("sampling by userId"));
    let actions = json!([{"type": "DROP_PROPERTIES", "fields": {"traits": ["ssn"]}}]);
    let rules = page(filter("'a' in traits.list", actions));
    assert_eq!(
        rules.routing_rules[0]["matchers"][0]["ir"],
        r#"{"value":true}"#
    );
    assert_eq!(rules.left_out.len(), 1);
    let rules = page(json!({"transformations": [{"name": "T", "if": "true",
        "propertyRenames": [{"oldName": "a", "newName": "b"}],
        "hashPropertiesConfiguration": {"algorithm": "MD5", "paths": ["email"]}}]}));
    assert_eq!(rules.routing_rules.len(), 2);
    assert_eq!(
        rules.routing_rules[0]["transformers"],
        json!([[{"type": "drop_properties", "config": {"drop": {"traits": ["email"]}}},
            {"type": "map_properties", "config": {"map": {"traits.b": {"copy": "traits.a"}}}},
            {"type": "drop_properties", "config": {"drop": {"traits": ["a"]}}}]])
    );
    // The page's engine evaluates a condition on what the filters before it left.
    let rules = page(json!({"filters": [
        {"title": "A", "if": "true",
            "actions": [{"type": "DROP_PROPERTIES", "fields": {"traits": ["email"]}}]},
        {"title": "B", "if": "contains(traits.email, '@b.co')",
            "actions": [{"type": "DROP_PROPERTIES", "fields": {"traits": ["ssn"]}}]}]}));
    assert_eq!(
        rules.routing_rules[1]["matchers"][0]["ir"],
        r#"{"value":true}"#
    );
    assert!(rules.left_out[0].contains("an earlier filter"));
}
