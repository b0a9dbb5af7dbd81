//! Which events of a user share a message, and how long it takes to send them.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::{CALLS_AT_ONCE, MAX_BATCH_MESSAGES};
use crate::mapping::{CallCount, MAX_CALLS_TOGETHER, PlannedCalls};

/// Most events of one group that are sent one by one.
const MAX_SINGLE_EVENTS: usize = 25;

/// Fewest events that share a message when a group has more than that, unless they are large or take
/// many calls.
const SHARED_EVENTS: usize = 10;

/// Messages of one group to aim at, so that a full batch of one user's events is sent within 5 s. Where
/// there are more, those of tracks alone go together; other events then take more than
/// [`MAX_CALLS_TOGETHER`] calls of Intercom in a message.
pub(super) const TARGET_MESSAGES: usize = 50;

/// Most events in one message.
const MAX_SHARED_EVENTS: usize = 50;

/// Which events of a group share a message; `planned` has the group's events in order. `fits` says
/// whether a message may hold these of them and the next one.
pub(super) fn parts(
    planned: &[PlannedCalls],
    fits: impl Fn(Range<usize>, usize) -> bool,
) -> Vec<Range<usize>> {
    let most_events = match planned.len() {
        ..=MAX_SINGLE_EVENTS => 1,
        events => events
            .div_ceil(TARGET_MESSAGES)
            .clamp(SHARED_EVENTS, MAX_SHARED_EVENTS),
    };
    let most_calls = if have_no_place(planned) {
        MAX_CALLS_TOGETHER
    } else {
        let all = planned.iter().copied();
        let all = all.fold(CallCount::default(), CallCount::and);
        MAX_CALLS_TOGETHER.max(all.calls.div_ceil(TARGET_MESSAGES))
    };
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut count = CallCount::default();
    for (place, event) in planned.iter().enumerate() {
        let with_event = count.and(*event);
        match parts.last_mut() {
            Some(part)
                if part.len() < most_events
                    && with_event.calls <= most_calls
                    && fits(part.clone(), place) =>
            {
                part.end = place + 1;
                count = with_event;
            }
            _ => {
                parts.push(place..place + 1);
                count = CallCount::default().and(*event);
            }
        }
    }
    parts
}

/// Whether these events may arrive in any order: tracks carry their own time.
fn have_no_place(events: &[PlannedCalls]) -> bool {
    events.iter().all(|event| *event == PlannedCalls::Track)
}

/// How many calls to SQS the events of a group take, one after another.
fn sends_for(planned: &[PlannedCalls]) -> usize {
    // The first event, whose retry is due at a time of its own, shares no message with the others.
    let parts = parts(planned, |part, _| part.start > 0);
    let mut calls = 0;
    let mut room = 0;
    for has_no_place in go_together(planned, &parts) {
        if !has_no_place {
            room = 0;
        } else if room > 0 {
            room -= 1;
            continue;
        } else {
            room = MAX_BATCH_MESSAGES - 1;
        }
        calls += 1;
    }
    calls
}

/// Which messages may share a call with other such messages of their group: those of tracks alone,
/// where sending one after another takes long.
pub(super) fn go_together(
    planned: &[PlannedCalls],
    parts: &[Range<usize>],
) -> impl Iterator<Item = bool> {
    let are_many = parts.len() > TARGET_MESSAGES;
    parts
        .iter()
        .map(move |part| are_many && have_no_place(&planned[part.clone()]))
}

/// Time that sending these events may take: one call after another for each user, concurrently
/// across users. `events` has each event's user and the calls to Intercom that it takes.
pub fn time_to_send<'u>(events: impl Iterator<Item = (&'u str, PlannedCalls)>) -> Duration {
    /// The slowest that a call gets.
    const ONE_CALL: Duration = Duration::from_millis(60);
    let mut events_of: HashMap<&str, Vec<PlannedCalls>> = HashMap::new();
    let mut all = 0;
    for (user, planned) in events {
        events_of.entry(user).or_default().push(planned);
        all += 1;
    }
    let of_users = events_of.values().map(|planned| sends_for(planned));
    let calls = of_users.max().unwrap_or_default() + all / (MAX_BATCH_MESSAGES * CALLS_AT_ONCE);
    ONE_CALL.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX))
}
