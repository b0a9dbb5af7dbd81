//! What 300 users of 30 companies do within 50 minutes, and what a peer spends on it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use fastrand::Rng;
use serde_json::{Value, json};

/// Users who are in Intercom already, each a member of one company.
const USERS: usize = 300;
const COMPANIES: usize = 30;

/// How many of each kind: 35%, 55%, 10%.
const IDENTIFIES: usize = 1_050;
const TRACKS: usize = 1_650;
const GROUPS: usize = 300;

/// Events in one request.
pub(crate) const BATCH: usize = 50;

/// A group call that finds its contact seen less than this many seconds before may leave it
/// alone: Last Seen would hardly change.
const FRESH_ENOUGH: usize = 15 * 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Identify,
    Track,
    Group,
}

/// Events one second apart.
pub(crate) struct Workload {
    events: Vec<(Kind, usize)>,
}

impl Workload {
    /// Kinds and users in a random order that the seed decides; every user is as likely.
    pub(crate) fn random(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let kinds = [
            (Kind::Identify, IDENTIFIES),
            (Kind::Track, TRACKS),
            (Kind::Group, GROUPS),
        ];
        let mut kinds: Vec<Kind> = kinds
            .into_iter()
            .flat_map(|(kind, count)| std::iter::repeat_n(kind, count))
            .collect();
        rng.shuffle(&mut kinds);
        let events = kinds.into_iter().map(|kind| (kind, rng.usize(..USERS)));
        Self {
            events: events.collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The requests, in order; the first event happens at `start` (Unix seconds).
    pub(crate) fn requests(&self, start: u64) -> Vec<Vec<Value>> {
        let numbered: Vec<(usize, &(Kind, usize))> = self.events.iter().enumerate().collect();
        let requests = numbered.chunks(BATCH).map(|request| {
            let events = request.iter();
            let events = events.map(|(number, (kind, user))| event(*number, *kind, *user, start));
            events.collect()
        });
        requests.collect()
    }

    /// What made every user known before, and a member of their company, when they were last seen.
    pub(crate) fn past(last_seen: DateTime<Utc>) -> Vec<Vec<Value>> {
        let users: Vec<usize> = (0..USERS).collect();
        let requests = users.chunks(BATCH).map(|users| {
            let events = users.iter().map(|user| {
                json!({"type": "identify", "messageId": format!("before-{user}"),
                    "userId": user_id(*user), "timestamp": last_seen.to_rfc3339(),
                    "traits": {"logins": 0, "company": {"id": company_id(*user), "plan": "free"}}})
            });
            events.collect()
        });
        requests.collect()
    }

    /// Calls of a peer that searches before each write: 2 for an identify, 1 for a track, 3
    /// for a group.
    pub(crate) fn calls_of_peer(&self) -> usize {
        let calls = self.events.iter().map(|(kind, _)| match kind {
            Kind::Identify => 2,
            Kind::Track => 1,
            Kind::Group => 3,
        });
        calls.sum()
    }

    /// Calls of one that knew every id and membership beforehand: a write for each identify
    /// that no other one follows at once, for each track, for the last plan of each company in
    /// a request, and for each contact of a group call that wasn't seen for a while.
    pub(crate) fn least_calls(&self) -> usize {
        let mut calls = 0;
        let mut seen_at: HashMap<usize, usize> = HashMap::new();
        for (number, request) in self.events.chunks(BATCH).enumerate() {
            let mut companies = HashSet::new();
            for (place, (kind, user)) in request.iter().enumerate() {
                let at = number * BATCH + place;
                let last_seen = seen_at.get(user).copied();
                match kind {
                    Kind::Track => calls += 1,
                    Kind::Identify => {
                        let mut later = request[place + 1..].iter();
                        let next = later.find(|(_, other)| other == user);
                        calls += usize::from(!matches!(next, Some((Kind::Identify, _))));
                        seen_at.insert(*user, at);
                    }
                    Kind::Group => {
                        calls += usize::from(companies.insert(*user % COMPANIES));
                        if last_seen.is_none_or(|seen| at - seen >= FRESH_ENOUGH) {
                            calls += 1;
                            seen_at.insert(*user, at);
                        }
                    }
                }
            }
        }
        calls
    }
}

fn event(number: usize, kind: Kind, user: usize, start: u64) -> Value {
    let at = i64::try_from(start).expect("fits") + i64::try_from(number).expect("fits");
    let at = DateTime::from_timestamp(at, 0).expect("a time");
    let mut event = match kind {
        Kind::Identify => json!({"type": "identify", "traits":
            {"email": format!("{}@example.com", user_id(user)), "logins": number}}),
        Kind::Track => json!({"type": "track", "event": format!("Event {}", number % 20),
            "properties": {"number": number}}),
        Kind::Group => json!({"type": "group", "groupId": company_id(user),
            "traits": {"plan": format!("plan {number}")}}),
    };
    event["messageId"] = json!(format!("message-{number}"));
    event["userId"] = json!(user_id(user));
    event["timestamp"] = json!(at.to_rfc3339());
    event
}

fn user_id(user: usize) -> String {
    format!("user-{user}")
}

fn company_id(user: usize) -> String {
    format!("company-{}", user % COMPANIES)
}
