//! Those who send the users' events, each batch after the other.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use crate::history::User;

/// Most events in one request.
const LARGEST_REQUEST: usize = 40;

/// Sends one batch again and again until it is taken, then the next.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    pub(crate) requests: VecDeque<Vec<Value>>,
    pub(crate) is_waiting: bool,
    /// Not before this time.
    pub(crate) due: Duration,
}

impl Sender {
    /// A sender of these users' events: the users shuffled, the order within each kept.
    pub(crate) fn of(users: &[&User], rng: &mut Rng) -> Self {
        let events_of = |user: &&User| {
            let events = user.events.iter();
            events.map(|event| event.to_json(user)).collect()
        };
        let (busy, others): (Vec<&User>, Vec<&User>) =
            users.iter().partition(|user| user.is_busy());
        let mut left: Vec<VecDeque<Value>> = others.iter().map(events_of).collect();
        let mut requests = VecDeque::new();
        while !left.is_empty() {
            let mut request = Vec::new();
            for _ in 0..rng.usize(1..=LARGEST_REQUEST) {
                if left.is_empty() {
                    break;
                }
                // Mostly few users at a time, so that a request has several events of one.
                let place = rng.usize(..left.len().min(12));
                request.extend(left[place].pop_front());
                if left[place].is_empty() {
                    left.swap_remove(place);
                }
            }
            requests.push_back(request);
        }
        for user in busy {
            let events: VecDeque<Value> = events_of(&user);
            requests.insert(rng.usize(..=requests.len()), events.into());
        }
        Self {
            requests,
            ..Self::default()
        }
    }
}
