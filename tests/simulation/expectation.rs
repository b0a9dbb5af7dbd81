//! What Intercom has to hold in the end: the fold of each user's events in order. It knows
//! nothing of how the function works.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use intercom_simulator::TakenEmails;
use serde_json::{Map, Value};

use crate::circumstances::Circumstances;
use crate::history::{
    Before, Company, Event, LONGEST_PAUSE_SECONDS, Membership, SHARED, User, What,
};

/// A group call need not renew a last_seen_at that is less than this older.
const FRESH_SECONDS: i64 = 15 * 60;

/// A user's contact in the end.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    pub(crate) name: Option<String>,
    /// One of these. Several where Intercom may have refused the last one, which another contact
    /// has: then the contact keeps an earlier one, or got none with an event that was merged.
    pub(crate) emails: BTreeSet<Option<String>>,
    earlier_emails: BTreeSet<Option<String>>,
    pub(crate) phone: Option<String>,
    pub(crate) custom_attributes: BTreeMap<String, Value>,
    pub(crate) companies: BTreeSet<String>,
    pub(crate) last_seen_at: Option<RangeInclusive<i64>>,
    /// Events that the contact must have: name and time.
    pub(crate) tracks: BTreeSet<(String, i64)>,
    /// Events from before the user was deleted. They went with the contact, or came after it.
    pub(crate) earlier_tracks: BTreeSet<(String, i64)>,
}

impl Contact {
    /// The contact after all of the user's events. None when there must be none.
    pub(crate) fn of(user: &User, circumstances: Circumstances) -> Option<Self> {
        if user.is_deleted() && !circumstances.deleted_users_return {
            return None;
        }
        let mut contact = Self::default();
        let mut email = None;
        match user.before {
            Before::User | Before::ArchivedUser => contact.name = Some("Before".to_owned()),
            Before::EmailOnly(_) => email = Some(user.email()),
            Before::Unknown => {}
        }
        contact.learn_email(email, circumstances);
        for event in &user.events {
            contact.apply(user, event, circumstances);
        }
        Some(contact)
    }

    fn learn_email(&mut self, email: Option<String>, circumstances: Circumstances) {
        let is_shared = email
            .as_ref()
            .is_some_and(|email| email.starts_with(SHARED));
        self.earlier_emails.insert(email.clone());
        if is_shared && circumstances.taken_emails == TakenEmails::Refused {
            self.emails.clone_from(&self.earlier_emails);
        } else {
            self.emails = [email].into();
        }
    }

    fn apply(&mut self, user: &User, event: &Event, circumstances: Circumstances) {
        match &event.what {
            What::Identify {
                traits,
                memberships,
            } => {
                self.learn(traits, circumstances);
                for membership in memberships {
                    match membership {
                        Membership::Joins(company) => self.companies.insert(company.id.clone()),
                        Membership::Leaves(id) => self.companies.remove(id),
                    };
                }
                self.last_seen_at = Some(event.at..=event.at);
            }
            What::Group(company) => {
                self.companies.insert(company.id.clone());
                let known = self.last_seen_at.as_ref().map(|seen| *seen.start());
                let earliest = known.unwrap_or(event.at).max(event.at - FRESH_SECONDS);
                self.last_seen_at = Some(earliest..=event.at);
            }
            What::Track { name } => {
                self.tracks.insert((name.clone(), event.at));
            }
            What::Visit => {}
            What::Alias => {
                let visitor = [
                    ("visited", true.into()),
                    ("anonymous_id", user.anonymous_id().into()),
                ];
                let visitor = visitor.map(|(name, value)| (name.to_owned(), value));
                self.custom_attributes.extend(visitor);
                // Nothing but the merge writes it: what the visitor did is that old.
                let seen = event.at - LONGEST_PAUSE_SECONDS..=event.at;
                self.last_seen_at = Some(seen);
            }
            What::Delete => {
                let mut earlier_tracks = std::mem::take(&mut self.earlier_tracks);
                earlier_tracks.append(&mut self.tracks);
                *self = Self {
                    earlier_tracks,
                    ..Self::default()
                };
                self.learn_email(None, circumstances);
            }
        }
    }

    fn learn(&mut self, traits: &Map<String, Value>, circumstances: Circumstances) {
        for (key, value) in traits.iter().filter(|(_, value)| !value.is_null()) {
            let text = || value.as_str().map(str::to_owned);
            match key.as_str() {
                "name" => self.name = text(),
                "email" => self.learn_email(text(), circumstances),
                "phone" => self.phone = text(),
                _ => drop(self.custom_attributes.insert(key.clone(), value.clone())),
            }
        }
    }
}

/// All companies in the end, by their company_id.
pub(crate) fn companies(users: &[User]) -> BTreeMap<String, Company> {
    let mut companies: BTreeMap<String, Company> = BTreeMap::new();
    let events = users.iter().flat_map(|user| &user.events);
    for company in events.flat_map(|event| mentioned(&event.what)) {
        let known = companies
            .entry(company.id.clone())
            .or_insert_with(|| company.clone());
        known.plan = company.plan.clone().or(known.plan.take());
        known.size = company.size.or(known.size);
        known.tier = company.tier.clone().or(known.tier.take());
    }
    companies
}

fn mentioned(what: &What) -> Vec<&Company> {
    match what {
        What::Identify { memberships, .. } => memberships
            .iter()
            .filter_map(|membership| match membership {
                Membership::Joins(company) => Some(company),
                Membership::Leaves(_) => None,
            })
            .collect(),
        What::Group(company) => vec![company],
        What::Track { .. } | What::Visit | What::Alias | What::Delete => Vec::new(),
    }
}
