//! One user's events: writes of contacts and companies strictly in order, the tracks between two of
//! them side by side.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::attempt::{Attempt, LeftOut, warnings_of};
use super::coalesce::{Step, steps};
use super::events::identity_of;
use super::round::Round;
use crate::in_progress::{InProgress, Undelivered};
use crate::intercom::CallRecord;
use crate::mapping::Action;

/// Most tracks of one user in flight at once.
const TRACKS_AT_ONCE: usize = 16;

/// Age from which an event that is in the retry queue is part of a backlog.
const BACKLOG_AGE: Duration = Duration::from_mins(1);

/// What came of a step.
struct StepOutcome {
    delivered: Result<(), Undelivered>,
    calls: Vec<CallRecord>,
    left_out: Vec<LeftOut>,
}

impl StepOutcome {
    /// Not tried, for this reason.
    fn not_tried(why: Undelivered) -> Self {
        Self {
            delivered: Err(why),
            calls: Vec::new(),
            left_out: Vec::new(),
        }
    }
}

impl Round<'_> {
    /// Delivers one user's events.
    ///
    /// Tracks carry their own time, so those that follow each other need no order. They are sent
    /// concurrently once one of the user's events was delivered, and in a backlog from the start:
    /// for an unknown user, one call is enough.
    ///
    /// An event that only waits for its user steps aside, and is tried again when one of the later
    /// ones has made the contact. Once an event has to be tried later, the user's events stop there:
    /// those that wait may still get their contact from the rest, so they count as not tried. If
    /// merged events are rejected, each is delivered on its own, so that one doesn't take the others
    /// with it.
    pub(super) async fn deliver_user(&self, mut events: Vec<&mut InProgress<'_>>) {
        let events = &mut *events;
        let mut is_known = is_of_backlog(events[0]);
        let mut steps = VecDeque::from(steps(events));
        let mut waiting: Vec<usize> = Vec::new();
        let is_over = loop {
            if is_known {
                let mut tracks = Vec::new();
                while let Some(next) = steps.front()
                    && is_track(next.actions(events))
                {
                    tracks.extend(steps.pop_front());
                }
                let places: Vec<usize> = tracks.iter().map(|step| step.events.start).collect();
                self.deliver_side_by_side(tracks, events).await;
                let unknown = places.iter().filter(|place| is_waiting(events[**place]));
                waiting.extend(unknown);
                if places.iter().any(|&place| holds_back(events[place])) {
                    break true;
                }
            }
            let Some(step) = steps.pop_front() else {
                break false;
            };
            let first = step.events.start;
            match waits_like(&step, &waiting, events) {
                Some(why) => events[first].outcome = Err(why),
                None => self.deliver_step(&step, events).await,
            }
            is_known = events[first].outcome.is_ok();
            if step.events.len() > 1 && is_rejected(events[first]) {
                for place in step.events.rev() {
                    steps.push_front(Step::of(place));
                }
                continue;
            }
            if is_waiting(events[first]) {
                waiting.extend(step.events.clone());
            }
            if holds_back(events[first]) {
                break true;
            }
            if makes_contact(step.actions(events))
                && self.deliver_waiting(&mut waiting, events).await
            {
                break true;
            }
        };
        if is_over {
            let later = steps.into_iter().flat_map(|step| step.events);
            for place in waiting.into_iter().chain(later) {
                events[place].outcome = Err(Undelivered::NotTried);
            }
        }
    }

    /// Retries the waiting events, after one of the user's events may have made the contact. Those
    /// that still wait stay in `waiting`. Returns whether one of them holds back all that follow.
    async fn deliver_waiting(
        &self,
        waiting: &mut Vec<usize>,
        events: &mut [&mut InProgress<'_>],
    ) -> bool {
        let mut is_over = false;
        let mut still_waiting: Vec<usize> = Vec::new();
        for &place in &*waiting {
            if deletes(&events[place].actions) {
                continue;
            }
            let step = Step::of(place);
            // Intercom would give all of them the same answer.
            if waits_like(&step, &still_waiting, events).is_some() {
                continue;
            }
            self.deliver_step(&step, events).await;
            is_over = holds_back(events[place]);
            if is_over {
                break;
            }
            if is_waiting(events[place]) {
                still_waiting.push(place);
            }
        }
        waiting.retain(|place| is_waiting(events[*place]));
        is_over
    }

    /// Delivers tracks concurrently. Once one has to be tried later, no further ones are started;
    /// once Intercom doesn't know the user of one, those of the same user wait too.
    async fn deliver_side_by_side<'e>(
        &self,
        tracks: Vec<Step<'e>>,
        events: &mut [&mut InProgress<'e>],
    ) {
        let is_over = AtomicBool::new(false);
        // The first that waits, and why.
        let waits = OnceLock::new();
        let (shared, is_over, waits) = (&*events, &is_over, &waits);
        let outcomes: Vec<(Step<'e>, StepOutcome)> = stream::iter(tracks)
            .map(|step| async move {
                let permit = self.tracks_at_once.acquire().await;
                let same_user = |(place, _): &&(usize, Undelivered)| {
                    is_alike(step.actions(shared), &shared[*place].actions)
                };
                let outcome = if is_over.load(Ordering::Relaxed) {
                    StepOutcome::not_tried(Undelivered::NotTried)
                } else if let Some((_, why)) = waits.get().filter(same_user) {
                    StepOutcome::not_tried(why.clone())
                } else {
                    self.try_step(&step, shared).await
                };
                drop(permit);
                if let Err(why @ Undelivered::Waiting { .. }) = &outcome.delivered {
                    // Another one may have been first.
                    let _ = waits.set((step.events.start, why.clone()));
                }
                let holds_back = outcome
                    .delivered
                    .as_ref()
                    .is_err_and(Undelivered::holds_back);
                is_over.fetch_or(holds_back, Ordering::Relaxed);
                (step, outcome)
            })
            .buffer_unordered(TRACKS_AT_ONCE)
            .collect()
            .await;
        for (step, outcome) in outcomes {
            note(&outcome, &step, events);
        }
    }

    /// Delivers the events of a step as one, and notes with each what came of it.
    async fn deliver_step<'e>(&self, step: &Step<'e>, events: &mut [&mut InProgress<'e>]) {
        let outcome = self.try_step(step, events).await;
        note(&outcome, step, events);
    }

    async fn try_step<'e>(&self, step: &Step<'e>, events: &[&mut InProgress<'e>]) -> StepOutcome {
        let last = step.events.end - 1;
        let is_identify = events[step.events.clone()]
            .iter()
            .any(|event| event.is_identify());
        let attempt = Attempt::new(self, events[last]);
        let delivered = attempt.execute(step.actions(events), is_identify).await;
        StepOutcome {
            delivered,
            calls: attempt.intercom.calls_made(),
            left_out: attempt.into_left_out(),
        }
    }
}

/// Notes with each event of a step what came of it.
fn note<'e>(outcome: &StepOutcome, step: &Step<'e>, events: &mut [&mut InProgress<'e>]) {
    events[step.events.end - 1]
        .calls
        .extend_from_slice(&outcome.calls);
    for event in &mut events[step.events.clone()] {
        event.left_out = match outcome.delivered {
            Ok(()) => warnings_of(&event.actions, &outcome.left_out),
            Err(_) => Vec::new(),
        };
        event.outcome.clone_from(&outcome.delivered);
    }
}

fn is_track(actions: &[Action<'_>]) -> bool {
    matches!(actions, [Action::CreateEvent { .. }])
}

fn is_rejected(event: &InProgress<'_>) -> bool {
    matches!(event.outcome, Err(Undelivered::Rejected(..)))
}

fn is_waiting(event: &InProgress<'_>) -> bool {
    matches!(event.outcome, Err(Undelivered::Waiting { .. }))
}

fn holds_back(event: &InProgress<'_>) -> bool {
    event.outcome.as_ref().is_err_and(Undelivered::holds_back)
}

/// Why an event needn't be tried: another one of the same unknown user is already waiting.
fn waits_like<'e>(
    step: &Step<'e>,
    waiting: &[usize],
    events: &[&mut InProgress<'e>],
) -> Option<Undelivered> {
    let known = &events[*waiting.first()?];
    is_alike(step.actions(events), &known.actions).then(|| known.outcome.clone().err())?
}

/// Whether these are two tracks of one user or lead.
fn is_alike(actions: &[Action<'_>], others: &[Action<'_>]) -> bool {
    match (actions, others) {
        (
            [Action::CreateEvent { event, identity }],
            [
                Action::CreateEvent {
                    event: other,
                    identity: same,
                },
            ],
        ) => identity_of(event) == identity_of(other) && identity == same,
        _ => false,
    }
}

/// Whether an event is part of a backlog. There its user is mostly known: had it been tried and its
/// user unknown, it would be in the waiting queue.
fn is_of_backlog(event: &InProgress<'_>) -> bool {
    event.waited.is_none() && event.age.is_some_and(|age| age >= BACKLOG_AGE)
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
