//! Executes the mapping's actions: users concurrently, the events of one user in order.
//!
//! An event can come more than once: its answer got lost after Intercom made the change, SQS
//! delivered it twice, or an SDK repeated its batch. So every call can be repeated:
//!
//! | call | when repeated, it |
//! |---|---|
//! | `PUT /contacts/{id}`, `POST /companies` | writes the same again |
//! | `POST /contacts` of a user | is a 409 with our own contact, which is then updated |
//! | `POST /contacts` of a lead | makes a second one; an alias merges both |
//! | `POST /contacts/{id}/companies`, `…/unarchive`, `…/archive` | answers as before |
//! | `DELETE /contacts/{id}/companies/{id}`, `DELETE /contacts/{id}` | is a 404: it is gone |
//! | `POST /events` | is dropped by Intercom: same contact, name and second |
//! | `POST /contacts/merge` | isn't sent: the lead isn't found any more |
//! | `POST /data_attributes` | is refused, and found to be there |
//!
//! What order can't prevent is an event that comes again *after* later ones of its user were
//! delivered: the old identify's fields win until the next one. The queue's deduplication by
//! messageId limits that to repeats more than five minutes apart.

mod attempt;
mod attributes;
mod catalogue;
mod coalesce;
mod companies;
mod contact_cache;
mod contacts;
mod deletion;
mod events;
mod leads;
mod look_up;
mod parts;
mod round;
mod shared_map;
mod stop;
mod user;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::in_progress::InProgress;
use crate::intercom::{Calls, Intercom};
use crate::mapping::{Action, Identity};
use crate::queue::owners_of_lead;
use crate::ttl_cache::TtlCache;
use catalogue::Refusals;
use contact_cache::ContactCache;
use round::Round;
use stop::Stop;

/// Users delivered concurrently. More wouldn't help: Intercom's rate limit comes first.
const USERS_AT_ONCE: usize = 16;

/// Companies whose Intercom id is kept: some 150 bytes each, less than a megabyte in all.
const COMPANIES: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");

/// How long a company's id is believed. One that is wrong gets a 404 and is looked up again.
const AGE_OF_COMPANIES: Duration = Duration::from_hours(1);

/// The settings of delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `UNKNOWN_ATTRIBUTES`.
    pub unknown_attributes: UnknownAttributes,
    /// `UNKNOWN_USER`.
    pub unknown_user: UnknownUser,
    /// `DELETE_MODE`.
    pub delete_mode: DeleteMode,
}

/// `UNKNOWN_ATTRIBUTES`: a custom attribute that the workspace lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownAttributes {
    /// Is created.
    #[default]
    Create,
    /// Is left out.
    Drop,
}

/// `UNKNOWN_USER`: an event for a user whom Intercom doesn't know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownUser {
    /// Waits for its user.
    #[default]
    Wait,
    /// Creates the user.
    Create,
    /// Is rejected.
    Reject,
}

/// `DELETE_MODE`: what a Segment `delete` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteMode {
    /// Deletes permanently.
    #[default]
    Delete,
    /// Archives.
    Archive,
}

/// Delivers to one Intercom workspace. Remembers what it learned from one invocation to the next.
#[derive(Debug)]
pub struct Delivery {
    intercom: Intercom,
    settings: Settings,
    contacts: ContactCache,
    /// Intercom's company ids by company_id.
    companies: TtlCache<String>,
    refusals: Refusals,
}

impl Delivery {
    /// Delivery through this client. What it remembers ages by `clock`.
    pub fn new(intercom: Intercom, settings: Settings, clock: &Clock) -> Self {
        Self {
            intercom,
            settings,
            contacts: ContactCache::new(clock),
            companies: TtlCache::new(COMPANIES, AGE_OF_COMPANIES, clock),
            refusals: Refusals::new(clock),
        }
    }

    /// How many calls to Intercom it has made so far.
    pub fn calls(&self) -> Calls {
        self.intercom.calls()
    }

    /// Executes the actions of events until `deadline`. Notes with each event what came of it, what
    /// was left out, and how many calls it took. `now` is in Unix seconds.
    ///
    /// Events of one user run one after another; once one has to be tried again later, the later
    /// ones of that user are not tried. An event that only waits for its user steps aside and is
    /// tried again when one of them made the contact.
    pub async fn deliver(&self, events: Vec<&mut InProgress<'_>>, now: i64, deadline: Instant) {
        let round = &Round::new(self, &events, now, deadline);
        round.look_up_together(&events).await;
        stream::iter(by_user(events))
            // Boxed, because the future of everything that can happen to a user is large.
            .map(|of_user| Box::pin(round.deliver_user(of_user)))
            .buffer_unordered(USERS_AT_ONCE)
            .collect::<()>()
            .await;
    }
}

/// The events of each user, in order. An alias makes its lead and its user count as one: it needs
/// what the lead's earlier events create.
fn by_user<'p, 'e>(events: Vec<&'p mut InProgress<'e>>) -> Vec<Vec<&'p mut InProgress<'e>>> {
    let mut numbers: Vec<usize> = Vec::with_capacity(events.len());
    let mut number_of: HashMap<String, usize> = HashMap::new();
    for event in &events {
        let next = number_of.len();
        let number = *number_of.entry(event.user.to_string()).or_insert(next);
        numbers.push(number);
        for lead in merged_lead(event).into_iter().flat_map(owners_of_lead) {
            if let Some(of_lead) = number_of.insert(lead, number)
                && of_lead != number
            {
                let known = number_of.values_mut().chain(&mut numbers);
                for other in known.filter(|other| **other == of_lead) {
                    *other = number;
                }
            }
        }
    }
    let users = number_of.len();
    let mut users: Vec<Vec<_>> = std::iter::repeat_with(Vec::new).take(users).collect();
    for (event, number) in events.into_iter().zip(numbers) {
        users[number].push(event);
    }
    users.retain(|user| !user.is_empty());
    users
}

/// The anonymousId of the lead that an alias merges.
pub(crate) fn merged_lead<'p>(event: &'p InProgress<'_>) -> Option<&'p str> {
    event.actions.iter().find_map(|action| match action {
        Action::MergeContact {
            from: Identity::AnonymousId(id),
            ..
        } => Some(&**id),
        _ => None,
    })
}
