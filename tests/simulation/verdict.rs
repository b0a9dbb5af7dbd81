//! Whether Intercom holds what it should. Every problem comes with the calls about it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use intercom_simulator::{ContactSnapshot, LoggedRequest, Simulator, Snapshot, TakenEmails};
use serde_json::Value;

use crate::circumstances::Circumstances;
use crate::expectation::{Contact, companies};
use crate::history::{Before, User};

/// Problems of which the calls are shown too.
const SHOWN: usize = 3;

/// Contacts that no event is about.
pub(crate) const STRANGERS: usize = 5;

/// Longest that a message may be in the retry queue. Retries come every ten minutes, a fifth of
/// Intercom's calls fail, and a killed instance keeps its messages for three minutes.
const HELD_AT_MOST: Duration = Duration::from_hours(10);

/// The contacts that no event is about.
pub(crate) fn strangers(intercom: &Simulator) -> Vec<String> {
    let contacts = intercom.state().contacts.into_iter();
    let strangers = contacts.filter(|contact| contact.name.as_deref() == Some("Stranger"));
    strangers.map(|contact| format!("{contact:?}")).collect()
}

/// Messages that were in the queue for longer than their failures explain. The busy user's wait
/// for each other.
pub(crate) fn held_too_long(users: &[User], held: &HashMap<String, Duration>) -> Vec<String> {
    // What is parked waits for its sender, who may have to repeat other requests for hours.
    let ordinary = users.iter().filter(|user| !user.is_busy());
    let held = ordinary.filter_map(|user| Some((held.get(&user.id)?, &user.id)));
    held.filter(|(time, _)| **time > HELD_AT_MOST)
        .map(|(time, group)| format!("{group}: a message was in the queue for {time:?}"))
        .collect()
}

/// Everything that isn't as it should be.
pub(crate) fn problems(
    users: &[User],
    circumstances: Circumstances,
    intercom: &Simulator,
    strangers_before: &[String],
) -> Vec<String> {
    let (state, requests) = (intercom.state(), intercom.requests());
    let mut problems = Vec::new();
    if strangers(intercom) != strangers_before {
        problems.push(format!(
            "a stranger was touched: {strangers_before:?} before"
        ));
    }
    for user in users {
        let wrong = of_user(user, circumstances, &state);
        if !wrong.is_empty() {
            let mut problem = wrong.join("\n");
            if problems.len() < SHOWN {
                let calls = calls_about(&user.id, &state, &requests);
                problem = format!("{problem}\n{:#?}{calls}", user.events);
            }
            problems.push(problem);
        }
    }
    for (company, wrong) in of_companies(users, &state) {
        let problem = wrong.join("\n") + &calls_about(&format!("\"{company}\""), &state, &requests);
        problems.push(problem);
    }
    let ids: BTreeSet<&str> = users.iter().map(|user| &*user.id).collect();
    for contact in &state.contacts {
        let owner = contact.external_id.as_deref().unwrap_or_default();
        let is_left = is_left_over(contact, users, circumstances);
        if !ids.contains(owner) && !owner.starts_with("stranger-") && !is_left {
            problems.push(format!("nobody's contact: {contact:?}"));
        }
    }
    problems
}

/// A contact that no user has in the end: one with a user's email alone, where emails can be
/// shared (or somebody else made the user first), or a visitor whom a lost answer made twice and
/// search showed too late.
fn is_left_over(contact: &ContactSnapshot, users: &[User], circumstances: Circumstances) -> bool {
    let is_visitor = |user: &User| {
        let id = contact.custom_attributes.get("anonymous_id");
        id.and_then(Value::as_str) == Some(&user.anonymous_id())
    };
    let is_shared = |user: &User| {
        circumstances.taken_emails != TakenEmails::Refused
            && matches!(user.before, Before::EmailOnly(_))
            && contact.email == Some(user.email())
            && contact.name.is_none()
    };
    users.iter().any(|user| is_visitor(user) || is_shared(user))
}

fn of_user(user: &User, circumstances: Circumstances, state: &Snapshot) -> Vec<String> {
    let of_user = |contact: &&ContactSnapshot| contact.external_id.as_ref() == Some(&user.id);
    let contacts: Vec<&ContactSnapshot> = state.contacts.iter().filter(of_user).collect();
    let (contact, expected) = match (&contacts[..], Contact::of(user, circumstances)) {
        ([], None) => return Vec::new(),
        ([contact], Some(expected)) => (*contact, expected),
        _ => return vec![format!("{} has {} contacts", user.id, contacts.len())],
    };
    let mut check = Check::of(&user.id);
    check.same("role", &contact.role, &"user");
    check.same("archived", &contact.archived, &false);
    check.same("name", &contact.name, &expected.name);
    if !expected.emails.contains(&contact.email) {
        let emails = format!("one of {:?}", expected.emails);
        check.same("email", &format!("{:?}", contact.email), &emails);
    }
    check.same("phone", &contact.phone, &expected.phone);
    let attributes = contact.custom_attributes.clone().into_iter().collect();
    check.same(
        "custom attributes",
        &attributes,
        &expected.custom_attributes,
    );
    let companies = contact.companies.iter().cloned().collect();
    check.same("companies", &companies, &expected.companies);
    match (contact.last_seen_at, &expected.last_seen_at) {
        (Some(seen), Some(range)) if range.contains(&seen) => {}
        (seen, range) => check.same("last_seen_at", &format!("{seen:?}"), &format!("{range:?}")),
    }
    let mut tracks = BTreeSet::new();
    for event in state
        .events
        .iter()
        .filter(|event| event.contact_id == contact.id)
    {
        let track = (event.name.clone(), event.created_at);
        if !expected.earlier_tracks.contains(&track) && !tracks.insert(track) {
            check.problems.push(format!("{} twice: {event:?}", user.id));
        }
    }
    check.same("events", &tracks, &expected.tracks);
    let all = state.events.iter();
    let all = all.filter(|event| event.external_id.as_ref() == Some(&user.id));
    let all: BTreeSet<(String, i64)> = all.map(|e| (e.name.clone(), e.created_at)).collect();
    let missing: Vec<_> = expected.earlier_tracks.difference(&all).collect();
    check.same("missing before the delete", &missing, &Vec::new());
    check.problems
}

/// What is wrong with each company.
fn of_companies(users: &[User], state: &Snapshot) -> Vec<(String, Vec<String>)> {
    let mut expected = companies(users);
    let mut wrong = Vec::new();
    for company in &state.companies {
        let id = &company.company_id;
        let mut check = Check::of(id);
        match expected.remove(id) {
            None => check.problems.push(format!("{id} is one too many")),
            Some(expected) => {
                check.same("name", &company.name, &Some(expected.name));
                check.same("plan", &company.plan, &expected.plan);
                check.same("size", &company.size, &expected.size);
                let tier = company.custom_attributes.get("tier");
                check.same("tier", &tier.cloned(), &expected.tier.map(Value::from));
            }
        }
        wrong.push((id.clone(), check.problems));
    }
    let missing = expected.into_keys();
    wrong.extend(missing.map(|id| (id.clone(), vec![format!("{id} is missing")])));
    wrong.retain(|(_, problems)| !problems.is_empty());
    wrong
}

struct Check {
    subject: String,
    problems: Vec<String>,
}

impl Check {
    fn of(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            problems: Vec::new(),
        }
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            let subject = &self.subject;
            let problem = format!("{subject}: {what} is {found:?}, not {expected:?}");
            self.problems.push(problem);
        }
    }
}

/// The calls that name the user or one of the user's contacts, in order.
fn calls_about(user_id: &str, state: &Snapshot, requests: &[LoggedRequest]) -> String {
    let live = state.contacts.iter();
    let live = live.map(|contact| (&contact.id, &contact.external_id));
    let deleted = state.deleted_contacts.iter();
    let deleted = deleted.map(|contact| (&contact.id, &contact.external_id));
    let ids = live.chain(deleted);
    let ids: Vec<&str> = ids
        .filter(|(_, external_id)| external_id.as_deref() == Some(user_id))
        .map(|(id, _)| id.as_str())
        .chain([user_id])
        .collect();
    let mut lines = Vec::new();
    for request in requests {
        let body = request.request_body.to_string();
        if ids
            .iter()
            .any(|id| request.path.contains(id) || body.contains(id))
        {
            let LoggedRequest {
                at,
                method,
                path,
                status,
                fault,
                ..
            } = request;
            let fault = fault.as_deref().unwrap_or_default();
            lines.push(format!(
                "\n  {at} {method} {path} {body} → {status:?} {fault}"
            ));
        }
    }
    lines.concat()
}
