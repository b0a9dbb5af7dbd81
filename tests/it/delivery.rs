//! Contacts, companies and events in Intercom, whatever state it is in before.

use intercom_simulator::Fault;
use serde_json::{Value, json};

use crate::support::{Sent, World};

fn identify(user_id: &str, traits: &Value) -> Value {
    json!({"type": "identify", "userId": user_id, "traits": traits})
}

fn track(user_id: &str, event: &str) -> Value {
    json!({"type": "track", "userId": user_id,
        "event": event, "timestamp": "2026-11-23T12:00:00Z"})
}

impl World {
    /// How often a user's contact was written.
    fn writes_of(&self, user_id: &str) -> usize {
        let contacts = self.intercom.state().contacts;
        let is_users = |id: &Option<String>| id.as_deref() == Some(user_id);
        let contact = contacts
            .iter()
            .find(|contact| is_users(&contact.external_id));
        let path = contact.map(|contact| format!("/contacts/{}", contact.id));
        let requests = self.intercom.requests().into_iter();
        let is_write = |request: &intercom_simulator::LoggedRequest| match &*request.method {
            "POST" => request.request_body["external_id"] == user_id,
            "PUT" => Some(&request.path) == path.as_ref(),
            _ => false,
        };
        requests.filter(is_write).count()
    }
}

#[tokio::test]
async fn a_known_user_is_updated_and_found_only_once() {
    let world = World::new(&[]).await;
    world.batch(&[identify("u", &json!({"name": "A"}))]).await;
    world.batch(&[identify("u", &json!({"name": "B"}))]).await;
    assert_eq!(
        world.calls(),
        [
            "GET /contacts/find_by_external_id/u",
            "POST /contacts",
            "PUT /contacts/:id"
        ]
    );
    assert_eq!(
        world.intercom.state().contacts[0].name.as_deref(),
        Some("B")
    );
}

#[tokio::test]
async fn a_contact_that_has_only_the_email_is_adopted() {
    for role in ["user", "lead"] {
        let world = World::new(&[]).await;
        let id = world
            .intercom
            .seed_contact(json!({"role": role, "email": "a@example.com"}));
        world
            .batch(&[identify("u", &json!({"email": "A@example.com"}))])
            .await;
        let state = world.intercom.state();
        assert_eq!(state.contacts.len(), 1, "{role}: {:?}", world.reasons());
        assert_eq!(state.contacts[0].id, id);
        assert_eq!(state.contacts[0].external_id.as_deref(), Some("u"));
        assert_eq!(state.contacts[0].role, "user");
    }
}

#[tokio::test]
async fn an_archived_contact_comes_back() {
    let world = World::new(&[]).await;
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u", "archived": true}));
    world.batch(&[identify("u", &json!({"name": "A"}))]).await;
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 1, "{:?}", world.reasons());
    assert!(!state.contacts[0].archived);
    assert_eq!(state.contacts[0].name.as_deref(), Some("A"));
}

#[tokio::test]
async fn a_contact_deleted_behind_our_back_is_made_again() {
    let world = World::new(&[]).await;
    world.intercom.set(|s| s.deleted_users_may_return = true);
    world.batch(&[identify("u", &json!({"name": "A"}))]).await;
    let another = world.another_instance(&[]);
    let delete = json!({"type": "delete", "userId": "u", "messageId": "d"});
    crate::support::invoke(&another, &delete)
        .await
        .expect("deleted");
    assert_eq!(world.intercom.state().contacts.len(), 0);
    world.batch(&[identify("u", &json!({"name": "B"}))]).await;
    assert_eq!(
        world.intercom.state().contacts[0].name.as_deref(),
        Some("B")
    );
}

#[tokio::test]
async fn two_instances_that_make_a_user_at_once_end_with_one_contact_and_both_updates() {
    let world = World::new(&[]).await;
    let another = world.another_instance(&[]);
    let first = identify("u", &json!({"a": 1}));
    let second = identify("u", &json!({"b": 2}));
    let (one, two) = tokio::join!(
        crate::support::invoke(&world.function, &first),
        crate::support::invoke(&another, &second)
    );
    for results in [one, two] {
        assert_eq!(
            results.expect("results")["results"][0]["status"],
            "delivered"
        );
    }
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 1);
    assert_eq!(state.contacts[0].custom_attributes["a"], 1);
    assert_eq!(state.contacts[0].custom_attributes["b"], 2);
}

#[tokio::test]
async fn an_email_alone_finds_its_contact_despite_the_lag_of_search() {
    let world = World::new(&[]).await;
    world
        .intercom
        .set(|settings| settings.search_lag_seconds = 600);
    let event = |name: &str| {
        json!({"type": "identify", "messageId": name, "traits":
            {"email": "Ada@Example.com", "name": name}})
    };
    world.batch(&[event("A")]).await;
    let another = world.another_instance(&[]);
    crate::support::invoke(&another, &event("B"))
        .await
        .expect("results");
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 1, "{:?}", world.reasons());
    assert_eq!(state.contacts[0].name.as_deref(), Some("B"));
}

#[tokio::test]
async fn attributes_that_the_workspace_lacks_are_created_with_their_type() {
    let world = World::new(&[]).await;
    let traits = json!({"seats": 3, "score": 1.5, "paid": true, "plan": "pro",
        "renewed": "2026-01-01", "trialEndsAt": "2026-02-01", "company": {"id": "c", "floors": 2}});
    world.batch(&[identify("u", &traits)]).await;
    let state = world.intercom.state();
    let mut types: Vec<(&str, &str, &str)> = state
        .data_attributes
        .iter()
        .filter_map(|a| Some((a.model.as_str()?, a.name.as_str(), a.data_type.as_str()?)))
        .collect();
    types.sort_unstable();
    assert_eq!(
        types,
        [
            ("company", "floors", "float"),
            ("contact", "paid", "boolean"),
            ("contact", "plan", "string"),
            ("contact", "renewed_at", "datetime"),
            ("contact", "score", "float"),
            ("contact", "seats", "float"),
            ("contact", "trialEndsAt", "datetime"),
        ]
    );
    assert_eq!(state.contacts[0].custom_attributes["paid"], json!(true));
}

#[tokio::test]
async fn without_new_attributes_the_rest_of_the_write_still_arrives() {
    let dropping = World::new(&[("UNKNOWN_ATTRIBUTES", "drop")]).await;
    let forbidden = World::new(&[]).await;
    forbidden
        .intercom
        .set(|settings| settings.attribute_writes_allowed = false);
    let full = World::new(&[]).await;
    full.intercom.set(|settings| settings.attribute_limit = 0);
    for world in [dropping, forbidden, full] {
        world
            .batch(&[identify("u", &json!({"name": "A", "x": 1, "y": 2}))])
            .await;
        let state = world.intercom.state();
        assert_eq!(
            state.contacts[0].name.as_deref(),
            Some("A"),
            "{:?}",
            world.reasons()
        );
        assert!(state.contacts[0].custom_attributes.is_empty());
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_attribute_is_left_out() {
    let world = World::new(&[]).await;
    world.batch(&[identify("u", &json!({"seats": 3}))]).await;
    world
        .batch(&[identify("v", &json!({"seats": "many", "plan": "pro"}))])
        .await;
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 2, "{:?}", world.reasons());
    let second = state
        .contacts
        .iter()
        .find(|c| c.external_id.as_deref() == Some("v"));
    let attributes = &second.expect("the second contact").custom_attributes;
    assert_eq!(attributes.get("plan"), Some(&json!("pro")));
    assert_eq!(attributes.get("seats"), None);
}

#[tokio::test]
async fn an_event_before_its_identify_in_a_batch_arrives_too() {
    let world = World::new(&[]).await;
    world
        .batch(&[track("u", "A"), track("u", "B"), identify("u", &json!({}))])
        .await;
    let names: Vec<String> = world
        .intercom
        .state()
        .events
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, ["A", "B"]);
    assert!(world.aws().retry.is_empty());
    let refused = world
        .calls()
        .iter()
        .filter(|call| *call == "POST /events")
        .count();
    assert_eq!(
        refused, 3,
        "the second event isn't tried while the first waits"
    );
}

#[tokio::test]
async fn an_event_of_an_unknown_user_waits_creates_or_is_rejected() {
    let waiting = World::new(&[]).await;
    waiting.batch(&[track("u", "A")]).await;
    assert_eq!(waiting.aws().waiting.len(), 1);

    let creating = World::new(&[("UNKNOWN_USER", "create")]).await;
    creating.batch(&[track("u", "A")]).await;
    assert_eq!(creating.intercom.state().events.len(), 1);

    let rejecting = World::new(&[("UNKNOWN_USER", "reject")]).await;
    rejecting.batch(&[track("u", "A")]).await;
    assert!(rejecting.reasons()[0].contains("does not know the event's user"));
}

#[tokio::test]
async fn groups_with_and_without_a_user() {
    let world = World::new(&[]).await;
    let group = |user: Value| {
        json!({"type": "group", "messageId": format!("g-{user}"), "groupId": 42, "userId": user,
            "traits": {"name": "Acme", "employees": "1,200"}})
    };
    world.batch(&[group(Value::Null), group(json!("u"))]).await;
    let state = world.intercom.state();
    assert_eq!(state.companies.len(), 1);
    assert_eq!(state.companies[0].company_id, "42");
    assert_eq!(state.companies[0].size, Some(1200));
    assert_eq!(state.contacts[0].companies, ["42"]);
}

#[tokio::test]
async fn a_company_that_is_refused_is_not_sent_twice() {
    let world = World::new(&[]).await;
    let refused = Fault::status(422).on("POST", "/companies");
    world.intercom.add_fault(refused);
    let company = json!({"company": {"id": "c", "name": "C"}});
    world.batch(&[identify("u", &company)]).await;
    assert_eq!(world.reasons().len(), 1);
    let calls = world.calls();
    let sent = calls.iter().filter(|call| *call == "POST /companies");
    assert_eq!(sent.count(), 1);
}

/// As when it was deleted after another event of the request had named it.
#[tokio::test]
async fn a_company_that_is_gone_is_made_again() {
    let world = World::new(&[]).await;
    let gone = Fault::status(404).code("company_not_found").times(1);
    let gone = gone.on("POST", "/contacts/").body_contains("{\"id\":");
    world.intercom.add_fault(gone);
    let company = json!({"company": {"id": "c", "name": "C"}});
    world.batch(&[identify("u", &company)]).await;
    let calls = world.calls();
    let sent = calls.iter().filter(|call| *call == "POST /companies");
    assert_eq!(sent.count(), 2);
    assert_eq!(world.intercom.state().contacts[0].companies, ["c"]);
}

#[tokio::test]
async fn who_leaves_a_company_within_a_batch_can_come_back() {
    let world = World::new(&[]).await;
    let member = json!({"company": {"id": "c", "name": "C"}});
    let leaver = json!({"company": {"id": "c", "remove": true}});
    world
        .batch(&[
            identify("u", &member),
            track("u", "Left"),
            identify("u", &leaver),
            track("u", "Came back"),
            identify("u", &member),
        ])
        .await;
    assert_eq!(world.intercom.state().contacts[0].companies, ["c"]);
}

#[tokio::test]
async fn leaving_a_company() {
    let world = World::new(&[]).await;
    let member = json!({"company": {"id": "c", "name": "C"}});
    let leaver = json!({"company": {"id": "c", "remove": true}});
    world.batch(&[identify("u", &member)]).await;
    world.batch(&[identify("u", &leaver)]).await;
    assert!(world.intercom.state().contacts[0].companies.is_empty());
    // Leaving again, or what never was, is as good as done.
    let another = world.another_instance(&[]);
    for company in ["c", "unknown"] {
        let leaver = identify("u", &json!({"company": {"id": company, "remove": true}}));
        let results = crate::support::invoke(&another, &leaver)
            .await
            .expect("results");
        assert_eq!(results["results"][0]["status"], "delivered", "{results}");
    }
}

#[tokio::test]
async fn anonymous_people_are_leads_until_an_alias() {
    let world = World::new(&[("ANONYMOUS", "lead")]).await;
    let lead =
        json!({"type": "identify", "messageId": "i", "anonymousId": "a1", "traits": {"name": "L"}});
    let event = json!({"type": "track", "messageId": "t", "anonymousId": "a1", "event": "E"});
    world.batch(&[lead, event]).await;
    let state = world.intercom.state();
    assert_eq!(state.contacts.len(), 1, "{:?}", world.reasons());
    assert_eq!(state.contacts[0].role, "lead");
    assert_eq!(state.contacts[0].custom_attributes["anonymous_id"], "a1");
    assert_eq!(state.events.len(), 1);
    let alias = json!({"type": "alias", "messageId": "a", "previousId": "a1", "userId": "u"});
    world.batch(&[alias]).await;
    let state = world.intercom.state();
    assert_eq!(state.merged_contacts.len(), 1, "{:?}", world.reasons());
    assert_eq!(state.contacts.len(), 1);
    assert_eq!(state.contacts[0].external_id.as_deref(), Some("u"));
}

#[tokio::test]
async fn an_alias_waits_for_the_leads_of_its_batch() {
    let world = World::new(&[("ANONYMOUS", "lead")]).await;
    let visitor = |id: &str| json!({"type": "identify", "messageId": format!("i-{id}"), "anonymousId": id, "traits": {"seen": id}});
    let alias = |previous: &str| json!({"type": "alias", "messageId": format!("a-{previous}"), "previousId": previous, "userId": "u"});
    let batch = [
        visitor("phone"),
        visitor("laptop"),
        alias("phone"),
        alias("laptop"),
        identify("u", &json!({"seen": "everything"})),
    ];
    world.batch(&batch).await;
    let state = world.intercom.state();
    assert_eq!(state.merged_contacts.len(), 2, "{:?}", world.reasons());
    assert_eq!(state.contacts.len(), 1);
    assert_eq!(state.contacts[0].custom_attributes["seen"], "everything");
}

/// Whose events it would otherwise deliver side by side, in no order.
#[tokio::test]
async fn an_alias_leaves_the_events_of_others_together() {
    let world = World::new(&[("ANONYMOUS", "lead")]).await;
    let other = |name: &str| json!({"type": "identify", "messageId": name, "userId": "v", "traits": {"name": name}});
    let batch = [
        other("A"),
        json!({"type": "identify", "messageId": "i", "anonymousId": "phone"}),
        json!({"type": "alias", "messageId": "a", "previousId": "phone", "userId": "u"}),
        other("B"),
    ];
    world.batch(&batch).await;
    assert_eq!(world.writes_of("v"), 1, "{:?}", world.calls());
    assert_eq!(world.intercom.state().merged_contacts.len(), 1);
}

#[tokio::test]
async fn an_alias_of_nobody_is_skipped_and_of_a_user_rejected() {
    let world = World::new(&[("UNKNOWN_USER_SECONDS", "0")]).await;
    world.batch(&[identify("old", &json!({}))]).await;
    let alias = |previous: &str| json!([{"type": "alias", "messageId": previous, "previousId": previous, "userId": "u"}]);
    // The lead may be there, where search doesn't show it yet.
    let nobody = world.invoke(&alias("nobody")).await.expect("results");
    assert_eq!(nobody["results"][0]["status"], "queued", "{nobody}");
    world.try_waiting().await;
    world.redeliver(1).await;
    assert!(world.aws().retry.is_empty());
    assert!(world.aws().waiting.is_empty());
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    let user = world.invoke(&alias("old")).await.expect("results");
    assert_eq!(user["results"][0]["status"], "rejected", "{user}");
}

#[tokio::test]
async fn a_delete_deletes_or_archives() {
    let delete = json!({"type": "delete", "userId": "u"});
    let deleting = World::new(&[]).await;
    deleting.batch(&[identify("u", &json!({}))]).await;
    for _ in 0..2 {
        let results = deleting.invoke(&delete).await.expect("results");
        assert_eq!(results["results"][0]["status"], "delivered");
    }
    assert_eq!(deleting.intercom.state().deleted_contacts.len(), 1);

    let archiving = World::new(&[("DELETE_MODE", "archive")]).await;
    archiving.batch(&[identify("u", &json!({}))]).await;
    archiving.invoke(&delete).await.expect("results");
    assert!(archiving.intercom.state().contacts[0].archived);
}

#[tokio::test]
async fn a_delete_finds_a_contact_that_was_made_anew_elsewhere() {
    let world = World::new(&[]).await;
    world.intercom.set(|s| s.deleted_users_may_return = true);
    let another = world.another_instance(&[]);
    let delete = json!({"type": "delete", "messageId": "d", "userId": "u"});
    world.batch(&[identify("u", &json!({}))]).await;
    for event in [&delete, &identify("u", &json!({}))] {
        crate::support::invoke(&another, event)
            .await
            .expect("results");
    }
    assert_eq!(world.external_ids(), ["u"]);
    let answer = world.invoke(&delete).await.expect("results");
    assert_eq!(answer["results"][0]["status"], "delivered", "{answer}");
    assert!(world.intercom.state().contacts.is_empty());
}

#[tokio::test]
async fn successive_identifies_are_one_write_and_a_bad_one_takes_no_other_with_it() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(400).body_contains("refused"));
    let good = identify("u", &json!({"name": "A"}));
    let mut better = identify("u", &json!({"name": "B", "phone": "1"}));
    world.batch(&[good.clone(), better.clone()]).await;
    assert_eq!(world.calls().len(), 2, "{:?}", world.calls());
    let bad = identify("u", &json!({"email": "refused@example.com"}));
    better["traits"]["name"] = json!("C");
    world.batch(&[bad, better]).await;
    let state = world.intercom.state();
    let contact = state
        .contacts
        .iter()
        .find(|c| c.external_id.as_deref() == Some("u"));
    assert_eq!(contact.expect("the contact").name.as_deref(), Some("C"));
    assert_eq!(world.reasons().len(), 1);
}

/// A group alone would not write them.
#[tokio::test]
async fn the_traits_of_an_identify_arrive_whatever_it_is_sent_together_with() {
    let group = json!({"type": "group", "messageId": "g", "userId": "u", "groupId": "c"});
    let named = |id: &str| json!({"type": "identify", "messageId": id, "userId": "u", "traits": {"name": "B"}});
    for batch in [
        [named("1"), group.clone()],
        [group, named("1")],
        [named("1"), named("2")],
    ] {
        let world = World::new(&[]).await;
        // It was seen just now, and is known to be there.
        world.batch(&[identify("u", &json!({"name": "A"}))]).await;
        world.batch(&batch).await;
        let contact = &world.intercom.state().contacts[0];
        assert_eq!(contact.name.as_deref(), Some("B"), "{batch:?}");
    }
}

/// Each merge copies all that was said before.
#[tokio::test]
async fn at_most_25_identifies_are_one_write() {
    for (count, writes) in [(25, 1), (26, 2), (50, 2)] {
        let world = World::new(&[]).await;
        let event = |n: usize| {
            json!({"type": "identify", "messageId": n.to_string(), "userId": "u",
                "traits": {"name": n.to_string()}})
        };
        let events: Vec<Value> = (1..=count).map(event).collect();
        world.batch(&events).await;
        assert_eq!(world.writes_of("u"), writes, "{count}");
        let contact = &world.intercom.state().contacts[0];
        assert_eq!(contact.name, Some(count.to_string()));
    }
}

#[tokio::test]
async fn a_changed_token_is_read_at_once() {
    let world = World::new(&[]).await;
    world.batch(&[identify("u", &json!({}))]).await;
    world
        .intercom
        .set(|settings| settings.tokens = vec!["new-token".to_owned()]);
    world.aws().secret["access_token"] = json!("new-token");
    world.batch(&[identify("v", &json!({}))]).await;
    assert_eq!(world.intercom.state().contacts.len(), 2);
    assert_eq!(world.aws().secret_reads, 2);
}

#[tokio::test]
async fn a_token_that_stays_wrong_queues_everything() {
    let world = World::new(&[]).await;
    world
        .intercom
        .set(|settings| settings.tokens = vec!["another".to_owned()]);
    world
        .batch(&[identify("u", &json!({})), track("v", "E")])
        .await;
    assert_eq!(world.aws().retry.len(), 2);
    assert!(world.aws().dead_letter.is_empty());
}

#[tokio::test]
async fn what_fails_for_now_is_queued_and_the_users_later_events_after_it() {
    for fault in [
        Fault::status(503),
        Fault::status(500),
        Fault::status(429).retry_after(3),
        Fault::status(408),
        Fault::status(402),
        Fault::status(403),
        Fault::reset(),
    ] {
        let world = World::new(&[]).await;
        let name = format!("{fault:?}");
        world.intercom.add_fault(fault);
        let events = [identify("u", &json!({})), track("u", "A"), track("u", "B")];
        world.batch(&events).await;
        let queued: Vec<Value> = world
            .aws()
            .retry
            .iter()
            .map(|m| m.event().clone())
            .collect();
        assert_eq!(queued, events, "{name}");
        assert!(world.aws().dead_letter.is_empty(), "{name}");
        assert_eq!(
            world.calls().len(),
            1,
            "{name}: nothing is tried after a failure"
        );
    }
}

#[tokio::test]
async fn what_can_never_work_goes_to_the_dead_letter_queue_with_its_reason() {
    for (status, code) in [
        (400, "parameter_invalid"),
        (422, "unprocessable_entity"),
        (501, ""),
    ] {
        let world = World::new(&[]).await;
        world
            .intercom
            .add_fault(Fault::status(status).code(code).on("POST", "/contacts"));
        let event = identify("u", &json!({}));
        world.batch(std::slice::from_ref(&event)).await;
        let aws = world.aws();
        assert!(aws.retry.is_empty(), "{status}");
        let message = &aws.dead_letter[0];
        assert_eq!(message.event(), &event);
        assert_eq!(message.attribute("status"), Some(&*status.to_string()));
        assert!(
            message
                .attribute("reason")
                .is_some_and(|reason| reason.contains(code))
        );
    }
}

/// What others use of the limit leaves one call at a time, and the next one waits its turn.
#[tokio::test]
async fn a_short_wait_for_the_rate_limit_queues_nothing() {
    let world = World::new(&[]).await;
    world.intercom.set(|settings| settings.rate_limit = 120);
    let users = |name: &str, count: usize| -> Vec<Value> {
        let users = (0..count).map(|n| identify(&format!("{name}{n}"), &json!({})));
        users.collect()
    };
    let another = world.another_instance(&[]);
    for event in users("other", 30) {
        let answer = crate::support::invoke(&another, &event).await;
        assert_eq!(
            answer.expect("results")["results"][0]["status"],
            "delivered"
        );
    }
    world.batch(&users("first", 1)).await;
    world.batch(&users("u", 4)).await;
    assert!(world.aws().retry.is_empty());
    assert_eq!(world.intercom.state().contacts.len(), 35);
}

#[tokio::test]
async fn with_the_rate_limit_used_up_no_call_is_made() {
    let world = World::new(&[]).await;
    world.intercom.set(|settings| settings.rate_limit = 2);
    let events: Vec<Value> = (0..20)
        .map(|n| identify(&format!("u{n}"), &json!({})))
        .collect();
    world.batch(&events).await;
    // The users that were under way at once may each still hit the limit.
    assert!(world.calls().len() <= 2 + 16, "{:?}", world.calls());
    assert_eq!(
        world.aws().retry.len() + world.intercom.state().contacts.len(),
        20
    );
    assert!(world.aws().dead_letter.is_empty());
}

#[tokio::test]
async fn an_answer_lost_after_the_change_was_made_doubles_nothing() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::reset().after().on("POST", "/contacts").times(1));
    world
        .intercom
        .add_fault(Fault::reset().after().on("POST", "/events").times(1));
    let company = json!({"company": {"id": "c", "name": "C"}});
    world
        .batch(&[identify("u", &company), track("u", "E")])
        .await;
    assert_eq!(world.aws().retry.len(), 2);
    world.redeliver(1).await;
    world.redeliver(2).await;
    assert_eq!(world.aws().retry.len(), 0);
    let state = world.intercom.state();
    assert_eq!((state.contacts.len(), state.events.len()), (1, 1));
    assert_eq!(state.contacts[0].companies, ["c"]);
}

#[tokio::test]
async fn users_that_bring_the_same_new_attribute_at_once_all_keep_it() {
    let world = World::new(&[]).await;
    let events: Vec<Value> = (0..5)
        .map(|n| identify(&n.to_string(), &json!({"plan": "pro", "seats": n})))
        .collect();
    world.batch(&events).await;
    for contact in world.intercom.state().contacts {
        assert_eq!(contact.custom_attributes["plan"], "pro", "{contact:?}");
        assert_eq!(contact.custom_attributes.len(), 2, "{contact:?}");
    }
    let calls = world.calls();
    let created = calls.iter().filter(|call| *call == "POST /data_attributes");
    assert_eq!(created.count(), 2);
}

#[tokio::test]
async fn users_of_a_batch_are_looked_up_with_one_search() {
    let world = World::new(&[]).await;
    for user in ["a", "b", "c"] {
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": user}));
    }
    let events = ["a", "b", "c"].map(|user| identify(user, &json!({})));
    world.batch(&events).await;
    let mut calls = world.calls();
    calls.sort();
    assert_eq!(
        calls,
        [
            "POST /contacts/search",
            "PUT /contacts/:id",
            "PUT /contacts/:id",
            "PUT /contacts/:id"
        ]
    );
    world.batch(&events).await;
    assert_eq!(world.calls().len(), 7, "nobody is looked up again");
}

/// Where the search has room, it asks for users of events as well, which may save a call later.
#[tokio::test]
async fn who_is_known_already_is_not_looked_up_for_an_event() {
    let world = World::new(&[]).await;
    world.batch(&[identify("known", &json!({}))]).await;
    let before = world.calls().len();
    world
        .batch(&[track("known", "E"), identify("new", &json!({}))])
        .await;
    let calls = &world.calls()[before..];
    let search = "POST /contacts/search".to_owned();
    assert!(!calls.contains(&search), "one alone needs none: {calls:?}");
}

#[tokio::test]
async fn one_search_asks_for_150_users_at_most() {
    for (users, events, searches) in [
        (1, 0, vec![]),
        (2, 0, vec![2]),
        (2, 3, vec![5]),
        (2, 160, vec![150]),
        (151, 0, vec![150]),
    ] {
        let world = World::new(&[("DELIVERY_MODE", "inline")]).await;
        let users = (0..users).map(|n| identify(&format!("u{n}"), &json!({})));
        let events = (0..events).map(|n| track(&format!("v{n}"), "E"));
        let batch: Vec<Value> = users.chain(events).collect();
        world.batch(&batch).await;
        let requests = world.intercom.requests().into_iter();
        let sizes = requests
            .filter(|request| request.path == "/contacts/search")
            .filter_map(|request| Some(request.request_body["query"]["value"].as_array()?.len()));
        assert_eq!(sizes.collect::<Vec<_>>(), searches, "{}", batch.len());
    }
}

#[tokio::test]
async fn within_a_batch_nothing_is_sent_that_is_there_already() {
    let world = World::new(&[]).await;
    let now = chrono::Utc::now().timestamp();
    let group = |user: &str, id: &str, minutes_ago: i64| {
        json!({"type": "group", "messageId": id, "userId": user, "groupId": "c",
            "timestamp": now - 60 * minutes_ago, "traits": {"plan": "x"}})
    };
    world
        .batch(&[
            group("u", "1", 35),
            group("u", "2", 21),
            group("v", "3", 35),
        ])
        .await;
    let calls = world.calls();
    let sent = |call: &str| calls.iter().filter(|sent| *sent == call).count();
    assert_eq!(sent("POST /contacts"), 2);
    assert_eq!(
        sent("PUT /contacts/:id"),
        0,
        "seen a quarter of an hour ago"
    );
    assert_eq!(sent("POST /companies"), 1, "all say the same of it");
    assert_eq!(sent("POST /contacts/:id/companies"), 2);
    // In the next request the contact's own answer tells that it is in the company.
    let before = calls.len();
    world.batch(&[group("u", "4", 0)]).await;
    assert_eq!(
        world.calls()[before..],
        ["PUT /contacts/:id", "POST /companies"]
    );
}

/// Another instance can undo what this one did, and no answer tells it so.
#[tokio::test]
async fn what_another_instance_undid_is_done_again() {
    let group = |id: &str, time: i64| json!({"type": "group", "userId": "u", "groupId": "c", "messageId": id, "timestamp": time});
    let leave = json!({"type": "identify", "userId": "u", "messageId": "leave",
        "timestamp": 1001, "traits": {"company": {"id": "c", "remove": true}}});
    let delete = json!({"type": "delete", "userId": "u", "messageId": "delete"});
    let old = json!({"type": "identify", "userId": "u", "messageId": "old", "timestamp": 10});
    for undoing in [leave, delete, old] {
        let world = World::new(&[]).await;
        world.intercom.set(|s| s.deleted_users_may_return = true);
        let another = world.another_instance(&[]);
        let results = [
            crate::support::invoke(&world.function, &group("1", 1000)).await,
            crate::support::invoke(&another, &undoing).await,
            crate::support::invoke(&world.function, &group("2", 1002)).await,
        ];
        for results in results {
            assert_eq!(
                results.expect("results")["results"][0]["status"],
                "delivered"
            );
        }
        let contacts = world.intercom.state().contacts;
        assert_eq!(contacts.len(), 1, "{undoing}");
        assert_eq!(contacts[0].companies, ["c"], "{undoing}");
        let seen = contacts[0].last_seen_at;
        assert!(seen >= Some(1000), "{undoing}: {seen:?}");
    }
}

/// What a person would see in Intercom, without Intercom's own ids and clocks.
fn visible(world: &World) -> Value {
    let state = world.intercom.state();
    let contacts = state.contacts.iter().map(|contact| {
        json!({"external_id": contact.external_id, "name": contact.name, "role": contact.role,
            "archived": contact.archived, "companies": contact.companies,
            "attributes": contact.custom_attributes})
    });
    let companies = state.companies.iter();
    json!({
        "contacts": contacts.collect::<Vec<_>>(),
        "companies": companies.map(|company| &company.company_id).collect::<Vec<_>>(),
        "events": state.events.iter().map(|event| &event.name).collect::<Vec<_>>(),
        "attributes": state.data_attributes.len(),
        "merged": state.merged_contacts.len(),
        "deleted": state.deleted_contacts.len(),
    })
}

#[tokio::test]
async fn each_call_can_be_repeated_after_its_answer_was_lost() {
    let story = [
        json!({"type": "identify", "messageId": "1", "anonymousId": "a", "traits": {"name": "L"}}),
        identify(
            "u",
            &json!({"name": "A", "plan": "pro", "company": {"id": "c"}}),
        ),
        track("u", "E"),
        json!({"type": "group", "messageId": "g", "userId": "u", "groupId": "d"}),
        json!({"type": "identify", "messageId": "r", "userId": "u",
            "traits": {"company": {"id": "c", "remove": true}}}),
        json!({"type": "alias", "messageId": "m", "previousId": "a", "userId": "u"}),
        identify("old", &json!({"name": "back"})),
        json!({"type": "delete", "messageId": "x", "userId": "v"}),
    ];
    let settings = [("ANONYMOUS", "lead"), ("RETRY_BASE_SECONDS", "1")];
    let lost = |method: &str, path: &str| Fault::reset().after().times(1).on(method, path);
    let faults = [
        None,
        Some(lost("POST", "/contacts").body_contains("\"u\"")),
        Some(lost("POST", "/contacts").body_contains("anonymous_id")),
        Some(lost("PUT", "/contacts/")),
        Some(lost("POST", "/companies")),
        Some(lost("POST", "/contacts/").body_contains("{\"id\":")),
        Some(lost("DELETE", "/contacts/")),
        Some(lost("POST", "/events")),
        Some(lost("POST", "/contacts/merge")),
        Some(lost("POST", "/data_attributes")),
    ];
    let mut expected = None;
    for fault in faults {
        let world = World::new(&settings).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "v"}));
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "old", "archived": true}));
        let name = format!("{fault:?}");
        if let Some(fault) = fault {
            world.intercom.add_fault(fault);
        }
        for event in &story {
            // By invocation: a write key deletes nobody.
            world.invoke(event).await.expect("an answer");
            while !world.aws().retry.is_empty() {
                world.redeliver(1).await;
            }
        }
        assert!(
            world.aws().dead_letter.is_empty(),
            "{name}: {:?}",
            world.reasons()
        );
        let seen = visible(&world);
        assert_eq!(expected.get_or_insert(seen.clone()), &seen, "{name}");
    }
}

#[tokio::test]
async fn a_group_of_a_contact_that_vanished_makes_it_again_at_once() {
    let world = World::new(&[]).await;
    let group = |id: &str| json!({"type": "group", "messageId": id, "userId": "u", "groupId": "c"});
    world.batch(&[group("1")]).await;
    world.intercom.reset();
    world.batch(&[group("2")]).await;
    let state = world.intercom.state();
    assert_eq!(state.contacts[0].companies, ["c"]);
    assert!(world.aws().retry.is_empty());
}

/// Their order would be lost.
#[tokio::test]
async fn when_what_waited_for_its_user_fails_for_now_the_later_ones_wait_too() {
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(503).body_contains("fails"));
    let mut events = [
        track("u", "E"),
        track("u", "fails"),
        identify("u", &json!({"name": "A"})),
        track("u", "F"),
        identify("u", &json!({"name": "B"})),
    ];
    for (n, event) in events.iter_mut().enumerate() {
        event["messageId"] = json!(format!("m{n}"));
    }
    world.batch(&events).await;
    let ids: Vec<String> = {
        let aws = world.aws();
        let queued = aws.retry.iter().flat_map(Sent::message_ids);
        queued.map(str::to_owned).collect()
    };
    assert_eq!(ids, ["m1", "m3", "m4"]);
}

/// Users are delivered side by side, in no order.
#[tokio::test]
async fn what_the_users_of_a_request_say_of_a_company_is_written_once_and_the_last_word_wins() {
    let group = |user: &str, traits: &Value| json!({"type": "group", "messageId": user, "userId": user, "groupId": "c", "traits": traits});
    let batch = [
        group("u", &json!({"plan": "x", "industry": "Rail"})),
        group("v", &json!({"plan": "y", "floors": 2})),
        group("w", &json!({"plan": "z"})),
    ];
    let world = World::new(&[]).await;
    world.batch(&batch).await;
    let calls = world.calls();
    let writes = calls.iter().filter(|call| *call == "POST /companies");
    // The first one is refused until the workspace has the attribute.
    assert_eq!(writes.count(), 2, "{calls:?}");
    let state = world.intercom.state();
    let company = &state.companies[0];
    assert_eq!(company.plan.as_deref(), Some("z"));
    assert_eq!(company.industry.as_deref(), Some("Rail"));
    assert_eq!(company.custom_attributes["floors"], json!(2));
    assert!(state.contacts.iter().all(|user| user.companies == ["c"]));
    // Where it fails for now, it fails for all of them.
    let world = World::new(&[]).await;
    world
        .intercom
        .add_fault(Fault::status(503).on("POST", "/companies"));
    world.batch(&batch).await;
    let mut queued: Vec<String> = world
        .aws()
        .retry
        .iter()
        .map(|sent| sent.group_id.clone())
        .collect();
    queued.sort();
    assert_eq!(queued, ["u", "v", "w"]);
}

#[tokio::test]
async fn what_is_refused_of_a_company_takes_no_other_users_group_with_it() {
    let world = World::new(&[]).await;
    world.intercom.add_fault(
        Fault::status(400)
            .on("POST", "/companies")
            .body_contains("refused"),
    );
    let group = |user: &str, traits: &Value| json!({"type": "group", "messageId": user, "userId": user, "groupId": "c", "traits": traits});
    world
        .batch(&[
            group("u", &json!({"plan": "x"})),
            group("v", &json!({"website": "refused"})),
            group("w", &json!({"plan": "z"})),
        ])
        .await;
    let rejected: Vec<Value> = {
        let aws = world.aws();
        aws.dead_letter.iter().map(|m| m.event().clone()).collect()
    };
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["userId"], "v");
    let state = world.intercom.state();
    for user in ["u", "w"] {
        let mut contacts = state.contacts.iter();
        let contact = contacts.find(|contact| contact.external_id.as_deref() == Some(user));
        assert_eq!(contact.expect("a contact").companies, ["c"], "{user}");
    }
}

#[tokio::test]
async fn a_403_says_what_the_token_may_not_do() {
    let world = World::new(&[]).await;
    let forbidden = Fault::status(403).on("POST", "/events");
    world.intercom.add_fault(forbidden.code("action_forbidden"));
    let seeded = json!({"role": "user", "external_id": "u"});
    world.intercom.seed_contact(seeded);
    let event = track("u", "Upgraded");
    let answer = world.invoke(&event).await.expect("results");
    assert_eq!(answer["results"][0]["status"], "queued");
    let reason = answer["results"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("Write events"), "{reason}");
}

#[tokio::test]
async fn a_user_who_was_merged_into_another_is_followed() {
    let world = World::new(&[]).await;
    let intercom = &world.intercom;
    let old = intercom.seed_contact(json!({"role": "user", "external_id": "old"}));
    let into = intercom.seed_contact(json!({"role": "user", "external_id": "u"}));
    // As Intercom answers for a user who was merged away.
    let merged = Fault::status(410)
        .on("GET", "/contacts/find_by_external_id/old")
        .code("contact_merged")
        .header("Link", &format!("</contacts/{into}>; rel=\"canonical\""));
    intercom.add_fault(merged);
    world
        .batch(&[identify("old", &json!({"plan": "pro"}))])
        .await;
    assert!(world.reasons().is_empty(), "{:?}", world.reasons());
    let contacts = intercom.state().contacts;
    let of = |id: &str| contacts.iter().find(|contact| contact.id == id);
    assert_eq!(
        of(&into).expect("a contact").custom_attributes["plan"],
        "pro"
    );
    assert_eq!(
        of(&into).expect("a contact").external_id.as_deref(),
        Some("u")
    );
    assert!(of(&old).expect("a contact").custom_attributes.is_empty());
}

/// Intercom would take the merged user's id for the contact, whose own it then no longer has.
#[tokio::test]
async fn a_merged_user_never_gives_its_id_to_the_contact_it_became() {
    let world = World::new(&[]).await;
    let into = json!({"role": "user", "external_id": "u"});
    let into = world.intercom.seed_contact(into);
    let merged = Fault::status(410)
        .on("GET", "/contacts/find_by_external_id/old")
        .code("contact_merged")
        .header("Link", &format!("</contacts/{into}>; rel=\"canonical\""));
    world.intercom.add_fault(merged);
    for name in ["A", "B", "C"] {
        world
            .batch(&[identify("old", &json!({"name": name}))])
            .await;
        let contacts = world.intercom.state().contacts;
        assert_eq!(contacts.len(), 1);
        assert_eq!(contacts[0].name.as_deref(), Some(name));
        assert_eq!(contacts[0].external_id.as_deref(), Some("u"));
    }
}
