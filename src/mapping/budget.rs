//! The memory that the events of one request may use beside their own JSON.

/// Bytes for a request's actions and warnings. Real requests take a fraction of it, but a batch
/// whose shared fields apply to thousands of events could turn 60 KB into more than the function
/// has.
const OF_REQUEST: usize = 24 * 1024 * 1024;

/// Bytes for what can outgrow an event's own JSON: its flattened keys and its companies. Enough for
/// more than a thousand.
const OF_EVENT: usize = OF_REQUEST / 64;

/// What is left for the events of one request, or of one batch of the queue.
#[derive(Debug)]
pub struct Budget {
    request_bytes: usize,
    event_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            request_bytes: OF_REQUEST,
            event_bytes: OF_EVENT,
        }
    }
}

impl Budget {
    /// Whether nothing is left, so that the next event has to wait for a request, or a batch of the
    /// queue, with a budget of its own.
    pub fn is_used_up(&self) -> bool {
        self.request_bytes == 0
    }

    pub(super) fn begin_event(&mut self) {
        self.event_bytes = OF_EVENT;
    }

    /// Takes bytes from the event's share; false when it has too few left.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let Some(left) = self.event_bytes.checked_sub(bytes) else {
            return false;
        };
        self.event_bytes = left;
        self.count(bytes);
        true
    }

    /// Counts bytes that every event may take.
    pub(super) fn count(&mut self, bytes: usize) {
        self.request_bytes = self.request_bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_leaves_room_for_the_others() {
        let mut budget = Budget::default();
        for _ in 0..64 {
            assert!(!budget.is_used_up());
            budget.begin_event();
            assert!(budget.take(OF_EVENT));
            assert!(!budget.take(1));
        }
        assert!(budget.is_used_up());
    }
}
