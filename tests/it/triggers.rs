//! Each file of `events/` and its effect.

use serde_json::{Value, json};

use crate::http::Answer;
use crate::support::{World, payload};

/// Sends the request in a file; gives back what is in Intercom then.
async fn sent(name: &str) -> (World, Answer) {
    let world = World::new(&[]).await;
    let answer = send(&world, name).await;
    (world, answer)
}

async fn send(world: &World, name: &str) -> Answer {
    Answer::of(&world.invoke(&payload(name)).await.expect("an HTTP answer"))
}

/// Names of the events in Intercom, in order.
fn event_names(world: &World) -> Vec<String> {
    let events = world.intercom.state().events.into_iter();
    events.map(|event| event.name).collect()
}

impl World {
    fn user(&self, user_id: &str) -> intercom_simulator::ContactSnapshot {
        let mut contacts = self.intercom.state().contacts.into_iter();
        let contact = contacts.find(|contact| contact.external_id.as_deref() == Some(user_id));
        contact.unwrap_or_else(|| panic!("no {user_id}: {:?}", self.intercom.requests()))
    }

    #[track_caller]
    fn assert_queues_are_empty(&self) {
        let aws = self.aws();
        assert!(
            aws.retry.is_empty() && aws.waiting.is_empty() && aws.dead_letter.is_empty(),
            "{aws:?}"
        );
    }
}

#[tokio::test]
async fn rest_identify() {
    let (world, answer) = sent("rest-identify.json").await;
    answer.assert_success();
    world.assert_queues_are_empty();
    let ada = world.user("user-1");
    assert_eq!(ada.email.as_deref(), Some("ada@example.com"));
    assert_eq!(ada.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(ada.signed_up_at, Some(1_709_285_400));
    assert_eq!(ada.custom_attributes["seats"], 12);
    assert_eq!(ada.custom_attributes["trial_ends_at"], 1_799_971_200);
    assert_eq!(ada.custom_attributes["newsletter"], true);
    assert_eq!(ada.companies, ["acme"]);
    let acme = &world.intercom.state().companies[0];
    assert_eq!(acme.monthly_spend, 490);
    assert_eq!(acme.size, Some(48));
}

#[tokio::test]
async fn rest_group() {
    let (world, answer) = sent("rest-group.json").await;
    answer.assert_success();
    world.assert_queues_are_empty();
    assert_eq!(world.user("user-1").companies, ["acme"]);
    let acme = &world.intercom.state().companies[0];
    assert_eq!(
        (acme.plan.as_deref(), acme.monthly_spend),
        (Some("Enterprise"), 990)
    );
}

#[tokio::test]
async fn rest_track() {
    let (world, answer) = sent("rest-track.json").await;
    answer.assert_success();
    assert_eq!(world.aws().waiting.len(), 1, "it waits for its user");
    send(&world, "rest-identify.json").await.assert_success();
    world.redeliver(1).await;
    world.assert_queues_are_empty();
    let order = &world.intercom.state().events[0];
    assert_eq!(order.name, "Order Completed");
    assert_eq!(
        order.metadata["price"],
        json!({"amount": 1999, "currency": "eur"})
    );
}

#[tokio::test]
async fn rest_page_and_screen() {
    for name in ["rest-page.json", "rest-screen.json"] {
        let (world, answer) = sent(name).await;
        answer.assert_success();
        world.assert_queues_are_empty();
        assert!(world.intercom.requests().is_empty());
    }
}

#[tokio::test]
async fn rest_alias() {
    let world = World::new(&[("ANONYMOUS", "lead")]).await;
    let visitor = json!({"anonymousId": "visitor-7c1f", "traits": {"color": "red"}});
    world.call("/v1/identify", &visitor).await;
    send(&world, "rest-alias.json").await.assert_success();
    world.assert_queues_are_empty();
    world.user("user-1");
    assert_eq!(world.intercom.state().merged_contacts.len(), 1);
}

#[tokio::test]
async fn rest_batch() {
    let (world, answer) = sent("rest-batch.json").await;
    answer.assert_success();
    world.assert_queues_are_empty();
    assert_eq!(world.user("user-2").companies, ["engines"]);
    assert_eq!(event_names(&world), ["Invited a Colleague"]);
}

#[tokio::test]
async fn rest_browser_gzip_batch() {
    let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
    let answer = send(&world, "rest-browser-gzip-batch.json").await;
    answer.assert_success();
    let origin = answer.header("Access-Control-Allow-Origin");
    assert_eq!(origin, Some("https://www.acme.example"));
    world.assert_queues_are_empty();
    assert_eq!(world.user("user-3").name.as_deref(), Some("Grace Hopper"));
    assert_eq!(event_names(&world), ["Signed Up"]);
}

#[tokio::test]
async fn http_identify() {
    let (world, answer) = sent("http-identify.json").await;
    answer.assert_success();
    world.assert_queues_are_empty();
    assert_eq!(
        world.user("user-4").name.as_deref(),
        Some("Mary Somerville")
    );
}

#[tokio::test]
async fn function_url_track() {
    let world = World::new(&[]).await;
    send(&world, "rest-identify.json").await.assert_success();
    send(&world, "function-url-track.json")
        .await
        .assert_success();
    world.assert_queues_are_empty();
    assert_eq!(event_names(&world), ["Report Exported"]);
}

#[tokio::test]
async fn webhook_identify() {
    let (world, answer) = sent("webhook-identify.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["results"][0]["status"], "delivered");
    assert_eq!(world.user("user-5").companies, ["symmetry"]);
}

#[tokio::test]
async fn webhook_delete() {
    let world = World::new(&[]).await;
    send(&world, "rest-batch.json").await.assert_success();
    let answer = send(&world, "webhook-delete.json").await;
    let result = &answer.body["results"][0];
    // It came without a messageId, so it has its own SHA-256 for one.
    assert_eq!(result["messageId"].as_str().map(str::len), Some(64));
    assert_eq!(
        (&result["type"], &result["status"]),
        (&json!("delete"), &json!("delivered"))
    );
    assert_eq!(world.intercom.state().deleted_contacts.len(), 1);
    assert!(world.intercom.state().contacts.is_empty());
}

#[tokio::test]
async fn webhook_actions_array() {
    let (world, answer) = sent("webhook-actions-array.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let statuses = statuses(&answer.body);
    assert_eq!(statuses, ["delivered", "delivered", "skipped"]);
    assert_eq!(
        world.user("user-6").email.as_deref(),
        Some("sofia@example.com")
    );
    assert_eq!(event_names(&world), ["Lecture Booked"]);
}

fn statuses(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().expect("results").iter();
    results
        .map(|result| result["status"].as_str().expect("a status"))
        .collect()
}

#[tokio::test]
async fn sqs_retry() {
    let world = World::new(&[]).await;
    let answer = world
        .invoke(&payload("sqs-retry.json"))
        .await
        .expect("an answer");
    assert_eq!(answer, json!({"batchItemFailures": []}));
    world.assert_queues_are_empty();
    assert_eq!(world.user("user-7").name.as_deref(), Some("Hypatia"));
    assert_eq!(world.user("user-8").companies, ["museion"]);
    assert_eq!(event_names(&world), ["Library Visited"]);
}

#[tokio::test]
async fn eventbridge_track() {
    let world = World::new(&[]).await;
    send(&world, "rest-identify.json").await.assert_success();
    let answer = world
        .invoke(&payload("eventbridge-track.json"))
        .await
        .expect("an answer");
    assert_eq!(statuses(&answer), ["delivered"]);
    let price = world.intercom.state().events[0].metadata["price"].clone();
    assert_eq!(price, json!({"amount": 49_000, "currency": "usd"}));
}

#[tokio::test]
async fn direct_identify_and_array() {
    let world = World::new(&[]).await;
    let answer = world
        .invoke(&payload("direct-identify.json"))
        .await
        .expect("an answer");
    assert_eq!(statuses(&answer), ["delivered"]);
    assert_eq!(world.user("user-9").name.as_deref(), Some("Maria Mitchell"));
    let answer = world
        .invoke(&payload("direct-array.json"))
        .await
        .expect("an answer");
    assert_eq!(statuses(&answer), ["delivered", "delivered"]);
    assert_eq!(event_names(&world), ["Lecture Held"]);
}

#[tokio::test]
async fn preview() {
    let (world, answer) = sent("preview.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        statuses(&answer.body),
        ["would_deliver", "would_deliver", "would_skip"]
    );
    assert!(world.intercom.requests().is_empty());
}

#[tokio::test]
async fn health() {
    let (_, answer) = sent("health.json").await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("ok")));
}

#[test]
fn every_file_is_used_here_and_explained_in_the_readme() {
    let folder = format!("{}/events", env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(format!("{folder}/README.md")).expect("a README");
    let this_file = include_str!("triggers.rs");
    for file in std::fs::read_dir(&folder).expect("a folder") {
        let name = file
            .expect("a file")
            .file_name()
            .into_string()
            .expect("UTF-8");
        if name != "README.md" {
            assert!(
                readme.contains(&format!("`{name}`")),
                "{name} isn't in the README"
            );
            assert!(
                this_file.contains(&format!("\"{name}\"")),
                "{name} isn't tested"
            );
        }
    }
}

/// What other senders and proxies add, and what AWS leaves out.
#[tokio::test]
async fn odd_but_real_requests_are_understood() {
    let edit = |change: fn(&mut Value)| {
        let mut request = payload("rest-identify.json");
        change(&mut request);
        request
    };
    for (case, request) in [
        (
            "no multi-value headers",
            edit(|request| request["multiValueHeaders"] = Value::Null),
        ),
        (
            "only multi-value headers",
            edit(|request| request["headers"] = Value::Null),
        ),
        (
            "a header beyond ASCII",
            edit(|request| {
                request["headers"]["X-City"] = "Zürich".into();
                request["multiValueHeaders"]["X-City"] = json!(["Zürich"]);
            }),
        ),
        (
            "header names in lower case",
            edit(|request| {
                request["multiValueHeaders"] = Value::Null;
                let headers = request["headers"].as_object_mut().expect("an object");
                let key = headers.remove("Authorization").expect("a key");
                headers.insert("authorization".to_owned(), key);
            }),
        ),
        (
            "a stage in the path",
            edit(|request| request["path"] = "/prod/v1/identify".into()),
        ),
    ] {
        let world = World::new(&[]).await;
        let answer = world
            .invoke(&request)
            .await
            .unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(answer["statusCode"], 200, "{case}: {answer}");
        world.user("user-1");
    }
}
