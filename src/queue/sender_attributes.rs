//! The sender of an event, kept in its message's attributes. Otherwise a retry, or a dead letter
//! moved back, could do what its sender may not.

use super::Message;
use crate::mapping::{Channel, Sender};
use crate::source::Source;

/// Message attribute: the channel of the event, unless its source implies it.
const CHANNEL: &str = "channel";

/// Message attribute of an event whose `user_hash` was valid. Of several events in a message of which
/// only some were, a digit for each: 1 for those.
pub(super) const USER_HASH: &str = "userHash";

/// The value of [`USER_HASH`].
const VERIFIED: &str = "verified";

impl Message {
    /// Adds the sender of its event.
    #[must_use]
    pub fn with_sender(mut self, source: Source, sender: Sender) -> Self {
        if sender.channel != usual_channel(source) {
            self = self.with_attribute(CHANNEL, name(sender.channel));
        }
        if sender.is_verified {
            self = self.with_attribute(USER_HASH, VERIFIED);
        }
        self
    }
}

impl Message {
    /// Whether the `user_hash` of its event was valid.
    pub(super) fn is_verified(&self) -> bool {
        let mut attributes = self.attributes.iter();
        attributes.any(|(name, _)| name == USER_HASH)
    }

    /// With whether the `user_hash` of each of its events was valid.
    pub(super) fn with_proofs(mut self, proofs: &[bool]) -> Self {
        self.attributes.retain(|(name, _)| name != USER_HASH);
        if proofs.iter().all(|is_valid| *is_valid) {
            return self.with_attribute(USER_HASH, VERIFIED);
        }
        if proofs.iter().all(|is_valid| !is_valid) {
            return self;
        }
        let digit = |is_valid: &bool| if *is_valid { '1' } else { '0' };
        let digits: String = proofs.iter().map(digit).collect();
        self.with_attribute(USER_HASH, &digits)
    }
}

/// The sender of the event in this place of a message. `attribute` looks up the message's attributes by name. An
/// unknown channel counts as the one with the fewest rights.
pub fn sender<'a>(
    source: Source,
    place: usize,
    attribute: impl Fn(&str) -> Option<&'a str>,
) -> Sender {
    const ALL: [Channel; 3] = [Channel::Segment, Channel::Server, Channel::Browser];
    let channel = attribute(CHANNEL).map_or_else(
        || usual_channel(source),
        |text| {
            let mut known = ALL.into_iter();
            let known = known.find(|channel| name(*channel) == text);
            known.unwrap_or(Channel::Public)
        },
    );
    Sender {
        channel,
        is_verified: attribute(USER_HASH).is_some_and(|proofs| {
            proofs == VERIFIED || proofs.as_bytes().get(place) == Some(&b'1')
        }),
    }
}

/// The channel that a source implies.
fn usual_channel(source: Source) -> Channel {
    match source {
        Source::Api => Channel::Server,
        Source::Webhook | Source::EventBridge | Source::Direct => Channel::Segment,
    }
}

fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::Segment => "segment",
        Channel::Server => "server",
        Channel::Browser => "browser",
        Channel::Public => "public",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_channel_may_do_least() {
        let of = |source, channel: Option<&'static str>| {
            sender(source, 0, |key| channel.filter(|_| key == CHANNEL)).channel
        };
        assert_eq!(of(Source::Api, None), Channel::Server);
        assert_eq!(of(Source::Webhook, None), Channel::Segment);
        assert_eq!(of(Source::Webhook, Some("server")), Channel::Server);
        assert_eq!(of(Source::Api, Some("browser")), Channel::Browser);
        assert_eq!(of(Source::Api, Some("public")), Channel::Public);
        for unknown in ["", "Segment", "SEGMENT ", "x"] {
            assert_eq!(of(Source::Direct, Some(unknown)), Channel::Public);
        }
    }

    #[test]
    fn each_event_of_a_message_has_its_own_proof() {
        let verified = |value: Option<&'static str>| {
            [0, 1, 2].map(|place| {
                sender(Source::Api, place, |key| value.filter(|_| key == USER_HASH)).is_verified
            })
        };
        assert_eq!(verified(Some("verified")), [true; 3]);
        assert_eq!(verified(Some("10")), [true, false, false]);
        assert_eq!(verified(Some("v1x")), [false, true, false]);
        assert_eq!(verified(None), [false; 3]);
    }
}
