//! Companies, as a group's traits or a contact's `company` and `companies` give them.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::attribute_names::Naming;
use super::field_reader::{FieldReader, Fit};
use super::field_values::{
    ANOTHER_DATE, CREATED, EMPTY, NOT_A_STRING, cut_to_fit, date, text_of, text_or_attribute,
    whole_number,
};
use super::values::Rules;
use super::{Change, Company, CompanyIdHash, Mapper, Place};
use crate::segment::{INEXACT, IdField, Object, Value, id_text, read_id};

const TRAITS: Rules = Rules {
    place: Place::Company,
    naming: Naming::Attribute,
};

/// Names of the company's id; the first in this order wins.
pub(super) const ID: [&str; 2] = ["id", "companyid"];

/// Names of the company's size; the first in this order that is a number wins.
const SIZE: [&str; 3] = ["employees", "size", "employeecount"];

impl<'e> Mapper<'e, '_> {
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

    pub(super) fn company(
        &mut self,
        mut traits: FieldReader<'e>,
        company_id: Cow<'e, str>,
    ) -> Company<'e> {
        for name in ID {
            traits.read(name, |value| match id_text(value) {
                Some(id) if id == company_id => Fit::Whole(()),
                _ => Fit::LeftOut("the company has another id"),
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
    pub(super) fn company_id(
        &self,
        traits: &FieldReader<'e>,
    ) -> Result<Cow<'e, str>, &'static str> {
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

    pub(super) fn id_of_name(&self, name: &str) -> Result<Cow<'e, str>, &'static str> {
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
pub(super) const NEEDS_ID: &str = "a company needs an id or a name";
const NOBODYS_ID: &str = "its id stands for nobody (see the setting IGNORED_USER_IDS)";
const NOBODYS_NAME: &str = "its name stands for nobody (see the setting IGNORED_USER_IDS)";

/// Whether the traits ask to take the contact out of the company.
pub(super) fn asks_for_removal(traits: &mut FieldReader<'_>) -> bool {
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
