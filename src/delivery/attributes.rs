//! Parts of a write that Intercom refuses: attributes that the workspace lacks are created, what
//! can't be is left out with a warning, and the rest is written.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::UnknownAttributes;
use super::attempt::Attempt;
use super::catalogue::Catalogue;
use super::parts::{Body, cleaned};
use crate::intercom::{CallError, ErrorResponse, Model, Verdict};

/// How many refusals a write handles before it leaves out all custom attributes.
const MAX_REFUSALS: usize = 20;

/// Attributes that are created concurrently.
const CREATED_AT_ONCE: usize = 8;

impl Attempt<'_> {
    /// Writes a contact or company. If Intercom refuses a custom attribute, those that the workspace
    /// lacks are first created or left out (`UNKNOWN_ATTRIBUTES`). What it refuses after that is left
    /// out, save for fields that are `essential`. Where the answer doesn't tell what was refused, all
    /// custom attributes are.
    ///
    /// # Errors
    /// [`CallError`] of the write itself.
    pub(super) async fn write_parts<'e, B: Body<'e>, T>(
        &self,
        body: &B,
        essential: &[&str],
        write: impl AsyncFn(&B) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut body = Cow::Borrowed(body);
        self.leave_out_refused(&mut body, essential);
        let mut is_made_fit = false;
        let mut refusal = None;
        for _ in 0..MAX_REFUSALS {
            let error = match write(&body).await {
                Err(CallError::Refused(error)) if is_about_a_part(&error) => error,
                written => return written,
            };
            let body = body.to_mut();
            let part = body.refused_part(&error);
            let is_attribute = part.as_ref().map_or_else(
                || !body.attributes().is_empty(),
                |part| body.attributes().get(part).is_some(),
            );
            match part {
                part if is_attribute && !is_made_fit => {
                    is_made_fit = true;
                    self.make_fit(body, part.as_deref(), &error).await?;
                }
                Some(part)
                    if !essential.contains(&&*part)
                        && self.leave_out(body, &part, &error.to_string(), Memory::Value) => {}
                Some(_) => return Err(CallError::Refused(error)),
                None => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        let mut body = body.into_owned();
        let mut is_any_left_out = false;
        for name in names_in(&body) {
            let reason = match &refusal {
                Some(error) => format!("the write was refused with it or another one ({error})"),
                None => "Intercom refused too many others of the same event".to_owned(),
            };
            is_any_left_out |= self.leave_out(&mut body, &name, &reason, Memory::Nothing);
        }
        match refusal {
            Some(error) if !is_any_left_out => Err(CallError::Refused(error)),
            _ => write(&body).await,
        }
    }

    /// Takes out the parts that Intercom recently refused, and gives attributes the names under which
    /// they were created.
    pub(super) fn leave_out_refused<'e, B: Body<'e>>(
        &self,
        body: &mut Cow<'_, B>,
        essential: &[&str],
    ) {
        let refusals = &self.round.delivery.refusals;
        if refusals.are_none() {
            return;
        }
        for (name, value) in body.parts() {
            if essential.contains(&&*name) {
                continue;
            }
            if let Some(reason) = refusals.reason(B::MODEL, &name, &value) {
                self.leave_out(body.to_mut(), &name, &reason, Memory::Known);
            } else if let Some(cleaned) = refusals.cleaned(B::MODEL, &name) {
                self.rename(body.to_mut(), &name, cleaned);
            }
        }
    }

    /// Creates or leaves out every custom attribute of `body` that the workspace lacks: those that
    /// aren't in its list or, where Intercom refuses to show that, the one that was refused.
    async fn make_fit<'e, B: Body<'e>>(
        &self,
        body: &mut B,
        refused: Option<&str>,
        error: &ErrorResponse,
    ) -> Result<(), CallError> {
        let catalogue = self.round.attributes.of(B::MODEL, &self.intercom).await?;
        let is_lacking = |name: &String| match catalogue {
            Some(catalogue) => !catalogue.has_custom(name),
            None => refused == Some(&**name),
        };
        let is_standard =
            |name: &String| catalogue.is_some_and(|catalogue| catalogue.has_standard(name));
        let lacking = names_in(body).into_iter().filter(is_lacking);
        let (standard, lacking): (Vec<_>, Vec<_>) = lacking.partition(is_standard);
        for name in standard {
            let reason = "Intercom has an attribute of its own with this name, which can't be set";
            self.leave_out(body, &name, reason, Memory::Name);
        }
        let is_needed = |name: &String| body.depends_on(name);
        let (mut lacking, others): (Vec<_>, Vec<_>) = lacking.into_iter().partition(is_needed);
        let settings = &self.round.delivery.settings;
        if settings.unknown_attributes == UnknownAttributes::Drop {
            let proven = if catalogue.is_some() {
                Memory::Name
            } else {
                Memory::Value
            };
            for name in others {
                let reason = format!("the workspace lacks it, see UNKNOWN_ATTRIBUTES ({error})");
                self.leave_out(body, &name, &reason, proven);
            }
        } else if !self.rights.may_create_attributes {
            for name in others {
                let reason =
                    "the workspace lacks it, and a public write key can't create attributes";
                self.leave_out(body, &name, reason, Memory::Nothing);
            }
        } else {
            lacking.extend(others);
        }
        let types = lacking.into_iter().filter_map(|name| {
            let data_type = body.attributes().data_type(&name)?;
            Some((name, data_type.as_str()))
        });
        let created: Vec<(String, Created)> = stream::iter(types)
            .map(async |(name, data_type)| {
                let created = self.create_attribute(B::MODEL, &name, data_type, catalogue);
                Ok::<_, CallError>((name.clone(), created.await?))
            })
            .buffered(CREATED_AT_ONCE)
            .try_collect()
            .await?;
        for (name, created) in created {
            match created {
                Created::As(other) if other != name => {
                    let refusals = &self.round.delivery.refusals;
                    refusals.remember_cleaned(B::MODEL, &name, &other);
                    self.rename(body, &name, other);
                }
                // Another instance may just have created what was refused: the next answer tells.
                Created::As(_) | Created::Refused => {}
                Created::NotThisTime(reason) => {
                    self.leave_out(body, &name, reason, Memory::Nothing);
                }
            }
        }
        Ok(())
    }

    /// Creates an attribute, under a cleaned name if Intercom refuses its own, unless another event
    /// of this round just has.
    async fn create_attribute(
        &self,
        model: Model,
        name: &str,
        data_type: &str,
        catalogue: Option<&Catalogue>,
    ) -> Result<Created, CallError> {
        const FULL: &str = "the workspace is at Intercom's limit of custom attributes";
        const ENOUGH: &str = "the event has created as many attributes as one event may";
        let full = &self.round.delivery.refusals.full;
        let cleaned = cleaned(name);
        for name in [name, &cleaned] {
            let lock = format!("attribute {} {name}", model.as_str());
            let lock = self.round.lock_of(lock);
            let _locked = lock.lock().await;
            if catalogue.is_some_and(|catalogue| catalogue.has_custom(name)) {
                return Ok(Created::As(name.to_owned()));
            }
            if full.get(model.as_str()).is_some() {
                return Ok(Created::NotThisTime(FULL));
            }
            let left = &self.new_attributes_left;
            let take_one = |left: usize| left.checked_sub(1);
            if left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one)
                .is_err()
            {
                return Ok(Created::NotThisTime(ENOUGH));
            }
            let created = self.intercom.create_data_attribute(model, name, data_type);
            match created.await {
                Ok(()) => {
                    let model = model.as_str();
                    tracing::info!(
                        model,
                        name,
                        data_type,
                        "created a custom attribute in Intercom"
                    );
                    if let Some(catalogue) = catalogue {
                        catalogue.add(name);
                    }
                    return Ok(Created::As(name.to_owned()));
                }
                Err(CallError::Refused(error)) if error.code == "custom_data_limit_reached" => {
                    full.insert(model.as_str(), ());
                    return Ok(Created::NotThisTime(FULL));
                }
                Err(CallError::Refused(error)) => {
                    tracing::warn!(name, %error, "Intercom refuses to create a custom attribute");
                    if name == cleaned {
                        break;
                    }
                }
                Err(later) => return Err(later),
            }
        }
        Ok(Created::Refused)
    }

    /// Gives an attribute the name under which Intercom takes it, with a warning.
    fn rename<'e>(&self, body: &mut impl Body<'e>, name: &str, cleaned: String) {
        let warning =
            format!("attribute {name:?} written as {cleaned:?}: Intercom refuses its name");
        self.note_left_out(name, warning);
        body.attributes_mut().rename(name, cleaned);
    }

    /// Takes a part out of the body, with a warning. False where it isn't there, or the write would
    /// mean something else without it.
    fn leave_out<'e, B: Body<'e>>(
        &self,
        body: &mut B,
        name: &str,
        reason: &str,
        memory: Memory,
    ) -> bool {
        let refusals = &self.round.delivery.refusals;
        let attribute = body.attributes().get(name);
        let is_attribute = attribute.is_some();
        let value = match attribute {
            Some(value) => serde_json::to_value(value).unwrap_or_default(),
            None => body.parts().shift_remove(name).unwrap_or_default(),
        };
        let is_left_out = if is_attribute {
            !body.depends_on(name) && body.attributes_mut().remove(name)
        } else {
            body.leave_out_field(name)
        };
        if !is_left_out {
            return false;
        }
        match memory {
            Memory::Value => refusals.remember_value(B::MODEL, name, &value, reason),
            Memory::Name => refusals.remember_name(B::MODEL, name, reason),
            Memory::Known => {}
            Memory::Nothing => self.lacks_this_time.store(true, Ordering::Relaxed),
        }
        let what = match (B::MODEL, is_attribute) {
            (Model::Contact, true) => "attribute ",
            (Model::Contact, false) => "",
            (Model::Company, true) => "company attribute ",
            (Model::Company, false) => "company's ",
        };
        self.note_left_out(name, format!("{what}{name:?} left out: {reason}"));
        true
    }
}

/// What is remembered of a part that is left out.
#[derive(Clone, Copy)]
enum Memory {
    /// That this value is refused.
    Value,
    /// That the workspace can't have an attribute of this name.
    Name,
    /// It is remembered already.
    Known,
    /// Another event may add it.
    Nothing,
}

/// What became of an attribute that the workspace lacked.
enum Created {
    /// It is there, under this name.
    As(String),
    /// Intercom refuses it.
    Refused,
    /// It may work with another event.
    NotThisTime(&'static str),
}

/// Whether a write may succeed without what it was refused for.
fn is_about_a_part(error: &ErrorResponse) -> bool {
    error.verdict() == Verdict::Rejected && matches!(error.status, 400 | 422)
}

fn names_in<'e>(body: &impl Body<'e>) -> Vec<String> {
    let names = body.attributes().iter().map(|(name, _)| name.to_owned());
    names.collect()
}
