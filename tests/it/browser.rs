//! What pages and apps load: the settings document, and the plugin for Intercom's Messenger.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::http::Call;
use crate::support::{PUBLIC_WRITE_KEY, WRITE_KEY, World};

const WITH_MESSENGER: [(&str, &str); 1] = [("INTERCOM_APP_ID", "abc123")];
const WITH_DEVICE: [(&str, &str); 2] = [
    ("INTERCOM_APP_ID", "abc123"),
    ("BROWSER_DELIVERY", "device"),
];

fn settings_of(key: &str) -> Call {
    let call = Call::new("GET", &format!("/v1/projects/{key}/settings")).without_key();
    call.header("Host", "api.example.com")
        .header("X-Forwarded-Proto", "https")
}

async fn document(world: &World) -> Value {
    let answer = settings_of(PUBLIC_WRITE_KEY).send(world).await;
    assert_eq!(answer.status, 200);
    answer.body
}

#[tokio::test]
async fn settings_point_to_this_endpoint() {
    let world = World::new(&[]).await;
    let document = document(&world).await;
    let segment = &document["integrations"]["Segment.io"];
    assert_eq!(segment["apiKey"], PUBLIC_WRITE_KEY);
    assert_eq!(segment["protocol"], "https");
    assert_eq!(segment["apiHost"], "api.example.com/prod/v1");
    assert_eq!(document["remotePlugins"], json!([]));
    only_segment_is_an_integration(&document);
}

/// Any other entry makes script builds of analytics.js load parts of it from Segment's CDN, and lose
/// every event where that is blocked.
fn only_segment_is_an_integration(document: &Value) {
    let integrations = document["integrations"].as_object().expect("an object");
    assert_eq!(integrations.keys().collect::<Vec<_>>(), ["Segment.io"]);
    assert!(document["plan"].is_null());
}

#[tokio::test]
async fn settings_lead_nowhere_else() {
    let world = World::new(&WITH_MESSENGER).await;
    let of = |host: &str, protocol: &str| {
        let call = Call::new("GET", &format!("/v1/projects/{PUBLIC_WRITE_KEY}/settings"));
        call.without_key()
            .header("Host", host)
            .header("X-Forwarded-Proto", protocol)
    };
    for (protocol, expected) in [
        ("http", "http"),
        ("HTTPS", "https"),
        ("javascript", "https"),
        ("", "https"),
    ] {
        let answer = of("api.example.com:8443", protocol).send(&world).await;
        let segment = &answer.body["integrations"]["Segment.io"];
        assert_eq!(
            (&segment["protocol"], &segment["apiHost"]),
            (&json!(expected), &json!("api.example.com:8443/prod/v1"))
        );
        assert_eq!(
            answer.header("Vary"),
            Some("Origin, Host, X-Forwarded-Proto")
        );
        let url = answer.body["remotePlugins"][0]["url"]
            .as_str()
            .expect("a URL");
        assert!(
            url.starts_with(&format!("{expected}://api.example.com:8443/prod/browser/")),
            "{url}"
        );
    }
    for host in [
        "evil.example/x",
        "user@evil.example",
        "evil.example?",
        "a b",
        "",
        "evil.example:x",
    ] {
        let answer = of(host, "https").send(&world).await;
        assert!(!answer.body.to_string().contains("evil"), "{host}");
        // The API's own domain stands in, where the request has one.
        if answer.status != 200 {
            answer.assert_error(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn settings_behind_every_kind_of_endpoint() {
    let world = World::new(&WITH_MESSENGER).await;
    let key = PUBLIC_WRITE_KEY;
    let rest = |path: &str, full: &str| {
        json!({"httpMethod": "GET", "path": path, "headers": {"Host": "h", "X-Forwarded-Proto": "https"},
            "requestContext": {"httpMethod": "GET", "path": full}})
    };
    let http = |path: &str| {
        json!({"version": "2.0", "rawPath": path, "headers": {"host": "h", "x-forwarded-proto": "https"},
            "requestContext": {"http": {"method": "GET", "path": path}, "domainName": "h"}})
    };
    let path = format!("/v1/projects/{key}/settings");
    let short = format!("/projects/{key}/settings");
    for (what, payload, base) in [
        ("a stage", rest(&path, &format!("/prod{path}")), "h/prod"),
        ("a custom domain", rest(&path, &path), "h"),
        (
            "its base path",
            rest(&format!("/in{path}"), &format!("/in{path}")),
            "h/in",
        ),
        (
            "a mobile SDK",
            rest(&path, &format!("/prod/v1{short}")),
            "h/prod",
        ),
        (
            "an HTTP API's stage",
            http(&format!("/prod{path}")),
            "h/prod",
        ),
        ("a Function URL", http(&short), "h"),
    ] {
        let answer = world.invoke(&payload).await.expect("an answer");
        let body: Value =
            serde_json::from_str(answer["body"].as_str().expect("text")).expect("JSON");
        let host = format!("{base}/v1");
        assert_eq!(
            body["integrations"]["Segment.io"]["apiHost"], host,
            "{what}"
        );
        let url = body["remotePlugins"][0]["url"].as_str().expect("a URL");
        assert!(
            url.starts_with(&format!("https://{base}/browser/")),
            "{what}: {url}"
        );
    }
}

#[tokio::test]
async fn only_public_write_keys_have_settings() {
    let world = World::new(&WITH_MESSENGER).await;
    for key in ["unknown-public-write-key", WRITE_KEY] {
        let answer = settings_of(key).send(&world).await;
        answer.assert_error(404, "not_found");
        assert!(
            answer.body["message"]
                .as_str()
                .expect("text")
                .contains("public_write_keys")
        );
    }
    // A key that was added since the secret was read.
    let added = "an-added-public-write-key";
    let world = World::new(&WITH_MESSENGER).await;
    world.function.warm_up().await;
    world.aws().secret["public_write_keys"] = json!([added]);
    assert_eq!(settings_of(added).send(&world).await.status, 200);
}

#[tokio::test]
async fn settings_of_the_messenger() {
    let world = World::new(&WITH_MESSENGER).await;
    let document = document(&world).await;
    only_segment_is_an_integration(&document);
    let intercom = &document["remotePlugins"][0]["settings"];
    assert_eq!(intercom["appId"], "abc123");
    assert_eq!(intercom["apiBase"], "https://api-iam.intercom.io");
    assert_eq!(intercom["bootVisitors"], true);
    assert_eq!(intercom["ignoredUserIds"][0], "null");
    for absent in [
        "consentCategories",
        "delivery",
        "hideDefaultLauncher",
        "type",
        "customLauncherSelector",
    ] {
        assert!(intercom[absent].is_null(), "{absent}");
    }
    let plugin = &document["remotePlugins"][0];
    assert_eq!(
        (&plugin["name"], &plugin["libraryName"]),
        (&json!("Intercom Web (Actions)"), &json!("segmentIntercom"))
    );
    assert_eq!(plugin["creationName"], "Intercom");

    let world = World::new(&[
        ("INTERCOM_APP_ID", "abc123"),
        ("INTERCOM_REGION", "eu"),
        ("BROWSER_DELIVERY", "device"),
        ("BOOT_VISITORS", "false"),
        ("HIDE_DEFAULT_LAUNCHER", "true"),
        ("CUSTOM_LAUNCHER_SELECTOR", "#chat"),
        ("REQUIRE_USER_HASH", "true"),
        ("NESTED", "flatten"),
        ("COMPANY_ID_HASH", "segment"),
        ("EVENT_FILTER", "Order *"),
    ])
    .await;
    let document = self::document(&world).await;
    only_segment_is_an_integration(&document);
    let mut intercom = document["remotePlugins"][0]["settings"].clone();
    intercom
        .as_object_mut()
        .expect("an object")
        .remove("ignoredUserIds");
    assert_eq!(
        intercom,
        json!({"appId": "abc123", "apiBase": "https://api-iam.eu.intercom.io", "bootVisitors": false,
            "requireUserHash": true, "hideDefaultLauncher": true, "customLauncherSelector": "#chat",
            "companyIdHash": "segment", "delivery": "device",
            "metadataLimit": 10, "richLinkProperties": [], "eventFilter": ["Order *"], "nested": "flatten"})
    );
}

#[tokio::test]
async fn settings_are_kept_for_five_minutes_and_not_sent_twice() {
    let world = World::new(&WITH_MESSENGER).await;
    let answer = settings_of(PUBLIC_WRITE_KEY)
        .with_origin("https://shop.example")
        .send(&world)
        .await;
    assert_eq!(answer.header("Cache-Control"), Some("public, max-age=300"));
    assert_eq!(
        answer.header("Access-Control-Allow-Origin"),
        Some("https://shop.example")
    );
    let tag = answer.header("ETag").expect("an ETag");
    let again = settings_of(PUBLIC_WRITE_KEY)
        .header("If-None-Match", tag)
        .send(&world)
        .await;
    assert_eq!((again.status, &again.body), (304, &Value::Null));
    assert_eq!(again.header("ETag"), Some(tag));
}

#[tokio::test]
async fn the_plugin_is_served() {
    let world = World::new(&WITH_MESSENGER).await;
    let url = document(&world).await["remotePlugins"][0]["url"].clone();
    let (_, path) = url
        .as_str()
        .expect("a URL")
        .split_once("/prod")
        .expect("the stage");
    for (path, kept) in [
        (path, "public, max-age=31536000, immutable"),
        ("/browser/intercom.js", "public, max-age=300"),
        (
            "/browser/of-an-earlier-build/intercom.js",
            "public, max-age=300",
        ),
    ] {
        let get = Call::new("GET", path)
            .without_key()
            .with_origin("https://shop.example");
        let payload = world.invoke(get.payload()).await.expect("an answer");
        assert_eq!(payload["isBase64Encoded"], false);
        assert_eq!(
            payload["body"],
            include_str!("../../browser/dist/intercom.js")
        );
        assert_eq!(payload["headers"]["Cache-Control"], kept);
        assert_eq!(
            payload["headers"]["Content-Type"],
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            payload["headers"]["Access-Control-Allow-Origin"],
            "https://shop.example"
        );
        let packed = get.clone().header("Accept-Encoding", "br, gzip");
        let packed = world.invoke(packed.payload()).await.expect("an answer");
        assert_eq!(packed["headers"]["Content-Encoding"], "gzip");
        let bytes = STANDARD
            .decode(packed["body"].as_str().expect("text"))
            .expect("base64");
        assert!(bytes.len() <= 4 * 1024, "{} bytes", bytes.len());
        let mut text = String::new();
        GzDecoder::new(&*bytes)
            .read_to_string(&mut text)
            .expect("gzip");
        assert_eq!(text, payload["body"].as_str().expect("text"));
        let tag = payload["headers"]["ETag"].as_str().expect("an ETag");
        let again = get.header("If-None-Match", tag).send(&world).await;
        assert_eq!(
            (again.status, again.header("Content-Encoding")),
            (304, None)
        );
    }
}

#[tokio::test]
async fn without_an_app_id_there_is_no_plugin() {
    let world = World::new(&[]).await;
    let answer = Call::new("GET", "/browser/intercom.mjs")
        .without_key()
        .send(&world)
        .await;
    answer.assert_error(404, "not_found");
    assert!(
        answer.body["message"]
            .as_str()
            .expect("text")
            .contains("INTERCOM_APP_ID")
    );
}

#[tokio::test]
async fn what_the_page_delivered_is_skipped() {
    let world = World::new(&WITH_DEVICE).await;
    let event = |id: &str, bundled: Value| json!({"type": "track", "event": id, "userId": "u-1", "messageId": id, "_metadata": {"bundled": bundled}});
    let identify = json!({"type": "identify", "userId": "u-1"});
    let events = json!({"batch": [identify, event("by-page", json!(["Intercom", "Segment.io"])),
        event("by-function", json!(["Segment.io"])), event("by-nobody", Value::Null)]});
    Call::post("/v1/batch")
        .json(&events)
        .with_key(PUBLIC_WRITE_KEY)
        .send(&world)
        .await
        .assert_success();
    let names: Vec<String> = json!(world.intercom.state())["events"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["name"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(names, ["by-function", "by-nobody"]);
    assert!(world.aws().dead_letter.is_empty() && world.aws().retry.is_empty());
}

#[tokio::test]
async fn parts_of_analytics_js_are_here_or_at_segment() {
    let world = World::new(&[]).await;
    let all = include_str!("../../browser/dist/analytics-next.js");
    let (_, rest) = all
        .split_once("//# file ajs-destination.")
        .expect("its part");
    let (name, rest) = rest.split_once('\n').expect("a line");
    let path = format!("/analytics-next/bundles/ajs-destination.{name}");
    let get = Call::new("GET", &path).without_key();
    let payload = world.invoke(get.payload()).await.expect("an answer");
    let text = payload["body"].as_str().expect("text");
    assert!(!text.is_empty() && rest.starts_with(text));
    assert_eq!(
        payload["headers"]["Content-Type"],
        "text/javascript; charset=utf-8"
    );
    let path = "/analytics-next/bundles/ajs-destination.bundle.40628b.js";
    let answer = Call::new("GET", path).without_key().send(&world).await;
    let location = format!("https://cdn.segment.com{path}");
    let seen = (answer.status, answer.header("Location"));
    assert_eq!(seen, (302, Some(&*location)));
}
