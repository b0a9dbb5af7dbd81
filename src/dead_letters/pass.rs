//! One pass through a queue.
//!
//! SQS shows a FIFO group's next messages only once those before them are deleted. So a message
//! that is to stay goes to the back of its queue: it is copied, then deleted. Each group is in order
//! again once all of it has gone by, and an interrupted pass can at worst leave a message there
//! twice. Whatever was sent to the queue after the pass began has been seen or is new, so the time
//! of its beginning is all that the next invocation needs to continue it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::queue::{Message, Queue, QueueError, Queues, Stored};

/// More than AWS's clocks differ by. A pass sends nothing to the queue this soon after it began.
const CLOCK_DIFFERENCE: Duration = Duration::from_millis(250);

/// Grace period after `until` for putting received messages away.
const PUT_AWAY_WITHIN: Duration = Duration::from_secs(3);

/// One pass through a queue.
pub(super) struct Pass {
    pub(super) began: DateTime<Utc>,
    /// Whether an earlier invocation began it.
    pub(super) is_continued: bool,
    pub(super) until: Instant,
    /// How many messages go back to the retry queue a second.
    pub(super) per_second: u32,
}

/// What is done with a message.
pub(super) enum Decision {
    Keep,
    Delete,
    /// To the retry queue, as these messages.
    Retry(Vec<Message>),
    /// There is no room for it: the pass stops here for now.
    Stop,
}

impl Pass {
    /// Decides on each message and carries the decision out. True when there is more: the time is
    /// up, or a decision was to stop.
    pub(super) async fn run(
        &self,
        queues: &Queues,
        queue: Queue,
        mut decide: impl FnMut(&Stored) -> Decision,
    ) -> Result<bool, QueueError> {
        if !self.is_continued {
            tokio::time::sleep(CLOCK_DIFFERENCE).await;
        }
        // Sent after the pass began: nothing behind them in their groups has to be seen.
        let mut seen = Vec::new();
        while Instant::now() < self.until {
            let received = queues.receive(queue).await?;
            if received.is_empty() {
                queues.release(queue, &seen).await;
                return Ok(false);
            }
            let (batch, new): (Vec<Stored>, Vec<Stored>) = received
                .into_iter()
                .partition(|stored| stored.sent_at() < self.began);
            seen.extend(new);
            let mut decided = Vec::new();
            let mut batch = batch.into_iter();
            let mut left = Vec::new();
            for stored in batch.by_ref() {
                match decide(&stored) {
                    Decision::Stop => {
                        left.push(stored);
                        break;
                    }
                    decision => decided.push((stored, decision)),
                }
            }
            left.extend(batch);
            let result = self.carry_out(queues, queue, decided).await;
            if !left.is_empty() || result.is_err() {
                seen.extend(left);
                queues.release(queue, &seen).await;
                return result.map(|()| true);
            }
        }
        queues.release(queue, &seen).await;
        Ok(true)
    }

    async fn carry_out(
        &self,
        queues: &Queues,
        queue: Queue,
        decided: Vec<(Stored, Decision)>,
    ) -> Result<(), QueueError> {
        let (mut again, mut copies) = (Vec::new(), Vec::new());
        let mut stored = Vec::new();
        for (place, (message, decision)) in decided.into_iter().enumerate() {
            match decision {
                Decision::Retry(messages) => {
                    again.extend(messages.into_iter().map(|message| (place, message)));
                }
                Decision::Keep => copies.push((place, message.to_the_back())),
                Decision::Delete | Decision::Stop => {}
            }
            stored.push(message);
        }
        let sent = u32::try_from(again.len()).unwrap_or(u32::MAX);
        let pause = Duration::from_secs(1) * sent / self.per_second;
        let until = self.until + PUT_AWAY_WITHIN;
        let moved = [(Queue::Retry, again), (queue, copies)];
        let mut failed = queues.send(moved, until).await;
        let stay: HashSet<usize> = failed.iter().map(|(place, _)| *place).collect();
        let gone = stored.iter().enumerate();
        let gone = gone.filter_map(|(place, stored)| (!stay.contains(&place)).then_some(stored));
        // What isn't deleted comes back by itself, in its place.
        queues.delete(queue, gone).await?;
        if let Some((_, error)) = failed.pop() {
            return Err(error);
        }
        tokio::time::sleep_until((Instant::now() + pause).min(self.until).into()).await;
        Ok(())
    }
}
