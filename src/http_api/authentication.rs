//! Authentication: write keys, webhook signatures, user hashes. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::AUTHORIZATION;
use sha1::Sha1;
use sha2::Sha256;

use super::HttpRequest;
use super::event_array::first_of_array;
use crate::mapping::named_user;
use crate::secret::Secret;
use crate::segment::{Event, Value};

/// The write key of `Authorization: Basic base64("KEY:")`; the colon may be missing.
pub fn write_key(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let key = decoded.split_once(':').map_or(&*decoded, |(key, _)| key);
    (!key.is_empty()).then(|| key.to_owned())
}

/// The write keys in a request's headers. An SDK sends one; if there are several, any will do. A
/// page may send this header from another origin because `answer.rs` allows it in
/// `Access-Control-Allow-Headers`.
pub fn write_keys_in_headers(request: &HttpRequest) -> Vec<String> {
    let values = request.headers.get_all(AUTHORIZATION).into_iter();
    values
        .filter_map(|value| write_key(value.to_str().ok()?))
        .collect()
}

/// How much of a webhook's body its signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// All of it.
    Whole,
    /// An array's first element, which is all that Segment signs of a batch.
    FirstElement,
}

/// How much of a webhook's raw body is signed with one of the secrets. `None` for nothing. Nothing
/// after an array's first element is read.
pub fn signed<'s>(
    webhook_secrets: impl Iterator<Item = &'s str>,
    body: &[u8],
    signature: &str,
) -> Option<Signed> {
    let first = first_of_array(body);
    let mut covered = None;
    for secret in webhook_secrets {
        if webhook_signature_is_valid(secret, body, signature) {
            covered = Some(Signed::Whole);
        } else if covered.is_none()
            && first.is_some_and(|first| {
                webhook_signature_is_valid(secret, first.as_bytes(), signature)
            })
        {
            covered = Some(Signed::FirstElement);
        }
    }
    covered
}

/// Whether `signature` is the hex HMAC-SHA1 of these bytes (Segment's webhook documentation),
/// compared in constant time.
fn webhook_signature_is_valid(webhook_secret: &str, body: &[u8], signature: &str) -> bool {
    let Ok(signature) = hex::decode(signature.trim()) else {
        return false;
    };
    let mut mac = Hmac::<Sha1>::new_from_slice(webhook_secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// Whether the event's `user_hash` proves the user whom it names; None without a user, a hash, or a
/// key to check it with.
pub fn proof(event: &Event<'_>, secret: &Secret) -> Option<bool> {
    let user_hash = event.option("userhash").and_then(Value::as_str)?;
    let user = named_user(event)?;
    let api_secret = secret.api_secret()?;
    Some(user_hash_is_valid(api_secret, user.as_str(), user_hash))
}

/// Whether `user_hash` is the hex HMAC-SHA256 of the user's id (Intercom's identity
/// verification), compared in constant time.
pub fn user_hash_is_valid(api_secret: &str, user: &str, user_hash: &str) -> bool {
    let Ok(user_hash) = hex::decode(user_hash.trim()) else {
        return false;
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(api_secret.as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(user.as_bytes());
    mac.verify_slice(&user_hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_keys_of_basic_authorization() {
        for (authorization, expected) in [
            ("Basic a2V5Og==", Some("key")),
            ("basic a2V5", Some("key")),
            ("Basic a2V5OnBhc3N3b3Jk", Some("key")),
            ("Bearer a2V5Og==", None),
            ("Basic Og==", None),
            ("Basic ???", None),
            ("a2V5Og==", None),
            ("", None),
        ] {
            assert_eq!(
                write_key(authorization).as_deref(),
                expected,
                "{authorization}"
            );
        }
    }

    /// RFC 2202, test case 2.
    #[test]
    fn webhook_signatures() {
        let body = b"what do ya want for nothing?";
        let valid = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        assert!(webhook_signature_is_valid("Jefe", body, valid));
        assert!(webhook_signature_is_valid(
            "Jefe",
            body,
            &valid.to_uppercase()
        ));
        for wrong in ["", "zz", "effcdf", &valid.replace('e', "f")] {
            assert!(!webhook_signature_is_valid("Jefe", body, wrong), "{wrong}");
        }
        assert!(!webhook_signature_is_valid("other", body, valid));
    }

    /// RFC 4231, test case 2.
    #[test]
    fn user_hashes() {
        let valid = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let user = "what do ya want for nothing?";
        assert!(user_hash_is_valid("Jefe", user, valid));
        assert!(!user_hash_is_valid("Jefe", "another user", valid));
        assert!(!user_hash_is_valid("Jefe", user, ""));
    }
}
