//! Custom attributes that the workspace lacks: created or left out, but never the reason to reject
//! a write.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::UnknownAttributes;
use super::attempt::Attempt;
use super::catalogue::{Catalogue, RefusedAttributes, catalogue_key, read_catalogue};
use crate::intercom::{CallError, ErrorResponse, Model};
use crate::mapping::{ANONYMOUS_ID, Attributes, Company, Contact, Role};
use crate::segment::Value;

/// How many refusals, each for one attribute, a write handles before it leaves out all custom
/// attributes.
const MAX_REFUSALS: usize = 20;

/// Attributes that are created concurrently.
const CREATED_AT_ONCE: usize = 8;

/// A body with custom attributes.
pub(super) trait WithAttributes<'e>: Clone + Serialize {
    /// What it describes.
    const MODEL: Model;

    /// Its custom attributes.
    fn attributes(&self) -> &Attributes<'e>;

    /// Its custom attributes, to change them.
    fn attributes_mut(&mut self) -> &mut Attributes<'e>;

    /// Whether it is useless without this attribute.
    fn depends_on(&self, _: &str) -> bool {
        false
    }
}

impl<'e> WithAttributes<'e> for Contact<'e> {
    const MODEL: Model = Model::Contact;

    fn attributes(&self) -> &Attributes<'e> {
        &self.custom_attributes
    }

    fn attributes_mut(&mut self) -> &mut Attributes<'e> {
        &mut self.custom_attributes
    }

    /// A lead without its anonymous_id would never be found again.
    fn depends_on(&self, attribute: &str) -> bool {
        self.role == Role::Lead && attribute == ANONYMOUS_ID
    }
}

impl<'e> WithAttributes<'e> for Company<'e> {
    const MODEL: Model = Model::Company;

    fn attributes(&self) -> &Attributes<'e> {
        &self.custom_attributes
    }

    fn attributes_mut(&mut self) -> &mut Attributes<'e> {
        &mut self.custom_attributes
    }
}

impl Attempt<'_> {
    /// Writes a contact or company. If Intercom refuses it because of a custom attribute, all those
    /// that the workspace lacks are created or left out (`UNKNOWN_ATTRIBUTES`), one whose value
    /// doesn't fit its type is left out, and the rest is written.
    ///
    /// # Errors
    /// [`CallError`] of the write itself.
    pub(super) async fn write_with_attributes<'e, B: WithAttributes<'e>, T>(
        &self,
        body: &B,
        write: impl AsyncFn(&B) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut body = Cow::Borrowed(body);
        self.leave_out_refused(&mut body);
        let error = match write(&body).await {
            Err(CallError::Refused(error)) if error.custom_attribute().is_some() => error,
            written => return written,
        };
        let mut body = body.into_owned();
        self.make_fit(&mut body, &error).await?;
        for _ in 0..MAX_REFUSALS {
            let error = match write(&body).await {
                Err(CallError::Refused(error)) => error,
                written => return written,
            };
            let name = error.custom_attribute().unwrap_or_default();
            if body.attributes().get(name).is_none() || body.depends_on(name) {
                return Err(CallError::Refused(error));
            }
            self.leave_out(&mut body, name, &error.to_string(), Remembered::Yes);
        }
        for name in names_in(&body) {
            if body.depends_on(&name) {
                continue;
            }
            let reason = "Intercom refused too many others of the same event";
            self.leave_out(&mut body, &name, reason, Remembered::No);
        }
        write(&body).await
    }

    /// Takes out the attributes that Intercom recently refused.
    pub(super) fn leave_out_refused<'e, B: WithAttributes<'e>>(&self, body: &mut Cow<'_, B>) {
        let refused = &self.round.delivery.refused_attributes.reasons;
        let reason = |(name, value): (&str, &Value<'_>)| {
            let reason = refused.get(&RefusedAttributes::key(B::MODEL, name, value))?;
            Some((name.to_owned(), reason))
        };
        let refused: Vec<_> = body.attributes().iter().filter_map(reason).collect();
        for (name, reason) in refused {
            self.leave_out(body.to_mut(), &name, &reason, Remembered::Already);
        }
    }

    /// Creates or leaves out every custom attribute of `body` that the workspace lacks.
    async fn make_fit<'e, B: WithAttributes<'e>>(
        &self,
        body: &mut B,
        error: &ErrorResponse,
    ) -> Result<(), CallError> {
        let catalogue = self.round.attributes.of(B::MODEL, &self.intercom).await?;
        let is_custom = |name: &String| catalogue.get(&catalogue_key(name, true)).is_some();
        let is_standard = |name: &String| catalogue.get(&catalogue_key(name, false)).is_some();
        let lacking = names_in(body).into_iter().filter(|name| !is_custom(name));
        let (standard, lacking): (Vec<_>, Vec<_>) = lacking.partition(is_standard);
        for name in standard {
            let reason = "Intercom has an attribute of its own with this name, which can't be set";
            self.leave_out(body, &name, reason, Remembered::Yes);
        }
        let is_needed = |name: &String| body.depends_on(name);
        let (mut lacking, others): (Vec<_>, Vec<_>) = lacking.into_iter().partition(is_needed);
        let settings = &self.round.delivery.settings;
        if settings.unknown_attributes == UnknownAttributes::Drop {
            for name in others {
                let reason = format!("the workspace lacks it, see UNKNOWN_ATTRIBUTES ({error})");
                self.leave_out(body, &name, &reason, Remembered::Yes);
            }
        } else if !self.rights.may_create_attributes {
            for name in others {
                let reason =
                    "the workspace lacks it, and a public write key can't create attributes";
                self.leave_out(body, &name, reason, Remembered::No);
            }
        } else {
            lacking.extend(others);
        }
        let types = lacking.into_iter().filter_map(|name| {
            let data_type = body.attributes().data_type(&name)?;
            Some((name, data_type.as_str()))
        });
        let created: Vec<(String, Result<(), NotCreated>)> = stream::iter(types)
            .map(async |(name, data_type)| {
                let created = self.create_attribute(B::MODEL, &name, data_type, catalogue);
                Ok::<_, CallError>((name.clone(), created.await?))
            })
            .buffered(CREATED_AT_ONCE)
            .try_collect()
            .await?;
        let is_refused = |(_, created): &(_, Result<(), NotCreated>)| {
            matches!(created, Err(NotCreated::Refused(_)))
        };
        if created.iter().any(is_refused) {
            // Another instance may have created it in the meantime.
            read_catalogue(B::MODEL, &self.intercom, catalogue).await?;
        }
        for (name, created) in created {
            let Err(why) = created else {
                continue;
            };
            if catalogue.get(&catalogue_key(&name, true)).is_some() || body.depends_on(&name) {
                continue;
            }
            match why {
                NotCreated::Refused(reason) => {
                    self.leave_out(body, &name, &reason, Remembered::Yes);
                }
                NotCreated::ThisTime(reason) => {
                    self.leave_out(body, &name, &reason, Remembered::No);
                }
            }
        }
        Ok(())
    }

    /// Creates an attribute, unless another event of this invocation just has.
    async fn create_attribute(
        &self,
        model: Model,
        name: &str,
        data_type: &str,
        catalogue: &Catalogue,
    ) -> Result<Result<(), NotCreated>, CallError> {
        let refused = &self.round.delivery.refused_attributes;
        let lock = format!("attribute {} {name}", model.as_str());
        let lock = self.round.lock_of(lock);
        let _held = lock.lock().await;
        if catalogue.get(&catalogue_key(name, true)).is_some() {
            return Ok(Ok(()));
        }
        let full = || "the workspace is at Intercom's limit of custom attributes".to_owned();
        if refused.full.get(model.as_str()).is_some() {
            return Ok(Err(NotCreated::ThisTime(full())));
        }
        let left = &self.new_attributes_left;
        let take_one = |left: usize| left.checked_sub(1);
        if left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one)
            .is_err()
        {
            let reason = "one event may create only so many attributes";
            return Ok(Err(NotCreated::ThisTime(reason.to_owned())));
        }
        let intercom = &self.intercom;
        match intercom.create_data_attribute(model, name, data_type).await {
            Ok(()) => {
                let model = model.as_str();
                tracing::info!(
                    model,
                    name,
                    data_type,
                    "created a custom attribute in Intercom"
                );
                catalogue.insert(catalogue_key(name, true), true);
                Ok(Ok(()))
            }
            Err(CallError::Refused(error)) if error.code == "custom_data_limit_reached" => {
                refused.full.insert(model.as_str(), ());
                Ok(Err(NotCreated::ThisTime(full())))
            }
            Err(CallError::Refused(error)) => Ok(Err(NotCreated::Refused(error.to_string()))),
            // The rest of the write still arrives.
            Err(CallError::RetryLater(later)) => match later.status {
                Some(403) => Ok(Err(NotCreated::Refused(later.reason))),
                Some(500..) => Ok(Err(NotCreated::ThisTime(later.reason))),
                _ => Err(CallError::RetryLater(later)),
            },
        }
    }

    /// Takes an attribute out of the body, with a warning.
    fn leave_out<'e, B: WithAttributes<'e>>(
        &self,
        body: &mut B,
        name: &str,
        reason: &str,
        remembered: Remembered,
    ) {
        let refused = &self.round.delivery.refused_attributes.reasons;
        let Some(value) = body.attributes().get(name) else {
            return;
        };
        match remembered {
            Remembered::Yes => {
                let key = RefusedAttributes::key(B::MODEL, name, value);
                refused.insert(&key, reason.to_owned());
            }
            Remembered::Already => {}
            Remembered::No => self.lacks_this_time.store(true, Ordering::Relaxed),
        }
        body.attributes_mut().remove(name);
        let model = match B::MODEL {
            Model::Contact => "attribute",
            Model::Company => "company attribute",
        };
        self.note_left_out(name, format!("{model} {name:?} left out: {reason}"));
    }
}

/// Whether the following events should leave the attribute out as well, for a while.
#[derive(Clone, Copy)]
enum Remembered {
    Yes,
    Already,
    No,
}

/// Why an attribute wasn't created.
enum NotCreated {
    /// Intercom refuses it.
    Refused(String),
    /// It may work with another event.
    ThisTime(String),
}

fn names_in<'e>(body: &impl WithAttributes<'e>) -> Vec<String> {
    let names = body.attributes().iter().map(|(name, _)| name.to_owned());
    names.collect()
}
