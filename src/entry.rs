//! One event of a request or of a queue's message, as far as it could be read.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::failure::Code;
use crate::filters::{Expression, Filtered, Filters};
use crate::mapping::{Sender, Warning, named_user};
use crate::segment::{Event, IgnoredUserIds, MAX_VALUES, Weight};

/// One event of a request or of a queue's message.
#[derive(Debug)]
pub struct Entry<'b> {
    /// What was read.
    pub parsed: Parsed<'b>,
    /// Its JSON as it came.
    pub raw: &'b RawValue,
    /// Who sent it: the sender with the fewest rights, until its key is known.
    pub sender: Sender,
    /// What the customer's rules made of it.
    pub filtered: Filtered<'b>,
}

/// The result of reading an event.
#[derive(Debug)]
pub enum Parsed<'b> {
    /// An event that can be mapped.
    Event(Event<'b>),
    /// The ids of an event that its request has no memory to keep as a whole. It is queued as it came.
    Ids(Event<'b>),
    /// Something that can't be mapped.
    Rejected {
        /// The event, if it is one: an event that is too large can still be identified.
        event: Option<Event<'b>>,
        /// What is wrong with it, for a machine.
        code: Code,
        /// What is wrong with it.
        reason: Cow<'static, str>,
    },
}

impl<'b> Entry<'b> {
    /// Reads one event, whose userId counts only if it isn't one of `ignored`. JSON that isn't an
    /// event is rejected with the reason.
    pub fn parse(raw: &'b RawValue, ignored: &IgnoredUserIds) -> Self {
        let parsed = match read(raw, ignored) {
            Ok(event) => Parsed::Event(event),
            Err(reason) => Parsed::Rejected {
                event: None,
                code: Code::InvalidEvent,
                reason: reason.into(),
            },
        };
        Self {
            parsed,
            raw,
            sender: Sender::default(),
            filtered: Filtered::AsItCame,
        }
    }

    /// An event that was read already.
    pub fn of(event: Event<'b>, raw: &'b RawValue) -> Self {
        Self {
            parsed: Parsed::Event(event),
            raw,
            sender: Sender::default(),
            filtered: Filtered::AsItCame,
        }
    }

    /// The same entry with nothing but the ids of its event kept as values.
    #[must_use]
    pub fn with_ids_alone(self, ignored: &IgnoredUserIds) -> Self {
        let parsed = match self.parsed {
            Parsed::Event(event) => Parsed::Ids(event.with_ids_alone(ignored)),
            parsed => parsed,
        };
        Self { parsed, ..self }
    }

    /// The same entry rejected for this reason, which replaces an earlier one.
    #[must_use]
    pub fn rejected(self, code: Code, reason: Cow<'static, str>) -> Self {
        let event = match self.parsed {
            Parsed::Event(event) | Parsed::Ids(event) => Some(event),
            Parsed::Rejected { event, .. } => event,
        };
        Self {
            parsed: Parsed::Rejected {
                event,
                code,
                reason,
            },
            ..self
        }
    }

    /// Applies the customer's rules. The event as it came is still what is queued, answered and
    /// logged.
    pub fn filter(&mut self, filters: &'b Filters, ignored: &IgnoredUserIds) {
        if let Parsed::Event(event) = &self.parsed {
            self.filtered = filters.apply(event, ignored);
        }
    }

    /// Drops the event unless it, as it came, meets this condition.
    pub fn choose(&mut self, condition: &Expression) {
        if self
            .event()
            .is_some_and(|event| !condition.is_met_by(event))
        {
            self.filtered = Filtered::Dropped("it doesn't meet the condition of \"if\"".into());
        }
    }

    /// The event to be mapped, with what the customer's rules changed.
    ///
    /// # Errors
    /// Why these rules don't let it through.
    pub fn filtered<'e>(
        &'e self,
        event: &'e Event<'b>,
    ) -> Result<(&'e Event<'b>, &'e [Warning<'b>]), Cow<'static, str>> {
        match &self.filtered {
            Filtered::AsItCame => Ok((event, &[])),
            Filtered::Changed(changed) => Ok((&changed.event, &changed.warnings)),
            Filtered::Dropped(reason) => Err(reason.clone()),
        }
    }

    /// Who sent it, as far as the event to be mapped goes: what a `user_hash` proved is the user of
    /// the event as it came.
    pub fn sender(&self) -> Sender {
        let mut sender = self.sender;
        if let (Filtered::Changed(changed), Some(event)) = (&self.filtered, self.event()) {
            sender.is_verified &= named_user(&changed.event) == named_user(event);
        }
        sender
    }

    /// The event with what the customer's rules changed: whose contact or company it writes.
    pub fn event_to_map(&self) -> Option<&Event<'b>> {
        match &self.filtered {
            Filtered::Changed(changed) => Some(&changed.event),
            _ => self.event(),
        }
    }

    /// The event, rejected or not. `None` for something that isn't an event.
    pub fn event(&self) -> Option<&Event<'b>> {
        match &self.parsed {
            Parsed::Event(event) | Parsed::Ids(event) => Some(event),
            Parsed::Rejected { event, .. } => event.as_ref(),
        }
    }

    /// Why the event is rejected, known from reading it.
    pub fn rejection(&self) -> Option<&Cow<'static, str>> {
        match &self.parsed {
            Parsed::Event(_) | Parsed::Ids(_) => None,
            Parsed::Rejected { reason, .. } => Some(reason),
        }
    }

    /// The event's messageId.
    pub fn message_id(&self) -> Option<&str> {
        self.event()?.message_id()
    }

    /// The event's type as sent.
    pub fn type_name(&self) -> Option<&str> {
        self.event()?.type_name()
    }
}

/// The event in this JSON, or what is wrong with it.
fn read<'b>(raw: &'b RawValue, ignored: &IgnoredUserIds) -> Result<Event<'b>, String> {
    let json = raw.get();
    let values = Weight::of(json).values;
    if values > MAX_VALUES {
        return Err(format!(
            "the event holds {values} values, at most {MAX_VALUES} are read"
        ));
    }
    let value =
        serde_json::from_str(json).map_err(|error| format!("the event can't be read: {error}"))?;
    Event::new(value, ignored).map_err(|error| error.to_string())
}
