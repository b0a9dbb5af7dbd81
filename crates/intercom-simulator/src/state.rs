//! The simulated workspace.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};

use crate::active_faults::ActiveFaults;
use crate::attribute_store::DataAttributes;
use crate::clock::Clock;
use crate::company_store::CompanyStore;
use crate::contact_store::ContactStore;

use crate::event_store::EventStore;
use crate::fault::Fault;
use crate::ids::Ids;
use crate::log::RequestLog;
use crate::message::{ApiRequest, ApiResponse};
use crate::rate_limit::{RateLimiter, RateStatus};
use crate::settings::Settings;

/// Id of the simulated workspace.
pub(crate) const WORKSPACE_ID: &str = "simulator";

/// Everything that the simulator knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) contacts: ContactStore,
    pub(crate) companies: CompanyStore,
    /// Plans by name, with their ids.
    pub(crate) plans: HashMap<String, usize>,
    pub(crate) attributes: DataAttributes,
    pub(crate) events: EventStore,
    pub(crate) faults: ActiveFaults,
    pub(crate) log: RequestLog,
    pub(crate) answered_by_status: BTreeMap<u16, u64>,
    pub(crate) dropped_connections: u64,
    /// OAuth codes that were given out and not yet used, each with the app it was given to.
    pub(crate) oauth_codes: Vec<(String, String)>,
    rate: RateLimiter,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            clock: Clock::new(settings.clock),
            settings,
            ids: Ids::default(),
            contacts: ContactStore::default(),
            companies: CompanyStore::default(),
            plans: HashMap::new(),
            attributes: DataAttributes::default(),
            events: EventStore::default(),
            faults: ActiveFaults::default(),
            log: RequestLog::default(),
            answered_by_status: BTreeMap::new(),
            dropped_connections: 0,
            oauth_codes: Vec::new(),
            rate: RateLimiter::default(),
        }
    }

    /// Forgets everything but the settings.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.settings.clone());
    }

    /// How long a deletion takes.
    pub(crate) fn deletion(&self) -> Duration {
        Duration::from_secs(self.settings.deletion_seconds)
    }

    pub(crate) fn search_lag(&self) -> Duration {
        Duration::from_secs(self.settings.search_lag_seconds)
    }

    /// Notes that this answer was sent.
    pub(crate) fn sent(&mut self, sequence: u64, response: &ApiResponse) {
        self.log.finish(sequence, response);
        *self.answered_by_status.entry(response.status).or_default() += 1;
    }

    /// Notes that the connection was closed without an answer.
    pub(crate) fn dropped(&mut self) {
        self.dropped_connections += 1;
    }

    /// Fault rules that make no sense are refused with the reason.
    pub(crate) fn add_fault(&mut self, fault: Fault) -> Result<Value, String> {
        fault.check()?;
        Ok(json!(self.faults.add(fault)))
    }

    pub(crate) fn is_authorized(&self, request: &ApiRequest) -> bool {
        request
            .header("authorization")
            .and_then(|value| value.split_once(' '))
            .is_some_and(|(scheme, token)| {
                scheme.eq_ignore_ascii_case("bearer")
                    && self
                        .settings
                        .tokens
                        .iter()
                        .any(|known| known == token.trim())
            })
    }

    /// Counts a request of a known token; `None` for an unknown one.
    pub(crate) fn count_rate(&mut self, request: &ApiRequest) -> Option<RateStatus> {
        self.is_authorized(request).then(|| {
            let settings = &self.settings;
            self.rate.count(
                self.clock.now(),
                settings.rate_limit,
                settings.reset_late_seconds,
            )
        })
    }
}
