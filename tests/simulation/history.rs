//! What the users of a world do.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::circumstances::Circumstances;

/// Time of the first event, Unix seconds.
const FIRST_EVENT_AT: i64 = 1_759_000_000;

/// Longest time between two events of a user: some below the quarter of an hour in which a
/// group call need not renew last_seen_at, some above.
pub(crate) const LONGEST_PAUSE_SECONDS: i64 = 1200;

pub(crate) const COMPANIES: usize = 8;

/// How emails begin that two users share.
pub(crate) const SHARED: &str = "shared-";

/// Events of the busy user, all in one request.
const BUSY_EVENTS: usize = 150;

/// A user and all that happens to them, in order.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) before: Before,
    pub(crate) events: Vec<Event>,
}

/// How Intercom knows the user before the first event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Unknown,
    User,
    ArchivedUser,
    /// A contact with this role and the user's email alone.
    EmailOnly(&'static str),
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) message_id: String,
    /// Unix seconds; no two events of a user have the same.
    pub(crate) at: i64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Identify {
        traits: Map<String, Value>,
        memberships: Vec<Membership>,
    },
    Group(Company),
    Track {
        name: String,
    },
    /// As a visitor, before the user is known.
    Visit,
    /// The visitor turns out to be the user.
    Alias,
    Delete,
}

#[derive(Clone, Debug)]
pub(crate) enum Membership {
    Joins(Company),
    Leaves(String),
}

/// What an event says of a company. Only the company's owner says more than its name, so that
/// it doesn't matter in which order the users' events arrive.
#[derive(Clone, Debug)]
pub(crate) struct Company {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) plan: Option<String>,
    pub(crate) size: Option<i64>,
    pub(crate) tier: Option<String>,
}

impl User {
    /// The user with this number.
    pub(crate) fn random(number: usize, circumstances: Circumstances, rng: &mut Rng) -> Self {
        let before = match rng.u32(..20) {
            0..=3 => Before::User,
            4 => Before::ArchivedUser,
            5 => Before::EmailOnly("user"),
            6 => Before::EmailOnly("lead"),
            _ => Before::Unknown,
        };
        let mut user = Self {
            id: format!("u{number:03}"),
            before,
            events: Vec::new(),
        };
        if matches!(before, Before::EmailOnly(_)) {
            let traits = Map::from_iter([("email".to_owned(), user.email().into())]);
            user.push(rng, identify(traits, Vec::new()));
        }
        let is_visitor = user.events.is_empty() && rng.u32(..10) == 0;
        if is_visitor {
            user.push(rng, What::Visit);
            user.push(rng, What::Alias);
        }
        user.live(number, rng);
        if !is_visitor && rng.u32(..8) == 0 {
            user.push(rng, What::Delete);
            if circumstances.deleted_users_return {
                user.live(number, rng);
            } else {
                let traits = user.traits(rng);
                user.push(rng, identify(traits, Vec::new()));
                user.push(
                    rng,
                    What::Track {
                        name: "too late".to_owned(),
                    },
                );
            }
        }
        user
    }

    pub(crate) fn is_deleted(&self) -> bool {
        let mut events = self.events.iter();
        events.any(|event| matches!(event.what, What::Delete))
    }

    /// The anonymousId of the visitor who turns out to be the user.
    pub(crate) fn anonymous_id(&self) -> String {
        format!("visitor-{}", self.id)
    }

    /// A user with enough events at once for ten to share a message.
    pub(crate) fn busy(number: usize, rng: &mut Rng) -> Self {
        let mut user = Self {
            id: format!("u{number:03}"),
            before: Before::Unknown,
            events: Vec::new(),
        };
        while user.events.len() < BUSY_EVENTS {
            user.live(number, rng);
        }
        user
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.events.len() >= BUSY_EVENTS
    }

    pub(crate) fn email(&self) -> String {
        format!("{}@example.com", self.id)
    }

    /// An email of two users, where this is one of them.
    fn shared_email(&self) -> Option<String> {
        let (tens, ones) = self.id.split_at(self.id.len() - 1);
        matches!(ones, "7" | "8").then(|| format!("{SHARED}{tens}@example.com"))
    }

    /// Some events, of which one at least makes the contact.
    fn live(&mut self, number: usize, rng: &mut Rng) {
        let first = self.events.len();
        for _ in 0..rng.usize(2..=8) {
            let what = match rng.u32(..20) {
                0..=7 => {
                    let traits = self.traits(rng);
                    identify(traits, memberships(number, rng))
                }
                8..=11 => What::Group(Company::random(number, rng)),
                _ => What::Track {
                    name: format!("event {}", rng.u32(..6)),
                },
            };
            self.push(rng, what);
        }
        let makes = |event: &Event| matches!(event.what, What::Identify { .. } | What::Group(_));
        if !self.events[first..].iter().any(makes) {
            let traits = self.traits(rng);
            self.push(rng, identify(traits, Vec::new()));
        }
    }

    fn push(&mut self, rng: &mut Rng, what: What) {
        let last = self.events.last().map_or(FIRST_EVENT_AT, |event| event.at);
        self.events.push(Event {
            message_id: format!("{}-{}", self.id, self.events.len()),
            at: last + rng.i64(1..=LONGEST_PAUSE_SECONDS),
            what,
        });
    }

    fn traits(&self, rng: &mut Rng) -> Map<String, Value> {
        let number = rng.u32(..4);
        let may_move = !matches!(self.before, Before::EmailOnly(_));
        let other = || format!("{}+{number}@example.com", self.id);
        let email = if may_move && number == 0 {
            self.shared_email().unwrap_or_else(other)
        } else {
            self.email()
        };
        let candidates = [
            ("name", json!(format!("Name {number}"))),
            ("email", json!(email)),
            ("phone", json!(format!("+123456{number}"))),
            ("plan", json!(format!("plan {number}"))),
            ("score", json!(number)),
            ("vip", json!(number.is_multiple_of(2))),
            ("renewed_at", json!(1_750_000_000 + number)),
        ];
        let mut traits = Map::new();
        for (key, value) in candidates {
            match rng.u32(..8) {
                0..=2 => drop(traits.insert(key.to_owned(), value)),
                3 => drop(traits.insert(key.to_owned(), Value::Null)),
                _ => {}
            }
        }
        traits
    }
}

fn identify(traits: Map<String, Value>, memberships: Vec<Membership>) -> What {
    What::Identify {
        traits,
        memberships,
    }
}

fn memberships(number: usize, rng: &mut Rng) -> Vec<Membership> {
    match rng.u32(..10) {
        0..=2 => vec![Membership::Joins(Company::random(number, rng))],
        3 => vec![Membership::Leaves(Company::random(number, rng).id)],
        _ => Vec::new(),
    }
}

impl Company {
    /// One of two companies of the user with this number.
    fn random(number: usize, rng: &mut Rng) -> Self {
        let company = (number + usize::from(rng.u32(..4) == 0)) % COMPANIES;
        let is_owner = number == company;
        let says = |rng: &mut Rng| is_owner && rng.bool();
        Self {
            id: format!("c{company}"),
            name: format!("Company {company}"),
            plan: says(rng).then(|| format!("plan {}", rng.u32(..2))),
            size: says(rng).then(|| rng.i64(1..4)),
            tier: says(rng).then(|| format!("tier {}", rng.u32(..2))),
        }
    }

    fn traits(&self) -> Map<String, Value> {
        let mut traits = Map::from_iter([("name".to_owned(), json!(self.name))]);
        let rest = [
            ("plan", json!(self.plan)),
            ("employees", json!(self.size)),
            ("tier", json!(self.tier)),
        ];
        let said = rest.into_iter().filter(|(_, value)| !value.is_null());
        traits.extend(said.map(|(key, value)| (key.to_owned(), value)));
        traits
    }
}

impl Event {
    /// As a Segment SDK sends it.
    pub(crate) fn to_json(&self, user: &User) -> Value {
        let anonymous_id = user.anonymous_id();
        let mut event = json!({"messageId": self.message_id, "userId": user.id,
            "timestamp": self.at});
        match &self.what {
            What::Identify {
                traits,
                memberships,
            } => {
                let mut traits = traits.clone();
                let companies: Vec<Value> = memberships.iter().map(Membership::to_json).collect();
                if !companies.is_empty() {
                    traits.insert("companies".to_owned(), companies.into());
                }
                event["type"] = "identify".into();
                event["traits"] = traits.into();
            }
            What::Group(company) => {
                event["type"] = "group".into();
                event["groupId"] = company.id.clone().into();
                event["traits"] = company.traits().into();
            }
            What::Track { name } => {
                event["type"] = "track".into();
                event["event"] = name.clone().into();
            }
            What::Visit => {
                event["type"] = "identify".into();
                event["userId"] = Value::Null;
                event["anonymousId"] = anonymous_id.into();
                event["traits"] = json!({"visited": true});
            }
            What::Alias => {
                event["type"] = "alias".into();
                event["previousId"] = anonymous_id.into();
            }
            What::Delete => event["type"] = "delete".into(),
        }
        event
    }
}

impl Membership {
    fn to_json(&self) -> Value {
        match self {
            Self::Joins(company) => {
                let mut traits = company.traits();
                traits.insert("id".to_owned(), company.id.clone().into());
                traits.into()
            }
            Self::Leaves(id) => json!({"id": id, "remove": true}),
        }
    }
}
