//! One event, or several that were merged into one: its actions in order.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, PoisonError};

use futures_util::stream::{self, TryStreamExt};
use indexmap::IndexMap;

use super::Stop;
use super::parts::Body;
use super::round::Round;
use crate::in_progress::{InProgress, Undelivered};
use crate::intercom;
use crate::mapping::{Action, Rights};

/// Most custom attributes that one event may create in the workspace.
const MAX_NEW_ATTRIBUTES: usize = 100;

/// Companies of one event that are written concurrently.
const COMPANIES_AT_ONCE: usize = 8;

/// The delivery of one event.
pub(super) struct Attempt<'a> {
    pub(super) round: &'a Round<'a>,
    /// Counts the calls of this attempt.
    pub(super) intercom: intercom::Session<'a>,
    /// Since when the event has been waiting for somebody to be found, in Unix seconds, rounded
    /// down.
    pub(super) waiting_since: Option<i64>,
    pub(super) rights: Rights,
    /// How many custom attributes the event may still create.
    pub(super) new_attributes_left: AtomicUsize,
    /// Whether an attribute was left out this time only, so that another event may add it.
    pub(super) lacks_this_time: AtomicBool,
    left_out: Mutex<Vec<LeftOut>>,
}

/// A field that was left out of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Its name in Intercom.
    pub(super) field: String,
    /// A line for a person.
    pub(super) warning: String,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(round: &'a Round<'a>, event: &InProgress<'_>) -> Self {
        Self {
            round,
            intercom: round.delivery.intercom.session(round.deadline),
            waiting_since: event.waited.map(|waited| {
                let seconds = waited.as_secs() + u64::from(waited.subsec_nanos() > 0);
                round.now.saturating_sub_unsigned(seconds)
            }),
            rights: event.rights,
            new_attributes_left: AtomicUsize::new(MAX_NEW_ATTRIBUTES),
            lacks_this_time: AtomicBool::new(false),
            left_out: Mutex::default(),
        }
    }

    /// Executes the actions, and once more if a contact or company turns out to be gone.
    pub(super) async fn execute(
        &self,
        actions: &[Action<'_>],
        is_identify: bool,
    ) -> Result<(), Undelivered> {
        let mut done = self.execute_once(actions, is_identify).await;
        if matches!(done, Err(Stop::Gone(_))) {
            done = self.execute_once(actions, is_identify).await;
        }
        done.map_err(|stop| match stop {
            Stop::Gone(failure) => Undelivered::retry(failure),
            Stop::Undelivered(why) => why,
        })
    }

    /// What was left out.
    pub(super) fn into_left_out(self) -> Vec<LeftOut> {
        let left_out = self.left_out.into_inner();
        left_out.unwrap_or_else(PoisonError::into_inner)
    }

    /// The contact first, then the companies, which don't depend on each other.
    async fn execute_once(&self, actions: &[Action<'_>], is_identify: bool) -> Result<(), Stop> {
        let mut of_companies: IndexMap<&str, Vec<&Action<'_>>> = IndexMap::new();
        for action in actions {
            match company_id(action) {
                Some(id) => of_companies.entry(id).or_default().push(action),
                None => self.execute_action(action, is_identify).await?,
            }
        }
        stream::iter(of_companies.into_values().map(Ok))
            .try_for_each_concurrent(COMPANIES_AT_ONCE, async |of_company| {
                for action in of_company {
                    self.execute_action(action, is_identify).await?;
                }
                Ok(())
            })
            .await
    }

    async fn execute_action(&self, action: &Action<'_>, is_identify: bool) -> Result<(), Stop> {
        match action {
            Action::UpsertContact { identity, contact } => {
                if is_identify || !self.is_fresh(identity, contact) {
                    self.upsert_contact(identity, contact).await?;
                }
                Ok(())
            }
            Action::UpsertCompany { company } => self.upsert_company(company).await,
            Action::AttachCompany {
                identity,
                company_id,
            } => self.attach_company(identity, company_id).await,
            Action::DetachCompany {
                identity,
                company_id,
            } => self.detach_company(identity, company_id).await,
            Action::CreateEvent { event, identity } => {
                self.create_event(event, identity.as_ref()).await
            }
            Action::MergeContact { from, into } => self.merge_contact(from, into).await,
            Action::DeleteContact { identity } => self.delete_contact(identity).await,
        }
    }

    /// Notes a field that was left out of a write.
    pub(super) fn note_left_out(&self, field: &str, warning: String) {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let field = field.to_owned();
        let left = LeftOut { field, warning };
        if !left_out.contains(&left) {
            left_out.push(left);
        }
    }
}

/// The warnings about what was left out of these actions.
pub(super) fn warnings_of(actions: &[Action<'_>], left_out: &[LeftOut]) -> Vec<String> {
    let theirs = left_out
        .iter()
        .filter(|left| mentions(actions, &left.field));
    theirs.map(|left| left.warning.clone()).collect()
}

fn mentions(actions: &[Action<'_>], field: &str) -> bool {
    actions.iter().any(|action| match action {
        Action::UpsertContact { contact, .. } => contact.parts().contains_key(field),
        Action::UpsertCompany { company } => company.parts().contains_key(field),
        Action::DetachCompany { company_id, .. } => company_id == field,
        _ => false,
    })
}

fn company_id<'a>(action: &'a Action<'_>) -> Option<&'a str> {
    match action {
        Action::UpsertCompany { company } => Some(&company.company_id),
        Action::AttachCompany { company_id, .. } | Action::DetachCompany { company_id, .. } => {
            Some(company_id)
        }
        _ => None,
    }
}
