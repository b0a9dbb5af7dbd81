use std::time::Duration;

use intercom_simulator::Simulator;
use serde_json::{Value, json};

use crate::client::*;

fn filter(field: &str, operator: &str, value: impl Into<Value>) -> Value {
    json!({"field": field, "operator": operator, "value": value.into()})
}

/// External ids found, sorted.
fn found(simulator: &Simulator, query: &Value) -> Vec<String> {
    let answer = post(simulator, "/contacts/search", json!({"query": query}));
    assert_eq!(answer.status, 200, "{query} {}", answer.body);
    let mut ids: Vec<String> = answer.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|contact| {
            contact["external_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    ids.sort();
    ids
}

#[test]
fn queries() {
    let simulator = simulator();
    attribute(&simulator, "contact", "plan", "string");
    attribute(&simulator, "contact", "logins", "integer");
    for (external_id, email, plan, logins) in [
        ("ada", "Ada@Example.com", "pro", 3),
        ("bob", "bob@example.com", "free", 5),
        ("eve", "eve@example.org", "pro", 7),
    ] {
        let id = user(&simulator, external_id, email);
        let attributes = json!({"custom_attributes": {"plan": plan, "logins": logins}});
        assert_eq!(
            put(&simulator, &format!("/contacts/{id}"), attributes).status,
            200
        );
    }
    let pro = filter("custom_attributes.plan", "=", "pro");
    let cases: [(Value, &[&str]); 14] = [
        (filter("external_id", "=", "ada"), &["ada"]),
        (filter("external_id", "=", "nobody"), &[]),
        (
            filter("external_id", "IN", json!(["ada", "eve", "x"])),
            &["ada", "eve"],
        ),
        (
            filter("external_id", "NIN", json!(["ada", "eve"])),
            &["bob"],
        ),
        (filter("email", "=", "ADA@example.COM"), &["ada"]),
        (filter("email", "$", "example.com"), &["ada", "bob"]),
        (filter("role", "=", "lead"), &[]),
        (filter("custom_attributes.logins", ">", 3), &["bob", "eve"]),
        (
            filter("created_at", ">", START - 86_400),
            &["ada", "bob", "eve"],
        ),
        (filter("created_at", ">", START), &[]),
        (pro.clone(), &["ada", "eve"]),
        (
            json!({"operator": "AND", "value": [pro, filter("email", "~", "@example.com")]}),
            &["ada"],
        ),
        (
            json!({"operator": "OR", "value": [
                filter("external_id", "=", "bob"),
                {"operator": "AND", "value": [filter("role", "=", "user"), filter("name", "=", Value::Null)]},
            ]}),
            &["ada", "bob", "eve"],
        ),
        (json!({"operator": "OR", "value": []}), &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&simulator, &query), expected, "{query}");
    }
}

#[test]
fn bad_queries_are_refused() {
    let simulator = simulator();
    let many = json!({"operator": "OR", "value": vec![filter("id", "=", "x"); 16]});
    for body in [
        json!({}),
        json!({"query": filter("shoe_size", "=", "x")}),
        json!({"query": filter("custom_attributes.unknown", "=", "x")}),
        json!({"query": filter("email", "==", "x")}),
        json!({"query": filter("email", "=", 5)}),
        json!({"query": filter("email", "IN", "x")}),
        json!({"query": filter("created_at", ">=", 5)}),
        json!({"query": many}),
        json!({"query": filter("email", "=", "x"), "pagination": {"per_page": 151}}),
        json!({"query": filter("email", "=", "x"), "sort": {"order": "desc"}}),
    ] {
        assert_eq!(
            post(&simulator, "/contacts/search", body.clone()).status,
            400,
            "{body}"
        );
    }
}

#[test]
fn pages() {
    let simulator = simulator();
    for number in 0..5 {
        user(
            &simulator,
            &format!("u{number}"),
            &format!("u{number}@example.com"),
        );
    }
    let mut seen = Vec::new();
    let mut pagination = json!({"per_page": 2});
    loop {
        let body = json!({
            "query": filter("role", "=", "user"),
            "pagination": pagination,
            "sort": {"field": "created_at", "order": "ascending"},
        });
        let answer = post(&simulator, "/contacts/search", body).body;
        assert_eq!(answer["total_count"], 5);
        assert_eq!(answer["pages"]["total_pages"], 3);
        for contact in answer["data"].as_array().unwrap() {
            seen.push(contact["external_id"].as_str().unwrap().to_owned());
        }
        match answer["pages"].get("next") {
            Some(next) => pagination = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["u0", "u1", "u2", "u3", "u4"]);
}

#[test]
fn search_lags_behind_writes() {
    let simulator = simulator_with(|settings| settings.search_lag_seconds = 60);
    let seconds = Duration::from_secs;
    let old_email = filter("email", "=", "ada@example.com");
    let new_email = filter("email", "=", "new@example.com");
    let id = user(&simulator, "ada", "ada@example.com");
    assert!(found(&simulator, &old_email).is_empty());
    assert_eq!(
        get(&simulator, "/contacts/find_by_external_id/ada").status,
        200
    );

    simulator.advance(seconds(59));
    assert!(found(&simulator, &old_email).is_empty());
    simulator.advance(seconds(1));
    assert_eq!(found(&simulator, &old_email), ["ada"]);

    for email in ["between@example.com", "new@example.com"] {
        put(
            &simulator,
            &format!("/contacts/{id}"),
            json!({"email": email}),
        );
    }
    assert_eq!(found(&simulator, &old_email), ["ada"]);
    assert!(found(&simulator, &new_email).is_empty());
    simulator.advance(seconds(60));
    assert!(found(&simulator, &old_email).is_empty());
    assert_eq!(found(&simulator, &new_email), ["ada"]);

    post(&simulator, &format!("/contacts/{id}/archive"), Value::Null);
    assert!(found(&simulator, &new_email).is_empty());
}

#[test]
fn the_oldest_come_first_with_the_time_of_their_creation() {
    let simulator = simulator();
    for external_id in ["c", "a", "b"] {
        user(
            &simulator,
            external_id,
            &format!("{external_id}@example.com"),
        );
        simulator.advance(Duration::from_secs(1));
    }
    let query = json!({"query": filter("role", "=", "user")});
    for answer in [
        post(&simulator, "/contacts/search", query),
        get(&simulator, "/contacts"),
    ] {
        let data = answer.body["data"].as_array().unwrap();
        let seen = data.iter().map(|contact| {
            let created_at = contact["created_at"].as_u64().unwrap();
            (contact["external_id"].as_str().unwrap(), created_at - START)
        });
        assert_eq!(seen.collect::<Vec<_>>(), [("c", 0), ("a", 1), ("b", 2)]);
    }
}
