//! One round of deliveries: what is known only within it.

use std::sync::Arc;

use indexmap::IndexSet;
use tokio::time::Instant;

use super::Delivery;
use super::catalogue::Catalogues;
use super::coalesce::SharedCompanies;
use super::contact_cache::KnownContact;
use super::shared_map::SharedMap;
use crate::in_progress::InProgress;
use crate::intercom::SEARCH_PAGE;
use crate::mapping::{Action, Identity};

/// Most tracks in flight at once that are sent concurrently, across all users of a round.
const TRACKS_AT_ONCE: usize = 32;

/// Looking users up together may take this fraction (1/n) of the time left: it only saves calls.
const LOOK_UP_SHARE: u32 = 3;

/// What this round did or saw, so as not to do it again. Nothing of it outlives the invocation:
/// another instance may undo any of it, and no answer would say so.
pub(super) struct Round<'d> {
    pub(super) delivery: &'d Delivery,
    pub(super) deadline: Instant,
    /// Unix seconds.
    pub(super) now: i64,
    /// Intercom's ids of contacts and of the companies that they are in.
    pub(super) memberships: SharedMap<(String, String), ()>,
    /// Intercom's ids of contacts that it showed in full.
    pub(super) shown: SharedMap<String, ()>,
    /// What several of its events say of a company.
    pub(super) companies: SharedCompanies<'d>,
    /// Hashes of what was last sent of a company, by company_id.
    pub(super) sent_companies: SharedMap<String, u64>,
    pub(super) attributes: Catalogues,
    /// Limits concurrent tracks across all users: more connections would cost more than they gain.
    pub(super) tracks_at_once: tokio::sync::Semaphore,
    locks: SharedMap<String, Arc<tokio::sync::Mutex<()>>>,
}

impl<'d> Round<'d> {
    pub(super) fn new<'e: 'd>(
        delivery: &'d Delivery,
        events: &[&mut InProgress<'e>],
        now: i64,
        deadline: Instant,
    ) -> Self {
        Self {
            delivery,
            deadline,
            now,
            memberships: SharedMap::default(),
            shown: SharedMap::default(),
            companies: SharedCompanies::of(events),
            sent_companies: SharedMap::default(),
            attributes: Catalogues::default(),
            tracks_at_once: tokio::sync::Semaphore::new(TRACKS_AT_ONCE),
            locks: SharedMap::default(),
        }
    }

    /// Lock held while this is created, so a second caller finds it.
    pub(super) fn lock_of(&self, what: String) -> Arc<tokio::sync::Mutex<()>> {
        self.locks.get_or_default(what)
    }

    /// Looks up all unknown users whose contact is needed, with one search for every 150 of them.
    /// Those it doesn't find (its index lags behind) are looked up one by one when their turn
    /// comes. Where a search has room left, it also asks for users with an event, who may be
    /// needed soon.
    pub(super) async fn look_up_together(&self, events: &[&mut InProgress<'_>]) {
        let (mut needed, mut needed_soon) = (IndexSet::new(), IndexSet::new());
        for action in events.iter().flat_map(|event| &event.actions) {
            match action {
                Action::UpsertContact { identity, .. }
                | Action::DeleteContact { identity }
                | Action::MergeContact { into: identity, .. } => {
                    if let Identity::ExternalId(id) = identity {
                        needed.insert(&**id);
                    }
                }
                Action::CreateEvent { event, .. } => needed_soon.extend(event.user_id.as_deref()),
                _ => {}
            }
        }
        let contacts = &self.delivery.contacts;
        let is_unknown = |id: &&str| {
            let identity = Identity::ExternalId((*id).into());
            contacts.get(&identity).is_none()
        };
        needed.retain(is_unknown);
        let room = needed.len().next_multiple_of(SEARCH_PAGE) - needed.len();
        needed_soon.retain(|id| !needed.contains(id) && is_unknown(id));
        needed.extend(needed_soon.into_iter().take(room));
        let intercom = self.delivery.intercom.session(self.deadline);
        let left = self
            .deadline
            .saturating_duration_since(crate::time_budget::now());
        let time = left / LOOK_UP_SHARE;
        for ids in needed.into_iter().collect::<Vec<_>>().chunks(SEARCH_PAGE) {
            // A single one is found just as cheaply by its id, and without the lag.
            if ids.len() < 2 {
                return;
            }
            // A search cut off by this timeout doesn't prove an outage: each user is then looked up
            // alone.
            let found = tokio::time::timeout(time, intercom.search_external_ids(ids));
            let Ok(Ok(found)) = found.await else {
                return;
            };
            for contact in found {
                if let Some(id) = contact.user_id() {
                    let identity = Identity::ExternalId(id.to_owned().into());
                    contacts.insert(&identity, KnownContact::found_by_search(contact));
                }
            }
        }
    }
}
