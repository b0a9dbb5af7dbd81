//! Compressed bodies.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::GzDecoder;

use super::BodyError;
use super::lone_surrogates::replace_lone_surrogates;

/// Most members of a gzip body. Senders write one, or one per chunk; an empty one costs 20 bytes to
/// send and far more to unpack.
pub(super) const MAX_GZIP_MEMBERS: usize = 1_000;

/// Decompresses gzip, recognised by its magic bytes whatever the headers say, up to `limit` bytes.
/// Skips a byte order mark and replaces lone surrogates.
///
/// # Errors
/// [`BodyError::Gzip`], [`BodyError::TooLarge`].
pub fn decode(raw: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, BodyError> {
    let decoded = if raw.starts_with(&[0x1f, 0x8b]) {
        Cow::Owned(unpack(raw, limit)?)
    } else {
        Cow::Borrowed(raw)
    };
    if decoded.len() > limit {
        return Err(BodyError::TooLarge);
    }
    Ok(replace_lone_surrogates(match decoded {
        Cow::Borrowed(bytes) => without_byte_order_mark(bytes).into(),
        Cow::Owned(mut bytes) => {
            bytes.drain(..bytes.len() - without_byte_order_mark(&bytes).len());
            bytes.into()
        }
    }))
}

/// The JSON text after a byte order mark, which .NET and Windows put first.
pub fn without_byte_order_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json)
}

/// The bytes of all members, one more than `limit` at most.
fn unpack(mut packed: &[u8], limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut unpacked = Vec::new();
    for _ in 0..MAX_GZIP_MEMBERS {
        let left = limit + 1 - unpacked.len();
        let mut member = GzDecoder::new(&mut packed).take(left as u64);
        let read = member.read_to_end(&mut unpacked);
        read.map_err(|_| BodyError::Gzip)?;
        if packed.is_empty() || unpacked.len() > limit {
            return Ok(unpacked);
        }
    }
    Err(BodyError::GzipMembers)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory takes all");
        encoder.finish().expect("memory takes all")
    }

    #[test]
    fn gzip_is_known_by_its_magic_bytes_and_bounded() {
        assert_eq!(decode(b"{}", 10).as_deref(), Ok(&b"{}"[..]));
        assert_eq!(decode(&gzip(b"{}"), 10).as_deref(), Ok(&b"{}"[..]));
        assert_eq!(decode(&gzip(&[0; 11]), 10), Err(BodyError::TooLarge));
        let marked = b"\xef\xbb\xbf{}";
        assert_eq!(decode(marked, 10).as_deref(), Ok(&b"{}"[..]));
        assert_eq!(decode(&gzip(marked), 10).as_deref(), Ok(&b"{}"[..]));
        assert_eq!(decode(&[0x1f, 0x8b, 9], 10), Err(BodyError::Gzip));
        assert_eq!(
            decode(&gzip(&vec![0; 1 << 24]), 10),
            Err(BodyError::TooLarge)
        );
        let members = |count| gzip(b"").repeat(count);
        assert_eq!(decode(&members(1_000), 10).as_deref(), Ok(&b""[..]));
        assert_eq!(decode(&members(1_001), 10), Err(BodyError::GzipMembers));
    }
}
