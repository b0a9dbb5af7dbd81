//! Data attributes of contacts and companies, Intercom's own and custom ones.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Call, CallError, Session, if_readable};

/// What an attribute belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the variants are Intercom's own words")]
pub enum Model {
    Contact,
    Company,
}

impl Model {
    /// As Intercom spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Company => "company",
        }
    }
}

/// One attribute of the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DataAttribute {
    /// Its name.
    pub name: String,
    /// False for Intercom's own.
    #[serde(default, deserialize_with = "if_readable")]
    pub custom: Option<bool>,
    /// Whether it is archived, so that it can't be written.
    #[serde(default, deserialize_with = "if_readable")]
    pub archived: Option<bool>,
}

#[derive(Deserialize)]
struct DataAttributes {
    data: Vec<DataAttribute>,
}

impl Session<'_> {
    /// `GET /data_attributes`: all of a model.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list_data_attributes(
        &self,
        model: Model,
    ) -> Result<Vec<DataAttribute>, CallError> {
        let path = format!("/data_attributes?model={}", model.as_str());
        let call = Call {
            is_helper: true,
            ..Call::get(&path)
        };
        let list: DataAttributes = self.call(call).await?.read()?;
        Ok(list.data)
    }

    /// `POST /data_attributes`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_data_attribute(
        &self,
        model: Model,
        name: &str,
        data_type: &str,
    ) -> Result<(), CallError> {
        let body = json!({"name": name, "model": model, "data_type": data_type});
        let call = Call {
            is_helper: true,
            ..Call::new(Method::POST, "/data_attributes", "Write data attributes").with(&body)
        };
        self.call(call).await.map(drop)
    }
}
