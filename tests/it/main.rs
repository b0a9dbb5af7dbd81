//! The function with real trigger payloads, against the Intercom simulator and stand-ins of
//! Secrets Manager and SQS at the wire.

mod door;
mod support;
