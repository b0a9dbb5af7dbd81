//! A whole request, as either API of AWS hands it over: who is let in, and what may they do?

use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use segment_intercom::entry::Entry;
use segment_intercom::http_api::{
    Answer, ApiError, HttpRequest, MAX_BODY_BYTES, MAX_SEGMENT_EVENTS, Route, Signed, decode,
    entries_of_array, replace_lone_surrogates, signed, user_hash_is_valid, without_byte_order_mark,
    write_key, write_key_in, write_keys_in_headers,
};
use segment_intercom::mapping::{Channel, Sender, Settings, named_user};
use segment_intercom::secret::Secret;
use segment_intercom::segment::Value;
use segment_intercom::trigger::{Trigger, TriggerError};
use serde_json::json;
use serde_json::value::RawValue;
use sha1::Sha1;

use super::checks::{check_body, check_entries, parse};
use super::own_queues;

/// A byte that chooses how API Gateway hands the request over, whether it is signed, whether the
/// write key is public and a `user_hash` required, then the request as text: a line with method and path, headers, an empty line, the body.
pub fn http(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else {
        return;
    };
    let end = text.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((text, &b""[..]), |end| (&text[..end], &text[end + 2..]));
    let Ok(head) = str::from_utf8(head) else {
        return;
    };
    let payload = api_gateway_payload(*choice, head, body);
    let payload = RawValue::from_string(payload).expect("JSON");
    let request = match Trigger::of(&payload, &own_queues()) {
        Ok(Trigger::Http(request)) => request,
        // API Gateway itself refuses a method or header that is none.
        Err(TriggerError::Broken(..)) => return,
        other => panic!("not HTTP: {other:?}"),
    };
    assert_eq!(request.raw_body().as_deref(), Ok(body));
    check_request(&request);
    let settings = Settings {
        require_user_hash: choice & 32 > 0,
        verified_companies: choice & 64 > 0,
        ..Settings::default()
    };
    let keys = if choice & 16 > 0 {
        "public_write_keys"
    } else {
        "write_keys"
    };
    let route = Route::of(&request.method, &request.path);
    check_door(&request, route, keys, &settings);
}

/// The key that lets in, and signs.
const KEY: &str = "local-server-write-key";

/// With what a `user_hash` is made.
const API_SECRET: &str = "0123456789abcdef";

fn api_gateway_payload(choice: u8, head: &str, body: &[u8]) -> String {
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    let (method, path) = line.split_once(' ').unwrap_or((line, ""));
    let mut headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let first = || {
        serde_json::from_slice::<Vec<&RawValue>>(body)
            .ok()?
            .first()
            .copied()
    };
    match choice & 3 {
        0 => headers.push(("X-Signature".to_owned(), signature(body))),
        1 => headers.extend(
            first().map(|first| ("X-Signature".to_owned(), signature(first.get().as_bytes()))),
        ),
        _ => {}
    }
    let text = str::from_utf8(body).ok().filter(|_| choice & 4 > 0);
    let is_base64 = text.is_none();
    let body = text.map_or_else(|| STANDARD.encode(body), str::to_owned);
    if choice & 8 > 0 {
        let headers: serde_json::Map<_, _> = headers
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let context = json!({"http": {"method": method, "path": path}});
        return json!({"version": "2.0", "rawPath": path, "headers": headers, "body": body,
            "requestContext": context, "isBase64Encoded": is_base64})
        .to_string();
    }
    let mut multi = json!({});
    for (name, value) in headers {
        match &mut multi[name] {
            serde_json::Value::Array(values) => values.push(value.into()),
            place => *place = json!([value]),
        }
    }
    json!({"httpMethod": method, "path": path, "multiValueHeaders": multi, "body": body,
        "requestContext": {}, "isBase64Encoded": is_base64})
    .to_string()
}

fn signature(bytes: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(KEY.as_bytes()).expect("a key");
    mac.update(bytes);
    hex::encode(mac.finalize().into_bytes())
}

/// Checks that only a right key lets in, and what comes in then.
fn check_door(request: &HttpRequest, route: Route, keys: &str, settings: &Settings) {
    let secret = |key: &str| -> Secret {
        let json = json!({ keys: [key], "api_secret": API_SECRET });
        Secret::parse(&json.to_string()).expect("a secret")
    };
    let raw = request.raw_body().expect("it was base64");
    match route {
        Route::Single(_) | Route::Batch | Route::Preview => {
            let is_client_error = |error: ApiError| matches!(error.status().as_u16(), 400 | 401);
            let entered = enter(request, route, &raw, &secret(KEY), settings);
            assert!(entered.err().is_none_or(is_client_error));
            let other = secret("nobody knows this one");
            let refused = enter(request, route, &raw, &other, settings);
            assert!(refused.is_err_and(is_client_error));
        }
        Route::Webhook => {
            let signature = request.header("x-signature").unwrap_or_default();
            let covered = |key| signed([key].into_iter(), &raw, signature);
            assert_eq!(covered("nobody knows this one"), None);
            let body = replace_lone_surrogates(without_byte_order_mark(&raw).into());
            if let Ok(mut entries) =
                entries_of_array(&body, MAX_SEGMENT_EVENTS, &settings.ignored_user_ids)
                && let Some(covered) = covered(KEY)
            {
                for (index, entry) in entries.iter_mut().enumerate() {
                    entry.sender = Sender::by(match covered {
                        Signed::FirstElement if index > 0 => Channel::Server,
                        Signed::FirstElement | Signed::Whole => Channel::Segment,
                    });
                }
                check_entries(&entries, settings);
            }
        }
        _ => {}
    }
}

/// As `Function` does it.
fn enter(
    request: &HttpRequest,
    route: Route,
    raw: &[u8],
    secret: &Secret,
    settings: &Settings,
) -> Result<(), ApiError> {
    let known = |key: &String| secret.write_key(key);
    let in_headers = write_keys_in_headers(request);
    let let_in = in_headers.iter().find_map(known);
    if let_in.is_none() && !in_headers.is_empty() {
        return Err(ApiError::WriteKey);
    }
    let key = if let Some(key) = let_in {
        key
    } else {
        let in_body = write_key_in(raw, MAX_BODY_BYTES)?;
        in_body.as_ref().and_then(known).ok_or(ApiError::WriteKey)?
    };
    let body = decode(raw, MAX_BODY_BYTES)?;
    let mut entries = parse(&body, route, &settings.ignored_user_ids)?;
    assert_eq!(secret.write_key(KEY).as_ref(), Some(&key));
    let channel = match request.origin() {
        _ if key.is_public => Channel::Public,
        Some(_) => Channel::Browser,
        None => Channel::Server,
    };
    for entry in &mut entries {
        let is_verified = channel != Channel::Server && is_proven(entry);
        entry.sender = Sender {
            channel,
            is_verified,
        };
    }
    check_entries(&entries, settings);
    Ok(())
}

fn is_proven(entry: &Entry<'_>) -> bool {
    let proof = || {
        let event = entry.event()?;
        let user_hash = event.option("userhash").and_then(Value::as_str)?;
        let user = named_user(event)?;
        Some(user_hash_is_valid(API_SECRET, user.as_str(), user_hash))
    };
    proof() == Some(true)
}

/// Checks a request whoever sent it.
pub(super) fn check_request(request: &HttpRequest) {
    let key = request.header("authorization").and_then(write_key);
    assert_ne!(key.as_deref(), Some(""));
    let Ok(raw) = request.raw_body() else {
        return;
    };
    let signature = request.header("x-signature").unwrap_or_default();
    assert_eq!(signed(["a secret"].into_iter(), &raw, signature), None);
    check_body(Route::of(&request.method, &request.path), &raw);
    let answer = Answer::success().into_payload(request.origin());
    assert_eq!(answer["statusCode"], 200);
}
