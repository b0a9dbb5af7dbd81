//! Compressed bodies.

use std::borrow::Cow;
use std::io::{self, Read};

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
/// [`BodyError::Gzip`], [`BodyError::GzipMembers`], [`BodyError::TooLarge`].
pub fn decode(raw: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, BodyError> {
    let bytes = if is_gzip(raw) {
        let mut unpacked = Vec::new();
        let read = Unpacked::new(raw, limit).read_to_end(&mut unpacked);
        read.map_err(reason)?;
        let mark = unpacked.len() - without_byte_order_mark(&unpacked).len();
        unpacked.drain(..mark);
        unpacked.into()
    } else if raw.len() > limit {
        return Err(BodyError::TooLarge);
    } else {
        without_byte_order_mark(raw).into()
    };
    Ok(replace_lone_surrogates(bytes))
}

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The JSON text after a byte order mark, which .NET and Windows put first.
pub fn without_byte_order_mark(json: &[u8]) -> &[u8] {
    json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json)
}

fn is_gzip(raw: &[u8]) -> bool {
    raw.starts_with(&[0x1f, 0x8b])
}

/// A body, packed or not, unpacked only as far as it is read.
pub(super) struct Unpacked<'r> {
    part: Part<'r>,
    /// Bytes that may still come.
    left: usize,
    /// Gzip members that may still come.
    members_left: usize,
}

enum Part<'r> {
    Plain(&'r [u8]),
    Member(GzDecoder<&'r [u8]>),
}

impl<'r> Unpacked<'r> {
    pub(super) fn new(raw: &'r [u8], limit: usize) -> Self {
        let part = if is_gzip(raw) {
            Part::Member(GzDecoder::new(raw))
        } else {
            Part::Plain(raw)
        };
        Self {
            part,
            left: limit,
            members_left: MAX_GZIP_MEMBERS - 1,
        }
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut one_more = [0];
        let buffer = match buffer.len().min(self.left) {
            // Is there more than the limit?
            0 if !buffer.is_empty() => &mut one_more[..],
            most => &mut buffer[..most],
        };
        let read = self.read_some(buffer).map_err(io::Error::other)?;
        let left = self.left.checked_sub(read);
        self.left = left.ok_or_else(|| io::Error::other(BodyError::TooLarge))?;
        Ok(read)
    }
}

impl Unpacked<'_> {
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        loop {
            let member = match &mut self.part {
                Part::Plain(bytes) => return bytes.read(buffer).map_err(|_| BodyError::Gzip),
                Part::Member(member) => member,
            };
            let read = member.read(buffer).map_err(|_| BodyError::Gzip)?;
            let rest = *member.get_ref();
            if read > 0 || buffer.is_empty() || rest.is_empty() {
                return Ok(read);
            }
            let left = self.members_left.checked_sub(1);
            self.members_left = left.ok_or(BodyError::GzipMembers)?;
            self.part = Part::Member(GzDecoder::new(rest));
        }
    }
}

/// Why an [`Unpacked`] could not be read.
pub(super) fn reason(error: io::Error) -> BodyError {
    let reason = error.into_inner().and_then(|inner| inner.downcast().ok());
    reason.map_or(BodyError::Gzip, |reason| *reason)
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
