//! The write key in a body, found before anything else of the body is looked at.

use std::fmt;
use std::io::{BufReader, Read};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::body_error::BodyError;
use super::gzip::{BYTE_ORDER_MARK, Unpacked, reason, without_byte_order_mark};
use crate::segment::WRITE_KEY;

/// The first `writeKey` of a body as it was sent: of the object that it is, else of the first object
/// of an array. The body is unpacked and read up to there, `limit` bytes at most.
///
/// # Errors
/// [`BodyError`] when the body can't be read far enough to tell.
pub fn write_key_in(raw: &[u8], limit: usize) -> Result<Option<String>, BodyError> {
    let (mut unpacked, mut start) = (Unpacked::new(raw, limit), Vec::new());
    let mark = unpacked.by_ref().take(BYTE_ORDER_MARK.len() as u64);
    { mark }.read_to_end(&mut start).map_err(reason)?;
    let text = without_byte_order_mark(&start).chain(unpacked);
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(text));
    let mut found = None;
    match KeySearch(&mut found).deserialize(&mut json) {
        // Most searches end with an error, since they stop in the middle of the JSON.
        _ if found.is_some() => {}
        Err(error) if error.is_io() => return Err(reason(error.into())),
        Err(error) if !error.is_data() => return Err(BodyError::Json(error.to_string())),
        _ => {}
    }
    Ok(found)
}

/// Looks for the key in a JSON value, and reads nothing after it.
struct KeySearch<'f>(&'f mut Option<String>);

impl<'de> DeserializeSeed<'de> for KeySearch<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeySearch<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(IsWriteKey(is_key)) = fields.next_key()? {
            if !is_key {
                fields.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: Box<RawValue> = fields.next_value()?;
            *self.0 = serde_json::from_str(value.get()).ok();
            if self.0.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        elements.next_element_seed(self)?;
        Ok(())
    }
}

/// Whether a field's name is that of the key. Read as bytes, because those may hold lone surrogates.
struct IsWriteKey(bool);

impl<'de> serde::Deserialize<'de> for IsWriteKey {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = IsWriteKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<IsWriteKey, E> {
                Ok(IsWriteKey(name == WRITE_KEY.as_bytes()))
            }

            fn visit_str<E>(self, name: &str) -> Result<IsWriteKey, E> {
                Ok(IsWriteKey(name == WRITE_KEY))
            }
        }

        json.deserialize_bytes(Name)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const LIMIT: usize = 1_000;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    }

    #[test]
    fn the_first_key_is_found_in_whatever_can_be_read() {
        for (body, expected) in [
            (r#"{"batch":7,"writeKey":"k"}"#, Some("k")),
            (r#"{"writeKey":"k","writeKey":"l"}"#, Some("k")),
            (r#"{"write\u004bey":"k"}"#, Some("k")),
            (r#"{"\ud800":["\ud800"],"writeKey":"k"}"#, Some("k")),
            (r#"[{"writeKey":"k"},{"writeKey":"l"}]"#, Some("k")),
            (r#"{"writeKey":"k","#, Some("k")),
            (r#"{"writeKey":7,"writeKey":"k"}"#, Some("k")),
            ("\u{feff}{\"writeKey\":\"k\"}", Some("k")),
            (r#"{"batch":[{"writeKey":"k"}]}"#, None),
            (r#"{"writeKey":7}"#, None),
            ("[]", None),
            (r#"["k"]"#, None),
            ("7", None),
        ] {
            for raw in [body.as_bytes().to_vec(), gzip(body.as_bytes())] {
                let found = write_key_in(&raw, LIMIT).expect(body);
                assert_eq!(found.as_deref(), expected, "{body}");
            }
        }
    }

    #[test]
    fn nothing_after_the_key_is_unpacked_or_read() {
        let start = br#"{"writeKey":"k","batch":["#;
        let large = [&start[..], &[b' '; LIMIT]].concat();
        let broken = [&gzip(start)[..], b"no gzip"].concat();
        for raw in [&large, &gzip(&large), &broken] {
            assert_eq!(write_key_in(raw, LIMIT), Ok(Some("k".to_owned())));
        }
    }

    #[test]
    fn what_cannot_be_searched_is_no_missing_key() {
        let large = [&br#"{"batch":"#[..], &[b' '; LIMIT]].concat();
        for (raw, expected) in [
            (large.clone(), BodyError::TooLarge),
            (gzip(&large), BodyError::TooLarge),
            (gzip(b"").repeat(1_001), BodyError::GzipMembers),
            (vec![0x1f, 0x8b], BodyError::Gzip),
        ] {
            assert_eq!(write_key_in(&raw, LIMIT), Err(expected));
        }
        for broken in ["", "{", r#"{"batch":[}"#, "\u{feff}\u{feff}{}"] {
            let error = write_key_in(broken.as_bytes(), LIMIT).expect_err(broken);
            assert!(matches!(error, BodyError::Json(_)), "{broken}");
        }
    }
}
