//! One user's events, strictly in order.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use super::attempt::{Attempt, LeftOut, warnings_of};
use super::coalesce::{Step, steps};
use super::events::identity_of;
use super::session::Session;
use super::{Job, Outcome, Undelivered};
use crate::intercom::counting_calls;
use crate::mapping::Action;

/// The index and outcome of each job.
type Outcomes = Vec<(usize, Outcome)>;

impl Session<'_> {
    /// Delivers one user's jobs, which have these indexes.
    ///
    /// A job that only waits for its user steps aside, and is tried again when one of the later ones
    /// has made the contact. Once a job has to be tried later, the user's jobs stop there: those
    /// that wait may still get their contact from the rest, so they count as not tried. If merged
    /// jobs are rejected, each is delivered on its own, so that one doesn't take the others with it.
    pub(super) async fn deliver_user(&self, jobs: &[Job<'_>], indexes: &[usize]) -> Outcomes {
        let mut outcomes = Vec::with_capacity(indexes.len());
        let mut waiting: Outcomes = Vec::new();
        let mut steps = VecDeque::from(steps(jobs, indexes));
        while let Some(step) = steps.pop_front() {
            let delivered = match waits_like(&step, &waiting, jobs) {
                Some(why) => Err(why),
                None => self.deliver_step(jobs, &step).await,
            };
            if step.jobs.len() > 1 && matches!(delivered, Err(Undelivered::Rejected(_))) {
                for &job in step.jobs.iter().rev() {
                    steps.push_front(Step::of(job, &jobs[job]));
                }
                continue;
            }
            let of_step = step.jobs.iter();
            let of_step = of_step.map(|job| (*job, outcome_of(&jobs[*job], &delivered)));
            if matches!(delivered, Err(Undelivered::Waiting { .. })) {
                waiting.extend(of_step);
            } else {
                outcomes.extend(of_step);
            }
            let mut is_over = delivered.is_err_and(|why| holds_back(&why));
            if makes_contact(&step.actions) && !is_over {
                for (job, outcome) in &mut waiting {
                    if deletes(&jobs[*job].actions) {
                        continue;
                    }
                    let step = Step::of(*job, &jobs[*job]);
                    let delivered = self.deliver_step(jobs, &step).await;
                    *outcome = outcome_of(&jobs[*job], &delivered);
                    is_over = delivered.is_err_and(|why| holds_back(&why));
                    if is_over {
                        break;
                    }
                }
                outcomes.extend(waiting.extract_if(.., |waiting| !is_waiting(waiting)));
            }
            if is_over {
                let not_tried = waiting.into_iter().map(|(job, _)| job);
                let not_tried = not_tried.chain(steps.into_iter().flat_map(|step| step.jobs));
                outcomes.extend(not_tried.map(|job| (job, Err(Undelivered::NotTried))));
                return outcomes;
            }
        }
        outcomes.extend(waiting);
        outcomes
    }

    async fn deliver_step(
        &self,
        jobs: &[Job<'_>],
        step: &Step<'_, '_>,
    ) -> Result<Vec<LeftOut>, Undelivered> {
        let last = step.jobs[step.jobs.len() - 1];
        let attempt = Attempt::new(self, &jobs[last]);
        let work = attempt.execute(&step.actions, step.is_identify);
        let (delivered, calls) = counting_calls(work).await;
        self.calls[last].fetch_add(calls, Ordering::Relaxed);
        delivered
    }
}

/// What became of a job of a step that ended like this.
fn outcome_of(job: &Job<'_>, delivered: &Result<Vec<LeftOut>, Undelivered>) -> Outcome {
    match delivered {
        Ok(left_out) => Ok(warnings_of(&job.actions, left_out)),
        Err(why) => Err(why.clone()),
    }
}

/// Whether the user's later events must not be tried after this.
fn holds_back(why: &Undelivered) -> bool {
    matches!(
        why,
        Undelivered::Retry { .. } | Undelivered::RateLimited { .. } | Undelivered::NotTried
    )
}

/// Why an event needn't be tried: another one of the same unknown user is already waiting.
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

/// A deletion isn't tried again: the contact that a later event made isn't the one it was to delete.
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
