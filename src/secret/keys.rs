//! The keys in the secret, as far as they are usable.
//!
//! As `docs/api.md#the-secret` tells users.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::SecretError;

/// Shortest key of our own, in characters. A shorter one can be guessed, or is a placeholder that
/// nobody replaced.
const SHORTEST_KEY: usize = 16;

/// The secret's JSON. `webhook_secret` is one string or a list; only `access_token` is needed for
/// every delivery. Unusable keys count as absent, see [`Secret::parse`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Secret {
    access_token: Option<SecretString>,
    api_secret: Option<SecretString>,
    #[serde(deserialize_with = "one_or_many", rename = "webhook_secret")]
    webhook_secrets: Vec<SecretString>,
    #[serde(deserialize_with = "one_or_many")]
    write_keys: Vec<SecretString>,
    #[serde(deserialize_with = "one_or_many")]
    public_write_keys: Vec<SecretString>,
}

/// A write key that the secret knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteKey {
    /// Whether it is in pages or apps, where everybody can read it.
    pub is_public: bool,
    /// Tells keys apart without showing them: 16 hex digits of its SHA-256.
    pub fingerprint: String,
}

impl Secret {
    /// Reads the secret's JSON. A key that is blank, shorter than 16 characters or not ASCII is
    /// left out, so that its entry point is closed rather than open to whoever guesses it; the
    /// log says why, never the key.
    ///
    /// # Errors
    /// [`SecretError::Malformed`].
    pub fn parse(json: &str) -> Result<Self, SecretError> {
        // serde_json's own message could quote the secret.
        let mut secret: Self =
            serde_json::from_str(json).map_err(|error| SecretError::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        secret.access_token = secret.access_token.filter(|token| {
            // Intercom's, so its length is Intercom's business.
            is_usable("access_token", token, 1)
        });
        let is_key = |name| move |key: &SecretString| is_usable(name, key, SHORTEST_KEY);
        secret.api_secret = secret.api_secret.filter(is_key("api_secret"));
        secret.webhook_secrets.retain(is_key("webhook_secret"));
        secret.write_keys.retain(is_key("write_keys"));
        secret.public_write_keys.retain(is_key("public_write_keys"));
        Ok(secret)
    }

    /// Intercom's access token.
    pub fn access_token(&self) -> Option<&str> {
        self.access_token.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The key of Intercom's identity verification.
    pub fn api_secret(&self) -> Option<&str> {
        self.api_secret.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The keys that Segment may sign webhooks with.
    pub fn webhook_secrets(&self) -> impl ExactSizeIterator<Item = &str> {
        self.webhook_secrets.iter().map(ExposeSecret::expose_secret)
    }

    /// Whether there is any write key, public or not.
    pub fn has_write_keys(&self) -> bool {
        !(self.write_keys.is_empty() && self.public_write_keys.is_empty())
    }

    /// The write key equal to `key`, found in constant time. One in both lists is public.
    pub fn write_key(&self, key: &str) -> Option<WriteKey> {
        let is_any = |known: &[SecretString]| {
            let is_known = |known: &SecretString| {
                let known = known.expose_secret().as_bytes();
                known.ct_eq(key.as_bytes()).unwrap_u8()
            };
            known.iter().fold(0, |found, known| found | is_known(known)) == 1
        };
        let (is_public, is_server) = (is_any(&self.public_write_keys), is_any(&self.write_keys));
        (is_public || is_server).then(|| WriteKey {
            is_public,
            fingerprint: hex::encode(&Sha256::digest(key)[..8]),
        })
    }
}

/// Whether a string of the secret is usable as a key; the log says why if it isn't.
fn is_usable(name: &'static str, key: &SecretString, shortest: usize) -> bool {
    let key = key.expose_secret();
    let why = if key.trim().is_empty() {
        "it is blank"
    } else if !key
        .bytes()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_control())
    {
        "it has characters other than ASCII's: is it still a placeholder?"
    } else if key.len() < shortest {
        "it is shorter than 16 characters: make one with `openssl rand -hex 32`"
    } else {
        return true;
    };
    tracing::warn!(key = name, why, "a key of the secret counts as absent");
    false
}

/// A string, a list of strings, or null.
fn one_or_many<'de, D: Deserializer<'de>>(json: D) -> Result<Vec<SecretString>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(SecretString),
        Many(Vec<SecretString>),
    }
    Ok(match Option::deserialize(json)? {
        None => Vec::new(),
        Some(OneOrMany::One(key)) => vec![key],
        Some(OneOrMany::Many(keys)) => keys,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef";

    #[test]
    fn a_key_that_anybody_could_guess_counts_as_absent() {
        for key in [
            "",
            " ",
            "…",
            "                ",
            "0123456789abcde",
            "0123456789abcdé…",
        ] {
            let json = serde_json::json!({"access_token": "t", "api_secret": key,
                "webhook_secret": key, "write_keys": [key], "public_write_keys": [key]});
            let secret = Secret::parse(&json.to_string()).expect("a secret");
            assert_eq!(secret.access_token(), Some("t"));
            assert_eq!(secret.api_secret(), None, "{key:?}");
            assert_eq!(secret.webhook_secrets().count(), 0, "{key:?}");
            assert!(!secret.has_write_keys(), "{key:?}");
            assert_eq!(secret.write_key(key), None, "{key:?}");
        }
        for token in ["", " ", "…"] {
            let json = serde_json::json!({"access_token": token});
            let secret = Secret::parse(&json.to_string()).expect("a secret");
            assert_eq!(secret.access_token(), None, "{token:?}");
        }
    }

    #[test]
    fn a_webhook_secret_is_one_or_a_list() {
        let of = |json: &str| {
            let secret = Secret::parse(json).expect("a secret");
            secret.webhook_secrets().count()
        };
        assert_eq!(of(&format!(r#"{{"webhook_secret":"{KEY}"}}"#)), 1);
        assert_eq!(
            of(&format!(r#"{{"webhook_secret":["{KEY}","…","{KEY}2"]}}"#)),
            2
        );
        assert_eq!(of(r#"{"webhook_secret":null}"#), 0);
        assert_eq!(of("{}"), 0);
        assert!(Secret::parse(r#"{"webhook_secret":7}"#).is_err());
    }

    #[test]
    fn a_write_key_in_both_lists_is_public() {
        let json = format!(r#"{{"write_keys":["{KEY}","{KEY}2"],"public_write_keys":["{KEY}"]}}"#);
        let secret = Secret::parse(&json).expect("a secret");
        let is_public = |key: &str| secret.write_key(key).map(|key| key.is_public);
        assert_eq!(is_public(KEY), Some(true));
        assert_eq!(is_public(&format!("{KEY}2")), Some(false));
        assert_eq!(is_public("0123456789abcdeg"), None);
        assert_eq!(is_public(""), None);
    }
}
