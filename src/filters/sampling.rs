//! Which events of a share are kept.

use md5::{Digest, Md5};

use super::filtering::Filtering;
use super::fql::Path;
use crate::segment::{Value, json_of};

/// Keeps a share of the events.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    /// From 0 to 1.
    pub(super) share: f64,
    /// The field whose value decides. Without it each event is decided on by itself.
    pub(super) path: Option<Path>,
}

impl Sample {
    /// Whether an event is kept. By a field's value as Segment computes it, so that a user is in or
    /// out everywhere. Without a field by chance, but the same for each try of an event: were it
    /// decided anew each time, a retried event would be left with a smaller and smaller share.
    pub(super) fn keeps(&self, title: &str, filtering: &Filtering<'_, '_>) -> bool {
        let json = match &self.path {
            Some(path) => {
                let value = path.get(filtering.fields());
                json_of(value.unwrap_or(&Value::Null))
            }
            // Other filters choose other events.
            None => format!("{title}\n{}", filtering.id()),
        };
        fraction(&json) < self.share
    }
}

/// The first 8 bytes of the MD5, as a fraction of 2^64.
fn fraction(text: &str) -> f64 {
    let digest = Md5::digest(text);
    let (first, _) = digest.split_at(8);
    let first = first.try_into().map(u64::from_be_bytes);
    #[expect(clippy::cast_precision_loss, reason = "a share needs no 64 bits")]
    let first = first.unwrap_or_default() as f64;
    first / 2_f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `md5sum` gives them.
    #[test]
    fn the_fraction_of_a_text() {
        for (json, expected) in [(r#""u1""#, 0.006_341_063), ("null", 0.217_378_951)] {
            let difference = fraction(json) - expected;
            assert!(difference.abs() < 1e-8, "{json} {}", fraction(json));
        }
    }
}
