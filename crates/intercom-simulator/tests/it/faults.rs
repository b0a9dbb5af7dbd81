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
        json!({"kind": "race", "when": "after"}),
        json!({"kind": "race", "status": 200}),
        json!({"kind": "reset", "probability": 2}),
        json!({"kind": "reset", "match": {"paht": "/"}}),
        json!({"kind": "reset", "tiems": 1}),
    ] {
        assert_eq!(control("POST", bad.clone()).status, 400, "{bad}");
    }
    control("DELETE", serde_json::Value::Null);
    assert_eq!(get(&simulator, "/_simulator/faults").body, json!([]));
}

#[test]
fn somebody_else_makes_the_same_a_moment_before() {
    let simulator = simulator();
    simulator.add_fault(Fault::race(400).on("POST", "/companies"));
    simulator.add_fault(Fault::race(409).on("POST", "/contacts"));
    let company = json!({"company_id": "acme", "name": "Acme"});
    let refused = post(&simulator, "/companies", company.clone());
    assert_eq!(
        (refused.status, refused.code(), refused.message()),
        (400, "unique_company_constraint", "Company already exists.")
    );
    assert_eq!(simulator.state().companies[0].company_id, "acme");
    let repeated = post(&simulator, "/companies", company);
    assert_eq!(
        (repeated.status, &repeated.body["name"]),
        (200, &json!("Acme"))
    );

    let user = json!({"role": "user", "external_id": "ada"});
    let refused = post(&simulator, "/contacts", user.clone());
    assert_eq!(
        (refused.status, refused.code()),
        (409, "unique_user_constraint")
    );
    assert_eq!(
        get(&simulator, "/contacts/find_by_external_id/ada").status,
        200
    );
    assert_eq!(post(&simulator, "/contacts", user).code(), "conflict");
    assert_eq!(
        simulator.requests()[0].fault.as_deref(),
        Some("race before")
    );
}

#[test]
fn what_a_wrongly_set_up_client_sees_is_a_fault_away() {
    let simulator = simulator();
    let moved = Fault::status(301).header("Location", "https://api.eu.intercom.io/me");
    let faults = [
        (moved.on("GET", "/me"), 301),
        (Fault::status(308).on("GET", "/me"), 308),
        (Fault::status(405).on("GET", "/me"), 405),
        (Fault::status(400).code("intercom_version_invalid"), 400),
    ];
    for (fault, _) in &faults {
        simulator.add_fault(fault.clone().times(1));
    }
    for (_, status) in &faults {
        let answer = get(&simulator, "/me");
        assert_eq!(answer.status, *status);
        match status {
            301 => assert_eq!(answer.headers["location"], "https://api.eu.intercom.io/me"),
            400 => assert_eq!(answer.code(), "intercom_version_invalid"),
            _ => {}
        }
    }
}

#[test]
fn who_loses_a_race_is_told_in_any_of_the_ways_that_were_seen() {
    let simulator = simulator();
    for (number, (status, path, code, message)) in [
        (404, "/contacts", "not_found", "User Not Found"),
        (404, "/companies", "company_not_found", "Company Not Found"),
        (409, "/companies", "resource_conflict", "Resource conflict"),
        (400, "/companies", "", "Company already exists."),
    ]
    .into_iter()
    .enumerate()
    {
        let race = Fault::race(status).code(code).message(message);
        simulator.add_fault(race.on("POST", path).times(1));
        let id = format!("new-{number}");
        let body = json!({"role": "user", "external_id": id});
        let body = if path == "/companies" {
            json!({"company_id": id})
        } else {
            body
        };
        let refused = post(&simulator, path, body);
        assert_eq!(
            (refused.status, refused.code(), refused.message()),
            (status, code, message)
        );
    }
    let state = simulator.state();
    assert_eq!((state.contacts.len(), state.companies.len()), (1, 3));
}

#[test]
fn a_429_may_say_nothing_of_its_window_and_a_200_be_no_answer_of_intercoms() {
    let simulator = simulator();
    let bare = Fault::status(429).without_rate_limit_headers().times(1);
    simulator.add_fault(bare);
    let page = Fault::status(200).page("<html>Sign in</html>").times(1);
    simulator.add_fault(page);
    simulator.add_fault(Fault::status(400).message("is invalid").field("email"));
    let bare = get(&simulator, "/me");
    let told = |name: &String| name.starts_with("x-ratelimit");
    assert_eq!(bare.status, 429);
    assert_eq!(bare.headers.keys().filter(|name| told(name)).count(), 0);
    let page = get(&simulator, "/me");
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html");
    let refused = get(&simulator, "/me");
    assert_eq!(refused.body["errors"][0]["field"], "email");
}
