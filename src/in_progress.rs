//! One event between its receipt and its end: what it is, what is to be done in Intercom, what came
//! of that, and what is done with the event.
//!
//! `processing` maps it, `delivery` carries out its actions and notes what it found, `processing`
//! decides its fate, and `intake` or `redelivery`, where it came from, carries that out.

mod fate;
mod undelivered;

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use fate::{Fate, decide};
pub use undelivered::{Otherwise, Undelivered};

use crate::entry::Entry;
use crate::intercom::CallRecord;
use crate::mapping::{Action, Arrival, PlannedCalls, Rights, Settings, Warning};
use crate::queue::owner;
use crate::segment::Kind;
use crate::source::Source;

/// One event in progress.
#[derive(Debug)]
pub struct InProgress<'e> {
    /// The event as it was received.
    pub entry: &'e Entry<'e>,
    /// How it came in.
    pub source: Source,
    /// When it was first received.
    pub received_at: DateTime<Utc>,
    /// How long ago that was; `None` when it has just come in.
    pub age: Option<Duration>,
    /// How long it has been waiting for its user, apart from the user's other events.
    pub waited: Option<Duration>,
    /// Whose event it is: that [owner]'s events keep their order. Empty for what is no event.
    pub user: Cow<'e, str>,
    /// What its sender may do.
    pub rights: Rights,
    /// What is to be done in Intercom, in order. Empty when there is nothing to deliver.
    pub actions: Vec<Action<'e>>,
    /// What the mapping changed or left out.
    pub warnings: Vec<Warning<'e>>,
    /// What Intercom wouldn't take of it, one line each.
    pub left_out: Vec<String>,
    /// Calls of Intercom made for it. Those for several events merged into one count for the last of
    /// them, looking up many users at once for none.
    pub calls: Vec<CallRecord>,
    /// What came of its delivery.
    pub outcome: Result<(), Undelivered>,
    /// What is done with it. Until that is decided it counts as not tried, and so is kept.
    pub fate: Fate,
}

impl<'e> InProgress<'e> {
    /// An event that has just come in this way. `settings` say what its sender may do.
    pub fn new(
        entry: &'e Entry<'e>,
        source: Source,
        received_at: DateTime<Utc>,
        settings: &Settings,
    ) -> Self {
        let is_unproven = entry.sender().is_unproven(settings);
        let user = entry.event_to_map().map(|event| owner(event, is_unproven));
        Self {
            entry,
            source,
            received_at,
            age: None,
            waited: None,
            user: user.unwrap_or_default().into(),
            rights: entry.sender().rights(settings),
            actions: Vec::new(),
            warnings: Vec::new(),
            left_out: Vec::new(),
            calls: Vec::new(),
            outcome: Err(Undelivered::NotTried),
            fate: Fate::not_tried(),
        }
    }

    /// Whether there is something to do for it in Intercom.
    pub fn is_to_be_delivered(&self) -> bool {
        !self.actions.is_empty() && self.fate != Fate::WaitIsOver
    }

    /// How many calls to Intercom it takes.
    pub fn planned(&self) -> PlannedCalls {
        PlannedCalls::of(&self.actions)
    }

    /// What its mapping has to know of how it came in.
    pub fn arrival(&self) -> Arrival {
        Arrival {
            received_at_millis: self.received_at.timestamp_millis(),
            source: self.source,
            sender: self.entry.sender(),
        }
    }

    /// Whether it is an identify, which a following one of the same user absorbs.
    pub fn is_identify(&self) -> bool {
        self.entry.type_name() == Some(Kind::Identify.as_str())
    }
}
