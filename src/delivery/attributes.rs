//! Custom attributes that the workspace lacks: created or left out, never the end of a write.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Instant;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Delivery, UnknownAttributes};
use crate::intercom::{CallError, Refusal};
use crate::mapping::{ANONYMOUS_ID, Attributes, Company, Contact, Rights};
use crate::segment::Value;

/// A body with custom attributes.
pub(super) trait WithAttributes<'e>: Clone + Serialize {
    /// Intercom's name of what it describes, as `model` of a data attribute.
    const MODEL: &'static str;

    /// Its custom attributes.
    fn attributes(&self) -> &Attributes<'e>;

    /// Its custom attributes, to change them.
    fn attributes_mut(&mut self) -> &mut Attributes<'e>;
}

impl<'e> WithAttributes<'e> for Contact<'e> {
    const MODEL: &'static str = "contact";

    fn attributes(&self) -> &Attributes<'e> {
        &self.custom_attributes
    }

    fn attributes_mut(&mut self) -> &mut Attributes<'e> {
        &mut self.custom_attributes
    }
}

impl<'e> WithAttributes<'e> for Company<'e> {
    const MODEL: &'static str = "company";

    fn attributes(&self) -> &Attributes<'e> {
        &self.custom_attributes
    }

    fn attributes_mut(&mut self) -> &mut Attributes<'e> {
        &mut self.custom_attributes
    }
}

#[derive(Deserialize)]
struct DataAttributes {
    #[serde(default)]
    data: Vec<DataAttribute>,
}

#[derive(Deserialize)]
struct DataAttribute {
    name: String,
    #[serde(default)]
    archived: bool,
}

impl Delivery {
    /// Writes a contact or company. Where Intercom refuses it for a custom attribute, all that
    /// it lacks are created or left out (`UNKNOWN_ATTRIBUTES`), one whose value doesn't fit its
    /// type is left out, and the rest is written.
    ///
    /// # Errors
    /// [`CallError`] of the write itself.
    pub(super) async fn write_with_attributes<'e, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl WithAttributes<'e>,
        rights: Rights,
        deadline: Instant,
    ) -> Result<T, CallError> {
        let mut body = Cow::Borrowed(body);
        self.leave_out_unusable(&mut body);
        let written = self.intercom.send(method.clone(), path, &*body, deadline);
        let refusal = match written.await {
            Err(CallError::Refused(refusal)) if refusal.custom_attribute().is_some() => refusal,
            written => return written,
        };
        let mut body = body.into_owned();
        self.make_fit(&mut body, &refusal, rights, deadline).await?;
        loop {
            match self
                .intercom
                .send(method.clone(), path, &body, deadline)
                .await
            {
                Err(CallError::Refused(refusal))
                    if refusal
                        .custom_attribute()
                        .is_some_and(|name| leave_out(&mut body, name, &refusal)) => {}
                written => return written,
            }
        }
    }

    /// Leaves out what lately could not be had, so as not to be refused for it again.
    fn leave_out_unusable<'e, B: WithAttributes<'e>>(&self, body: &mut Cow<'_, B>) {
        let names = body.attributes().iter().map(|(name, _)| name);
        let is_unusable = |name: &&str| {
            let key = attribute_key(B::MODEL, name);
            self.known.unusable_attributes.get(&key).is_some()
        };
        let unusable: Vec<String> = names.filter(is_unusable).map(str::to_owned).collect();
        for name in unusable {
            body.to_mut().attributes_mut().remove(&name);
            tracing::warn!(
                name,
                "a custom attribute was left out: Intercom lately refused it"
            );
        }
    }

    /// Creates or leaves out every custom attribute of `body` that the workspace lacks.
    async fn make_fit<'e, B: WithAttributes<'e>>(
        &self,
        body: &mut B,
        refusal: &Refusal,
        rights: Rights,
        deadline: Instant,
    ) -> Result<(), CallError> {
        // One write at a time: the others then find what it created.
        let _turn = self.attribute_creation.lock().await;
        let known = self.attribute_names(B::MODEL, deadline).await?;
        let lacking = body.attributes().iter();
        let lacking: Vec<(String, &'static str)> = lacking
            .filter(|(name, _)| !known.contains(*name))
            .map(|(name, value)| (name.to_owned(), data_type(name, value)))
            .collect();
        let mut refused = Vec::new();
        for (name, data_type) in lacking {
            // Ours, and the same for everybody: without it a lead isn't found again.
            if !rights.may_create_attributes && name != ANONYMOUS_ID {
                // Not remembered, since another sender's event may make it.
                body.attributes_mut().remove(&name);
                tracing::warn!(
                    name,
                    "a custom attribute was left out: an event by a public write key makes none \
                     unless its user_hash proves the user"
                );
                continue;
            }
            let created = match self.settings.unknown_attributes {
                UnknownAttributes::Create => {
                    self.create_attribute(B::MODEL, &name, data_type, deadline)
                        .await?
                }
                UnknownAttributes::Drop => Err(refusal.clone()),
            };
            if let Err(refusal) = created {
                refused.push((name, refusal));
            }
        }
        if refused.is_empty() {
            return Ok(());
        }
        // Another instance may have created it in between.
        let known = self.attribute_names(B::MODEL, deadline).await?;
        for (name, refusal) in refused {
            if !known.contains(&name) {
                leave_out(body, &name, &refusal);
                let key = attribute_key(B::MODEL, &name);
                self.known.unusable_attributes.put(&key, ());
            }
        }
        Ok(())
    }

    /// The names of the custom attributes that the workspace has.
    async fn attribute_names(
        &self,
        model: &str,
        deadline: Instant,
    ) -> Result<HashSet<String>, CallError> {
        let path = format!("/data_attributes?model={model}");
        let known: DataAttributes = self.intercom.get(&path, deadline).await?;
        let usable = known
            .data
            .into_iter()
            .filter(|attribute| !attribute.archived);
        Ok(usable.map(|attribute| attribute.name).collect())
    }

    /// Creates a data attribute; gives back Intercom's refusal where it won't have it.
    async fn create_attribute(
        &self,
        model: &str,
        name: &str,
        data_type: &str,
        deadline: Instant,
    ) -> Result<Result<(), Refusal>, CallError> {
        let body = json!({"name": name, "model": model, "data_type": data_type});
        let created = self
            .intercom
            .change(Method::POST, "/data_attributes", Some(&body), deadline);
        match created.await {
            Ok(()) => {
                tracing::info!(
                    model,
                    name,
                    data_type,
                    "created a custom attribute in Intercom"
                );
                Ok(Ok(()))
            }
            Err(CallError::Refused(refusal)) => Ok(Err(*refusal)),
            // Without the permission the rest of the write still arrives.
            Err(CallError::RetryLater(later)) if later.status == Some(403) => Ok(Err(Refusal {
                status: 403,
                message: later.reason,
                ..Refusal::default()
            })),
            Err(error) => Err(error),
        }
    }
}

/// Takes an attribute out of the body, with a line in the log; says whether it was there.
fn leave_out<'e>(body: &mut impl WithAttributes<'e>, name: &str, refusal: &Refusal) -> bool {
    let was_there = body.attributes_mut().remove(name);
    if was_there {
        tracing::warn!(name, %refusal, "a custom attribute was left out, the rest is delivered");
    }
    was_there
}

fn attribute_key(model: &str, name: &str) -> String {
    format!("{model} {name}")
}

/// Intercom's data type for a value (`facts/intercom.md`, "Data attributes").
fn data_type(name: &str, value: &Value<'_>) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) if name.ends_with("_at") => "datetime",
        Value::Number(_) => "integer",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::data_type;

    #[test]
    fn types_of_values() {
        for (name, json, expected) in [
            ("paid", "true", "boolean"),
            ("seats", "3", "integer"),
            ("score", "3.5", "float"),
            ("renewed_at", "1394496000", "datetime"),
            ("renewed_at", r#""soon""#, "string"),
            ("plan", r#""pro""#, "string"),
        ] {
            let value = serde_json::from_str(json).expect("valid JSON");
            assert_eq!(data_type(name, &value), expected, "{name} {json}");
        }
    }
}
