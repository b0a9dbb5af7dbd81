//! The simulator as a client sees it.

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
