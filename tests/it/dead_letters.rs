//! What a machine can read off a dead letter: `docs/operations.md#dead-letters`.

use intercom_simulator::Fault;
use serde_json::json;

use crate::http::Call;
use crate::support::{World, payload_of};

impl World {
    /// The attribute `code` of each dead letter.
    fn codes(&self) -> Vec<String> {
        let letters = self.dead_letters().into_iter();
        let code = |letter: crate::support::Sent| letter.attribute("code").map(str::to_owned);
        letters
            .map(|letter| code(letter).unwrap_or_default())
            .collect()
    }
}

#[tokio::test]
async fn each_dead_letter_of_a_request_has_its_code() {
    let track = json!({"type": "track", "messageId": "m", "userId": "nobody", "event": "E"});
    let large = json!({"type": "track", "userId": "u", "x": "x".repeat(40_000)});
    let event_limit = || {
        Fault::status(422)
            .code("parameter_invalid")
            .on("POST", "/events")
    };
    for (setting, event, expected) in [
        ("wait", json!(7), "invalid_event"),
        ("wait", json!({"userId": "u"}), "invalid_event"),
        ("wait", large, "too_large"),
        (
            "wait",
            json!({"type": "delete", "userId": "u"}),
            "not_allowed",
        ),
        ("wait", track.clone(), "intercom_refused"),
        ("reject", track, "unknown_user"),
    ] {
        let world = World::new(&[("UNKNOWN_USER", setting)]).await;
        if expected == "intercom_refused" {
            world.intercom.add_fault(event_limit());
        }
        let body = json!({"batch": [event]});
        let answer = Call::post("/v1/batch").json(&body).send(&world).await;
        answer.assert_success();
        assert_eq!(world.codes(), [expected], "{setting} {event}");
    }
}

#[tokio::test]
async fn each_dead_letter_from_the_queue_has_its_code() {
    let world = World::new(&[("RETRY_HOURS", "2"), ("UNKNOWN_USER_SECONDS", "60")]).await;
    let outage = Fault::status(503).on("POST", "/contacts");
    world.intercom.add_fault(outage);
    let ago = |seconds| chrono::Utc::now() - chrono::Duration::seconds(seconds);
    let of = |kind: &str, id: &str| {
        let event = json!({"type": kind, "messageId": id, "userId": id, "event": "E"});
        payload_of(id, id, &event, ago(7200))
    };
    let mut waited = of("track", "waited");
    waited.attributes = json!({"waitingSince": {"StringValue": ago(61).to_rfc3339()}});
    let mut unreadable = of("identify", "unreadable");
    unreadable.body = json!({"v": 99});
    let mut not_an_event = of("identify", "no event");
    not_an_event.body["event"] = json!(7);
    world
        .aws()
        .retry
        .extend([of("identify", "old"), waited, unreadable, not_an_event]);
    world.redeliver(1).await;
    let mut codes = world.codes();
    codes.sort();
    assert_eq!(
        codes,
        [
            "gave_up",
            "invalid_event",
            "unknown_user",
            "unreadable_message"
        ]
    );
}
