//! Which letters a command is about.

use chrono::{DateTime, Utc};

use super::letter::Letter;
use crate::segment::Event;

/// A letter matches when every given condition holds.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// `messageIds`: one of its events has one of these. Empty: any.
    pub message_ids: Vec<String>,
    /// `reason`: its reason contains this, ignoring case; kept in lower case.
    pub reason: Option<String>,
    /// `status`: `rejected`, or Intercom's HTTP status.
    pub status: Option<String>,
    /// `kind`: one of its events is of this type.
    pub kind: Option<String>,
    /// `userId`: one of its events is of this user (userId, else email, else anonymousId).
    pub user_id: Option<String>,
    /// `since`: it was first received then or later.
    pub since: Option<DateTime<Utc>>,
    /// `until`: it was first received before.
    pub until: Option<DateTime<Utc>>,
}

impl Selection {
    pub(super) fn takes(&self, letter: &Letter<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let events = letter.events();
        let message_ids = events.iter().filter_map(|event| event.message_id());
        let mut wanted_ids = message_ids.filter(|id| self.message_ids.iter().any(|own| own == id));
        let is_of_kind = |kind: &String| {
            let mut kinds = events.iter().map(|event| event.type_name());
            kinds.any(|other| other == Some(kind))
        };
        let is_of_user = |user_id: &String| {
            let mut users = events.iter().filter_map(Event::user);
            users.any(|user| user == *user_id)
        };
        let received_at = letter.received_at();
        (self.message_ids.is_empty() || wanted_ids.next().is_some())
            && self
                .reason
                .as_ref()
                .is_none_or(|text| letter.reason().to_lowercase().contains(text))
            && is(&self.status, letter.status())
            && self.kind.as_ref().is_none_or(is_of_kind)
            && self.user_id.as_ref().is_none_or(is_of_user)
            && self.since.is_none_or(|since| received_at >= since)
            && self.until.is_none_or(|until| received_at < until)
    }
}
