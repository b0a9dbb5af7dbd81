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
mod outcome;
mod session;
mod user;

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};

pub use outcome::{Failure, Otherwise, Outcome, Tried, Undelivered};

use crate::intercom::{Calls, Intercom};
use crate::mapping::{Action, Identity, Rights};
use crate::ttl_cache::TtlCache;
use catalogue::RefusedAttributes;
use contact_cache::ContactCache;
use outcome::Stop;
use session::Session;

/// Users delivered concurrently. More wouldn't help: Intercom's rate limit comes first.
const USERS_AT_ONCE: usize = 16;

/// Looking users up together may take one part in this many of the time: it only saves calls.
const LOOK_UP_SHARE: u32 = 3;

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

/// One mapped event to deliver.
#[derive(Clone, Debug)]
pub struct Job<'e> {
    /// The user within whose events it keeps its place.
    pub user: Cow<'e, str>,
    /// When the event was first received, in Unix seconds.
    pub received_at: i64,
    /// Whether it is an identify, which a following one of the same user absorbs.
    pub is_identify: bool,
    /// What to do, in order.
    pub actions: Vec<Action<'e>>,
    /// What else its sender may do.
    pub rights: Rights,
}

/// Delivers to one Intercom workspace. Remembers what it learned from one invocation to the next.
#[derive(Debug)]
pub struct Delivery {
    intercom: Intercom,
    settings: Settings,
    contacts: ContactCache,
    /// Intercom's company ids by company_id.
    companies: TtlCache<String>,
    refused_attributes: RefusedAttributes,
}

impl Delivery {
    /// Delivery through this client.
    pub fn new(intercom: Intercom, settings: Settings) -> Self {
        Self {
            intercom,
            settings,
            contacts: ContactCache::default(),
            companies: TtlCache::new(COMPANIES, AGE_OF_COMPANIES),
            refused_attributes: RefusedAttributes::default(),
        }
    }

    /// How many calls to Intercom it has made so far.
    pub fn calls(&self) -> Calls {
        self.intercom.calls()
    }

    /// Executes jobs until `deadline`. What became of them stands in the order of the jobs. `now` is in
    /// Unix seconds.
    ///
    /// Jobs of one user run one after another; once one has to be tried again later, the later
    /// ones of that user are not tried. An event that only waits for its user steps aside and is
    /// tried again when one of them made the contact.
    pub async fn deliver(&self, jobs: &[Job<'_>], now: i64, deadline: Instant) -> Vec<Tried> {
        let session = &Session::new(self, self.intercom.session(deadline), jobs, now);
        let began = Instant::now();
        let look_up_until = began + deadline.saturating_duration_since(began) / LOOK_UP_SHARE;
        let looking_up = self.intercom.session(look_up_until);
        session.look_up_together(jobs, looking_up).await;
        let mut outcomes: Vec<Outcome> = vec![Err(Undelivered::NotTried); jobs.len()];
        let users = by_user(jobs);
        let mut delivered = stream::iter(&users)
            // Boxed, because the future of everything that can happen to a user is large.
            .map(|user| Box::pin(session.deliver_user(jobs, user)))
            .buffer_unordered(USERS_AT_ONCE);
        while let Some(of_user) = delivered.next().await {
            for (index, outcome) in of_user {
                outcomes[index] = outcome;
            }
        }
        let calls = session.calls.iter();
        let calls = calls.map(|calls| calls.load(Ordering::Relaxed));
        let tried = outcomes.into_iter().zip(calls);
        tried
            .map(|(outcome, calls)| Tried { outcome, calls })
            .collect()
    }
}

/// The indexes of each user's jobs, in order. An alias makes its lead and its user count as one: it
/// needs what the lead's earlier jobs create.
fn by_user(jobs: &[Job<'_>]) -> Vec<Vec<usize>> {
    let mut users: Vec<Vec<usize>> = Vec::new();
    let mut place_of: HashMap<&str, usize> = HashMap::new();
    for (index, job) in jobs.iter().enumerate() {
        let place = *place_of.entry(&job.user).or_insert_with(|| {
            users.push(Vec::new());
            users.len() - 1
        });
        users[place].push(index);
        let Some(lead) = merged_lead(job) else {
            continue;
        };
        let place_of_lead = place_of.insert(lead, place).unwrap_or(place);
        if place_of_lead != place {
            let of_lead = std::mem::take(&mut users[place_of_lead]);
            users[place].extend(of_lead);
            users[place].sort_unstable();
            for other in place_of
                .values_mut()
                .filter(|place| **place == place_of_lead)
            {
                *other = place;
            }
        }
    }
    users
}

/// The anonymousId of the lead that an alias merges.
fn merged_lead<'j>(job: &'j Job<'_>) -> Option<&'j str> {
    job.actions.iter().find_map(|action| match action {
        Action::MergeContact {
            from: Identity::AnonymousId(id),
            ..
        } => Some(&**id),
        _ => None,
    })
}
