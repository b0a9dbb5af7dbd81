//! The function with real trigger payloads, against the Intercom simulator and stand-ins of
//! Secrets Manager and SQS at the wire.

#![expect(
    clippy::disallowed_methods,
    reason = "events are as old as a test says, and answers are timed"
)]

mod answers;
mod attributes;
mod body;
mod browser;
mod contacts;
mod dead_letters;
mod delivery;
mod direct;
mod duplicates;
mod filters;
mod hostile;
mod http;
mod http_api;
mod leads;
mod limits;
mod log;
mod outages;
mod preview;
mod queueing;
mod rate_limit;
mod real_data;
mod redelivery;
mod refusals;
mod senders;
mod shapes;
mod support;
mod triggers;
mod walkthrough;
mod webhook;
mod whose;
