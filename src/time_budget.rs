//! How long each part of an invocation may take, and what is kept back for the parts after it. As a
//! timeline: `docs/architecture.md#time`.

use std::time::Duration;

use tokio::time::Instant;

/// Time from the start of an HTTP request to its answer, queueing included: Segment's webhook gives
/// up after 5 s.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(4700);

/// Time from the start of a request within which its keys are read, so that it is answered in time
/// even when Secrets Manager hangs.
pub(crate) const KEYS_WITHIN: Duration = Duration::from_secs(3);

/// `INLINE_BUDGET_MS`, unless it is set, and the most that it can be: time from the start of a
/// request that may go to Intercom, in milliseconds.
pub(crate) const INLINE_BUDGET_MS: u64 = 3500;

/// Longest time for one read of the secret, retries included.
pub(crate) const SECRET_READ_WITHIN: Duration = Duration::from_secs(3);

/// Longest time for the read of the secret at start, for which Lambda gives 10 s.
pub(crate) const WARM_UP_WITHIN: Duration = Duration::from_secs(3);

/// Longest time for one attempt of a call to AWS, which is made up to three times.
pub const AWS_ATTEMPT_WITHIN: Duration = Duration::from_millis(1500);

/// Longest time for one call to Intercom, if its deadline allows it.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(10);

/// With less time than this left a call isn't made: its answer would hardly arrive.
pub(crate) const SHORTEST_CALL: Duration = Duration::from_millis(50);

/// Reserve before Lambda's limit: nothing is delivered any more, what is left is queued or moved.
pub(crate) const RESERVE_TO_QUEUE: Duration = Duration::from_secs(4);

/// Reserve before Lambda's limit: messages aren't moved any more, only delayed.
pub(crate) const RESERVE_TO_DELAY: Duration = Duration::from_secs(2);

/// Reserve before Lambda's limit: the events of an invocation aren't queued any more, it answers.
pub(crate) const RESERVE_TO_ANSWER: Duration = Duration::from_secs(1);

/// Reserve before Lambda's limit: messages aren't delayed any more, the batch is answered.
pub(crate) const RESERVE_TO_ANSWER_SQS: Duration = Duration::from_millis(500);

const _: () = assert!(
    KEYS_WITHIN.as_millis() < INLINE_BUDGET_MS as u128
        && (INLINE_BUDGET_MS as u128) < ANSWER_WITHIN.as_millis()
        && RESERVE_TO_QUEUE.as_millis() > RESERVE_TO_DELAY.as_millis()
        && RESERVE_TO_DELAY.as_millis() > RESERVE_TO_ANSWER_SQS.as_millis()
        && RESERVE_TO_QUEUE.as_millis() > RESERVE_TO_ANSWER.as_millis(),
    "each part ends before the next one has to"
);

/// This instant, to measure what is left of one invocation. Ages are measured by the
/// [`Clock`](crate::clock::Clock): an instant stands still while Lambda freezes the instance.
#[expect(
    clippy::disallowed_methods,
    reason = "within one invocation nothing is frozen"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The instant `reserve` before `end`, but not before `start`.
pub(crate) fn before(end: Instant, reserve: Duration, start: Instant) -> Instant {
    let instant = end.checked_sub(reserve);
    instant.map_or(start, |instant| instant.max(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the template and its documentation say of the same times.
    #[test]
    fn the_template_gives_the_function_time_for_all_of_it() {
        let seconds = |line: &str| {
            let template = include_str!("../template.yaml");
            let (_, after) = template.split_once(line).expect(line);
            let digits = after.lines().next().expect("a line").trim();
            Duration::from_secs(digits.parse().expect("seconds"))
        };
        let limit = seconds("\n      Timeout: ");
        assert!(ANSWER_WITHIN + RESERVE_TO_QUEUE < limit);
        // AWS asks for six times the function's limit.
        assert!(seconds("\n      VisibilityTimeout: ") >= limit * 6);
    }

    #[test]
    fn a_reserve_that_is_longer_than_the_whole_leaves_nothing() {
        let start = now();
        let end = start + Duration::from_secs(3);
        let one_second = Duration::from_secs(1);
        assert_eq!(before(end, one_second, start), start + 2 * one_second);
        assert_eq!(before(end, 4 * one_second, start), start);
    }
}
