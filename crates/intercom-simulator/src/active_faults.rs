//! The faults in force, and which of them a request meets.

use serde::Serialize;

use crate::fault::{Fault, FaultKind};
use crate::message::ApiRequest;

/// A rule and how often it was applied, as `GET /_simulator/faults` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ActiveFault {
    pub(crate) id: u64,
    pub(crate) applied: u64,
    #[serde(flatten)]
    pub(crate) fault: Fault,
    #[serde(skip)]
    random: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    rules: Vec<ActiveFault>,
    last_id: u64,
}

impl ActiveFaults {
    pub(crate) fn add(&mut self, fault: Fault) -> &ActiveFault {
        self.last_id += 1;
        let random = fault.seed;
        self.rules.push(ActiveFault {
            id: self.last_id,
            applied: 0,
            fault,
            random,
        });
        &self.rules[self.rules.len() - 1]
    }

    /// The fault to apply to this request, counted as applied. `would_make` says whether the
    /// request makes a new company or user.
    pub(crate) fn take(&mut self, request: &ApiRequest, would_make: bool) -> Option<Fault> {
        self.rules.iter_mut().find_map(|rule| {
            let exhausted = rule.fault.times.is_some_and(|times| rule.applied >= times);
            let has_race = would_make || !matches!(rule.fault.kind, FaultKind::Race { .. });
            if exhausted || !has_race || !rule.fault.matches(request) {
                return None;
            }
            if let Some(probability) = rule.fault.probability
                && next_random(&mut rule.random) >= probability
            {
                return None;
            }
            rule.applied += 1;
            Some(rule.fault.clone())
        })
    }

    pub(crate) fn list(&self) -> &[ActiveFault] {
        &self.rules
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }
}

/// SplitMix64, as a number in 0..1.
fn next_random(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, body: &str) -> ApiRequest {
        ApiRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_rule_applies_to_what_it_matches_and_no_more_often_than_said() {
        let mut faults = ActiveFaults::default();
        faults.add(
            Fault::reset()
                .on("post", "/contacts")
                .body_contains("ada")
                .times(1),
        );
        assert!(
            faults
                .take(&request("GET", "/contacts/1", "ada"), true)
                .is_none()
        );
        assert!(
            faults
                .take(&request("POST", "/events", "ada"), true)
                .is_none()
        );
        assert!(
            faults
                .take(&request("POST", "/contacts", "bob"), true)
                .is_none()
        );
        assert!(
            faults
                .take(&request("POST", "/contacts", "ada"), true)
                .is_some()
        );
        assert!(
            faults
                .take(&request("POST", "/contacts", "ada"), true)
                .is_none()
        );
        assert_eq!(faults.list()[0].applied, 1);
    }

    #[test]
    fn the_same_seed_gives_the_same_failures() {
        let run = || {
            let mut faults = ActiveFaults::default();
            faults.add(Fault::status(500).probability(0.3, 7));
            (0..200)
                .map(|_| faults.take(&request("GET", "/me", ""), true).is_some())
                .collect::<Vec<_>>()
        };
        let first = run();
        assert_eq!(first, run());
        let applied = first.iter().filter(|applied| **applied).count();
        assert!((30..90).contains(&applied), "{applied} of 200");
    }
}
