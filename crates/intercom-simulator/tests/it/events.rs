use serde_json::{Value, json};

use crate::client::*;

const AT: i64 = 1_700_000_000;

#[test]
fn events_are_stored_once() {
    let simulator = simulator();
    let id = user(&simulator, "ada", "Ada@example.com");
    for (address, name, at) in [
        (json!({"user_id": "ada"}), "Order.Completed", AT),
        (json!({"email": "ada@EXAMPLE.com"}), "order-completed", AT),
        (json!({"id": id}), "Order$Completed", AT),
        (json!({"id": id}), "Order Completed", AT),
        (json!({"user_id": "ada"}), "Order.Completed", AT + 1),
    ] {
        let mut event = address;
        event["event_name"] = json!(name);
        event["created_at"] = json!(at);
        let answer = post(&simulator, "/events", event);
        assert_eq!((answer.status, answer.body), (202, Value::Null));
    }
    let state = simulator.state();
    let names: Vec<&str> = state
        .events
        .iter()
        .map(|event| event.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["Order-Completed", "Order Completed", "Order-Completed"]
    );
    assert_eq!(state.events[0].external_id.as_deref(), Some("ada"));
    assert_eq!(state.counts.duplicate_events_dropped, 2);
    assert_eq!(state.counts.event_names, 2);

    let listed = get(&simulator, "/events?type=user&user_id=ada");
    assert_eq!(listed.body["events"].as_array().unwrap().len(), 3);
    let summary = get(
        &simulator,
        "/events?type=user&email=ada%40example.com&summary=true",
    );
    assert_eq!(summary.body["events"][1]["count"], 2);
}

#[test]
fn events_need_a_known_contact() {
    let simulator = simulator();
    let lead = lead(&simulator, json!({"email": "lead@example.com"}));
    let leads_own = simulator.state().contacts[0].external_id.clone();
    let event = |address: Value| {
        let mut event = json!({"event_name": "seen", "created_at": AT});
        event
            .as_object_mut()
            .unwrap()
            .extend(address.as_object().unwrap().clone());
        post(&simulator, "/events", event)
    };
    for address in [
        json!({"user_id": "nobody"}),
        json!({"email": "nobody@example.com"}),
        json!({"id": "nobody"}),
        json!({"email": "lead@example.com"}),
        json!({"user_id": leads_own}),
    ] {
        let answer = event(address.clone());
        assert_eq!(
            (answer.status, answer.code(), answer.message()),
            (404, "not_found", "User Not Found"),
            "{address}"
        );
    }
    assert_eq!(event(json!({"id": lead})).status, 202);
}

#[test]
fn bad_events_are_refused() {
    let simulator = simulator();
    user(&simulator, "ada", "ada@example.com");
    for change in [
        json!({"event_name": null}),
        json!({"event_name": ""}),
        json!({"created_at": null}),
        json!({"created_at": "2020-01-01"}),
        json!({"created_at": 1.5}),
        json!({"created_at": -1}),
        json!({"user_id": null}),
        json!({"user_id": 5}),
        json!({"metadata": []}),
        json!({"metadata": {"flag": true}}),
    ] {
        let mut event = json!({"event_name": "seen", "created_at": AT, "user_id": "ada"});
        event
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        assert_eq!(post(&simulator, "/events", event).status, 400, "{change}");
    }
    assert!(simulator.state().events.is_empty());
}

#[test]
fn names_and_metadata_keys_are_limited() {
    let simulator = simulator_with(|settings| settings.event_name_limit = 2);
    user(&simulator, "ada", "ada@example.com");
    let event = |name: &str, at: i64| {
        json!({
            "event_name": name,
            "created_at": at,
            "user_id": "ada",
            "metadata": (0..12).map(|n| (format!("k{}", 11 - n), json!(n))).collect::<serde_json::Map<_, _>>(),
        })
    };
    assert_eq!(post(&simulator, "/events", event("a", AT)).status, 202);
    assert_eq!(post(&simulator, "/events", event("b", AT)).status, 202);
    assert_eq!(post(&simulator, "/events", event("A", AT + 1)).status, 202);
    let refused = post(&simulator, "/events", event("c", AT));
    assert_eq!(
        (refused.status, refused.code()),
        (422, "unprocessable_entity")
    );
    let limit = "You have reached the limit of 2 event names";
    assert_eq!(refused.message(), limit);

    let state = simulator.state();
    let keys: Vec<&String> = state.events[0].metadata.keys().collect();
    assert_eq!(keys.len(), 10);
    assert_eq!((keys[0].as_str(), keys[9].as_str()), ("k11", "k2"));
    assert_eq!(state.counts.metadata_keys_ignored, 6);
}
