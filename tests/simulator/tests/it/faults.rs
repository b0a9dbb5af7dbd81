use std::time::{Duration, Instant};

use intercom_simulator::Fault;
use serde_json::json;

use crate::client::*;

#[test]
fn a_status_fault_answers_instead() {
    let simulator = simulator();
    simulator.add_fault(
        Fault::status(429)
            .on("POST", "/contacts")
            .retry_after(7)
            .times(1),
    );
    simulator.add_fault(Fault::status(503).on("POST", "/contacts").after().times(1));
    let body = || json!({"role": "user", "external_id": "ada"});

    let before = post(&simulator, "/contacts", body());
    assert_eq!((before.status, before.code()), (429, "rate_limit_exceeded"));
    assert_eq!(before.headers["retry-after"], "7");
    assert_eq!(before.headers["x-ratelimit-remaining"], "0");
    assert!(simulator.state().contacts.is_empty());

    let after = post(&simulator, "/contacts", body());
    assert_eq!((after.status, after.code()), (503, "service_unavailable"));
    assert_eq!(simulator.state().contacts.len(), 1);

    assert_eq!(post(&simulator, "/contacts", body()).status, 409);
    let requests = simulator.requests();
    let faults: Vec<_> = requests
        .iter()
        .map(|request| request.fault.as_deref())
        .collect();
    assert_eq!(
        faults,
        [Some("status 429 before"), Some("status 503 after"), None]
    );
    assert_eq!(requests[1].status, Some(503));
}

#[test]
fn a_reset_closes_the_connection_without_an_answer() {
    let simulator = simulator();
    simulator.add_fault(Fault::reset().on("POST", "/contacts").times(1));
    simulator.add_fault(Fault::reset().on("POST", "/contacts").after().times(1));
    let send = |external_id: &str| {
        let body = json!({"role": "user", "external_id": external_id}).to_string();
        send(&simulator, "POST", "/contacts", &HEADERS, &body)
    };
    assert!(send("a").is_none());
    assert!(simulator.state().contacts.is_empty());
    assert!(send("b").is_none());
    assert_eq!(simulator.state().contacts.len(), 1);
    assert_eq!(send("c").unwrap().status, 200);
    assert_eq!(simulator.requests()[1].status, None);
    assert_eq!(simulator.state().counts.connections_dropped, 2);
}

#[test]
fn a_hang_delays_the_answer() {
    let simulator = simulator();
    simulator.add_fault(Fault::hang(0.2).on("GET", "/me").times(1));
    let start = Instant::now();
    assert_eq!(get(&simulator, "/me").status, 200);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_client_that_leaves_during_a_hang_changes_nothing_unless_it_was_changed() {
    use std::io::Write;
    for (fault, contacts) in [(Fault::hang(0.2), 0), (Fault::hang(0.2).after(), 1)] {
        let simulator = simulator();
        simulator.add_fault(fault.on("POST", "/contacts"));
        let url = simulator.base_url();
        let mut stream =
            std::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        let body = json!({"role": "user", "external_id": "ada"}).to_string();
        let head: String = HEADERS
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        write!(
            stream,
            "POST /contacts HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        std::thread::sleep(Duration::from_millis(80));
        drop(stream);
        std::thread::sleep(Duration::from_millis(250));
        assert_eq!(simulator.state().contacts.len(), contacts);
        assert_eq!(simulator.requests()[0].status, None);
    }
}

#[test]
fn faults_are_ruled_over_http() {
    let simulator = simulator();
    let control = |method: &str, body: serde_json::Value| {
        call(&simulator, method, "/_simulator/faults", body)
    };
    let rule = json!({
        "match": {"method": "POST", "path_prefix": "/events", "body_contains": "boom"},
        "kind": "status",
        "status": 422,
        "code": "odd",
        "message": "Odd",
        "headers": {"X-RateLimit-Reset": "5"},
        "times": null,
    });
    let added = control("POST", rule.clone());
    assert_eq!((added.status, &added.body["id"]), (200, &json!(1)));
    assert_eq!(
        control("POST", json!([rule, {"kind": "reset", "times": 0}])).body[1]["id"],
        3
    );
    let hit = post(&simulator, "/events", json!({"event_name": "boom"}));
    assert_eq!((hit.status, hit.code(), hit.message()), (422, "odd", "Odd"));
    assert_eq!(hit.headers["x-ratelimit-reset"], "5");
    assert_eq!(
        post(&simulator, "/events", json!({"event_name": "fine"})).status,
        400
    );

    let listed = get(&simulator, "/_simulator/faults").body;
    assert_eq!(listed[0]["applied"], 1);
    assert_eq!(listed[0]["match"]["body_contains"], "boom");
    for bad in [
        json!({"kind": "explode"}),
        json!({"kind": "status"}),
        json!({"kind": "status", "status": 42}),
        json!({"kind": "hang", "seconds": -1}),
        json!({"kind": "reset", "probability": 2}),
        json!({"kind": "reset", "match": {"paht": "/"}}),
        json!({"kind": "reset", "tiems": 1}),
    ] {
        assert_eq!(control("POST", bad.clone()).status, 400, "{bad}");
    }
    control("DELETE", serde_json::Value::Null);
    assert_eq!(get(&simulator, "/_simulator/faults").body, json!([]));
}
