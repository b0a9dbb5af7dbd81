//! NamedCompanies, as a group's traits or as a contact's `company` and `companies`.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::attribute_names::Naming;
use super::field_reader::{FieldReader, Fit};
use super::field_values::{
    ANOTHER_DATE, CREATED, EMPTY, date, text_of, text_or_attribute, text_or_empty, whole_number,
};
use super::number::integer;
use super::values::Rules;
use super::{Action, Change, Company, CompanyIdHash, Identity, Mapper, Place};
use crate::segment::{Object, Value, id_text, key_matches};

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
            let companies = match value {
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
                if self
                    .add_company(value, contact, identity, actions)
                    .is_some()
                {
                    room -= 1;
                } else {
                    let reason = "a company needs an id or a name";
                    self.warn(Place::Trait, key, Change::LeftOut(reason));
                }
            }
        }
    }

    /// Adds the actions for one company of a contact. `None` when it has neither id nor name.
    fn add_company(
        &mut self,
        value: &'e Value<'e>,
        contact: &NamedCompanies<'e>,
        identity: &Identity<'e>,
        actions: &mut Vec<Action<'e>>,
    ) -> Option<()> {
        let company = match value {
            Value::Object(object) => {
                let mut traits = FieldReader::new(object);
                if asks_for_removal(&mut traits) {
                    let company_id = self.company_id(&traits)?;
                    self.warn_of_removed(object);
                    actions.push(Action::DetachCompany {
                        identity: identity.clone(),
                        company_id,
                    });
                    return Some(());
                }
                self.company(traits, None)?
            }
            Value::Str(name) if !name.trim().is_empty() => self.company_by_name(name, contact),
            _ => return None,
        };
        let company_id = company.company_id.clone();
        actions.push(Action::UpsertCompany { company });
        actions.push(Action::AttachCompany {
            identity: identity.clone(),
            company_id,
        });
        Some(())
    }

    /// The company of a group call. `None` when it has neither id nor name.
    pub(super) fn company_of_group(&mut self, object: &'e Object<'e>) -> Option<Company<'e>> {
        let mut traits = FieldReader::new(object);
        if asks_for_removal(&mut traits) {
            let reason = "only an identify takes a contact out of a company";
            self.warn(Place::Company, "remove", Change::LeftOut(reason));
        }
        let event = self.event;
        self.company(traits, event.group_id())
    }

    fn company(
        &mut self,
        mut traits: FieldReader<'e>,
        group_id: Option<Cow<'e, str>>,
    ) -> Option<Company<'e>> {
        let company_id = group_id.or_else(|| self.company_id(&traits))?;
        for name in ID {
            traits.read(name, |value| match id_text(value) {
                Some(id) if id == company_id => Fit::Whole(()),
                _ => Fit::LeftOut("another id is the company's"),
            });
        }
        let mut company = Company {
            company_id,
            name: traits.read("name", |value| match text_or_attribute(value) {
                Fit::Whole(_) => text_of(value).map_or(Fit::LeftOut(EMPTY), Fit::Whole),
                fit => fit,
            }),
            plan: traits.read("plan", text_or_attribute),
            monthly_spend: traits.read("monthlyspend", whole_number),
            size: traits.read_first(&SIZE, "another size is used", whole_number),
            website: traits.read("website", text_or_attribute),
            industry: traits.read("industry", text_or_attribute),
            remote_created_at: traits.read_first(&CREATED, ANOTHER_DATE, date),
            ..Company::default()
        };
        self.add_unread(&mut company.custom_attributes, TRAITS, traits);
        Some(company)
    }

    /// The id that a company's own traits give it.
    fn company_id(&self, traits: &FieldReader<'e>) -> Option<Cow<'e, str>> {
        let own_id = ID.iter().find_map(|name| id_text(traits.peek(name)?));
        own_id.or_else(|| {
            let name = id_text(traits.peek("name")?)?;
            Some(self.id_of_name(&name))
        })
    }

    /// A company that is only a string takes the rest from the contact's traits.
    fn company_by_name(&mut self, name: &'e str, contact: &NamedCompanies<'e>) -> Company<'e> {
        let spend = contact.monthly_spend.and_then(integer);
        if let Some(spend) = spend.filter(|spend| spend.is_rounded) {
            self.warn(Place::Company, "monthlySpend", Change::Rounded(spend.value));
        }
        Company {
            company_id: self.id_of_name(name),
            name: Some(Cow::Borrowed(name.trim())),
            plan: contact.plan.and_then(text_or_empty),
            monthly_spend: spend.map(|spend| spend.value),
            ..Company::default()
        }
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

    fn id_of_name(&self, name: &str) -> Cow<'e, str> {
        let name = name.trim();
        Cow::Owned(match self.settings.company_id_hash {
            CompanyIdHash::Sha256 => hex::encode(Sha256::digest(name)),
            CompanyIdHash::Segment => segment_hash(name).to_string(),
        })
    }
}

/// Whether the traits ask to take the contact out of the company.
fn asks_for_removal(traits: &mut FieldReader<'_>) -> bool {
    let remove = traits.read("remove", |value| {
        truth(value).map_or(Fit::LeftOut("it isn't a boolean"), Fit::Whole)
    });
    remove == Some(true)
}

/// A boolean, also as PHP and forms write it.
fn truth(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Str(text) if text == "true" || text == "1" => Some(true),
        Value::Str(text) if text == "false" || text == "0" => Some(false),
        Value::Number(number) => match number.as_i64() {
            Some(1) => Some(true),
            Some(0) => Some(false),
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
