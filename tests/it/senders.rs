//! What an event may do, by who sent it.

use hmac::{Hmac, KeyInit, Mac};
use intercom_simulator::Fault;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::http::{Call, signed, webhook};
use crate::support::{API_SECRET, PUBLIC_WRITE_KEY, WRITE_KEY, World, payload_of, sqs_event};

const ORIGIN: &str = "https://www.acme.example";

fn user_hash(user: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(API_SECRET.as_bytes()).expect("a key");
    mac.update(user.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The event with the proof of its user.
fn proven(mut event: Value, user: &str) -> Value {
    event["integrations"] = json!({"Intercom": {"user_hash": user_hash(user)}});
    event
}

/// How an event of the Tracking API comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Server,
    Browser,
    Public,
}

impl Way {
    const ALL: [Self; 3] = [Self::Server, Self::Browser, Self::Public];

    async fn send(self, world: &World, event: &Value) {
        let call = Call::post("/v1/batch").json(&json!({"batch": [event]}));
        let call = match self {
            Self::Server => call,
            Self::Browser => call.with_origin(ORIGIN),
            Self::Public => call.with_key(PUBLIC_WRITE_KEY),
        };
        call.send(world).await.assert_success();
    }
}

impl World {
    /// The reason of the one dead letter; none without one.
    fn why_rejected(&self) -> Option<String> {
        let letters = self.aws().dead_letter.clone();
        assert!(letters.len() <= 1, "{letters:?}");
        letters.first()?.attribute("reason").map(str::to_owned)
    }

    #[track_caller]
    fn assert_untouched(&self, case: &str) {
        let requests = self.intercom.requests();
        assert!(requests.is_empty(), "{case}: {requests:?}");
    }

    /// Hands the queued messages, and those that were rejected, to the function as an operator's
    /// redrive does.
    async fn redrive(&self) {
        let letters = std::mem::take(&mut self.aws().dead_letter);
        self.invoke(&sqs_event(&letters, 1))
            .await
            .expect("an answer");
    }
}

#[tokio::test]
async fn with_require_user_hash_the_user_of_a_browser_or_a_public_key_is_proven() {
    let identify = json!({"type": "identify", "userId": "u1",
        "traits": {"email": "ada@example.com"}});
    let by_email = json!({"type": "identify", "traits": {"email": "eve@example.com"}});
    let track = json!({"type": "track", "userId": "u1", "event": "E"});
    let alias = json!({"type": "alias", "userId": "u1", "previousId": "a", "anonymousId": "a"});
    for way in Way::ALL {
        let missing = "the event has no integrations.Intercom.user_hash";
        let wrong = "the event's user_hash does not match its userId";
        for (case, event, refusal) in [
            ("the right hash", proven(identify.clone(), "u1"), None),
            (
                "another's hash",
                proven(identify.clone(), "u2"),
                Some(wrong),
            ),
            (
                "the email's hash beside a userId",
                proven(identify.clone(), "ada@example.com"),
                Some(wrong),
            ),
            ("no hash", identify.clone(), Some(missing)),
            ("no hash, an email", by_email.clone(), Some(missing)),
            (
                "the email's hash",
                proven(by_email.clone(), "eve@example.com"),
                None,
            ),
            (
                "another email's hash",
                proven(by_email.clone(), "ada@example.com"),
                Some("the event's user_hash does not match its email"),
            ),
            ("a track without a hash", track.clone(), Some(missing)),
            ("an alias without a hash", alias.clone(), Some(missing)),
        ] {
            let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
            way.send(&world, &event).await;
            let why = world.why_rejected();
            let refusal = refusal.filter(|_| way != Way::Server);
            assert_eq!(why.is_none(), refusal.is_none(), "{case} {way:?}: {why:?}");
            if let Some(refusal) = refusal {
                let why = why.expect("a reason");
                assert!(why.starts_with(refusal), "{case} {way:?}: {why}");
                world.assert_untouched(case);
                // Moved back it is what it was before.
                world.redrive().await;
                assert!(world.why_rejected().is_some(), "{case} {way:?}");
                world.assert_untouched(case);
            }
        }
    }
}

#[tokio::test]
async fn what_was_proven_survives_the_queue() {
    let event = proven(
        json!({"type": "identify", "userId": "u1", "messageId": "m"}),
        "u1",
    );
    for way in Way::ALL {
        for mode in ["queue", "inline"] {
            let world = World::new(&[("REQUIRE_USER_HASH", "true"), ("DELIVERY_MODE", mode)]).await;
            world.intercom.add_fault(Fault::status(503).times(1));
            way.send(&world, &event).await;
            assert_eq!(world.aws().retry.len(), 1);
            // The key with which it was checked needn't be there any more.
            world.aws().secret["api_secret"] = json!("a-new-local-api-secret");
            while !world.aws().retry.is_empty() {
                world.redeliver(2).await;
            }
            assert_eq!(world.intercom.state().contacts.len(), 1, "{way:?} {mode}");
            assert_eq!(world.why_rejected(), None, "{way:?} {mode}");
        }
    }
}

#[tokio::test]
async fn a_message_of_a_public_key_stays_one() {
    let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
    let event = json!({"type": "identify", "userId": "u1", "messageId": "m"});
    for (attribute, value) in [
        ("channel", "public"),
        ("channel", "browser"),
        ("channel", "?"),
    ] {
        let mut message = payload_of("u1", "m", &event, chrono::Utc::now());
        message.attributes = json!({attribute: {"DataType": "String", "StringValue": value}});
        let answer = world
            .invoke(&sqs_event(&[message], 1))
            .await
            .expect("an answer");
        assert_eq!(answer, json!({"batchItemFailures": []}));
        world.assert_untouched(value);
        let letter = world.aws().dead_letter.pop().expect("it is rejected");
        assert!(letter.attribute("channel").is_some());
    }
}

#[tokio::test]
async fn without_proof_a_browser_writes_no_company() {
    let company = json!({"id": "c", "name": "Acme"});
    let with_company = json!({"type": "identify", "userId": "u1", "traits": {"company": company}});
    let anonymous = json!({"type": "identify", "anonymousId": "a", "traits": {"company": company}});
    let group = json!({"type": "group", "userId": "u1", "groupId": "c", "traits": {"plan": "x"}});
    let group_of_nobody = json!({"type": "group", "anonymousId": "a", "groupId": "c"});
    for way in Way::ALL {
        for (case, event, verified_companies, may_write) in [
            (
                "verified",
                proven(with_company.clone(), "u1"),
                "false",
                false,
            ),
            (
                "verified group",
                proven(group.clone(), "u1"),
                "false",
                false,
            ),
            ("allowed", proven(with_company.clone(), "u1"), "true", true),
            ("allowed group", proven(group.clone(), "u1"), "true", true),
            ("anonymous", anonymous.clone(), "true", false),
            ("anonymous group", group_of_nobody.clone(), "true", false),
        ] {
            let world = World::new(&[
                ("REQUIRE_USER_HASH", "true"),
                ("VERIFIED_COMPANIES", verified_companies),
                ("ANONYMOUS", "lead"),
            ])
            .await;
            way.send(&world, &event).await;
            let companies = world.intercom.state().companies.len();
            let may_write = may_write || way == Way::Server;
            assert_eq!(companies == 1, may_write, "{case} {way:?}");
            let is_contact_written = !world.intercom.state().contacts.is_empty();
            assert_eq!(
                is_contact_written,
                !case.starts_with("anonymous group"),
                "{case} {way:?}"
            );
            if case == "anonymous group" && way != Way::Server {
                let why = world.why_rejected().expect("nothing is left of it");
                assert!(why.contains("VERIFIED_COMPANIES"), "{why}");
            }
        }
    }
}

#[tokio::test]
async fn a_preview_says_what_a_browser_may_not() {
    let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
    let event = json!({"type": "identify", "userId": "u1", "traits": {"company": {"id": "c"}}});
    let call = Call::post("/v1/preview").with_key(PUBLIC_WRITE_KEY);
    let unproven = call.clone().json(&event).send(&world).await;
    assert_eq!(unproven.body["results"][0]["status"], "would_reject");
    let proven = call.json(&proven(event, "u1")).send(&world).await;
    let result = &proven.body["results"][0];
    assert_eq!(result["status"], "would_deliver");
    assert_eq!(result["actions"].as_array().map(Vec::len), Some(1));
    let warning = result["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("VERIFIED_COMPANIES"), "{warning}");
}

#[tokio::test]
async fn a_browser_merges_only_its_own_lead_and_a_public_key_only_with_proof() {
    let lead = json!({"type": "identify", "anonymousId": "a", "traits": {"color": "red"}});
    let own = json!({"type": "alias", "userId": "u1", "previousId": "a", "anonymousId": "a"});
    let other = json!({"type": "alias", "userId": "u1", "previousId": "a", "anonymousId": "b"});
    let bare = json!({"type": "alias", "userId": "u1", "previousId": "a"});
    for (way, require_user_hash, event, is_merged) in [
        (Way::Server, "true", &other, true),
        (Way::Server, "true", &bare, true),
        (Way::Browser, "false", &other, true),
        (Way::Browser, "true", &own, false),
        (Way::Browser, "true", &proven(own.clone(), "u1"), true),
        (Way::Browser, "true", &proven(other.clone(), "u1"), false),
        (Way::Browser, "true", &proven(bare.clone(), "u1"), false),
        (Way::Public, "false", &own, false),
        (Way::Public, "false", &proven(own.clone(), "u1"), true),
        (Way::Public, "false", &proven(other.clone(), "u1"), false),
        (Way::Public, "true", &proven(own.clone(), "u1"), true),
        (Way::Public, "true", &proven(other.clone(), "u1"), false),
    ] {
        let world = World::new(&[
            ("REQUIRE_USER_HASH", require_user_hash),
            ("ANONYMOUS", "lead"),
        ])
        .await;
        Way::Server.send(&world, &lead).await;
        way.send(&world, event).await;
        let merged = world.intercom.state().merged_contacts.len();
        assert_eq!(
            merged == 1,
            is_merged,
            "{way:?} {require_user_hash} {event}"
        );
        assert_eq!(world.why_rejected().is_none(), is_merged, "{way:?} {event}");
    }
}

#[tokio::test]
async fn no_write_key_deletes_anybody() {
    let delete = json!({"type": "delete", "userId": "u1", "messageId": "d"});
    for way in Way::ALL {
        let world = World::new(&[]).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "u1"}));
        way.send(&world, &delete).await;
        let why = world.why_rejected().expect("it is rejected");
        assert!(why.contains("only Segment itself may delete"), "{why}");
        world.redrive().await;
        assert!(world.why_rejected().is_some(), "also when it is moved back");
        assert_eq!(world.intercom.state().contacts.len(), 1, "{way:?}");
    }
    for direct in [
        delete.clone(),
        json!({"detail-type": "delete", "detail": delete}),
    ] {
        let world = World::new(&[]).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "u1"}));
        world.invoke(&direct).await.expect("an answer");
        assert!(world.intercom.state().contacts.is_empty());
    }
}

/// Whoever captured one signed event can append others.
#[tokio::test]
async fn a_delete_beyond_the_signed_first_element_is_rejected() {
    let first = json!({"type": "page", "userId": "u1"}).to_string();
    let delete = json!({"type": "delete", "userId": "u1", "messageId": "d"}).to_string();
    let appended = format!("[{first},{delete}]");
    let alone = format!("[{delete}]");
    for (case, call, is_deleted) in [
        ("appended", webhook(&appended, &first), false),
        ("signed as a whole", signed(&appended), true),
        ("first of its array", webhook(&alone, &delete), true),
        ("alone", signed(&delete), true),
    ] {
        let world = World::new(&[]).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "u1"}));
        let answer = call.send(&world).await;
        assert_eq!(answer.status, 200, "{case}: {answer:?}");
        assert_eq!(world.why_rejected().is_none(), is_deleted, "{case}");
        if !is_deleted {
            assert_eq!(answer.body["results"][1]["status"], "rejected");
            world.redrive().await;
            assert!(world.why_rejected().is_some(), "{case}, moved back");
        }
        assert_eq!(
            world.intercom.state().contacts.is_empty(),
            is_deleted,
            "{case}"
        );
    }
}

/// What lies in an event is no message of a queue and no other event.
#[tokio::test]
async fn nothing_in_a_direct_event_is_done() {
    let delete = json!({"type": "delete", "userId": "victim"});
    let message = payload_of("victim", "m", &delete, chrono::Utc::now());
    let records = sqs_event(&[message], 1)["Records"].clone();
    let request = json!({"http": {"method": "POST", "path": "/v1/track"}});
    for (key, value) in [
        ("Records", records.clone()),
        ("detail", delete.clone()),
        ("requestContext", request),
    ] {
        for array in [false, true] {
            let world = World::new(&[]).await;
            world
                .intercom
                .seed_contact(json!({"role": "user", "external_id": "victim"}));
            let mut event = json!({"type": "identify", "userId": "u1", "detail-type": "delete",
                "version": "2.0"});
            event[key] = value.clone();
            let payload = if array { json!([event]) } else { event };
            let answer = world.invoke(&payload).await.expect("results");
            assert_eq!(answer["results"][0]["status"], "delivered", "{key}");
            assert_eq!(world.intercom.state().contacts.len(), 2, "{key}");
        }
    }
    let mut foreign = json!({"Records": records});
    for arn in ["arn:aws:sqs:us-east-1:123456789012:another.fifo", ""] {
        foreign["Records"][0]["eventSourceARN"] = arn.into();
        let world = World::new(&[]).await;
        let error = world
            .invoke(&foreign)
            .await
            .expect_err("not our queue")
            .to_string();
        assert!(error.contains("neither the retry queue"), "{error}");
        world.assert_untouched(arn);
    }
}

/// For keys listed in `public_write_keys` the headers don't matter.
#[tokio::test]
async fn a_public_keys_events_count_as_a_browsers() {
    let event = json!({"type": "identify", "userId": "u1", "context": {"library": {"name":
        "analytics-python"}}, "integrations": {"Intercom": {"unsubscribedFromEmails": true}}});
    for (way, is_unsubscribed) in [
        (Way::Server, true),
        (Way::Browser, false),
        (Way::Public, false),
    ] {
        for mode in ["inline", "queue"] {
            let world = World::new(&[("DELIVERY_MODE", mode)]).await;
            way.send(&world, &event).await;
            if mode == "queue" {
                world.redeliver(1).await;
            }
            let contact = &world.intercom.state().contacts[0];
            assert_eq!(
                contact.unsubscribed_from_emails, is_unsubscribed,
                "{way:?} {mode}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_in_both_lists_is_public() {
    let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
    world.aws().secret["public_write_keys"] = json!([WRITE_KEY]);
    let event = json!({"type": "identify", "userId": "u1"});
    Way::Server.send(&world, &event).await;
    assert!(world.why_rejected().is_some());
}

/// A workspace takes some 250 custom attributes, and anybody could use them up.
#[tokio::test]
async fn a_public_key_makes_no_custom_attribute_without_proof() {
    let traits = json!({"plan": "pro", "name": "Ada",
        "company": {"id": "c", "name": "Acme", "seats": 3}});
    let event = json!({"type": "identify", "userId": "u1", "traits": traits});
    for (way, event, are_made) in [
        (Way::Server, event.clone(), true),
        (Way::Browser, event.clone(), true),
        (Way::Public, event.clone(), false),
        (Way::Public, proven(event.clone(), "u2"), false),
        (Way::Public, proven(event.clone(), "u1"), true),
    ] {
        for mode in ["inline", "queue"] {
            let world = World::new(&[("DELIVERY_MODE", mode)]).await;
            way.send(&world, &event).await;
            if mode == "queue" {
                world.redeliver(1).await;
            }
            let state = world.intercom.state();
            let made = state.data_attributes.len();
            assert_eq!(made, if are_made { 2 } else { 0 }, "{way:?} {event} {mode}");
            assert_eq!(
                state.contacts[0].name.as_deref(),
                Some("Ada"),
                "the rest is written"
            );
            // It doesn't spoil the attribute for those who may make it.
            Way::Server
                .send(
                    &world,
                    &json!({"type": "identify", "userId": "u1",
                "traits": traits}),
                )
                .await;
            if mode == "queue" {
                world.redeliver(1).await;
            }
            let state = world.intercom.state();
            assert_eq!(state.contacts[0].custom_attributes["plan"], "pro", "{mode}");
            assert_eq!(state.companies[0].custom_attributes["seats"], 3, "{mode}");
        }
    }
}

/// Though what several events say of a company is written at once.
#[tokio::test]
async fn who_may_make_no_custom_attribute_makes_none_by_another_users_write() {
    let group = |user: &str, traits: Value| json!({"type": "group", "userId": user, "groupId": "c", "traits": traits});
    let events = [
        group("u1", json!({"name": "Acme", "forged": "x"})),
        proven(group("u2", json!({"plan": "pro", "earned": "x"})), "u2"),
    ];
    let world = World::new(&[]).await;
    Call::post("/v1/batch")
        .json(&json!({"batch": events}))
        .with_key(PUBLIC_WRITE_KEY)
        .send(&world)
        .await
        .assert_success();
    let state = world.intercom.state();
    let company = &state.companies[0];
    assert_eq!(company.name.as_deref(), Some("Acme"));
    assert_eq!(company.plan.as_deref(), Some("pro"));
    assert_eq!(company.custom_attributes["earned"], "x");
    assert_eq!(state.data_attributes.len(), 1);
}

#[tokio::test]
async fn a_public_keys_visitor_is_found_again() {
    let world = World::new(&[("ANONYMOUS", "lead")]).await;
    let event = json!({"type": "identify", "anonymousId": "a", "traits": {"color": "red"}});
    Way::Public.send(&world, &event).await;
    let state = world.intercom.state();
    assert_eq!(
        state.contacts[0].custom_attributes,
        *json!({"anonymous_id": "a"}).as_object().expect("an object")
    );
}

/// The email is what the sender says it is.
#[tokio::test]
async fn with_require_user_hash_a_browser_claims_no_contact_without_a_user_id() {
    let claim = json!({"type": "identify", "userId": "u1",
        "traits": {"email": "victim@example.com", "name": "Eve"}});
    for (way, require_user_hash, is_claimed) in [
        (Way::Server, "true", true),
        (Way::Browser, "false", true),
        (Way::Public, "false", true),
        (Way::Browser, "true", false),
        (Way::Public, "true", false),
    ] {
        let world = World::new(&[("REQUIRE_USER_HASH", require_user_hash)]).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "email": "victim@example.com",
            "name": "Victim"}));
        way.send(&world, &proven(claim.clone(), "u1")).await;
        let contacts = world.intercom.state().contacts;
        let claimed = contacts[0].external_id.as_deref() == Some("u1");
        assert_eq!(claimed, is_claimed, "{way:?} {require_user_hash}");
        if !is_claimed {
            assert_eq!(contacts[0].name.as_deref(), Some("Victim"));
            // The user has a contact of their own.
            assert_eq!(contacts[1].external_id.as_deref(), Some("u1"));
        }
    }
}
