//! The sender's options for Intercom: which are used, and why the others aren't.

use super::field_reader::{FieldReader, Fit};
use super::{Change, Mapper, Place};
use crate::segment::{ACTIVE, Kind, Value, get_matching, switch};

/// The option, and the trait of the same name.
pub(super) const UNSUBSCRIBED: &str = "unsubscribedfromemails";

/// Why a page's visitor can't opt somebody in or out.
pub(super) const ONLY_SERVERS: &str = "only a server may set it";

/// Why a value is passed over.
const NO_SWITCH: &str = "it is neither a boolean nor an object of options";

impl Mapper<'_, '_> {
    /// The option `unsubscribedFromEmails`, if it may be sent: a page's visitor must not opt
    /// somebody in or out.
    pub(super) fn unsubscribed_from_emails(&self) -> Option<bool> {
        let option = self
            .event
            .flag(UNSUBSCRIBED)
            .filter(|_| !self.is_from_browser());
        option?.as_bool()
    }

    /// Warns about every option that has no effect.
    pub(super) fn warn_of_options(&mut self, kind: Kind) {
        let event = self.event;
        for (name, value) in event.switches() {
            if switch(value).is_none() {
                self.warn(Place::Option, name, Change::LeftOut(NO_SWITCH));
            }
        }
        // Each with the reason why it has no effect, if there is one.
        let mut flags = [
            (ACTIVE, None),
            (UNSUBSCRIBED, self.unsubscribed_problem(kind)),
        ];
        for options in event.options() {
            let mut options = FieldReader::new(options);
            // Verified before the mapping.
            options.read("userhash", |_| Fit::Whole(()));
            options.ignore(
                &["hidedefaultlauncher"],
                "only Intercom's Messenger in the browser knows it",
            );
            for (name, problem) in &mut flags {
                options.read(name, |value| match (value, *problem) {
                    (Value::Bool(_), None) => Fit::Whole(()),
                    (Value::Bool(_), Some(problem)) => Fit::LeftOut(problem),
                    _ => Fit::LeftOut("it isn't a boolean"),
                });
                if options.peek(name).is_some_and(Value::is_bool) {
                    *problem = Some("another one takes precedence");
                }
            }
            self.each_unread(options, Place::Option, |mapper, key, value| {
                if !value.is_null() {
                    let reason = "this destination has no such option";
                    mapper.warn(Place::Option, key, Change::LeftOut(reason));
                }
            });
        }
        let in_context = event
            .context()
            .and_then(|context| get_matching(context, ACTIVE));
        if in_context.is_some_and(|active| !active.is_bool()) {
            let reason = "it isn't a boolean";
            self.warn(Place::Context, ACTIVE, Change::LeftOut(reason));
        }
    }

    fn unsubscribed_problem(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Identify if self.is_from_browser() => Some(ONLY_SERVERS),
            Kind::Identify => None,
            _ => Some("only an identify sends it"),
        }
    }
}
