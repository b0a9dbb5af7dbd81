//! How many calls to Intercom events take, as far as their actions tell beforehand.

use super::Action;

/// Most calls of what is tried again as one: a merged write, or the events of one message. It has to
/// end within one invocation, or nothing of it ever does.
pub const MAX_CALLS_TOGETHER: usize = 25;

/// Most events that are merged into one write: each merge copies all that they say so far.
pub const MAX_MERGED_EVENTS: usize = 25;

/// Calls for a contact that has to be looked up first.
const CONTACT_CALLS: usize = 2;

/// How many calls these actions take, where the contact has to be looked up.
pub fn calls_of(actions: &[Action<'_>]) -> usize {
    let calls = actions.iter().map(|action| match action {
        Action::UpsertContact { .. } | Action::MergeContact { .. } => CONTACT_CALLS,
        _ => 1,
    });
    calls.sum()
}

/// The calls that an event takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedCalls {
    /// One call, in any order: a track carries its own time.
    Track,
    /// A write that begins with the contact, and is merged with one that it follows.
    Contact(usize),
    /// This many calls, in its place.
    Other(usize),
}

impl PlannedCalls {
    /// The calls that these actions take. No actions mean an event that isn't mapped yet: it counts
    /// as the most calls that may go together.
    pub fn of(actions: &[Action<'_>]) -> Self {
        match actions {
            [] => Self::Other(MAX_CALLS_TOGETHER),
            [Action::CreateEvent { .. }] => Self::Track,
            [Action::UpsertContact { .. }, ..] => Self::Contact(calls_of(actions)),
            _ => Self::Other(calls_of(actions)),
        }
    }
}

/// The calls of successive events of one user.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallCount {
    /// All together.
    pub calls: usize,
    /// Events at the end that are merged into one write.
    merged: usize,
}

impl CallCount {
    /// With one more event.
    #[must_use]
    pub fn and(self, event: PlannedCalls) -> Self {
        let (calls, merged) = match event {
            PlannedCalls::Track => (1, 0),
            PlannedCalls::Other(calls) => (calls, 0),
            PlannedCalls::Contact(calls) if (1..MAX_MERGED_EVENTS).contains(&self.merged) => {
                (calls.saturating_sub(CONTACT_CALLS), self.merged + 1)
            }
            PlannedCalls::Contact(calls) => (calls, 1),
        };
        Self {
            calls: self.calls + calls,
            merged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successive_writes_of_a_contact_count_once() {
        use PlannedCalls::{Contact, Other, Track};
        let cases: [(&[PlannedCalls], usize); 6] = [
            (&[], 0),
            (&[Track; 3], 3),
            (&[Contact(2); 25], 2),
            (&[Contact(2); 26], 4),
            (&[Contact(4), Contact(4), Track, Contact(2)], 9),
            (&[Contact(2), Other(3), Contact(2)], 7),
        ];
        for (events, calls) in cases {
            let count = events
                .iter()
                .copied()
                .fold(CallCount::default(), CallCount::and);
            assert_eq!(count.calls, calls, "{events:?}");
        }
    }
}
