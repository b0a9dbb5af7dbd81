//! Events that just came in: delivered now, queued for later, skipped or rejected with a reason.

mod deduplication;
mod taken;

use std::collections::{HashMap, HashSet, hash_map};
use std::time::Duration;

pub use deduplication::Deduplication;
use tracing::Level;

use crate::entry::Entry;
use crate::failure::{Code, Failure};
use crate::in_progress::{Fate, InProgress};
use crate::invocation::{Invocation, Request};
use crate::mapping::Budget;
use crate::processing::{EventLine, LineContext, NO_MEMORY, Processing, addressed};
use crate::queue::{Message, Queue, Queues, time_to_send};
use crate::source::Source;
use crate::status::{EventResult, Status};
use taken::{DuplicateOf, Taken};

/// `DELIVERY_MODE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMode {
    /// Call Intercom in the request, queue what fails for now.
    #[default]
    Inline,
    /// Queue everything.
    Queue,
}

/// Takes events in.
#[derive(Debug)]
pub struct Intake {
    /// Whether Intercom is called at all.
    pub mode: DeliveryMode,
    /// How long a request may spend on Intercom that somebody waits for.
    pub budget: Duration,
    /// The events taken recently.
    pub deduplication: Deduplication,
}

impl Intake {
    /// Delivers or queues the events of a request. The results are in the order of the entries.
    ///
    /// An event that comes again within the request, or that an earlier request brought, isn't
    /// delivered again. (Two concurrent invocations would both deliver it, but Lambda gives an
    /// instance only one at a time.)
    pub async fn take(
        &self,
        entries: &[Entry<'_>],
        request: &Request<'_>,
        processing: &Processing,
        queues: &Queues,
    ) -> Vec<EventResult> {
        let mut events = self.map(entries, request, processing);
        if self.mode == DeliveryMode::Inline {
            self.deliver(&mut events, request, processing).await;
        }
        store(&mut events, request, queues).await;
        taken::end_duplicates(&mut events);
        let results: Vec<EventResult> = events.iter().map(Taken::result).collect();
        // When one is lost, the sender repeats them all, perhaps to another instance. If this one
        // then skipped some, an older event could end up on top of a newer one. Not in queue mode:
        // for as long as an event is remembered here, SQS drops its repeat from anywhere.
        let is_any_lost = results.iter().any(|result| result.status == Status::Lost);
        for (event, result) in events.iter().zip(&results) {
            let is_in_its_place =
                self.mode == DeliveryMode::Queue && result.status == Status::Queued;
            if let Some(key) = &event.key
                && (!is_any_lost || is_in_its_place)
            {
                self.deduplication
                    .insert(key, result.status, request.received_at);
            }
            self.log(event, request, processing);
        }
        results
    }

    /// Maps the events, and finds duplicates among those to be delivered. All others get a reason of
    /// their own every time.
    fn map<'e>(
        &self,
        entries: &'e [Entry<'e>],
        request: &Request<'_>,
        processing: &Processing,
    ) -> Vec<Taken<'e>> {
        let mut budget = Budget::default();
        let mut first_of_key: HashMap<String, usize> = HashMap::new();
        let mut events: Vec<Taken<'e>> = Vec::with_capacity(entries.len());
        for (place, entry) in entries.iter().enumerate() {
            let mut taken = Taken {
                event: InProgress::new(
                    entry,
                    request.source,
                    request.received_at,
                    &processing.mapping,
                ),
                key: None,
                duplicate_of: None,
            };
            if budget.is_used_up() {
                // Queue the rest: retries come ten at a time, each batch with its own budget.
                taken.event.fate = Fate::queued(NO_MEMORY);
            } else {
                processing.map(&mut taken.event, &mut budget);
            }
            if taken.event.is_to_be_delivered()
                && let Some(event) = entry.event()
                && let Some(key) = Deduplication::key(event, request)
            {
                if let Some(status) = self.deduplication.get(&key, request.received_at) {
                    taken.become_duplicate_of(DuplicateOf::Earlier(status));
                } else {
                    match first_of_key.entry(key) {
                        hash_map::Entry::Occupied(first) => {
                            taken.become_duplicate_of(DuplicateOf::Entry(*first.get()));
                        }
                        hash_map::Entry::Vacant(first) => {
                            taken.key = Some(first.key().clone());
                            first.insert(place);
                        }
                    }
                }
            }
            if self.mode == DeliveryMode::Queue && taken.event.is_to_be_delivered() {
                taken.event.fate = Fate::queued("DELIVERY_MODE is queue");
            }
            events.push(taken);
        }
        events
    }

    /// Delivers the events that have something to deliver.
    async fn deliver(
        &self,
        events: &mut [Taken<'_>],
        request: &Request<'_>,
        processing: &Processing,
    ) {
        let events_in_all = events.len();
        // Users with a queued event that their later events must not overtake.
        let mut behind: HashSet<String> = HashSet::new();
        let mut to_deliver = Vec::new();
        for Taken {
            event,
            duplicate_of,
            ..
        } in &mut *events
        {
            if let Some(DuplicateOf::Earlier(Status::Queued)) = duplicate_of {
                behind.insert(event.user.clone().into_owned());
            } else if event.is_to_be_delivered() && !behind.contains(&*event.user) {
                to_deliver.push(event);
            }
        }
        let to_store = time_to_send(
            to_deliver
                .iter()
                .map(|event| (&*event.user, event.planned())),
        );
        let Invocation {
            started, deadline, ..
        } = request.invocation;
        let is_awaited = match request.source {
            Source::Api | Source::Webhook => true,
            // Segment's Lambda destination sends one event and waits as long as a webhook does.
            Source::Direct => events_in_all == 1,
            Source::EventBridge => false,
        };
        let deadline = if is_awaited {
            started + self.budget
        } else {
            deadline
        };
        let latest = request.store_until.checked_sub(to_store);
        let deadline = latest.map_or(deadline, |latest| latest.min(deadline));
        processing
            .deliver(to_deliver.into_iter(), request.received_at, deadline)
            .await;
        for Taken { event, .. } in events {
            if let Fate::Queued { delay, .. } = &mut event.fate
                && delay.is_some()
                && !behind.insert(event.user.clone().into_owned())
            {
                // The first holds back the others of its user.
                *delay = None;
            }
        }
    }

    /// One line per event: what became of it, and all that was changed or left out.
    fn log(&self, taken: &Taken<'_>, request: &Request<'_>, processing: &Processing) {
        EventLine::of(&taken.event).write(&LineContext {
            message: "event",
            level_if_queued: match self.mode {
                DeliveryMode::Inline => Level::WARN,
                DeliveryMode::Queue => Level::INFO,
            },
            attempt: None,
            delay: taken.event.fate.delay(),
            waiting_since: request.received_at,
            schedule: &processing.schedule,
            invocation: request.invocation,
        });
    }
}

/// Sends queued and rejected events to their queues. One that doesn't get there in time is lost to
/// us, so the sender must keep it. One that is too large for a queue is rejected with a record of
/// its ids.
async fn store(events: &mut [Taken<'_>], request: &Request<'_>, queues: &Queues) {
    let (mut to_retry, mut to_wait, mut to_reject) = (Vec::new(), Vec::new(), Vec::new());
    for (place, taken) in events.iter_mut().enumerate() {
        if taken.duplicate_of.is_some() {
            continue;
        }
        let event = &mut taken.event;
        let (Fate::Queued { failure, .. }
        | Fate::Waiting { failure, .. }
        | Fate::Rejected(_, failure)) = &event.fate
        else {
            continue;
        };
        let sender = match request.write_key {
            Some(key) => &key.fingerprint,
            None => request.source.as_str(),
        };
        let message = Message::of(event.entry, request.source, request.received_at);
        let message = message.behind(&event.user).planned(event.planned());
        let mut message = message.scoped_to(sender);
        if !message.fits() {
            let reason = format!(
                "only the ids of this event are kept, because its {} bytes are more than a queue \
                 takes: {}",
                message.body().len(),
                failure.reason
            );
            let failure = failure.clone();
            event.fate = Fate::Rejected(Code::TooLarge, Failure { reason, ..failure });
            let parsed = event.entry.event();
            message = message.with_ids_alone(request.source, request.received_at, parsed);
        }
        let event = &taken.event;
        match addressed(message, event, request.received_at, request.invocation) {
            Some((Queue::Retry, message)) => to_retry.push((place, message)),
            Some((Queue::Waiting, message)) => to_wait.push((place, message)),
            Some((Queue::DeadLetter, message)) => to_reject.push((place, message)),
            None => {}
        }
    }
    let stored = [
        (Queue::Retry, to_retry),
        (Queue::Waiting, to_wait),
        (Queue::DeadLetter, to_reject),
    ];
    let lost = queues.send(stored, request.store_until).await;
    for (place, error) in lost {
        // AWS's own words are for the log: they name accounts and roles.
        tracing::error!(%error, "an event could not be queued");
        events[place].event.fate = Fate::Lost("the queue did not take it".into());
    }
}
