//! NamedCompanies, as a group's traits or as a contact's `company` and `companies`.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::attribute_names::Naming;
use super::field_reader::{FieldReader, Fit};
use super::field_values::{
    ANOTHER_DATE, CREATED, EMPTY, NOT_A_STRING, cut_to_fit, date, text_of, text_or_attribute,
    text_or_empty, whole_number,
};
use super::number::integer;
use super::text::{MAX_VALUE_CHARS, cut};
use super::values::Rules;
use super::{Action, Change, Company, CompanyIdHash, Identity, Mapper, Place};
use crate::segment::{INEXACT, IdField, Object, Value, clean, id_text, key_matches, read_id};

const TRAITS: Rules = Rules {
    place: Place::Company,
    naming: Naming::Attribute,
};

/// Most companies taken from one event: each costs two calls.
const MAX_COMPANIES: usize = 50;

/// Memory per company beside the event's own JSON, in bytes.
const COMPANY_BYTES: usize = 1024;

/// Names of the company's id; the first in this order wins.
const ID: [&str; 2] = ["id", "companyid"];

/// Names of the company's size; the first in this order that is a number wins.
const SIZE: [&str; 3] = ["employees", "size", "employeecount"];

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
            let companies = match self.read_as_json(value) {
                Value::Array(companies) => companies.as_slice(),
                one => std::slice::from_ref(one),
            };
            if is_empty(value) {
                self.warn(Place::Trait, key, Change::LeftOut("it is empty"));
                continue;
            }
            for value in companies {
                if room == 0 {
                    self.warn(Place::Trait, key, Change::TooManyCompanies(MAX_COMPANIES));
                    break;
                }
                if !self.budget.take(COMPANY_BYTES) {
                    let reason = "the event has used up the memory that one event may take";
                    self.warn(Place::Trait, key, Change::LeftOut(reason));
                    break;
                }
                match self.add_company(value, contact, identity, actions) {
                    Ok(()) => room -= 1,
                    Err(reason) => self.warn(Place::Trait, key, Change::LeftOut(reason)),
                }
            }
        }
    }

    /// Adds the actions for one company of a contact, or says why there is none.
    fn add_company(
        &mut self,
        value: &'e Value<'e>,
        contact: &NamedCompanies<'e>,
        identity: &Identity<'e>,
        actions: &mut Vec<Action<'e>>,
    ) -> Result<(), &'static str> {
        let company = match self.read_as_json(value) {
            Value::Object(object) => {
                let mut traits = FieldReader::new(object);
                let company_id = self.company_id(&traits)?;
                if asks_for_removal(&mut traits) {
                    self.warn_of_removed(object);
                    actions.push(Action::DetachCompany {
                        identity: identity.clone(),
                        company_id,
                    });
                    return Ok(());
                }
                self.company(traits, company_id)
            }
            Value::Str(name) => self.company_by_name(clean(name), contact)?,
            _ => return Err(NEEDS_ID),
        };
        let company_id = company.company_id.clone();
        actions.push(Action::UpsertCompany { company });
        actions.push(Action::AttachCompany {
            identity: identity.clone(),
            company_id,
        });
        Ok(())
    }

    /// The JSON that stands in a text, else the value itself.
    fn read_as_json(&self, value: &'e Value<'e>) -> &'e Value<'e> {
        let in_text = value
            .as_str()
            .and_then(|text| self.event.company_in_text(text));
        in_text.unwrap_or(value)
    }

    /// The company of a group call, or why it has none.
    pub(super) fn company_of_group(
        &mut self,
        object: &'e Object<'e>,
    ) -> Result<Company<'e>, &'static str> {
        let mut traits = FieldReader::new(object);
        if asks_for_removal(&mut traits) {
            let reason = "only an identify takes a contact out of a company";
            self.warn(Place::Company, "remove", Change::LeftOut(reason));
        }
        let event = self.event;
        if event.is_nobody(IdField::GroupId) {
            return Err(NOBODYS_GROUP_ID);
        }
        let company_id = match (event.group_id(), self.company_id(&traits)) {
            (Some(id), _) | (None, Ok(id)) => id,
            (None, Err(NEEDS_ID)) => return Err(NO_GROUP),
            (None, Err(reason)) => return Err(reason),
        };
        Ok(self.company(traits, company_id))
    }

    fn company(&mut self, mut traits: FieldReader<'e>, company_id: Cow<'e, str>) -> Company<'e> {
        for name in ID {
            traits.read(name, |value| match id_text(value) {
                Some(id) if id == company_id => Fit::Whole(()),
                _ => Fit::LeftOut("another id is the company's"),
            });
        }
        let ignored = &self.settings.ignored_user_ids;
        let mut company = Company {
            company_id,
            name: traits.read("name", |value| match text_of(value) {
                Some(name) if ignored.contains(&name) => Fit::LeftOut(NOBODYS_NAME),
                Some(name) => cut_to_fit(name),
                None if value.is_string() => Fit::LeftOut(EMPTY),
                None => Fit::Attribute(Some(NOT_A_STRING)),
            }),
            plan: traits.read("plan", text_or_attribute),
            monthly_spend: traits.read("monthlyspend", whole_number),
            size: traits.read_first(&SIZE, "another size is used", whole_number),
            website: traits.read("website", text_or_attribute),
            industry: traits.read("industry", |value| match text_or_attribute(value) {
                Fit::Whole(industry) => cut_to_fit(industry),
                fit => fit,
            }),
            remote_created_at: traits.read_first(&CREATED, ANOTHER_DATE, date),
            ..Company::default()
        };
        self.add_unread(&mut company.custom_attributes, TRAITS, traits);
        company
    }

    /// The id that a company's own traits give it, or why they give none.
    fn company_id(&self, traits: &FieldReader<'e>) -> Result<Cow<'e, str>, &'static str> {
        for name in ID {
            match traits.peek(name).map_or(Ok(None), read_id) {
                Ok(Some(id)) if self.is_nobody(&id) => return Err(NOBODYS_ID),
                Ok(Some(id)) => return Ok(id),
                Err(INEXACT) => return Err(INEXACT),
                Ok(None) | Err(_) => {}
            }
        }
        let name = traits.peek("name").and_then(id_text).ok_or(NEEDS_ID)?;
        self.id_of_name(&name)
    }

    fn is_nobody(&self, id: &str) -> bool {
        self.settings.ignored_user_ids.contains(id)
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

    fn id_of_name(&self, name: &str) -> Result<Cow<'e, str>, &'static str> {
        match name.trim() {
            "" => Err(NEEDS_ID),
            name if self.is_nobody(name) => Err(NOBODYS_NAME),
            name => Ok(Cow::Owned(match self.settings.company_id_hash {
                CompanyIdHash::Sha256 => hex::encode(Sha256::digest(name)),
                CompanyIdHash::Segment => segment_hash(name).to_string(),
            })),
        }
    }
}

const NO_GROUP: &str = ".groupId is required: the group has neither an id nor a name";
const NOBODYS_GROUP_ID: &str = ".groupId stands for nobody (see the setting IGNORED_USER_IDS)";
const NEEDS_ID: &str = "a company needs an id or a name";
const NOBODYS_ID: &str = "its id stands for nobody (see the setting IGNORED_USER_IDS)";
const NOBODYS_NAME: &str = "its name stands for nobody (see the setting IGNORED_USER_IDS)";

/// Whether the traits ask to take the contact out of the company.
fn asks_for_removal(traits: &mut FieldReader<'_>) -> bool {
    let remove = traits.read("remove", |value| {
        truth(value).map_or(Fit::LeftOut("it isn't a boolean"), Fit::Whole)
    });
    remove == Some(true)
}

/// A boolean, also as PHP, forms and spreadsheets write it.
fn truth(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Str(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_f64()? {
            1.0 => Some(true),
            0.0 => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Str(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// The string hash that Segment's classic destination used for ids of company names
/// (`docs/mapping.md#company-ids`).
fn segment_hash(name: &str) -> u32 {
    let units: Vec<u16> = name.encode_utf16().collect();
    units.iter().rev().fold(5381, |hash: u32, unit| {
        hash.wrapping_mul(33) ^ u32::from(*unit)
    })
}

#[cfg(test)]
mod tests {
    use super::segment_hash;

    #[test]
    fn segments_own_examples() {
        assert_eq!(segment_hash("Segment"), 2_017_828_326);
        assert_eq!(segment_hash("Segment.io"), 1_599_005_902);
    }
}
