//! What the events of one request may make of little.

/// Memory, in bytes, for what a request's events make beside their own JSON: flattened keys and
/// companies. A batch that says something once for thousands of events could make of 60 KB more
/// than the function has. Real requests take a fraction of it.
const OF_REQUEST: usize = 24 * 1024 * 1024;

/// The share that a single event may take, so that one leaves room for the others. Some
/// thousand flattened traits.
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
    pub(super) fn begin_event(&mut self) {
        self.event_bytes = OF_EVENT.min(self.request_bytes);
    }

    /// Whether there is room for so many bytes more, which are taken then.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let Some(left) = self.event_bytes.checked_sub(bytes) else {
            return false;
        };
        self.event_bytes = left;
        self.request_bytes -= bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_leaves_room_for_the_others() {
        let mut budget = Budget::default();
        for _ in 0..64 {
            budget.begin_event();
            assert!(budget.take(OF_EVENT));
            assert!(!budget.take(1));
        }
        budget.begin_event();
        assert!(!budget.take(1), "the request has used it up");
    }
}
