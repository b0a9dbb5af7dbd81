//! The sender's options for Intercom: what of them is sent, and why not the rest.

use super::{Change, Mapper, Place};
use crate::segment::{ACTIVE, Fields, Kind};

const UNSUBSCRIBED: &str = "unsubscribedfromemails";

static NAMES: [&str; 4] = [ACTIVE, "userhash", UNSUBSCRIBED, "hidedefaultlauncher"];

impl Mapper<'_, '_> {
    /// The option `unsubscribedFromEmails`, where it may be sent: visitors of a page must not
    /// opt somebody out or in.
    pub(super) fn unsubscribed_from_emails(&self) -> Option<bool> {
        let option = self
            .event
            .flag(UNSUBSCRIBED)
            .filter(|_| !self.is_from_browser());
        option?.as_bool()
    }

    /// Warns of every option that isn't heeded.
    pub(super) fn warn_of_options(&mut self, kind: Kind) {
        let event = self.event;
        let heeded = [ACTIVE, UNSUBSCRIBED].map(|name| event.flag(name));
        let is_heeded = |value| {
            heeded
                .iter()
                .flatten()
                .any(|heeded| std::ptr::eq(*heeded, value))
        };
        let is_from_browser = self.is_from_browser();
        for options in event.options() {
            let fields = Fields::of(options, &NAMES);
            for (key, value) in options.iter().filter(|(_, value)| !value.is_null()) {
                let name = fields.name_of(key);
                let reason = match name {
                    None => "this destination has no such option",
                    // Checked with its key, before the mapping.
                    Some("userhash") => continue,
                    Some("hidedefaultlauncher") => {
                        "only Intercom's Messenger in the browser knows it"
                    }
                    Some(_) if !value.is_bool() => "it is no boolean",
                    Some(_) if !is_heeded(value) => "another one goes before it",
                    Some(UNSUBSCRIBED) if kind != Kind::Identify => "only an identify sends it",
                    Some(UNSUBSCRIBED) if is_from_browser => "only calls of a server may set it",
                    Some(_) => continue,
                };
                self.warn(Place::Option, key, Change::LeftOut(reason));
            }
        }
    }
}
