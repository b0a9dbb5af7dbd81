//! Companies, as a group's traits or as a contact's `company` and `companies`.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::identify::{EMPTY, Traits, date_problem, text_of};
use super::number::integer;
use super::values::{ANOTHER_SPELLING, Rules};
use super::{Action, Change, Company, CompanyIdHash, Identity, Mapper, Place};
use crate::segment::{Fields, Object, Value, id_text, timestamp};

const TRAITS: Rules = Rules {
    place: Place::Company,
    is_metadata: false,
};

/// Most companies taken of an event: each costs Intercom two calls.
const MAX_COMPANIES: usize = 50;

/// What one company takes beside the JSON of its event, in bytes.
const COMPANY_BYTES: usize = 1024;

/// Keys of the company's size; the first in this order wins.
const SIZE: [&str; 3] = ["employees", "size", "employeecount"];

/// Keys of the company's date of creation; the first in this order that is a date wins.
const CREATED: [&str; 3] = ["created", "createdat", "remotecreatedat"];

/// Traits that are no custom attributes.
static FIELDS: [&str; 14] = [
    "id",
    "companyid",
    "name",
    "plan",
    "monthlyspend",
    "employees",
    "size",
    "employeecount",
    "website",
    "industry",
    "created",
    "createdat",
    "remotecreatedat",
    "remove",
];

type CompanyTraits<'e> = Fields<'e, { FIELDS.len() }>;

const NO_INTEGER: &str = "it is no whole number below 2147483648";

/// What of a company's traits has become fields of it.
struct Used<'e, 't> {
    traits: &'t CompanyTraits<'e>,
    company_id: Cow<'e, str>,
    /// Which of [`SIZE`].
    size: Option<&'static str>,
    /// Which of [`CREATED`].
    date_of_creation: Option<&'static str>,
}

impl<'e> Mapper<'e, '_> {
    /// Actions for the companies that a contact's traits name.
    pub(super) fn companies_of_contact(
        &mut self,
        traits: &Traits<'e>,
        identity: &Identity<'e>,
        actions: &mut Vec<Action<'e>>,
    ) {
        let mut room = MAX_COMPANIES;
        for key in ["company", "companies"] {
            let Some(value) = traits.get(key) else {
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
                if room == 0 || !self.budget.take(COMPANY_BYTES) {
                    let reason = "at most 50 companies of an event are taken";
                    self.warn(Place::Trait, key, Change::LeftOut(reason));
                    break;
                }
                if self.add_company(value, traits, identity, actions).is_some() {
                    room -= 1;
                } else {
                    let reason = "a company needs an id or a name";
                    self.warn(Place::Trait, key, Change::LeftOut(reason));
                }
            }
        }
    }

    /// Adds what one company of a contact asks for. `None` when it has neither id nor name.
    fn add_company(
        &mut self,
        value: &'e Value<'e>,
        contact: &Traits<'e>,
        identity: &Identity<'e>,
        actions: &mut Vec<Action<'e>>,
    ) -> Option<()> {
        let company = match value {
            Value::Object(object) => {
                let traits = Fields::of(object, &FIELDS);
                if asks_for_removal(&traits) {
                    let company_id = self.company_id(&traits)?;
                    self.warn_of_removed(object, &traits);
                    actions.push(Action::DetachCompany {
                        identity: identity.clone(),
                        company_id,
                    });
                    return Some(());
                }
                self.company(object, &traits, None)?
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
        let traits = Fields::of(object, &FIELDS);
        if asks_for_removal(&traits) {
            let reason = "only an identify takes a contact out of a company";
            self.warn(Place::Company, "remove", Change::LeftOut(reason));
        }
        let event = self.event;
        self.company(object, &traits, event.group_id())
    }

    fn company(
        &mut self,
        object: &'e Object<'e>,
        traits: &CompanyTraits<'e>,
        group_id: Option<Cow<'e, str>>,
    ) -> Option<Company<'e>> {
        let company_id = group_id.or_else(|| self.company_id(traits))?;
        let text = |name| traits.get(name).and_then(text_or_empty);
        let size = traits.first_of(&SIZE, integer);
        let created = traits.first_of(&CREATED, timestamp);
        let mut company = Company {
            name: traits.get("name").and_then(text_of),
            plan: text("plan"),
            monthly_spend: traits
                .get("monthlyspend")
                .and_then(integer)
                .map(|spend| spend.value),
            size: size.map(|(_, size)| size.value),
            website: text("website"),
            industry: text("industry"),
            remote_created_at: created.map(|(_, date)| date),
            ..Company::default()
        };
        let used = Used {
            traits,
            company_id,
            size: size.map(|(name, _)| name),
            date_of_creation: created.map(|(name, _)| name),
        };
        let attributes = &mut company.custom_attributes;
        self.add_others(attributes, TRAITS, object, |mapper, key, value| {
            mapper.is_company_field(&used, key, value)
        });
        company.company_id = used.company_id;
        Some(company)
    }

    /// The id that a company's own traits give it.
    fn company_id(&self, traits: &CompanyTraits<'e>) -> Option<Cow<'e, str>> {
        let own_id = traits.first_of(&["id", "companyid"], id_text);
        own_id.map(|(_, id)| id).or_else(|| {
            let name = id_text(traits.get("name")?)?;
            Some(self.id_of_name(&name))
        })
    }

    /// A company that is only a string takes the rest from the contact's traits.
    fn company_by_name(&mut self, name: &'e str, contact: &Traits<'e>) -> Company<'e> {
        let spend = contact.get("monthlyspend").and_then(integer);
        if let Some(spend) = spend.filter(|spend| spend.is_rounded) {
            self.warn(Place::Company, "monthlySpend", Change::Rounded(spend.value));
        }
        Company {
            company_id: self.id_of_name(name),
            name: Some(Cow::Borrowed(name.trim())),
            plan: contact.get("plan").and_then(text_or_empty),
            monthly_spend: spend.map(|spend| spend.value),
            ..Company::default()
        }
    }

    /// Whether a trait is spoken for by a field of the company. Warns when the field doesn't
    /// carry it as it is.
    fn is_company_field(
        &mut self,
        used: &Used<'e, '_>,
        key: &'e str,
        value: &'e Value<'e>,
    ) -> bool {
        let Some(name) = used.traits.name_of(key).filter(|_| !value.is_null()) else {
            return false;
        };
        let is_first = used.traits.is_first(name, value);
        let is_number = name == "monthlyspend" || SIZE.contains(&name);
        let number = integer(value).filter(|_| is_number);
        let change = match name {
            _ if is_number && number.is_none() => Some(Change::Attribute(NO_INTEGER)),
            "plan" | "website" | "industry" | "name" if !is_text(value) => {
                Some(Change::Attribute("it is no text"))
            }
            "name" if text_of(value).is_none() => Some(Change::LeftOut(EMPTY)),
            "id" | "companyid" if id_text(value).as_ref() != Some(&used.company_id) => {
                Some(Change::LeftOut("another id is the company's"))
            }
            size if SIZE.contains(&size) && used.size != Some(size) => {
                Some(Change::LeftOut("another size is used"))
            }
            date if CREATED.contains(&date) => {
                date_problem(value, date, used.date_of_creation).map(Change::LeftOut)
            }
            "remove" if truth(value).is_none() => Some(Change::LeftOut("it is no boolean")),
            _ if !is_first => Some(Change::LeftOut(ANOTHER_SPELLING)),
            _ => number
                .filter(|number| number.is_rounded)
                .map(|number| Change::Rounded(number.value)),
        };
        let is_taken = !matches!(change, Some(Change::Attribute(_)));
        if let Some(change) = change {
            self.warn(Place::Company, key, change);
        }
        is_taken
    }

    /// Warns of what a company says that the contact only leaves.
    fn warn_of_removed(&mut self, object: &'e Object<'e>, traits: &CompanyTraits<'e>) {
        for (key, _) in object.iter() {
            if !matches!(
                traits.name_of(key),
                Some("id" | "companyid" | "name" | "remove")
            ) {
                let reason = "the contact only leaves this company";
                self.warn(Place::Company, key, Change::LeftOut(reason));
            }
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
fn asks_for_removal(traits: &CompanyTraits<'_>) -> bool {
    traits.get("remove").and_then(truth) == Some(true)
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

fn is_text(value: &Value<'_>) -> bool {
    matches!(value, Value::Str(_) | Value::Number(_))
}

/// A string, trimmed and possibly empty (an empty one is sent), or a number written out.
fn text_or_empty<'e>(value: &'e Value<'e>) -> Option<Cow<'e, str>> {
    match value {
        Value::Str(text) => Some(Cow::Borrowed(text.trim())),
        _ => id_text(value),
    }
}

/// The string hash with which Segment's classic destination made ids of company names
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
