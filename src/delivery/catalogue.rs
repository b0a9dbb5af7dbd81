//! What is known about the workspace's attributes.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::shared_map::SharedMap;
use crate::intercom::{self, CallError, DataAttribute, Model};
use crate::segment::Value;
use crate::ttl_cache::TtlCache;

/// Attributes remembered as refused: some 100 bytes each, about half a megabyte in all.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(5_000).expect("not zero");

/// Not for long: a person can create an attribute, free a name, or have the workspace's limit raised.
const AGE: Duration = Duration::from_mins(10);

/// What Intercom recently refused, so that it isn't tried again.
#[derive(Debug)]
pub(super) struct RefusedAttributes {
    /// Why, by model, name and kind of value.
    pub(super) reasons: TtlCache<String>,
    /// Models that are at the workspace's limit of attributes.
    pub(super) full: TtlCache<()>,
}

impl Default for RefusedAttributes {
    fn default() -> Self {
        Self {
            reasons: TtlCache::new(ENTRIES, AGE),
            full: TtlCache::new(ENTRIES, AGE),
        }
    }
}

impl RefusedAttributes {
    /// An attribute takes only values of its type, so a refusal holds for one kind of value.
    pub(super) fn key(model: Model, name: &str, value: &Value<'_>) -> String {
        let kind = match value {
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            _ => "string",
        };
        format!("{} {kind} {name}", model.as_str())
    }
}

/// The workspace's attributes by model, as far as this round has listed them.
#[derive(Debug, Default)]
pub(super) struct Catalogues {
    contact: tokio::sync::OnceCell<Catalogue>,
    company: tokio::sync::OnceCell<Catalogue>,
}

/// Names of attributes, and whether they are custom ones.
pub(super) type Catalogue = SharedMap<String, bool>;

impl Catalogues {
    /// The attributes of this model, listed when they are first asked for.
    pub(super) async fn of(
        &self,
        model: Model,
        intercom: &intercom::Session<'_>,
    ) -> Result<&Catalogue, CallError> {
        let catalogue = match model {
            Model::Contact => &self.contact,
            Model::Company => &self.company,
        };
        let read = async || {
            let catalogue = Catalogue::default();
            read_catalogue(model, intercom, &catalogue).await?;
            Ok(catalogue)
        };
        catalogue.get_or_try_init(read).await
    }
}

/// Adds all attributes that the workspace has now.
pub(super) async fn read_catalogue(
    model: Model,
    intercom: &intercom::Session<'_>,
    catalogue: &Catalogue,
) -> Result<(), CallError> {
    for attribute in intercom.list_data_attributes(model).await? {
        let DataAttribute {
            name,
            custom,
            archived,
        } = attribute;
        if archived != Some(true) {
            let is_custom = custom != Some(false);
            catalogue.insert(catalogue_key(&name, is_custom), is_custom);
        }
    }
    Ok(())
}

/// Intercom's own names are reserved in any case.
pub(super) fn catalogue_key(name: &str, is_custom: bool) -> String {
    if is_custom {
        name.to_owned()
    } else {
        format!("standard {}", name.to_lowercase())
    }
}
