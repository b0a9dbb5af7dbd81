//! Companies, as a group's traits or as a contact's `company` or `companies`.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::attributes::{ANOTHER_SPELLING, Rules, date_problem, field_of, first_of};
use super::identify::id_or_empty;
use super::number::integer;
use super::{Action, Change, Company, CompanyIdHash, Identity, Mapper, Place};
use crate::segment::{Object, Value, get_loose, id_text, timestamp};

const TRAITS: Rules = Rules {
    place: Place::Company,
    is_metadata: false,
};

/// Keys of the company's size; the first in this order wins.
const SIZE: [&str; 3] = ["employees", "size", "employeecount"];

/// Keys of the company's date of creation; the first in this order that is a date wins.
const CREATED: [&str; 3] = ["created", "createdat", "remotecreatedat"];

/// Traits that are no custom attributes.
const FIELDS: [&str; 14] = [
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

const NO_INTEGER: &str = "it is no whole number below 2147483648";

impl<'e> Mapper<'e, '_> {
    /// Actions for the companies that a contact's traits name.
    pub(super) fn companies_of_contact(
        &mut self,
        traits: &'e Object<'e>,
        identity: &Identity<'e>,
        actions: &mut Vec<Action<'e>>,
    ) {
        let Some((key, companies)) = ["company", "companies"]
            .into_iter()
            .find_map(|key| Some((key, get_loose(traits, key)?)))
        else {
            return;
        };
        let companies = match companies {
            Value::Array(companies) => companies.as_slice(),
            one => std::slice::from_ref(one),
        };
        if companies.is_empty() {
            self.warn(Place::Trait, key, Change::LeftOut("the list is empty"));
        }
        for value in companies {
            if self.add_company(value, traits, identity, actions).is_none() {
                let reason = "a company needs an id or a name";
                self.warn(Place::Trait, key, Change::LeftOut(reason));
            }
        }
    }

    /// Adds what one company of a contact asks for. `None` when it has neither id nor name.
    fn add_company(
        &mut self,
        value: &'e Value<'e>,
        traits: &'e Object<'e>,
        identity: &Identity<'e>,
        actions: &mut Vec<Action<'e>>,
    ) -> Option<()> {
        let company = match value {
            Value::Object(object) if is_removed(object) => {
                actions.push(Action::DetachCompany {
                    identity: identity.clone(),
                    company_id: self.company_id(object)?,
                });
                return Some(());
            }
            Value::Object(object) => self.company(object, None)?,
            Value::Str(name) if !name.trim().is_empty() => self.company_by_name(name, traits),
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

    /// The company in `traits`, under `group_id` where a group call names it. `None` when it has
    /// neither id nor name.
    pub(super) fn company(
        &mut self,
        traits: &'e Object<'e>,
        group_id: Option<Cow<'e, str>>,
    ) -> Option<Company<'e>> {
        let text = |key| get_loose(traits, key).and_then(id_or_empty);
        let company_id = group_id.or_else(|| self.company_id(traits))?;
        let mut company = Company {
            name: text("name"),
            plan: text("plan"),
            monthly_spend: get_loose(traits, "monthlyspend").and_then(integer),
            size: first_of(traits, &SIZE, integer).map(|(_, size)| size),
            website: text("website"),
            industry: text("industry"),
            remote_created_at: first_of(traits, &CREATED, timestamp).map(|(_, date)| date),
            ..Company::default()
        };
        let attributes = &mut company.custom_attributes;
        self.add_others(attributes, TRAITS, traits, |mapper, key, value| {
            mapper.is_company_field(traits, key, value, &company_id)
        });
        company.company_id = company_id;
        Some(company)
    }

    /// The id that a company's own traits give it.
    fn company_id(&self, traits: &'e Object<'e>) -> Option<Cow<'e, str>> {
        let own_id = first_of(traits, &["id", "companyid"], id_text).map(|(_, id)| id);
        own_id.or_else(|| {
            let name = id_text(get_loose(traits, "name")?)?;
            Some(self.id_of_name(&name))
        })
    }

    /// A company that is only a string takes the rest from the contact's traits.
    fn company_by_name(&mut self, name: &'e str, traits: &'e Object<'e>) -> Company<'e> {
        Company {
            company_id: self.id_of_name(name),
            name: Some(Cow::Borrowed(name.trim())),
            plan: get_loose(traits, "plan").and_then(id_or_empty),
            monthly_spend: get_loose(traits, "monthlyspend").and_then(integer),
            ..Company::default()
        }
    }

    /// Whether a trait is spoken for by a field of the company. Warns when the field doesn't
    /// carry it.
    fn is_company_field(
        &mut self,
        traits: &'e Object<'e>,
        key: &'e str,
        value: &'e Value<'e>,
        company_id: &str,
    ) -> bool {
        let Some(field) = field_of(key, &FIELDS).filter(|_| !value.is_null()) else {
            return false;
        };
        let problem = match field {
            "id" | "companyid" => {
                let is_used = id_text(value).is_some_and(|id| id == company_id);
                (!is_used).then_some("another id is the company's")
            }
            "monthlyspend" => integer(value).is_none().then_some(NO_INTEGER),
            size if SIZE.contains(&size) => match first_of(traits, &SIZE, integer) {
                _ if integer(value).is_none() => Some(NO_INTEGER),
                Some((used, _)) if used != size => Some("another size is used"),
                _ => None,
            },
            date if CREATED.contains(&date) => {
                date_problem(value, date, first_of(traits, &CREATED, timestamp))
            }
            "remove" => value.as_bool().is_none().then_some("it is no boolean"),
            _ => id_or_empty(value).is_none().then_some("it is no string"),
        };
        let is_first = get_loose(traits, field).is_some_and(|first| std::ptr::eq(first, value));
        if let Some(reason) = problem.or((!is_first).then_some(ANOTHER_SPELLING)) {
            self.warn(Place::Company, key, Change::LeftOut(reason));
        }
        true
    }

    fn id_of_name(&self, name: &str) -> Cow<'e, str> {
        let name = name.trim();
        Cow::Owned(match self.settings.company_id_hash {
            CompanyIdHash::Sha256 => hex::encode(Sha256::digest(name)),
            CompanyIdHash::Segment => segment_hash(name).to_string(),
        })
    }
}

/// Whether a company's traits ask to take the contact out of it.
pub(super) fn is_removed(traits: &Object<'_>) -> bool {
    get_loose(traits, "remove") == Some(&Value::Bool(true))
}

/// The string hash with which Segment's classic destination made ids of company names.
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
