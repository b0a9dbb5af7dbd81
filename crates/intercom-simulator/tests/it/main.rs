//! The simulator as a client sees it.

#![expect(clippy::disallowed_methods, reason = "a slow answer is timed")]

mod attributes;
mod client;
mod companies;
mod conflicts;
mod contacts;
mod control;
mod events;
mod faults;
mod oauth;
mod protocol;
mod search;
