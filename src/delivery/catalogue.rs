//! What is known about the workspace's attributes.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;

use crate::clock::Clock;
use crate::intercom::{CallError, DataAttribute, Model, Session};
use crate::ttl_cache::TtlCache;

/// Refusals remembered: some 200 bytes each, about a megabyte in all.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");

/// Not for long: a person can create an attribute, free a name, or have the workspace's limit raised.
const AGE: Duration = Duration::from_mins(10);

/// What Intercom recently refused, so that it isn't tried again: a value alone, since another value
/// may be fine, or a name that the list of attributes shows to be impossible.
#[derive(Debug)]
pub(super) struct Refusals {
    values: TtlCache<String>,
    names: TtlCache<String>,
    /// The names under which attributes were created whose own Intercom refused.
    cleaned: TtlCache<String>,
    /// Models that are at the workspace's limit of attributes.
    pub(super) full: TtlCache<()>,
}

impl Refusals {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            values: TtlCache::new(ENTRIES, AGE, clock),
            names: TtlCache::new(ENTRIES, AGE, clock),
            cleaned: TtlCache::new(ENTRIES, AGE, clock),
            full: TtlCache::new(ENTRIES, AGE, clock),
        }
    }

    /// Whether nothing is remembered.
    pub(super) fn are_none(&self) -> bool {
        let caches = [&self.values, &self.names, &self.cleaned];
        caches.iter().all(|cache| cache.is_empty())
    }

    /// Why this part isn't to be sent, if it was refused before.
    pub(super) fn reason(&self, model: Model, name: &str, value: &Json) -> Option<String> {
        let of_value = || self.values.get(&of_value(model, name, value));
        self.names.get(&of_name(model, name)).or_else(of_value)
    }

    pub(super) fn remember_value(&self, model: Model, name: &str, value: &Json, reason: &str) {
        let key = of_value(model, name, value);
        self.values.insert(&key, reason.to_owned());
    }

    pub(super) fn remember_name(&self, model: Model, name: &str, reason: &str) {
        self.names.insert(&of_name(model, name), reason.to_owned());
    }

    pub(super) fn remember_cleaned(&self, model: Model, name: &str, cleaned: &str) {
        self.cleaned
            .insert(&of_name(model, name), cleaned.to_owned());
    }

    pub(super) fn cleaned(&self, model: Model, name: &str) -> Option<String> {
        self.cleaned.get(&of_name(model, name))
    }
}

fn of_name(model: Model, name: &str) -> String {
    format!("{} {name:?}", model.as_str())
}

fn of_value(model: Model, name: &str, value: &Json) -> String {
    format!("{} {name:?} {value}", model.as_str())
}

/// The workspace's attributes by model, as far as this round has listed them. None where Intercom
/// refuses to list them.
#[derive(Debug, Default)]
pub(super) struct Catalogues {
    contact: tokio::sync::OnceCell<Option<Catalogue>>,
    company: tokio::sync::OnceCell<Option<Catalogue>>,
}

impl Catalogues {
    /// The attributes of a model, listed once in a round. None where Intercom refuses that.
    pub(super) async fn of(
        &self,
        model: Model,
        intercom: &Session<'_>,
    ) -> Result<Option<&Catalogue>, CallError> {
        let catalogue = match model {
            Model::Contact => &self.contact,
            Model::Company => &self.company,
        };
        let list = async || match intercom.list_data_attributes(model).await {
            Ok(attributes) => Ok(Some(Catalogue::of(attributes))),
            Err(CallError::Refused(error)) => {
                tracing::warn!(%error, "Intercom refuses to list its attributes");
                Ok(None)
            }
            Err(later) => Err(later),
        };
        Ok(catalogue.get_or_try_init(list).await?.as_ref())
    }
}

/// The attributes of a model.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    custom: Mutex<HashSet<String>>,
    /// Intercom's own, in lower case: such a name is reserved in any case.
    standard: HashSet<String>,
}

impl Catalogue {
    fn of(attributes: Vec<DataAttribute>) -> Self {
        let mut catalogue = Self::default();
        for attribute in attributes {
            if attribute.archived == Some(true) {
                continue;
            }
            if attribute.custom == Some(false) {
                catalogue.standard.insert(attribute.name.to_lowercase());
            } else {
                catalogue.add(&attribute.name);
            }
        }
        catalogue
    }

    pub(super) fn has_custom(&self, name: &str) -> bool {
        let custom = self.custom.lock().unwrap_or_else(PoisonError::into_inner);
        custom.contains(name)
    }

    pub(super) fn has_standard(&self, name: &str) -> bool {
        self.standard.contains(&name.to_lowercase())
    }

    pub(super) fn add(&self, name: &str) {
        let mut custom = self.custom.lock().unwrap_or_else(PoisonError::into_inner);
        custom.insert(name.to_owned());
    }
}
