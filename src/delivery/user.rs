//! One user's events, strictly in order.

use std::time::Instant;

use super::step::Step;
use super::{Delivery, Failure, Job, Outcome, Undelivered, UnknownUser};
use crate::intercom::{CallError, Verdict};
use crate::mapping::{Action, Contact, Identity, IntercomEvent, Rights};

impl Delivery {
    /// Delivers one user's steps; gives back the index and outcome of each of their jobs.
    pub(super) async fn deliver_user(
        &self,
        jobs: &[Job<'_>],
        steps: Vec<Step<'_, '_>>,
        deadline: Instant,
    ) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(steps.len());
        let mut waiting: Vec<(usize, Undelivered)> = Vec::new();
        let mut steps = steps.into_iter();
        for step in steps.by_ref() {
            let rights = jobs[step.jobs[0]].rights;
            let outcome = match waits_like(&step, &waiting, jobs) {
                Some(why) => Err(why),
                None => {
                    self.execute(&step.actions, step.is_identify, rights, deadline)
                        .await
                }
            };
            match outcome {
                Err(Undelivered::Rejected(_)) if step.is_merged => {
                    outcomes.extend(self.one_by_one(jobs, &step, deadline).await);
                }
                Err(why @ Undelivered::Waiting(_)) => waiting.push((step.jobs[0], why)),
                outcome => outcomes.extend(step.jobs.iter().map(|job| (*job, outcome.clone()))),
            }
            if matches!(outcomes.last(), Some((_, Err(Undelivered::Retry { .. })))) {
                break;
            }
            if makes_contact(&step.actions) {
                self.try_waiting(jobs, &mut waiting, &mut outcomes, deadline)
                    .await;
            }
        }
        let not_tried = steps.flat_map(|step| step.jobs);
        outcomes.extend(not_tried.map(|job| (job, Err(Undelivered::NotTried))));
        outcomes.extend(waiting.into_iter().map(|(job, why)| (job, Err(why))));
        outcomes
    }

    /// Merged jobs of which one can't be accepted: each for itself, so that it doesn't take the
    /// others with it.
    async fn one_by_one(
        &self,
        jobs: &[Job<'_>],
        step: &Step<'_, '_>,
        deadline: Instant,
    ) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::with_capacity(step.jobs.len());
        let mut is_stopped = false;
        for &job in &step.jobs {
            let outcome = if is_stopped {
                Err(Undelivered::NotTried)
            } else {
                self.execute_job(&jobs[job], deadline).await
            };
            is_stopped |= matches!(outcome, Err(Undelivered::Retry { .. }));
            outcomes.push((job, outcome));
        }
        // Whoever looks at the last outcome must see that this user has stopped.
        outcomes.sort_by_key(|(_, outcome)| matches!(outcome, Err(Undelivered::Retry { .. })));
        outcomes
    }

    async fn try_waiting(
        &self,
        jobs: &[Job<'_>],
        waiting: &mut Vec<(usize, Undelivered)>,
        outcomes: &mut Vec<(usize, Outcome)>,
        deadline: Instant,
    ) {
        for (job, _) in std::mem::take(waiting) {
            match self.execute_job(&jobs[job], deadline).await {
                Err(why @ (Undelivered::Waiting(_) | Undelivered::Retry { .. })) => {
                    waiting.push((job, why));
                }
                outcome => outcomes.push((job, outcome)),
            }
        }
    }

    async fn execute_job(&self, job: &Job<'_>, deadline: Instant) -> Outcome {
        self.execute(&job.actions, job.is_identify, job.rights, deadline)
            .await
    }

    /// Executes the actions; once more where a remembered contact or company turned out to be
    /// gone, which is forgotten by then.
    async fn execute(
        &self,
        actions: &[Action<'_>],
        is_identify: bool,
        rights: Rights,
        deadline: Instant,
    ) -> Outcome {
        match self
            .execute_once(actions, is_identify, rights, deadline)
            .await
        {
            Err(Undelivered::Retry { failure, .. }) if failure.status == Some(404) => {
                self.execute_once(actions, is_identify, rights, deadline)
                    .await
            }
            outcome => outcome,
        }
    }

    async fn execute_once(
        &self,
        actions: &[Action<'_>],
        is_identify: bool,
        rights: Rights,
        deadline: Instant,
    ) -> Outcome {
        for action in actions {
            match action {
                Action::UpsertContact { identity, contact } if !is_identify => {
                    self.touch_contact(identity, contact, rights, deadline)
                        .await?;
                }
                Action::UpsertContact { identity, contact } => {
                    self.upsert_contact(identity, contact, rights, deadline)
                        .await?;
                }
                Action::UpsertCompany { company } => {
                    self.upsert_company(company, rights, deadline).await?;
                }
                Action::AttachCompany {
                    identity,
                    company_id,
                } => self.attach_company(identity, company_id, deadline).await?,
                Action::DetachCompany {
                    identity,
                    company_id,
                } => self.detach_company(identity, company_id, deadline).await?,
                Action::CreateEvent { event, identity } => {
                    self.create_event(event, identity.as_ref(), deadline)
                        .await?;
                }
                Action::MergeContact { from, into } => {
                    self.merge_contact(from, into, deadline).await?;
                }
                Action::DeleteContact { identity } => {
                    self.delete_contact(identity, deadline).await?;
                }
            }
        }
        Ok(())
    }

    /// Repeating it is safe: Intercom drops an event of the same contact, name and second.
    async fn create_event(
        &self,
        event: &IntercomEvent<'_>,
        lead: Option<&Identity<'_>>,
        deadline: Instant,
    ) -> Outcome {
        let Some(unknown) = self.send_event(event, lead, deadline).await? else {
            return Ok(());
        };
        match self.settings.unknown_user {
            UnknownUser::Wait => Err(Undelivered::Waiting(unknown)),
            UnknownUser::Reject => Err(Undelivered::Rejected(unknown)),
            UnknownUser::Create => {
                let identity = lead
                    .cloned()
                    .or_else(|| identity_of(event))
                    .ok_or_else(|| {
                        Undelivered::rejected("the event names neither a user_id nor an email")
                    })?;
                let contact = Contact::of(&identity);
                self.upsert_contact(&identity, &contact, Rights::NONE, deadline)
                    .await?;
                match self.send_event(event, lead, deadline).await? {
                    None => Ok(()),
                    // The contact was made; Intercom's events just don't see it yet.
                    Some(unknown) => Err(Undelivered::Waiting(unknown)),
                }
            }
        }
    }

    /// Sends the event; gives back Intercom's answer where it doesn't know the user.
    async fn send_event(
        &self,
        event: &IntercomEvent<'_>,
        lead: Option<&Identity<'_>>,
        deadline: Instant,
    ) -> Result<Option<Failure>, Undelivered> {
        const UNKNOWN: &str = "Intercom does not know the event's user";
        let mut event = event.clone();
        if let Some(lead) = lead {
            let Some(contact) = self.contact(lead, deadline).await? else {
                return Ok(Some(Failure::new(UNKNOWN)));
            };
            event.id = Some(contact.id.into());
        }
        let sent = self
            .intercom
            .change(reqwest::Method::POST, "/events", Some(&event), deadline);
        match sent.await {
            Ok(()) => Ok(None),
            Err(CallError::Refused(refusal)) if refusal.verdict() == Verdict::NotFound => {
                let failure = Failure::from(&*refusal);
                Ok(Some(Failure {
                    reason: format!("{UNKNOWN} ({})", failure.reason),
                    ..failure
                }))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn identity_of<'e>(event: &IntercomEvent<'e>) -> Option<Identity<'e>> {
    let user_id = event.user_id.clone().map(Identity::ExternalId);
    user_id.or_else(|| event.email.clone().map(Identity::Email))
}

/// Why an event need not be tried: another one of the same unknown user already waits.
fn waits_like(
    step: &Step<'_, '_>,
    waiting: &[(usize, Undelivered)],
    jobs: &[Job<'_>],
) -> Option<Undelivered> {
    let (known, why) = waiting.first()?;
    match (&*step.actions, &*jobs[*known].actions) {
        (
            [Action::CreateEvent { event, identity }],
            [
                Action::CreateEvent {
                    event: other,
                    identity: same,
                },
            ],
        ) if identity_of(event) == identity_of(other) && identity == same => Some(why.clone()),
        _ => None,
    }
}

fn makes_contact(actions: &[Action<'_>]) -> bool {
    let makes = |action: &Action<'_>| {
        matches!(
            action,
            Action::UpsertContact { .. } | Action::MergeContact { .. }
        )
    };
    actions.iter().any(makes)
}
