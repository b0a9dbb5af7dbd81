//! What holds for every event, however strange.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use segment_intercom::entry::Entry;
use segment_intercom::mapping::{
    Anonymous, Arrival, Channel, CollectContext, CompanyIdHash, Nested, Sender, Settings,
};
use segment_intercom::segment::{Event, IgnoredUserIds};
use segment_intercom::source::Source;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use crate::{ARRIVAL, invariants, preview_of};

/// Keys that mean something to the mapping, or that Intercom would not take.
const KEYS: &[&str] = &[
    "",
    " ",
    ".",
    "$",
    "_at",
    "At",
    " at",
    "a",
    "a.b",
    "a_b",
    "born",
    "born at",
    "k.at",
    "ключ",
    "🚀",
    "id",
    "ID",
    "email",
    "E-mail",
    "name",
    "firstName",
    "last_name",
    "phone",
    "phones",
    "avatar",
    "created",
    "createdAt",
    "created_at",
    "remote_created_at",
    "lastRequestAt",
    "company",
    "Company",
    "companies",
    "company_id",
    "plan",
    "monthlySpend",
    "employees",
    "size",
    "employee_count",
    "website",
    "industry",
    "remove",
    "anonymous_id",
    "os_name",
    "price",
    "revenue",
    "Revenue",
    "total",
    "currency",
    "url",
    "value",
    "link",
    "active",
    "traits",
    "device",
    "os",
    "app",
    "library",
    "Intercom",
    "unsubscribedFromEmails",
    "user_hash",
    "signed_up_at",
    "updated_at",
    "external_id",
    "owner_id",
    "ownerId",
    "language_override",
    "tags",
    "city",
    "shipped_at",
    "ship_date",
];

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "a@b.co",
    "u1",
    "2014-03-11",
    "2014-03-11T00:00:00.5+01:00",
    "2014",
    "20140311",
    "1394496000123",
    "Tue, 11 Mar 2014 00:00:00 GMT",
    "Thu Mar 24 2016 17:46:45 GMT+0000 (UTC)",
    "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.29",
    "-262144-01-01",
    "9999-12-31T23:59:60Z",
    "$1,000.50",
    "-5",
    "19.99",
    "12.500",
    "£12.50",
    "EURO",
    "eur",
    "mailto:a@b.co",
    "none",
    "undefined",
    "{\"id\":7,\"name\":\"Acme\"}",
    "[{\"id\":\"c1\"},\"Acme\"]",
    " u1\t",
    "2015-2-02T00:30:08.276Z",
    "/Date(1458841491123)/",
    "https://x.example/a",
    "1e400",
    "\u{0}",
    "\"\\\u{1f}",
    "é",
    "🚀🚀",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(TEXTS).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => (select(vec!["x", "é", "🚀"]), 185_usize..260).prop_map(|(c, n)| c.repeat(n)),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(KEYS).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => (select(vec!["k", "é", "a."]), 90_usize..200).prop_map(|(c, n)| c.repeat(n)),
    ]
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        1 => Just(Json::Null),
        1 => any::<bool>().prop_map(Json::from),
        1 => any::<i64>().prop_map(Json::from),
        1 => any::<u64>().prop_map(Json::from),
        1 => any::<f64>().prop_map(Json::from),
        1 => (-1000_i64..1000).prop_map(Json::from),
        4 => text().prop_map(Json::from),
    ]
}

fn any_json() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::from),
            vec((key(), inner), 0..4).prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

/// An object as text: unlike `serde_json`'s, it can repeat a key.
fn object() -> impl Strategy<Value = String> {
    vec((key(), any_json()), 0..8).prop_map(|entries| {
        let entries: Vec<String> = entries
            .iter()
            .map(|(key, value)| format!("{}:{value}", json!(key)))
            .collect();
        format!("{{{}}}", entries.join(","))
    })
}

fn event_of(kind: &'static [&'static str]) -> impl Strategy<Value = String> {
    let id = || {
        prop_oneof![
            select(TEXTS).prop_map(Json::from),
            scalar(),
            any_json(),
            Just(json!("u1"))
        ]
    };
    let name = prop_oneof![Just(json!("Order Completed")), scalar()];
    let ids = (id(), id(), id(), id(), name);
    let objects = (object(), object(), object(), object());
    let time = || prop_oneof![4 => scalar(), 1 => any_json()];
    let times = (time(), time(), time(), time());
    (select(kind), ids, objects, times).prop_map(|(kind, ids, objects, times)| {
        let (user, anonymous, group, previous, name) = ids;
        let (traits, properties, context, options) = objects;
        let (timestamp, original, sent, received) = times;
        format!(
            r#"{{"type":"{kind}","userId":{user},"anonymousId":{anonymous},"groupId":{group},
            "previousId":{previous},"event":{name},"traits":{traits},"properties":{properties},
            "context":{context},"integrations":{{"Intercom":{options}}},"timestamp":{timestamp},
            "originalTimestamp":{original},"sentAt":{sent},"receivedAt":{received}}}"#
        )
    })
}

fn segment_event() -> impl Strategy<Value = String> {
    event_of(&[
        "identify", "track", "group", "alias", "delete", "page", "screen", "other",
    ])
}

fn any_settings() -> impl Strategy<Value = Settings> {
    (
        select(vec![
            CollectContext::Nothing,
            CollectContext::Device,
            CollectContext::All,
        ]),
        select(vec![Nested::Drop, Nested::Flatten, Nested::Stringify]),
        0_usize..=20,
        select(vec![CompanyIdHash::Sha256, CompanyIdHash::Segment]),
        select(vec![Anonymous::Skip, Anonymous::Lead]),
    )
        .prop_map(
            |(collect_context, nested, metadata_limit, company_id_hash, anonymous)| Settings {
                collect_context,
                nested,
                rich_link_properties: vec!["link".to_owned(), "a".to_owned()],
                metadata_limit,
                event_filter: Vec::new(),
                company_id_hash,
                anonymous,
                ..Settings::default()
            },
        )
}

fn parse(text: &str) -> Event<'_> {
    Event::new(
        serde_json::from_str(text).expect("JSON"),
        &IgnoredUserIds::default(),
    )
    .expect("an object")
}

proptest! {
    #[test]
    fn any_json_has_a_preview(event in any_json(), settings in any_settings()) {
        let arrival = Arrival { source: Source::Api, sender: Sender::by(Channel::Browser), ..ARRIVAL };
        let event = RawValue::from_string(event.to_string()).expect("JSON");
        let preview = preview_of(&event, arrival, &settings);
        prop_assert!(preview["status"].as_str().is_some_and(|status| status.starts_with("would_")));
    }

    #[test]
    fn the_same_event_gives_the_same_actions(event in segment_event(), settings in any_settings()) {
        invariants::same_again(&parse(&event), ARRIVAL, &settings);
    }

    #[test]
    fn actions_are_what_intercom_takes(event in segment_event(), settings in any_settings()) {
        invariants::what_intercom_takes(&parse(&event), ARRIVAL, &settings);
    }

    #[test]
    fn every_trait_is_sent_or_named(event in event_of(&["identify"]), settings in any_settings()) {
        invariants::every_trait_is_sent_or_named(&parse(&event), ARRIVAL, &settings);
    }

    #[test]
    fn every_field_is_used_or_named(event in segment_event(), settings in any_settings()) {
        invariants::every_field_is_used_or_named(&parse(&event), ARRIVAL, &settings);
    }

    #[test]
    fn every_property_is_sent_or_named(event in event_of(&["track"]), settings in any_settings()) {
        invariants::every_property_is_sent_or_named(&parse(&event), ARRIVAL, &settings);
    }
}

#[test]
fn stringified_data_is_the_same_data() {
    let settings = Settings {
        nested: Nested::Stringify,
        ..Settings::default()
    };
    let nested =
        json!({"a \"quoted\" key": ["\u{0}\u{1f}\\/\n", 1.5, -1, u64::MAX, null, {"é🚀": []}]});
    let event = json!({"type": "track", "event": "E", "userId": "u1", "properties": {"n": nested}});
    let raw = RawValue::from_string(event.to_string()).expect("JSON");
    assert!(
        Entry::parse(&raw, &IgnoredUserIds::default())
            .rejection()
            .is_none()
    );
    let preview = preview_of(&raw, ARRIVAL, &settings);
    let text = preview["actions"][0]["event"]["metadata"]["n"]
        .as_str()
        .expect("a string");
    assert_eq!(serde_json::from_str::<Json>(text).expect("JSON"), nested);
}
