//! Segment events in, the right changes in Intercom out.
//!
//! The flow, module by module: the [`trigger`] of an invocation is recognised, the [`http_api`]
//! authenticates a call and parses it into [`segment`] events, [`filters`] apply the customer's
//! rules, and [`intake`] takes the events. [`processing`] has the [`mapping`] turn each into Intercom
//! actions and [`delivery`] execute them through the [`intercom`] client. What fails goes to a
//! [`queue`]: [`redelivery`] tries again what may work later, and dead letters keep the rest.
//! [`function`] ties them together.

mod aws_error;
pub mod browser;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod entry;
pub mod failure;
pub mod filters;
pub mod function;
pub mod http_api;
pub mod http_client;
pub mod in_progress;
pub mod intake;
pub mod intercom;
pub mod invocation;
pub mod log;
pub mod mapping;
pub mod preview;
pub mod processing;
pub mod queue;
pub mod redelivery;
pub mod retry;
pub mod secret;
pub mod segment;
pub mod source;
pub mod status;
pub mod time_budget;
pub mod trigger;
mod ttl_cache;
