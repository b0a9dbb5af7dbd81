//! What can be written as one: successive identifies and groups of a user, and what all users'
//! events say of a company.

use std::borrow::Cow;
use std::collections::HashMap;

use indexmap::IndexMap;

use super::Job;
use crate::mapping::{Action, Company, Contact, Identity, Rights};

/// Most jobs that are merged into one: each merge copies all that they say so far.
const MAX_MERGED_JOBS: usize = 25;

/// Jobs that are executed as one. Usually one; several when they were merged.
pub(super) struct Step<'j, 'e> {
    /// Indexes of the jobs.
    pub(super) jobs: Vec<usize>,
    /// Whether one of them is an identify.
    pub(super) is_identify: bool,
    /// What to do.
    pub(super) actions: Cow<'j, [Action<'e>]>,
}

impl<'j, 'e> Step<'j, 'e> {
    /// The job with this index, alone.
    pub(super) fn of(index: usize, job: &'j Job<'e>) -> Self {
        Self {
            jobs: vec![index],
            is_identify: job.is_identify,
            actions: Cow::Borrowed(&job.actions),
        }
    }
}

/// The steps of one user's jobs, in order.
pub(super) fn steps<'j, 'e>(jobs: &'j [Job<'e>], indexes: &[usize]) -> Vec<Step<'j, 'e>> {
    let mut steps: Vec<Step<'j, 'e>> = Vec::with_capacity(indexes.len());
    for &index in indexes {
        let job = &jobs[index];
        if let Some(last) = steps.last_mut()
            && last.jobs.len() < MAX_MERGED_JOBS
            && jobs[last.jobs[0]].rights == job.rights
            && let Some(merged) = merged(&last.actions, &job.actions)
        {
            last.jobs.push(index);
            last.is_identify |= job.is_identify;
            last.actions = Cow::Owned(merged);
            continue;
        }
        steps.push(Step::of(index, job));
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

/// What jobs say of each company that several of them write, grouped by the jobs' rights: the first
/// job writes all of it, so that the others needn't.
pub(super) struct Companies<'j>(HashMap<(&'j str, bool), Company<'j>>);

impl<'j> Companies<'j> {
    pub(super) fn of(jobs: &'j [Job<'_>]) -> Self {
        let mut first: HashMap<_, &Company<'j>> = HashMap::new();
        let mut all: HashMap<_, Company<'j>> = HashMap::new();
        for job in jobs {
            for action in &job.actions {
                let Action::UpsertCompany { company } = action else {
                    continue;
                };
                let key = (&*company.company_id, job.rights.may_create_attributes);
                if let Some(said) = all.get_mut(&key) {
                    *said = std::mem::take(said).followed_by(company.clone());
                } else if let Some(first) = first.insert(key, company) {
                    all.insert(key, first.clone().followed_by(company.clone()));
                }
            }
        }
        Self(all)
    }

    /// What jobs with these rights say of the company, the last word on each field. None where only
    /// one of them writes it.
    pub(super) fn get<'a>(
        &'a self,
        company_id: &'a str,
        rights: Rights,
    ) -> Option<&'a Company<'a>> {
        self.0.get(&(company_id, rights.may_create_attributes))
    }
}

fn upsert<'a, 'e>(actions: &'a [Action<'e>]) -> Option<(&'a Identity<'e>, &'a Contact<'e>)> {
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
    use serde_json::{Value, json};

    use super::*;
    use crate::mapping::{Arrival, Budget, Channel, Mapped, Sender, Settings, map};
    use crate::segment::Event;
    use crate::source::Source;

    fn identify(json: &'static str) -> Event<'static> {
        Event::new(serde_json::from_str(json).expect("valid JSON")).expect("an object")
    }

    #[test]
    fn the_last_word_on_a_membership_wins_however_many_are_merged() {
        let events = [
            r#"{"type":"identify","userId":"u","traits":{"company":{"id":"c","plan":"p"}}}"#,
            r#"{"type":"identify","userId":"u","traits":{"company":{"id":"c","remove":true}}}"#,
            r#"{"type":"identify","userId":"u","traits":{}}"#,
            r#"{"type":"identify","userId":"u","traits":{"company":{"id":"c","name":"C"}}}"#,
        ]
        .map(identify);
        let arrival = Arrival {
            received_at_millis: 1_700_000_000_000,
            source: Source::Api,
            sender: Sender::by(Channel::Server),
        };
        let settings = Settings::default();
        let of = |event| match map(event, arrival, &settings, &mut Budget::default()) {
            Ok(Mapped { actions, .. }) => actions,
            _ => panic!("every event is to be delivered"),
        };
        let all = events.iter().map(of);
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
        .map(|json| {
            Event::new(serde_json::from_str(json).expect("valid JSON")).expect("an object")
        });
        let arrival = Arrival {
            received_at_millis: 1_700_000_000_000,
            source: Source::Api,
            sender: Sender::by(Channel::Server),
        };
        let settings = Settings::default();
        let jobs: Vec<Job<'_>> = events
            .iter()
            .map(|event| {
                let Ok(Mapped { actions, .. }) =
                    map(event, arrival, &settings, &mut Budget::default())
                else {
                    panic!("every event is to be delivered");
                };
                Job {
                    user: "u".into(),
                    received_at: 0,
                    is_identify: event.type_name() == Some("identify"),
                    actions,
                    rights: arrival.sender.rights(&settings),
                }
            })
            .collect();
        let steps = steps(&jobs, &[0, 1, 2, 3]);
        let indexes: Vec<&[usize]> = steps.iter().map(|step| step.jobs.as_slice()).collect();
        assert_eq!(indexes, [&[0, 1][..], &[2], &[3]]);
        let identity = json!({"external_id": "u"});
        assert_eq!(
            serde_json::to_value(&steps[0].actions).expect("actions serialise"),
            json!([
                {"action": "upsert_contact", "identity": identity, "contact": {
                    "role": "user", "external_id": "u", "name": "A", "last_seen_at": 1000000002,
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
