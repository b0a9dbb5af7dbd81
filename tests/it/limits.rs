//! The largest that a sender may send, and what is larger.

use std::time::Duration;

use intercom_simulator::Fault;
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};

use crate::http::{Call, signed};
use crate::senders::proven;
use crate::shapes::{KB, MB, deep, identify, wide_array, wide_object};
use crate::support::{PUBLIC_WRITE_KEY, Sent, World, reason};

#[tokio::test]
async fn a_batch_of_nothing_but_bad_events_is_recorded_whole() {
    let world = World::new(&[]).await;
    let events: Vec<Value> = (0..1_000)
        .map(|n| json!({"type": "teleport", "messageId": n.to_string(), "userId": "u1"}))
        .collect();
    let call = Call::post("/v1/batch").json(&json!({"batch": events}));
    call.send(&world).await.assert_success();
    let records = world.dead_letters();
    let ids: Vec<&str> = records.iter().flat_map(Sent::message_ids).collect();
    let sent = events.iter().map(|event| event["messageId"].as_str());
    assert_eq!(ids, sent.flatten().collect::<Vec<_>>());
}

/// 2,500 events of one user in 500 KB, the most that Segment's SDKs send, with an Intercom that
/// hangs and an SQS that takes its time: all of them are queued, in order. In so few calls, one
/// after another, that a call may take 60 ms; here it is less, for slow machines.
#[tokio::test]
async fn a_full_request_of_one_user_is_taken_within_five_seconds_whatever_intercom_does() {
    for (mode, user, kind) in [
        ("inline", "u1", "identify"),
        ("inline", "u1", "track"),
        ("queue", "u1", "track"),
        ("inline", "stranger", "track"),
    ] {
        let variables = [("DELIVERY_MODE", mode), ("INLINE_BUDGET_MS", "1000")];
        let world = World::new(&variables).await;
        if user == "u1" {
            world.intercom.add_fault(Fault::hang(20.0));
        }
        world.aws().sqs_delay = Duration::from_millis(5);
        let events: Vec<Value> = (0..2_500)
            .map(|n| {
                json!({"type": kind, "messageId": format!("m{n:04}"), "userId": user,
                    "event": "Scrolled", "timestamp": 1_760_000_000 + n,
                    "properties": {"filler": "x".repeat(78)}})
            })
            .collect();
        let body = json!({"batch": events}).to_string();
        assert!((480 * KB..500 * KB).contains(&body.len()), "{}", body.len());
        let call = Call::post("/v1/batch").bytes(body.as_bytes());
        // 503 where the function has no time left.
        call.send(&world).await.assert_success();
        let aws = world.aws();
        assert!(aws.sqs_calls <= 51, "{mode}: {}", aws.sqs_calls);
        let queue = if user == "u1" {
            &aws.retry
        } else {
            &aws.waiting
        };
        let ids: Vec<&str> = queue.iter().flat_map(Sent::message_ids).collect();
        let sent = events.iter().map(|event| event["messageId"].as_str());
        assert_eq!(ids, sent.flatten().collect::<Vec<_>>(), "{mode}");
        for message in queue {
            assert!(message.events().len() <= 50, "{mode}");
        }
    }
}

/// 2,499 events of one user of which every second is proven, or is rejected for another reason:
/// they share messages all the same, so that all are taken in time. Otherwise the sender is told
/// 503, and the next time again.
#[tokio::test]
async fn events_of_one_user_that_alternate_are_taken_within_five_seconds() {
    for (case, mode, retried, dead) in [
        ("proofs", "inline", 2_499, 0),
        ("proofs", "queue", 2_499, 0),
        ("reasons", "queue", 0, 2_499),
    ] {
        let variables = [("DELIVERY_MODE", mode), ("INLINE_BUDGET_MS", "1000")];
        let world = World::new(&variables).await;
        world.intercom.add_fault(Fault::hang(20.0));
        world.aws().sqs_delay = Duration::from_millis(5);
        let event = |n: usize| {
            let (kind, name) = match case {
                "reasons" if n % 2 == 1 => ("teleport", None),
                "reasons" => ("track", None),
                _ => ("track", Some("Scrolled")),
            };
            let event = json!({"type": kind, "messageId": format!("m{n:04}"),
                "userId": "u1", "event": name});
            if case == "proofs" && n % 2 == 1 {
                proven(event, "u1")
            } else {
                event
            }
        };
        let events: Vec<Value> = (0..2_499).map(event).collect();
        let call = Call::post("/v1/batch").with_key(PUBLIC_WRITE_KEY);
        let call = call.json(&json!({"batch": events}));
        call.send(&world).await.assert_success();
        let aws = world.aws();
        assert!(aws.sqs_calls <= 51, "{case}: {}", aws.sqs_calls);
        let count = |queue: &[Sent]| queue.iter().flat_map(Sent::message_ids).count();
        assert_eq!(
            (count(&aws.retry), count(&aws.dead_letter)),
            (retried, dead),
            "{case}"
        );
        let ids: Vec<&str> = aws.retry.iter().flat_map(Sent::message_ids).collect();
        assert!(ids.is_sorted(), "{case}");
    }
}

/// Each event would get its own copy: 500 KB could become a gigabyte.
#[tokio::test]
async fn a_large_context_is_not_copied_into_thousands_of_events() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    let batch = |events: usize, bytes: usize| {
        let event = json!({"type": "identify", "userId": "u1"});
        let body = json!({"batch": vec![event; events], "context": {"x": "x".repeat(bytes)}});
        Call::post("/v1/batch").json(&body)
    };
    batch(100, 100 * KB).send(&world).await.assert_success();
    let rejected = || -> usize {
        let records = world.dead_letters();
        records.iter().map(|record| record.events().len()).sum()
    };
    assert_eq!(rejected(), 100);
    for record in &world.dead_letters() {
        assert!(
            reason(record).contains("too large for so many events"),
            "{}",
            reason(record)
        );
        for event in record.events() {
            assert_eq!(event["userId"], "u1");
            assert!(event.get("context").is_none());
        }
    }
    batch(100, KB).send(&world).await.assert_success();
    batch(10, 100 * KB).send(&world).await.assert_success();
    assert_eq!(rejected(), 100);
    let queued: usize = world.aws().retry.iter().map(|m| m.events().len()).sum();
    assert_eq!(queued, 110);
}

/// What the batch says of all its events counts, so that none is sent where it must not go.
#[tokio::test]
async fn without_a_readable_context_no_event_of_the_batch_is_taken() {
    for field in [
        format!(r#""context":{}"#, deep(200)),
        r#""integrations":{"All":false,"x":1e400}"#.to_owned(),
        r#""sentAt":1e400"#.to_owned(),
    ] {
        let world = World::new(&[]).await;
        let body = format!(r#"{{"batch":[{}],{field}}}"#, identify("u1"));
        let call = Call::post("/v1/batch").bytes(body.as_bytes());
        call.send(&world).await.assert_success();
        assert!(world.intercom.requests().is_empty(), "{field}");
        let records = world.dead_letters();
        assert_eq!(records.len(), 1, "{field}");
        assert_eq!(records[0].event(), &identify("u1"));
    }
}

/// One level more than of its own, since it goes into an event.
#[tokio::test]
async fn a_deep_context_of_a_batch_comes_back_from_the_queue() {
    for (levels, is_taken) in [(124, true), (125, true), (126, false), (127, false)] {
        let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
        let context = format!(r#"{{"x":{}}}"#, deep(levels));
        let body = format!(r#"{{"batch":[{}],"context":{context}}}"#, identify("u1"));
        let call = Call::post("/v1/batch").bytes(body.as_bytes());
        call.send(&world).await.assert_success();
        if is_taken {
            world.queued_and_back().await;
            assert_eq!(world.external_ids(), ["u1"]);
        } else {
            assert_eq!(world.dead_letters().len(), 1);
        }
    }
}

/// SQS takes 1 MiB. A webhook or a direct invocation may bring more than that.
#[tokio::test]
async fn an_event_that_no_queue_takes_is_delivered_or_its_ids_are_recorded() {
    let filler = "x".repeat(1_100 * KB);
    let mut huge = identify("u1");
    huge["anonymousId"] = "a1".into();
    huge["timestamp"] = "2026-11-23T12:00:00Z".into();
    huge["filler"] = filler.clone().into();
    let with = |field: &str| {
        let mut event = huge.clone();
        event[field] = filler.clone().into();
        event
    };
    let (unknown, long_id, long_user) = (with("type"), with("messageId"), with("userId"));
    let ids = json!({"messageId": "m-u1", "userId": "u1", "anonymousId": "a1",
        "timestamp": "2026-11-23T12:00:00Z"});
    let without = |field: &str| {
        let mut ids = ids.clone();
        ids.as_object_mut().expect("an object").remove(field);
        ids
    };
    let no_event = json!(filler);
    for (case, event, mode, kept, expected) in [
        ("delivered at once", &huge, "inline", None, ""),
        ("Intercom fails", &huge, "inline", Some(&ids), "503"),
        ("queue mode", &huge, "queue", Some(&ids), "DELIVERY_MODE"),
        (
            "an unknown type",
            &unknown,
            "inline",
            Some(&ids),
            "unknown type",
        ),
        (
            "a long messageId",
            &long_id,
            "queue",
            Some(&without("messageId")),
            "DELIVERY_MODE",
        ),
        (
            "a long userId",
            &long_user,
            "queue",
            Some(&without("userId")),
            "more than 1,000 bytes",
        ),
        (
            "no event",
            &no_event,
            "inline",
            Some(&Value::Null),
            "this is a string",
        ),
    ] {
        let world = World::new(&[("DELIVERY_MODE", mode)]).await;
        if expected == "503" {
            world.intercom.add_fault(Fault::status(503));
        }
        let answer = signed(&json!([event]).to_string()).send(&world).await;
        let Some(kept) = kept else {
            assert_eq!(answer.body["results"][0]["status"], "delivered", "{case}");
            assert!(world.dead_letters().is_empty());
            continue;
        };
        answer.assert_error(400, "rejected");
        assert!(world.aws().retry.is_empty(), "{case}");
        let records = world.dead_letters();
        assert_eq!(records.len(), 1, "{case}");
        assert_eq!(records[0].event(), kept, "{case}");
        for part in ["only the ids", "bytes", expected] {
            assert!(
                reason(&records[0]).contains(part),
                "{case}: {}",
                reason(&records[0])
            );
        }
        // Brought back from the dead-letter queue, it is not delivered as if it were whole.
        let back = std::mem::take(&mut world.aws().dead_letter);
        world.aws().retry = back;
        world.intercom.clear_faults();
        world.redeliver(1).await;
        assert!(world.external_ids().is_empty(), "{case}");
        assert_eq!(world.dead_letters().len(), 1, "{case}");

        let direct = World::new(&[("DELIVERY_MODE", mode)]).await;
        if expected == "503" {
            direct.intercom.add_fault(Fault::status(503));
        }
        let answer = direct
            .invoke(&json!([event, identify("u2")]))
            .await
            .expect(case);
        assert_eq!(answer["results"][0]["status"], "rejected", "{case}");
        assert_ne!(answer["results"][1]["status"], "rejected", "{case}");
    }
}

/// SQS counts the reason too.
#[tokio::test]
async fn the_largest_message_of_the_retry_queue_still_fits_into_the_dead_letter_queue() {
    let world = World::new(&[("DELIVERY_MODE", "queue")]).await;
    for bytes in (1_006..1_010).map(|kb| kb * KB) {
        let mut event = identify(&bytes.to_string());
        event["event"] = "x".into();
        event["filler"] = "x".repeat(bytes).into();
        let answer = signed(&event.to_string()).send(&world).await;
        assert!(answer.status == 200 || answer.status == 400, "{answer:?}");
    }
    let queued = world.aws().retry.len();
    assert!((1..4).contains(&queued), "{queued} of 4 fit");
    let refused = Fault::status(422).code("parameter_invalid");
    world.intercom.add_fault(refused);
    world.aws().dead_letter.clear();
    while !world.aws().retry.is_empty() {
        let left = world.aws().retry.len();
        world.redeliver(1).await;
        assert!(world.aws().retry.len() < left, "a message can't be moved");
    }
    assert_eq!(world.dead_letters().len(), queued);
}

#[tokio::test]
async fn a_webhook_has_bounds_too_and_an_unsigned_one_is_not_even_read() {
    let world = World::new(&[]).await;
    let many = format!("[{}1]", "1,".repeat(1_000_000));
    signed(&many)
        .send(&world)
        .await
        .assert_error(400, "too_many_events");
    let unsigned = Call::post("/webhook").bytes(many.as_bytes());
    let unsigned = unsigned.header("X-Signature", "00");
    unsigned
        .send(&world)
        .await
        .assert_error(401, "unauthorized");
    let error: Diagnostic = world.invoke_raw(&many).await.expect_err("too many").into();
    assert_eq!(error.error_type, "TooManyEvents");
    assert!(
        error.error_message.contains("1000001"),
        "{}",
        error.error_message
    );
    world.assert_nothing_happened();
}

#[tokio::test]
async fn wide_and_deep_webhooks_are_answered() {
    let track = |value: &str| {
        format!(
            r#"{{"type":"track","messageId":"m","userId":"u1","event":"e","properties":{value}}}"#
        )
    };
    for (case, event, status) in [
        (
            "100,000 properties",
            track(&wide_object(100_000)),
            "delivered",
        ),
        (
            "100,000 elements",
            track(&format!(r#"{{"x":{}}}"#, wide_array(100_000))),
            "delivered",
        ),
        (
            "126 levels",
            track(&format!(r#"{{"x":{}}}"#, deep(125))),
            "delivered",
        ),
        ("100,000 levels", track(&deep(100_000)), "rejected"),
        (
            "a name of 1 MB",
            track("{}").replace("\"e\"", &format!("\"{}\"", "x".repeat(MB))),
            "delivered",
        ),
    ] {
        let world = World::new(&[]).await;
        world
            .intercom
            .seed_contact(json!({"role": "user", "external_id": "u1"}));
        let answer = signed(&event).send(&world).await;
        assert_eq!(
            answer.body["results"][0]["status"], status,
            "{case}: {answer:?}"
        );
    }
}

/// Flattening repeats a long key for each of its values: 500 KB could become 50 MB.
#[tokio::test]
async fn flattened_data_stays_in_proportion() {
    let world = World::new(&[("NESTED", "flatten")]).await;
    for (kind, field) in [("identify", "traits"), ("track", "properties")] {
        let numbers = json!({"k".repeat(900): vec![1; 15_000]});
        let event = json!({"type": kind, "userId": "u1", "event": "e", field: numbers});
        let call = Call::post("/v1/preview").json(&json!(vec![event; 10]));
        let answer = call.send(&world).await;
        assert_eq!(answer.status, 200, "{kind}");
        let bytes = answer.body.to_string().len();
        assert!(bytes < 6 * MB, "{kind}: {bytes}");
        let named = answer.body["results"][0]["warnings"].to_string();
        assert!(named.contains("too much nested data"), "{kind}");
    }
}

#[tokio::test]
async fn what_a_request_has_no_memory_for_is_queued_and_delivered_whole() {
    let world = World::new(&[("NESTED", "flatten")]).await;
    world
        .intercom
        .seed_contact(json!({"role": "user", "external_id": "u1"}));
    let list = vec!["1"; 1_850].join(",");
    let events: Vec<String> = (0..120)
        .map(|n| {
            format!(
                r#"{{"type":"track","messageId":"{n}","userId":"u1","event":"e{n}",
                "properties":{{"k":[{list}]}}}}"#
            )
        })
        .collect();
    let answer = signed(&format!("[{}]", events.join(",")))
        .send(&world)
        .await;
    let results = answer.body["results"].as_array().expect("results");
    let is_for_memory = |result: &&Value| result.to_string().contains("used up its memory");
    let waiting = results.iter().filter(is_for_memory).count();
    assert!((1..120).contains(&waiting), "{waiting}");
    assert!(
        results[120 - waiting..]
            .iter()
            .all(|result| is_for_memory(&result))
    );
    while !world.aws().retry.is_empty() {
        world.redeliver(1).await;
    }
    let state = world.intercom.state();
    assert_eq!(state.events.len(), 120);
    let (first, last) = (&state.events[0], &state.events[119]);
    assert_eq!(last.name, "e119");
    assert_eq!(first.metadata, last.metadata);
}

/// Lambda answers with 6 MB at most.
#[tokio::test]
async fn a_preview_too_large_to_show_is_refused() {
    let world = World::new(&[("NESTED", "flatten")]).await;
    let (key, numbers) = ("k".repeat(900), vec!["1"; 400].join(","));
    let event = format!(
        r#"{{"type":"track","userId":"u1","event":"e","properties":{{"{key}":[{numbers}]}}}}"#
    );
    for (events, status) in [(5, 200), (40, 400)] {
        let body = format!("[{}]", vec![&*event; events].join(","));
        let preview = Call::post("/v1/preview").bytes(body.as_bytes());
        let answer = preview.send(&world).await;
        assert_eq!(answer.status, status, "{events}");
        if status == 400 {
            answer.assert_error(400, "preview_too_large");
        }
    }
}
