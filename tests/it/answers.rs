//! What an answer of Intercom may do: a success that isn't Intercom's, and a 429 that tells nothing.

use std::time::Duration;

use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::support::World;

fn identify(user_id: &str, traits: &Value) -> Value {
    json!({"type": "identify", "userId": user_id, "traits": traits})
}

/// Status and reason of the event's result.
async fn result(world: &World, event: &Value) -> (String, String) {
    let answer = world.invoke(event).await.expect("results");
    let result = &answer["results"][0];
    let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[tokio::test]
async fn a_success_that_is_not_intercoms_delivers_nothing() {
    let error_list = r#"{"type":"error.list","errors":[{"code":"odd","message":"Odd"}]}"#;
    for page in ["<html>Sign in</html>", "", "{}", "[]", "null", error_list] {
        for (method, path, event) in [
            ("POST", "/contacts", identify("new", &json!({}))),
            ("PUT", "/contacts/", identify("u", &json!({}))),
            (
                "POST",
                "/companies",
                json!({"type": "group", "groupId": "c"}),
            ),
            (
                "POST",
                "/contacts/",
                identify("u", &json!({"company": {"id": "c"}})),
            ),
            (
                "DELETE",
                "/contacts/",
                json!({"type": "delete", "userId": "u"}),
            ),
            (
                "POST",
                "/events",
                json!({"type": "track", "event": "E", "userId": "u"}),
            ),
        ] {
            // An event is answered without a body, and other calls than writes have no object.
            let is_event = path == "/events" && (page.is_empty() || page == "{}");
            let has_no_object = path == "/contacts/" && method != "PUT" && page == "{}";
            if is_event || has_no_object {
                continue;
            }
            let world = World::new(&[]).await;
            world
                .intercom
                .seed_contact(json!({"role": "user", "external_id": "u"}));
            let page_alone = Fault::status(200).page(page).on(method, path);
            world.intercom.add_fault(page_alone);
            let (status, reason) = result(&world, &event).await;
            assert_eq!(status, "queued", "{method} {path} {page:?}: {reason}");
            world.intercom.clear_faults();
            world.redeliver(2).await;
            assert!(world.aws().retry.is_empty());
            assert!(world.reasons().is_empty(), "{:?}", world.reasons());
        }
    }
}

#[tokio::test]
async fn a_429_that_tells_nothing_pauses_the_instance() {
    let track = |n: usize| {
        json!({"type": "track", "event": "E", "messageId": n.to_string(),
            "userId": format!("u{n}")})
    };
    let past = (chrono::Utc::now().timestamp() - 60).to_string();
    let answers = [
        Fault::status(429).without_rate_limit_headers(),
        Fault::status(429)
            .header("X-RateLimit-Remaining", "-1")
            .header("X-RateLimit-Reset", &past),
        Fault::status(429)
            .without_rate_limit_headers()
            .retry_after(30),
    ];
    for refused in answers {
        let name = format!("{refused:?}");
        let world = World::new(&[]).await;
        world.intercom.add_fault(refused);
        world.batch(&(0..100).map(track).collect::<Vec<_>>()).await;
        assert_eq!(world.aws().retry.len(), 100);
        let calls = world.calls().len();
        assert!(calls <= 17, "{name}: {calls}");
        for _ in 0..5 {
            world.redeliver(2).await;
        }
        let more = world.calls().len() - calls;
        assert!(more <= 2, "{name}: {more} more");
    }
}

/// `GET /companies` may take no filter, and then lists every company.
#[tokio::test]
async fn a_company_is_found_among_others_by_its_id_alone() {
    let world = World::new(&[]).await;
    let leaver = json!({"company": {"id": "mine", "remove": true}});
    for id in ["other", "mine"] {
        let member = identify("u", &json!({"company": {"id": id}}));
        world.batch(&[member]).await;
    }
    let all = r#"{"type":"list","data":[{"id":"1","company_id":"other"}]}"#;
    let listed = Fault::status(200).page(all).on("GET", "/companies");
    world.intercom.add_fault(listed.times(1));
    let another = world.another_instance(&[]);
    crate::support::invoke(&another, &identify("u", &leaver))
        .await
        .expect("results");
    let contact = &world.intercom.state().contacts[0];
    assert_eq!(contact.companies, ["other", "mine"], "no other was left");
    let calls = world.calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("DELETE")),
        "{calls:?}"
    );
}

/// While an instance is frozen no clock goes on but the wall clock.
#[tokio::test]
async fn a_key_that_was_removed_is_refused_by_an_instance_that_was_frozen() {
    let world = World::new(&[]).await;
    let frozen = world.freezable_instance(&[]);
    let request = crate::support::rest_request("POST", "/v1/track", "{}");
    let status = async || {
        let answer = crate::support::invoke(&frozen.function, &request).await;
        answer.expect("an answer")["statusCode"].clone()
    };
    assert_eq!(status().await, 200);
    world.aws().secret["write_keys"] = json!(["another-key-of-the-customer"]);
    assert_eq!(status().await, 200, "the secret is kept for minutes");
    frozen.sleep(Duration::from_hours(1));
    assert_eq!(status().await, 401);
}
