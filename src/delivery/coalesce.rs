//! What can be written as one: successive identifies and groups of a user, and what all users'
//! events say of a company.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use indexmap::IndexMap;

use crate::in_progress::InProgress;
use crate::mapping::{
    Action, Company, ContactFields, Identity, MAX_CALLS_TOGETHER, MAX_MERGED_EVENTS, Rights,
    calls_of,
};

/// Successive events of a user that are delivered as one. Usually one; several when they were
/// merged.
pub(super) struct Step<'e> {
    /// Their places among the user's events; at least one.
    pub(super) events: Range<usize>,
    /// What to do, if they were merged.
    merged: Option<Vec<Action<'e>>>,
}

impl<'e> Step<'e> {
    /// The event in this place, alone.
    pub(super) fn of(place: usize) -> Self {
        Self {
            events: place..place + 1,
            merged: None,
        }
    }

    /// What to do.
    pub(super) fn actions<'a>(&'a self, events: &'a [&mut InProgress<'e>]) -> &'a [Action<'e>] {
        self.merged
            .as_ref()
            .unwrap_or(&events[self.events.start].actions)
    }
}

/// The steps of one user's events, in order.
pub(super) fn steps<'e>(events: &[&mut InProgress<'e>]) -> Vec<Step<'e>> {
    let mut steps: Vec<Step<'e>> = Vec::with_capacity(events.len());
    for (place, event) in events.iter().enumerate() {
        if let Some(last) = steps.last_mut()
            && last.events.len() < MAX_MERGED_EVENTS
            && events[last.events.start].rights == event.rights
            && let Some(merged) = merged(last.actions(events), &event.actions)
            && calls_of(&merged) <= MAX_CALLS_TOGETHER
        {
            last.events.end = place + 1;
            last.merged = Some(merged);
            continue;
        }
        steps.push(Step::of(place));
    }
    steps
}

/// The actions of two identifies or groups of the same contact as those of one. `None` when they
/// name the user differently, or one of them is something else.
fn merged<'e>(earlier: &[Action<'e>], later: &[Action<'e>]) -> Option<Vec<Action<'e>>> {
    let (identity, first) = upsert(earlier)?;
    let (same_identity, second) = upsert(later)?;
    if identity != same_identity {
        return None;
    }
    let mut actions = vec![Action::UpsertContact {
        identity: identity.clone(),
        contact: first.clone().followed_by(second.clone()),
    }];
    let mut memberships: IndexMap<&Cow<'e, str>, Membership<'e>> = IndexMap::new();
    for action in earlier.iter().chain(later) {
        match action {
            Action::UpsertCompany { company } => {
                let known = memberships.entry(&company.company_id).or_default();
                known.is_member = true;
                let said = known.company.take().unwrap_or_default();
                known.company = Some(said.followed_by(company.clone()));
            }
            Action::DetachCompany { company_id, .. } => {
                memberships.entry(company_id).or_default().is_member = false;
            }
            _ => {}
        }
    }
    for (company_id, membership) in memberships {
        let (identity, company_id) = (identity.clone(), company_id.clone());
        if let Some(company) = membership.company {
            actions.push(Action::UpsertCompany { company });
        }
        actions.push(if membership.is_member {
            Action::AttachCompany {
                identity,
                company_id,
            }
        } else {
            Action::DetachCompany {
                identity,
                company_id,
            }
        });
    }
    Some(actions)
}

/// What events say of each company that several of them write, by company_id. Events that may
/// create attributes are kept apart from those that may not. The first event writes all of it, so
/// that the others needn't.
pub(super) struct SharedCompanies<'e>([HashMap<Cow<'e, str>, Company<'e>>; 2]);

impl<'e> SharedCompanies<'e> {
    pub(super) fn of(events: &[&mut InProgress<'e>]) -> Self {
        Self([false, true].map(|may_create| {
            let has_rights =
                |event: &&&mut InProgress<'e>| event.rights.may_create_attributes == may_create;
            let of_rights = events.iter().filter(has_rights);
            shared_companies(of_rights.flat_map(|event| &event.actions))
        }))
    }

    /// What events with these rights say of the company, the last word on each field. None where
    /// only one of them writes it.
    pub(super) fn get(&self, company_id: &str, rights: Rights) -> Option<&Company<'e>> {
        self.0[usize::from(rights.may_create_attributes)].get(company_id)
    }
}

fn shared_companies<'a, 'e: 'a>(
    actions: impl Iterator<Item = &'a Action<'e>>,
) -> HashMap<Cow<'e, str>, Company<'e>> {
    let mut first: HashMap<&str, &Company<'e>> = HashMap::new();
    let mut shared: HashMap<Cow<'e, str>, Company<'e>> = HashMap::new();
    for action in actions {
        let Action::UpsertCompany { company } = action else {
            continue;
        };
        let id = &company.company_id;
        if let Some(said) = shared.get_mut(id) {
            *said = std::mem::take(said).followed_by(company.clone());
        } else if let Some(first) = first.insert(id, company) {
            shared.insert(id.clone(), first.clone().followed_by(company.clone()));
        }
    }
    shared
}

fn upsert<'a, 'e>(actions: &'a [Action<'e>]) -> Option<(&'a Identity<'e>, &'a ContactFields<'e>)> {
    match actions.first()? {
        Action::UpsertContact { identity, contact } => Some((identity, contact)),
        _ => None,
    }
}

/// What identifies and groups say of a company, and whether their user belongs to it.
#[derive(Default)]
struct Membership<'e> {
    company: Option<Company<'e>>,
    is_member: bool,
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::entry::Entry;
    use crate::mapping::{Budget, Channel, Mapped, Sender, Settings, map};
    use crate::segment::IgnoredUserIds;
    use crate::source::Source;

    fn entry(json: &str) -> Entry<'_> {
        let raw: &RawValue = serde_json::from_str(json).expect("valid JSON");
        Entry {
            sender: Sender::by(Channel::Server),
            ..Entry::parse(raw, &IgnoredUserIds::default())
        }
    }

    fn mapped<'e>(entry: &'e Entry<'e>) -> InProgress<'e> {
        let received_at = DateTime::from_timestamp_millis(1_700_000_000_000).expect("a date");
        let settings = Settings::default();
        let event = InProgress::new(entry, Source::Api, received_at, &settings);
        let parsed = entry.event().expect("an event");
        let Ok(Mapped { actions, .. }) =
            map(parsed, event.arrival(), &settings, &mut Budget::default())
        else {
            panic!("every event is to be delivered");
        };
        InProgress { actions, ..event }
    }

    #[test]
    fn the_last_word_on_a_membership_wins_however_many_are_merged() {
        let events = [
            r#"{"type":"identify","userId":"u","traits":{"company":{"id":"c","plan":"p"}}}"#,
            r#"{"type":"identify","userId":"u","traits":{"company":{"id":"c","remove":true}}}"#,
            r#"{"type":"identify","userId":"u","traits":{}}"#,
            r#"{"type":"identify","userId":"u","traits":{"company":{"id":"c","name":"C"}}}"#,
        ]
        .map(entry);
        let all = events.iter().map(|entry| mapped(entry).actions);
        let all = all.reduce(|earlier, later| merged(&earlier, &later).expect("the same user"));
        let names: Vec<Value> = all
            .iter()
            .flatten()
            .map(|action| serde_json::to_value(action).expect("serialises")["action"].clone())
            .collect();
        assert_eq!(
            names,
            ["upsert_contact", "upsert_company", "attach_company"]
        );
    }

    #[test]
    fn successive_identifies_are_one_upsert() {
        let events = [
            r#"{"type":"identify","userId":"u","timestamp":1000000001,"traits":{"name":"A","plan":"x",
                "companies":[{"id":"1","name":"One","plan":"p"},{"id":"2","name":"Two"}]}}"#,
            r#"{"type":"identify","userId":"u","timestamp":1000000002,"traits":{"plan":"y","name":null,
                "companies":[{"id":"2","remove":true},{"id":"1","plan":"q"},{"id":"3"}]}}"#,
            r#"{"type":"track","userId":"u","event":"E"}"#,
            r#"{"type":"identify","userId":"u","timestamp":1000000003}"#,
        ]
        .map(entry);
        let mut events: Vec<InProgress<'_>> = events.iter().map(mapped).collect();
        let events: Vec<&mut InProgress<'_>> = events.iter_mut().collect();
        let steps = steps(&events);
        let places: Vec<Range<usize>> = steps.iter().map(|step| step.events.clone()).collect();
        assert_eq!(places, [0..2, 2..3, 3..4]);
        let identity = json!({"external_id": "u"});
        assert_eq!(
            serde_json::to_value(steps[0].actions(&events)).expect("actions serialise"),
            json!([
                {"action": "upsert_contact", "identity": identity, "contact": {
                    "role": "user", "external_id": "u", "name": "A", "last_seen_at": 1_000_000_002,
                    "custom_attributes": {"plan": "y"}}},
                {"action": "upsert_company", "company":
                    {"company_id": "1", "name": "One", "plan": "q"}},
                {"action": "attach_company", "identity": identity, "company_id": "1"},
                {"action": "upsert_company", "company": {"company_id": "2", "name": "Two"}},
                {"action": "detach_company", "identity": identity, "company_id": "2"},
                {"action": "upsert_company", "company": {"company_id": "3"}},
                {"action": "attach_company", "identity": identity, "company_id": "3"},
            ])
        );
    }
}
