//! A stateful simulator of Intercom's REST API, version 2.16, for development and tests.
//!
//! It keeps contacts, companies, events and data attributes in memory, answers as Intercom's
//! OpenAPI description and documentation say (errors, conflicts, search lag, rate limit), fails
//! on demand, and logs every request. `/_simulator/*` is its control interface; the same is
//! available to in-process tests through [`Simulator`].
//!
//! A request's way through the code: [`Simulator`] → `server` (HTTP) → `api` (authentication, rate
//! limit, routing) → `contacts`, `companies`, `events`, `data_attributes` (behaviour) → `state` (what
//! is kept, in a store each).

mod active_faults;
mod api;
mod attribute_store;
mod clock;
mod companies;
mod company_store;
mod company_view;
mod conflict;
mod contact_body;
mod contact_store;
mod contact_view;
mod contacts;
mod control;
mod data_attributes;
mod errors;
mod event_store;
mod events;
mod fault;
mod fields;
mod ids;
mod log;
mod memberships;
mod merge;
mod message;
mod metadata;
mod oauth;
mod path;
mod race;
mod rate_limit;
mod search;
mod server;
mod settings;
mod simulator;
mod snapshot;
mod standard_attributes;
mod state;
mod version;

pub use clock::ClockMode;
pub use fault::{Fault, FaultKind, FaultMatch, FaultStatus, FaultWhen};
pub use log::LoggedRequest;
pub use settings::{Misfits, Settings, TakenEmails};
pub use simulator::{Exchange, Simulator};
pub use snapshot::{
    CompanySnapshot, ContactSnapshot, Counts, DataAttributeSnapshot, DeletedContact, EventSnapshot,
    MergedContact, Snapshot,
};
