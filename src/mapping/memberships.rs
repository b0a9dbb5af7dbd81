//! The companies that an identify's traits name, and which of them the contact joins or leaves.

use std::borrow::Cow;

use super::company::{ID, NEEDS_ID, asks_for_removal};
use super::field_reader::{FieldReader, Fit};
use super::field_values::text_or_empty;
use super::number::integer;
use super::text::{MAX_VALUE_CHARS, cut};
use super::{Action, Change, Company, Identity, Mapper, Place};
use crate::segment::{Object, Value, Weight, clean, key_matches, with_last_of_equal_keys};

/// Most companies taken from one event: each costs two calls.
const MAX_COMPANIES: usize = 50;

/// Memory per company beside the event's own JSON, in bytes.
const COMPANY_BYTES: usize = 1024;

/// Memory that JSON in a text may take while it is read, in bytes: far more than 50 companies.
const MAX_JSON_BYTES: usize = 1024 * 1024;

/// What an identify's traits say of the contact's companies.
#[derive(Default)]
pub(super) struct NamedCompanies<'e> {
    /// The traits `company` and `companies`.
    named: [(&'static str, Option<&'e Value<'e>>); 2],
    /// The contact's own traits, which a company that is only a name takes over.
    plan: Option<&'e Value<'e>>,
    monthly_spend: Option<&'e Value<'e>>,
}

impl<'e> NamedCompanies<'e> {
    pub(super) fn read(traits: &mut FieldReader<'e>) -> Self {
        Self {
            // Each company has warnings of its own.
            named: ["company", "companies"].map(|name| (name, traits.read(name, Fit::Whole))),
            plan: traits.peek("plan"),
            monthly_spend: traits.peek("monthlyspend"),
        }
    }
}

/// What an identify says of one company.
struct Membership<'e> {
    company: Company<'e>,
    /// Whether the contact leaves it. Then nothing but its id counts.
    is_left: bool,
}

impl<'e> Membership<'e> {
    fn in_company(company: Company<'e>) -> Self {
        Self {
            company,
            is_left: false,
        }
    }
}

impl<'e> Mapper<'e, '_> {
    /// Actions for the companies that a contact's traits name.
    pub(super) fn companies_of_contact(
        &mut self,
        contact: &NamedCompanies<'e>,
        identity: &Identity<'e>,
        actions: &mut Vec<Action<'e>>,
    ) {
        let mut room = MAX_COMPANIES;
        for (key, value) in contact.named {
            let Some(value) = value else {
                continue;
            };
            if is_empty(value) {
                self.warn(Place::Trait, key, Change::LeftOut("it is empty"));
                continue;
            }
            let mut add = |mapper: &mut Self, membership: Read<'_, 'e>| {
                let has_room = mapper.has_room_for_company(key, room);
                if has_room {
                    match membership(mapper) {
                        Ok(membership) => {
                            room -= 1;
                            push(membership, identity, actions);
                        }
                        Err(reason) => mapper.warn(Place::Trait, key, Change::LeftOut(reason)),
                    }
                }
                has_room
            };
            // Until there is no room for more.
            items(value).iter().all(|item| match json_in(item) {
                None => add(self, &mut |mapper| mapper.membership(item, contact)),
                Some(json) => items(&json)
                    .iter()
                    .all(|item| add(self, &mut |mapper| mapper.membership_in_text(item, contact))),
            });
        }
    }

    /// Whether another company of this event is taken; warns if not.
    fn has_room_for_company(&mut self, key: &'static str, room: usize) -> bool {
        if room == 0 {
            self.warn(Place::Trait, key, Change::TooManyCompanies(MAX_COMPANIES));
            return false;
        }
        let has_memory = self.budget.take(COMPANY_BYTES);
        if !has_memory {
            let reason = "the event has used up the memory that one event may take";
            self.warn(Place::Trait, key, Change::LeftOut(reason));
        }
        has_memory
    }

    /// What the event says of one company, or why there is none.
    fn membership(
        &mut self,
        value: &'e Value<'e>,
        contact: &NamedCompanies<'e>,
    ) -> Result<Membership<'e>, &'static str> {
        match value {
            Value::Object(object) => {
                let mut traits = FieldReader::new(object);
                let company_id = self.company_id(&traits)?;
                if asks_for_removal(&mut traits) {
                    self.warn_of_removed(object);
                    return Ok(Membership {
                        company: Company {
                            company_id,
                            ..Company::default()
                        },
                        is_left: true,
                    });
                }
                Ok(Membership::in_company(self.company(traits, company_id)))
            }
            Value::Str(name) => {
                let company = self.company_by_name(clean(name), contact)?;
                Ok(Membership::in_company(company))
            }
            _ => Err(NEEDS_ID),
        }
    }

    /// The same of JSON that stood in a text, and is gone after it.
    fn membership_in_text<'t>(
        &mut self,
        value: &'t Value<'t>,
        contact: &NamedCompanies<'t>,
    ) -> Result<Membership<'e>, &'static str>
    where
        'e: 't,
    {
        let mut of_text: Mapper<'t, '_> = Mapper {
            event: self.event,
            arrival: self.arrival,
            settings: self.settings,
            budget: &mut *self.budget,
            warnings: Vec::new(),
            unnamed: 0,
        };
        let membership = of_text.membership(value, contact);
        let membership = membership.map(|Membership { company, is_left }| Membership {
            company: company.into_owned(),
            is_left,
        });
        for warning in of_text.into_warnings() {
            let warning = warning.into_owned();
            self.warn(warning.place, warning.key, warning.change);
        }
        membership
    }

    /// A company that is only a string takes the rest from the contact's traits.
    fn company_by_name(
        &mut self,
        name: Cow<'e, str>,
        contact: &NamedCompanies<'e>,
    ) -> Result<Company<'e>, &'static str> {
        let company_id = self.id_of_name(&name)?;
        let (name, is_cut) = cut(name);
        if is_cut {
            self.warn(Place::Company, "name", Change::Cut(MAX_VALUE_CHARS));
        }
        let spend = contact.monthly_spend.and_then(integer);
        if let Some(spend) = spend.filter(|spend| spend.is_rounded) {
            self.warn(Place::Company, "monthlySpend", Change::Rounded(spend.value));
        }
        Ok(Company {
            company_id,
            name: Some(name),
            plan: contact.plan.and_then(text_or_empty),
            monthly_spend: spend.map(|spend| spend.value),
            ..Company::default()
        })
    }

    /// Warns about traits of a company that the contact only leaves.
    fn warn_of_removed(&mut self, object: &'e Object<'e>) {
        let is_needed = |key: &str| {
            let mut needed = ID.iter().chain(&["name", "remove"]);
            needed.any(|name| key_matches(key, name))
        };
        for (key, _) in object.iter().filter(|(key, _)| !is_needed(key)) {
            let reason = "the contact only leaves this company";
            self.warn(Place::Company, key, Change::LeftOut(reason));
        }
    }
}

/// Reads one company.
type Read<'r, 'e> = &'r mut dyn FnMut(&mut Mapper<'e, '_>) -> Result<Membership<'e>, &'static str>;

fn push<'e>(membership: Membership<'e>, identity: &Identity<'e>, actions: &mut Vec<Action<'e>>) {
    let identity = identity.clone();
    let company = membership.company;
    let company_id = company.company_id.clone();
    if membership.is_left {
        actions.push(Action::DetachCompany {
            identity,
            company_id,
        });
        return;
    }
    actions.push(Action::UpsertCompany { company });
    actions.push(Action::AttachCompany {
        identity,
        company_id,
    });
}

/// The values of an array, else the value itself.
fn items<'v, 'e>(value: &'v Value<'e>) -> &'v [Value<'e>] {
    match value {
        Value::Array(items) => items,
        one => std::slice::from_ref(one),
    }
}

/// The JSON object or array that stands in a text, as some tools export a company.
fn json_in<'t>(value: &'t Value<'_>) -> Option<Value<'t>> {
    let text = value.as_str()?;
    let is_json = text.trim_start().starts_with(['{', '[']);
    if !is_json || Weight::of(text).bytes > MAX_JSON_BYTES {
        return None;
    }
    serde_json::from_str(text).ok().map(with_last_of_equal_keys)
}

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Str(text) => text.trim().is_empty(),
        _ => false,
    }
}
