//! `{"deadLetters": {…}}`: looking at what could not be delivered, and sending it again, with
//! queues that behave like SQS.

mod world;

use serde_json::{Value, json};

use world::{World, user_hash};

/// 1,000 letters of 12 users for three reasons, mixed, so that each user has more than ten
/// for another reason in front.
fn a_thousand(world: &World) {
    for number in 0..1000 {
        let user = format!("u{}", number % 12);
        let (reason, event) = match number / 12 % 3 {
            0 => ("Intercom: plan must be a string", "Upgraded"),
            1 => ("Intercom: too many event types", "Clicked"),
            _ => ("given up after 72 hours: Intercom answers 503", "Viewed"),
        };
        let event = json!({"type": "track", "messageId": format!("m{number:04}"), "userId": user,
            "event": event, "timestamp": world::seconds_after(number)});
        world.letter(&event, reason);
    }
}

fn message_ids(events: &[Value], user: &str) -> Vec<String> {
    let of_user = events.iter().filter(|event| event["userId"] == user);
    let ids = of_user.map(|event| event["messageId"].as_str().expect("text").to_owned());
    ids.collect()
}

#[tokio::test]
async fn of_a_thousand_one_reason_is_retried_in_order_per_user_and_the_others_stay() {
    let world = World::new(&[]).await;
    a_thousand(&world);
    let before = world.dead_letters();
    let list = world.command("list", json!({})).await;
    assert_eq!(
        (&list["lookedAt"], &list["matching"]),
        (&json!(1000), &json!(1000))
    );
    let counts: Vec<(&Value, &Value)> = list["byReason"]
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| (&group["reason"], &group["letters"]))
        .collect();
    assert_eq!(
        counts,
        [
            (&json!("Intercom: plan must be a string"), &json!(336)),
            (&json!("Intercom: too many event types"), &json!(336)),
            (
                &json!("given up after 72 hours: Intercom answers 503"),
                &json!(328)
            ),
        ]
    );
    let options = json!({"reason": "TOO MANY EVENT TYPES", "perSecond": 10_000});
    let dry = world.command("retry", options.clone()).await;
    assert_eq!(
        (&dry["matching"], &dry["dryRun"]),
        (&json!(336), &json!(true))
    );
    assert_eq!(world.retried().len(), 0);
    for user in ["u0", "u11"] {
        let now = message_ids(&world.dead_letters(), user);
        assert_eq!(now, message_ids(&before, user), "looking keeps the order");
    }

    let mut options = options;
    options["dryRun"] = json!(false);
    let done = world.command("retry", options).await;
    assert_eq!(
        (&done["matching"], &done["dryRun"]),
        (&json!(336), &json!(false))
    );
    let retried = world.retried();
    let kept = world.dead_letters();
    assert_eq!((retried.len(), kept.len()), (336, 664));
    assert!(retried.iter().all(|event| event["event"] == "Clicked"));
    for user in 0..12 {
        let user = format!("u{user}");
        let was = message_ids(&before, &user);
        for now in [message_ids(&retried, &user), message_ids(&kept, &user)] {
            let mut sorted = now.clone();
            sorted.sort();
            assert_eq!(now, sorted, "in order");
            assert!(now.iter().all(|id| was.contains(id)));
        }
    }
}

#[tokio::test]
async fn a_retry_twice_within_five_minutes_loses_nothing() {
    let world = World::new(&[]).await;
    let event = json!({"type": "identify", "messageId": "m1", "userId": "u"});
    for round in 0..3 {
        world.letter(&event, "Intercom says no");
        world.command("retry", json!({"dryRun": false})).await;
        assert_eq!(world.retried().len(), round + 1);
        assert!(world.dead_letters().is_empty());
    }
}

/// Otherwise a pass would go round and round with what is rejected while it lasts.
#[tokio::test]
async fn what_comes_in_during_a_pass_is_left_for_the_next_one() {
    let world = World::new(&[]).await;
    world.letter(
        &json!({"type": "identify", "messageId": "old", "userId": "u"}),
        "r",
    );
    let list = world.command("list", json!({})).await;
    world.letter(
        &json!({"type": "identify", "messageId": "new", "userId": "u"}),
        "r",
    );
    let more = world.command("list", json!({"pass": list["pass"]})).await;
    assert_eq!(more["lookedAt"], 0);
    assert_eq!(world.command("list", json!({})).await["lookedAt"], 2);
}

#[tokio::test]
async fn what_one_invocation_can_not_finish_the_next_one_goes_on_with() {
    let world = World::new(&[]).await;
    a_thousand(&world);
    let mut options = json!({"reason": "plan must", "dryRun": false, "perSecond": 100});
    let (mut matching, mut looked_at, mut rounds) = (0, 0, 0);
    loop {
        let answer = world.command_within(7, "retry", options.clone()).await;
        matching += answer["matching"].as_u64().expect("a number");
        looked_at += answer["lookedAt"].as_u64().expect("a number");
        rounds += 1;
        if answer["more"].is_null() {
            break;
        }
        options["pass"] = answer["pass"].clone();
    }
    assert!(rounds > 1);
    assert_eq!((matching, looked_at), (336, 1000));
    assert_eq!(
        (world.retried().len(), world.dead_letters().len()),
        (336, 664)
    );
}

#[tokio::test]
async fn nothing_is_lost_while_the_retry_queue_takes_nothing() {
    let world = World::new(&[]).await;
    for number in 0..30 {
        let id = format!("m{number}");
        world.letter(
            &json!({"type": "identify", "messageId": id, "userId": number}),
            "r",
        );
    }
    world.sqs_fails(0.3);
    let mut failures = 0;
    for _ in 0..40 {
        let options = json!({"dryRun": false, "perSecond": 10_000});
        failures += usize::from(world.try_command("retry", options).await.is_err());
        world.let_a_minute_pass();
    }
    world.sqs_fails(0.0);
    assert!(failures > 0);
    world.command("retry", json!({"dryRun": false})).await;
    let mut ids: Vec<String> = world
        .retried()
        .iter()
        .map(|event| event["messageId"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
    assert!(world.dead_letters().is_empty());
}

#[tokio::test]
async fn letters_are_chosen_by_id_reason_status_kind_user_and_time() {
    let world = World::new(&[]).await;
    for (number, kind) in ["identify", "track", "group"].into_iter().enumerate() {
        let event = json!({"type": kind, "messageId": format!("m{number}"), "event": "E",
            "groupId": "g", "userId": format!("u{number}")});
        world.letter_with(
            &event,
            number * 3600,
            &[
                ("reason", &format!("reason {number}")),
                ("status", ["rejected", "422", "400"][number]),
            ],
        );
    }
    for (options, expected) in [
        (json!({}), vec!["m0", "m1", "m2"]),
        (json!({"messageIds": ["m2", "m0", "mX"]}), vec!["m0", "m2"]),
        (json!({"reason": "Reason 1"}), vec!["m1"]),
        (json!({"status": "422"}), vec!["m1"]),
        (json!({"kind": "group"}), vec!["m2"]),
        (json!({"userId": "u0"}), vec!["m0"]),
        (
            json!({"since": world::seconds_after(3600)}),
            vec!["m1", "m2"],
        ),
        (json!({"until": world::seconds_after(3600)}), vec!["m0"]),
        (json!({"kind": "group", "status": "422"}), vec![]),
    ] {
        let export = world.command("export", options.clone()).await;
        let mut found: Vec<&str> = export["letters"]
            .as_array()
            .expect("letters")
            .iter()
            .map(|letter| letter["messageId"].as_str().expect("text"))
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{options}");
    }
    world.command("drop", json!({"kind": "track"})).await;
    assert_eq!(world.dead_letters().len(), 3, "a dry run");
    world
        .command("drop", json!({"kind": "track", "dryRun": false}))
        .await;
    assert_eq!(world.dead_letters().len(), 2);
    assert!(world.retried().is_empty());
}

#[tokio::test]
async fn a_letter_shows_its_event_its_reason_and_what_would_be_sent_now() {
    let world = World::new(&[]).await;
    let event = json!({"type": "track", "messageId": "m", "userId": "u", "event": "E",
        "properties": {"n": 1.50, "l": [{"x": null}]}});
    world.letter_with(
        &event,
        0,
        &[
            ("reason", "Intercom says no"),
            ("status", "422"),
            ("requestId", "r-1"),
        ],
    );
    for _ in 0..2 {
        let show = world.command("show", json!({"messageIds": ["m"]})).await;
        let letter = &show["letters"][0];
        assert_eq!(letter["event"], event);
        for (name, value) in [
            ("reason", "Intercom says no"),
            ("status", "422"),
            ("requestId", "r-1"),
            ("kind", "track"),
            ("source", "api"),
        ] {
            assert_eq!(letter[name], value, "{name}");
        }
        assert_eq!(letter["now"][0]["status"], "would_deliver");
        assert_eq!(letter["now"][0]["actions"][0]["event"]["event_name"], "E");
    }
    world.unreadable("{broken");
    let show = world.command("show", json!({"limit": 5})).await;
    let letters = show["letters"].as_array().expect("letters");
    assert!(letters.iter().any(|letter| letter["body"] == "{broken"));
}

/// More than one user: which of several groups SQS hands out first is its own matter.
#[tokio::test]
async fn show_stops_at_its_limit_and_export_goes_on_where_an_answer_is_full() {
    let world = World::new(&[]).await;
    let text = "x".repeat(900_000);
    for number in 0..12 {
        let event = json!({"type": "track", "messageId": format!("m{number:02}"), "event": "E",
            "userId": number % 2, "properties": {"text": text}});
        world.letter(&event, "r");
    }
    let show = world.command("show", json!({"limit": 2})).await;
    assert_eq!(show["letters"].as_array().map(Vec::len), Some(2));
    assert!(show["more"].is_null());
    let (mut ids, mut options) = (Vec::new(), json!({}));
    loop {
        let export = world.command("export", options.clone()).await;
        let bytes = export.to_string().len();
        assert!(bytes < 6_000_000, "{bytes}");
        let letters = export["letters"].as_array().expect("letters").clone();
        assert!(letters.len() >= 5, "{}", letters.len());
        ids.extend(letters.iter().map(|letter| letter["messageId"].to_string()));
        if export["more"].is_null() || ids.len() > 12 {
            break;
        }
        options["pass"] = export["pass"].clone();
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 12);
}

#[tokio::test]
async fn what_would_be_rejected_again_stays_and_says_why() {
    let world = World::new(&[]).await;
    let large = json!({"type": "track", "messageId": "large", "userId": "u", "event": "E",
        "properties": {"text": "x".repeat(33 * 1024)}});
    world.letter(&large, "the event is larger than 32 KB");
    world.letter(
        &json!({"type": "teleport", "messageId": "t", "userId": "u"}),
        "unknown type",
    );
    world.letter(
        &json!({"messageId": "ids-alone", "userId": "u"}),
        "only the ids are kept",
    );
    world.unreadable("{broken");
    let retry = world.command("retry", json!({"dryRun": false})).await;
    assert_eq!(
        (&retry["matching"], &retry["staying"]),
        (&json!(0), &json!(4))
    );
    let why = retry["whyTheyStay"].to_string();
    for reason in [
        "larger than 32 KB",
        "unknown type",
        "no \\\"type\\\"",
        "not ours",
    ] {
        assert!(why.contains(reason), "{reason}: {why}");
    }
    assert_eq!(world.dead_letters().len(), 4);
    assert!(world.retried().is_empty());
}

#[tokio::test]
async fn a_user_hash_is_checked_again_and_a_sender_may_do_no_more_than_before() {
    let world = World::new(&[("REQUIRE_USER_HASH", "true")]).await;
    let event = |id: &str, hash: &str| {
        json!({"type": "identify", "messageId": id, "userId": "u",
            "integrations": {"Intercom": {"user_hash": hash}}})
    };
    let public = [("reason", "needs a user_hash"), ("channel", "public")];
    // Rejected by an api_secret that was wrong then.
    world.letter_with(&event("right", &user_hash("u")), 0, &public);
    world.letter_with(&event("wrong", &user_hash("v")), 0, &public);
    let delete = json!({"type": "delete", "messageId": "delete", "userId": "u"});
    world.letter_with(&delete, 0, &public);
    let retry = world.command("retry", json!({"dryRun": false})).await;
    assert_eq!(
        (&retry["matching"], &retry["staying"]),
        (&json!(1), &json!(2))
    );
    let messages = world.retry_messages();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].body.contains("right"));
    for (name, value) in [("channel", "public"), ("userHash", "verified")] {
        assert_eq!(messages[0].attributes[name]["StringValue"], value);
    }
    assert!(messages[0].attributes["reason"].is_null());
}

#[tokio::test]
async fn failed_invocations_are_listed_and_retried_as_well() {
    let world = World::new(&[]).await;
    let event = |id: &str| json!({"type": "identify", "messageId": id, "userId": id});
    let bridge = |id: &str| {
        json!({"version": "0", "detail-type": "identify", "time": "2026-11-20T10:00:00Z",
            "detail": event(id)})
    };
    let by_lambda = json!({"requestContext": {"requestId": "r-1"},
        "requestPayload": bridge("by-lambda"),
        "responsePayload": {"errorType": "NotConfigured",
            "errorMessage": "not_configured: the secret has no access_token"}});
    world.failed_invocation(&by_lambda, &[]);
    let array = json!({"requestPayload": [event("d1"), event("d2")],
        "responsePayload": {"errorType": "EventsLost", "errorMessage": "2 events could be …"}});
    world.failed_invocation(&array, &[]);
    let throttled = [
        ("ERROR_CODE", "THROTTLING"),
        ("ERROR_MESSAGE", "Rate exceeded"),
    ];
    world.failed_invocation(&bridge("by-eventbridge"), &throttled);
    let queue = json!({"queue": "failedInvocations"});
    let list = world.command("list", queue.clone()).await.to_string();
    for part in [
        "no access_token",
        "NotConfigured",
        "Rate exceeded",
        "THROTTLING",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let options = json!({"queue": "failedInvocations", "dryRun": false});
    let retry = world.command("retry", options).await;
    assert_eq!(
        (&retry["matching"], &retry["lookedAt"]),
        (&json!(3), &json!(3))
    );
    let messages = world.retry_messages();
    let mut found: Vec<(String, String, String)> = messages
        .iter()
        .map(|message| {
            let body: Value = serde_json::from_str(&message.body).expect("JSON");
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            let (id, received_at) = (&body["event"]["messageId"], &body["receivedAt"]);
            (text(id), text(&body["source"]), text(received_at))
        })
        .collect();
    found.sort();
    assert_eq!(found.len(), 4);
    let at = "2026-11-20T10:00:00Z".to_owned();
    let of = |id: &str, source: &str| (id.to_owned(), source.to_owned(), at.clone());
    assert_eq!(
        found[..2],
        [
            of("by-eventbridge", "eventbridge"),
            of("by-lambda", "eventbridge")
        ]
    );
    assert_eq!((&*found[2].0, &*found[2].1), ("d1", "direct"));
    assert_eq!(world.command("list", queue).await["lookedAt"], 0);
}

#[tokio::test]
async fn a_wrong_command_is_an_error_that_says_what_is_right() {
    let world = World::new(&[]).await;
    let error = world
        .try_command("purge", json!({}))
        .await
        .expect_err("no command");
    assert!(
        error.contains("list, show, retry, drop and export"),
        "{error}"
    );
}
