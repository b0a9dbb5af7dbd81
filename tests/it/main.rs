//! The function with real trigger payloads, against the Intercom simulator and stand-ins of
//! Secrets Manager and SQS at the wire.

mod body;
mod delivery;
mod direct;
mod door;
mod duplicates;
#[path = "../support/function.rs"]
mod function;
mod hostile;
mod http;
mod limits;
mod log;
mod preview;
mod queueing;
mod rate_limit;
mod redelivery;
mod support;
mod triggers;
mod webhook;
