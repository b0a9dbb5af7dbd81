//! One user's events, strictly in order.

use std::ops::ControlFlow;

use super::attempt::{Attempt, warnings_of};
use super::coalesce::Step;
use super::events::identity_of;
use super::session::Session;
use super::{Job, Outcome, Undelivered};
use crate::mapping::Action;

/// The index and outcome of each job.
type Outcomes = Vec<(usize, Outcome)>;

/// Whether the user's later events may be tried.
type MayGoOn = ControlFlow<()>;

impl Session<'_> {
    /// Delivers one user's steps; gives back the index and outcome of each of their jobs.
    ///
    /// One that only waits for its user steps aside, and is tried again when one of the later
    /// ones made the contact. Once one has to be tried later, the user stops: then those that
    /// wait can't have waited in vain either, so they count as not tried.
    pub(super) async fn deliver_user(
        &self,
        jobs: &[Job<'_>],
        steps: Vec<Step<'_, '_>>,
    ) -> Outcomes {
        let mut outcomes = Vec::with_capacity(steps.len());
        let mut waiting: Outcomes = Vec::new();
        let mut steps = steps.into_iter();
        for step in steps.by_ref() {
            let (of_step, flow) = match waits_like(&step, &waiting, jobs) {
                Some(why) => (vec![(step.jobs[0], Err(why))], MayGoOn::Continue(())),
                None => self.deliver_step(jobs, &step).await,
            };
            let (waits, settled): (Outcomes, Outcomes) = of_step.into_iter().partition(is_waiting);
            waiting.extend(waits);
            outcomes.extend(settled);
            if flow.is_break() {
                let not_tried = waiting.drain(..).map(|(job, _)| job);
                let not_tried = not_tried.chain(steps.flat_map(|step| step.jobs));
                outcomes.extend(not_tried.map(|job| (job, Err(Undelivered::NotTried))));
                return outcomes;
            }
            if makes_contact(&step.actions) {
                for (job, outcome) in &mut waiting {
                    if !deletes(&jobs[*job].actions) {
                        *outcome = self.deliver_job(&jobs[*job]).await;
                    }
                }
                let (still, settled) = waiting.into_iter().partition(is_waiting);
                waiting = still;
                outcomes.extend(settled);
            }
        }
        outcomes.extend(waiting);
        outcomes
    }

    /// Delivers a step. Merged jobs of which one can't be accepted are delivered each for
    /// itself, so that it doesn't take the others with it.
    async fn deliver_step(&self, jobs: &[Job<'_>], step: &Step<'_, '_>) -> (Outcomes, MayGoOn) {
        let last = &jobs[step.jobs[step.jobs.len() - 1]];
        let attempt = Attempt::new(self, last);
        let delivered = attempt.execute(&step.actions, step.is_identify).await;
        if step.is_merged && matches!(delivered, Err(Undelivered::Rejected(_))) {
            return self.deliver_one_by_one(jobs, &step.jobs).await;
        }
        let flow = flow_after(delivered.as_ref().err());
        let outcome = |job: &usize| match &delivered {
            Ok(left_out) => Ok(warnings_of(&jobs[*job].actions, left_out)),
            Err(why) => Err(why.clone()),
        };
        let outcomes = step.jobs.iter().map(|job| (*job, outcome(job)));
        (outcomes.collect(), flow)
    }

    async fn deliver_one_by_one(&self, jobs: &[Job<'_>], step: &[usize]) -> (Outcomes, MayGoOn) {
        let mut outcomes = Vec::with_capacity(step.len());
        let mut flow = MayGoOn::Continue(());
        for &job in step {
            let outcome = if flow.is_break() {
                Err(Undelivered::NotTried)
            } else {
                self.deliver_job(&jobs[job]).await
            };
            if flow.is_continue() {
                flow = flow_after(outcome.as_ref().err());
            }
            outcomes.push((job, outcome));
        }
        (outcomes, flow)
    }

    async fn deliver_job(&self, job: &Job<'_>) -> Outcome {
        let attempt = Attempt::new(self, job);
        let left_out = attempt.execute(&job.actions, job.is_identify).await?;
        Ok(warnings_of(&job.actions, &left_out))
    }
}

fn flow_after(why: Option<&Undelivered>) -> MayGoOn {
    match why {
        Some(
            Undelivered::Retry { .. } | Undelivered::RateLimited { .. } | Undelivered::NotTried,
        ) => MayGoOn::Break(()),
        _ => MayGoOn::Continue(()),
    }
}

/// Why an event need not be tried: another one of the same unknown user already waits.
fn waits_like(
    step: &Step<'_, '_>,
    waiting: &[(usize, Outcome)],
    jobs: &[Job<'_>],
) -> Option<Undelivered> {
    let (known, outcome) = waiting.first()?;
    match (&*step.actions, &*jobs[*known].actions) {
        (
            [Action::CreateEvent { event, identity }],
            [
                Action::CreateEvent {
                    event: other,
                    identity: same,
                },
            ],
        ) if identity_of(event) == identity_of(other) && identity == same => outcome.clone().err(),
        _ => None,
    }
}

fn is_waiting((_, outcome): &(usize, Outcome)) -> bool {
    matches!(outcome, Err(Undelivered::Waiting { .. }))
}

/// Whom an earlier event was to delete isn't who a later one made.
fn deletes(actions: &[Action<'_>]) -> bool {
    matches!(actions, [Action::DeleteContact { .. }])
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
