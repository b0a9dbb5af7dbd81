//! What a Segment event becomes in Intercom.
//!
//! Pure: the same event, settings and [`Arrival`] give the same [`Action`]s, as long as the
//! request's [`Budget`] lasts. Delivery executes exactly the actions that `POST /v1/preview` shows.
//!
//! Each rule, with its reason and source: `docs/mapping.md`.

mod action;
mod alias;
mod attribute_names;
mod attributes;
mod budget;
mod company;
mod delete;
mod event_fields;
mod field_reader;
mod field_values;
mod group;
mod identify;
mod memberships;
mod number;
mod options;
mod planned_calls;
mod price;
mod sender;
mod settings;
mod standard_names;
mod text;
mod track;
mod values;
mod warning;

use std::borrow::Cow;

pub use action::{ANONYMOUS_ID, Action, Company, ContactFields, Identity, IntercomEvent, Role};
pub use attributes::{Attributes, DataType};
pub use budget::Budget;
pub use planned_calls::{CallCount, MAX_CALLS_TOGETHER, MAX_MERGED_EVENTS, PlannedCalls, calls_of};
pub use sender::{Channel, Rights, Sender};
pub use settings::{Anonymous, CollectContext, CompanyIdHash, Nested, Settings};
pub use warning::{ByRule, Change, Place, Warning};

use crate::segment::{Event, EventTime, Kind, is_addressed_to_intercom, is_delivered_by_page};
use crate::source::Source;
use text::is_too_long;

/// What one event becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped<'e> {
    /// Send these, in this order; at least one.
    pub actions: Vec<Action<'e>>,
    /// Everything that the mapping changed or left out.
    pub warnings: Vec<Warning<'e>>,
}

/// Why an event isn't sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// There is nothing to send, by the customer's own settings or Segment's rules. Not an error.
    Skip(Cow<'static, str>),
    /// It can never be sent; says what is wrong and what to do.
    Reject(Cow<'static, str>),
    /// Its sender may not do that; says what to do instead.
    Forbid(Cow<'static, str>),
}

/// When and how an event reached this project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Unix milliseconds of the first receipt, unchanged by retries.
    pub received_at_millis: i64,
    /// The way it came in. Segment itself has corrected the times of its events; an SDK's are by
    /// the sender's own clock.
    pub source: Source,
    /// Who sent it.
    pub sender: Sender,
}

/// Most warnings of one event.
const MAX_WARNINGS: usize = 1_000;

/// Memory per warning, in bytes.
const WARNING_BYTES: usize = 128;

/// Why an event without a usable identity isn't sent (Segment's own words).
const NO_IDENTITY: &str = ".userId or .email is required";

/// The same, with what decides about it.
const ONLY_ANONYMOUS: &str = ".userId or .email is required: the event has no user id and no \
                              email, only an anonymousId (see the setting ANONYMOUS)";

/// Longest id of a person, in bytes. A longer one could be neither remembered nor told apart in
/// Intercom.
const MAX_ID_BYTES: usize = 1_000;

const TOO_LONG_AN_ID: &str = "an id has more than 1,000 bytes: send a shorter one";

fn is_too_long_an_id(id: &str) -> bool {
    id.len() > MAX_ID_BYTES
}

/// Maps one event. `budget` is that of its request.
///
/// # Errors
/// [`NotSent`], with the reason for the sender.
pub fn map<'e>(
    event: &'e Event<'e>,
    arrival: Arrival,
    settings: &Settings,
    budget: &mut Budget,
) -> Result<Mapped<'e>, NotSent> {
    let Some(type_name) = event.type_name() else {
        return Err(NotSent::Reject(
            "the event has no \"type\": send identify, track, page, screen, group, alias or delete"
                .into(),
        ));
    };
    let Some(kind) = Kind::from_type(type_name) else {
        return Err(NotSent::Reject(
            format!(
                "unknown type {:?}: send identify, track, page, screen, group, alias or delete",
                truncated(type_name)
            )
            .into(),
        ));
    };
    if is_delivered_by_page(event.fields()) {
        let reason = "the page delivered it already (its _metadata.bundled names Intercom)";
        return Err(NotSent::Skip(reason.into()));
    }
    if !is_addressed_to_intercom(event.fields(), arrival.source.is_segment()) {
        let reason = "not addressed to Intercom by the event's integrations";
        return Err(NotSent::Skip(reason.into()));
    }
    budget.begin_event();
    let mut mapper = Mapper {
        event,
        arrival,
        settings,
        budget,
        warnings: Vec::new(),
        unnamed: 0,
    };
    mapper.reject_inexact_ids(kind)?;
    mapper.warn_of_fields(kind);
    mapper.warn_of_options(kind);
    let actions = match kind {
        Kind::Identify => mapper.identify(),
        Kind::Group => mapper.group(),
        Kind::Track => mapper.track(),
        Kind::Alias => mapper.alias(),
        Kind::Delete => mapper.delete(),
        Kind::Page | Kind::Screen => Err(NotSent::Skip(
            format!("{type_name} calls are not sent to Intercom by a server").into(),
        )),
    };
    let actions = mapper.restricted(actions?)?;
    if actions
        .iter()
        .filter_map(Action::person)
        .any(is_too_long_an_id)
    {
        return Err(NotSent::Reject(TOO_LONG_AN_ID.into()));
    }
    Ok(Mapped {
        actions,
        warnings: mapper.into_warnings(),
    })
}

/// The user that an event names: its userId, else its email. The event is written to this user, so
/// this is what a `user_hash` has to prove.
pub fn named_user<'e>(event: &'e Event<'_>) -> Option<Identity<'e>> {
    let external_id = event.user_id().map(Identity::ExternalId);
    external_id.or_else(|| event.email().map(Identity::Email))
}

/// The mapping of one event, in progress.
struct Mapper<'e, 's> {
    event: &'e Event<'e>,
    arrival: Arrival,
    settings: &'s Settings,
    budget: &'s mut Budget,
    /// At most [`MAX_WARNINGS`].
    warnings: Vec<Warning<'e>>,
    /// How many more there were.
    unnamed: usize,
}

/// The actions, or why there are none.
type Actions<'e> = Result<Vec<Action<'e>>, NotSent>;

impl<'e> Mapper<'e, '_> {
    fn time(&self) -> i64 {
        self.event_time().seconds
    }

    fn event_time(&self) -> EventTime {
        let is_from_segment = self.arrival.source.is_segment();
        self.event
            .time(self.arrival.received_at_millis, is_from_segment)
    }

    fn is_from_browser(&self) -> bool {
        self.arrival.sender.is_client_side() || self.event.is_from_browser()
    }

    /// userId, else email, else what the ANONYMOUS setting makes of the anonymousId.
    fn identity(&self) -> Result<Identity<'e>, NotSent> {
        if let Some(user) = named_user(self.event) {
            return Ok(user);
        }
        match (self.settings.anonymous, self.event.anonymous_id()) {
            (Anonymous::Lead, Some(id)) if is_too_long(&id) => Err(NotSent::Reject(
                ".anonymousId is longer than the 255 characters that Intercom stores".into(),
            )),
            (Anonymous::Lead, Some(id)) => Ok(Identity::AnonymousId(id)),
            (Anonymous::Skip, Some(_)) if self.event.ignored_user_id().is_none() => {
                Err(NotSent::Skip(ONLY_ANONYMOUS.into()))
            }
            _ => Err(self.no_identity()),
        }
    }

    /// `last_seen_at` of a call that shows the user active, None for one that doesn't.
    fn last_seen_at(&self) -> Option<i64> {
        self.event.is_active().then(|| self.time())
    }

    fn warn(&mut self, place: Place, key: impl Into<Cow<'e, str>>, change: Change<'e>) {
        if self.warnings.len() == MAX_WARNINGS {
            self.unnamed += 1;
            return;
        }
        self.budget.count(WARNING_BYTES);
        self.warnings.push(Warning {
            place,
            key: key.into(),
            change,
        });
    }

    fn into_warnings(mut self) -> Vec<Warning<'e>> {
        if self.unnamed > 0 {
            self.warnings.push(Warning {
                place: Place::Field,
                key: "".into(),
                change: Change::More(self.unnamed),
            });
        }
        self.warnings
    }
}

/// The beginning of a text chosen by the sender, short enough for a reason.
fn truncated(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}
