//! What an event may do, by who sent it.
//!
//! Who can do what, and the tests that show it: `docs/security.md`.

use super::{Action, Actions, Change, Identity, Mapper, NotSent, Place, Settings, named_user};
use crate::segment::Value;

/// How an event came in, from the most trusted channel to the one open to everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channel {
    /// Segment itself, by a webhook whose signature covers the event, EventBridge or direct
    /// invocation: AWS or the signature vouches for it. Only these events may delete.
    Segment,
    /// A write key of a server. Also an element of a webhook's array that its signature doesn't
    /// cover.
    Server,
    /// A write key of a server, in a request with an `Origin` header, which only browsers send.
    Browser,
    /// A public write key, which anybody can read in a page or an app.
    #[default]
    Public,
}

/// Who sent an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// How it came in.
    pub channel: Channel,
    /// Whether a valid `user_hash` proves the [user that the event
    /// names](super::named_user).
    pub is_verified: bool,
}

impl Sender {
    /// A sender on this channel, without proof of its user.
    pub fn by(channel: Channel) -> Self {
        Self {
            channel,
            is_verified: false,
        }
    }

    /// Whether it sent from a page or an app, whose user could have written anything.
    pub fn is_client_side(self) -> bool {
        matches!(self.channel, Channel::Browser | Channel::Public)
    }

    /// Whether its user had to be proven, and wasn't.
    pub fn is_unproven(self, settings: &Settings) -> bool {
        self.is_client_side() && settings.require_user_hash && !self.is_verified
    }

    /// What its events may do beyond writing their own data.
    pub fn rights(self, settings: &Settings) -> Rights {
        Rights {
            may_create_attributes: self.is_verified || self.channel != Channel::Public,
            may_claim_contacts: !(self.is_client_side() && settings.require_user_hash),
        }
    }
}

/// What an event may do beyond writing its own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Whether it may create a custom attribute that the workspace lacks. A workspace has room for
    /// about 250, and anybody with a public write key could use them up.
    pub may_create_attributes: bool,
    /// Whether it may claim a contact that has no external_id, because both have the same email.
    /// The email is whatever the sender says it is.
    pub may_claim_contacts: bool,
}

const NO_DELETE: &str = "only Segment itself may delete: by its signed webhook (in an array whose \
    signature covers only the first element, that one), EventBridge, or direct invocation";
const NO_MERGE: &str = "a public write key can't merge a lead unless \
    integrations.Intercom.user_hash proves the user: send the alias from a server, or with its user_hash";
const NOT_OWN_LEAD: &str = "a browser's alias merges only the lead of its own anonymousId, which \
    must be its previousId: send any other alias from a server";
const NO_COMPANIES: &str = "a browser's event can't write companies (REQUIRE_USER_HASH, \
    VERIFIED_COMPANIES): send them from a server";

impl<'e> Mapper<'e, '_> {
    /// The actions that the event's sender is allowed, with a warning for those left out.
    pub(super) fn restricted(&mut self, mut actions: Vec<Action<'e>>) -> Actions<'e> {
        let (sender, settings) = (self.arrival.sender, self.settings);
        let forbid = |reason: &'static str| Err(NotSent::Forbid(reason.into()));
        let is_delete = |action: &Action<'_>| matches!(action, Action::DeleteContact { .. });
        if sender.channel != Channel::Segment && actions.iter().any(is_delete) {
            return forbid(NO_DELETE);
        }
        if !sender.is_client_side() {
            return Ok(actions);
        }
        let needs_proof = settings.require_user_hash;
        if needs_proof
            && !sender.is_verified
            && let Some(user) = named_user(self.event)
        {
            return Err(NotSent::Forbid(self.no_proof(&user).into()));
        }
        let is_merge = |action: &Action<'_>| matches!(action, Action::MergeContact { .. });
        if (needs_proof || sender.channel == Channel::Public) && actions.iter().any(is_merge) {
            if !sender.is_verified {
                return forbid(NO_MERGE);
            }
            if self.event.previous_id() != self.event.anonymous_id() {
                return forbid(NOT_OWN_LEAD);
            }
        }
        if needs_proof && !(sender.is_verified && settings.verified_companies) {
            let count = actions.len();
            actions.retain(|action| {
                !matches!(
                    action,
                    Action::UpsertCompany { .. }
                        | Action::AttachCompany { .. }
                        | Action::DetachCompany { .. }
                )
            });
            if actions.is_empty() {
                return forbid(NO_COMPANIES);
            }
            if actions.len() < count {
                self.warn(Place::Company, "company", Change::LeftOut(NO_COMPANIES));
            }
        }
        Ok(actions)
    }

    /// Why the event doesn't prove its user, and what to send.
    fn no_proof(&self, user: &Identity<'_>) -> String {
        let name = match user {
            Identity::ExternalId(_) => "userId",
            Identity::Email(_) | Identity::AnonymousId(_) => "email",
        };
        let user_hash = self.event.option("userhash");
        if user_hash.is_none_or(Value::is_null) {
            format!(
                "the event has no integrations.Intercom.user_hash, which one sent with a public \
                 write key or from a browser needs: the hex HMAC-SHA256 of its {name} with the \
                 api_secret, made on your server (REQUIRE_USER_HASH)"
            )
        } else {
            format!(
                "the event's user_hash does not match its {name}: make it on your server, as the \
                 hex HMAC-SHA256 of exactly this {name} with the api_secret (REQUIRE_USER_HASH)"
            )
        }
    }
}
