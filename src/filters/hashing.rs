//! Values that are sent as their hash.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::segment::{Value, json_of};

/// How values are hashed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hashing {
    pub(super) algorithm: Algorithm,
    /// With it the hash is an HMAC.
    pub(super) key: Option<String>,
    pub(super) encoding: Encoding,
}

/// `algorithm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// `encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
    Base64Url,
}

impl Hashing {
    /// The hash of a value: of a text's bytes, of anything else's JSON.
    pub(super) fn hash(&self, value: &Value<'_>) -> String {
        let json;
        let bytes = match value {
            Value::Str(text) => text.as_bytes(),
            other => {
                json = json_of(other);
                json.as_bytes()
            }
        };
        let key = self.key.as_deref().map(str::as_bytes);
        macro_rules! digest {
            ($hash:ty) => {
                match key {
                    None => <$hash>::digest(bytes).to_vec(),
                    Some(key) => {
                        let mac = Hmac::<$hash>::new_from_slice(key);
                        let mac = mac.expect("a key of any length");
                        mac.chain_update(bytes).finalize().into_bytes().to_vec()
                    }
                }
            };
        }
        let digest = match self.algorithm {
            Algorithm::Md5 => digest!(Md5),
            Algorithm::Sha1 => digest!(Sha1),
            Algorithm::Sha224 => digest!(Sha224),
            Algorithm::Sha256 => digest!(Sha256),
            Algorithm::Sha384 => digest!(Sha384),
            Algorithm::Sha512 => digest!(Sha512),
        };
        match self.encoding {
            Encoding::Hex => hex::encode(digest),
            Encoding::Base64 => STANDARD.encode(digest),
            Encoding::Base64Url => URL_SAFE.encode(digest),
        }
    }
}
