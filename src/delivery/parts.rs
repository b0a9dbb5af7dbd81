//! The parts of a write: what Intercom may refuse, and what can be left out for it.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::intercom::{ErrorResponse, Model};
use crate::mapping::{ANONYMOUS_ID, Attributes, Company, ContactFields, Role};

/// The body of a write.
pub(super) trait Body<'e>: Clone + Serialize {
    /// What it describes.
    const MODEL: Model;

    /// Its custom attributes.
    fn attributes(&self) -> &Attributes<'e>;

    /// Its custom attributes, to change them.
    fn attributes_mut(&mut self) -> &mut Attributes<'e>;

    /// Takes out a field of Intercom's own. False where it isn't there, or the write would mean
    /// something else without it.
    fn leave_out_field(&mut self, name: &str) -> bool;

    /// Whether it is useless without this custom attribute.
    fn depends_on(&self, _: &str) -> bool {
        false
    }

    /// Its fields and custom attributes, by name, as JSON.
    fn parts(&self) -> Map<String, Json> {
        let Ok(Json::Object(mut parts)) = serde_json::to_value(self) else {
            return Map::new();
        };
        if let Some(Json::Object(attributes)) = parts.shift_remove("custom_attributes") {
            parts.extend(attributes);
        }
        parts
    }

    /// The part that Intercom refused the write for, as far as its answer tells.
    fn refused_part(&self, error: &ErrorResponse) -> Option<String> {
        let parts = self.parts().into_iter().map(|(name, value)| {
            let text = match value {
                Json::String(text) => text,
                other => other.to_string(),
            };
            (name, text)
        });
        let parts: Vec<(String, String)> = parts.collect();
        let parts = parts.iter().map(|(name, text)| (&**name, &**text));
        error.refused_part(parts).map(str::to_owned)
    }
}

impl<'e> Body<'e> for ContactFields<'e> {
    const MODEL: Model = Model::Contact;

    fn attributes(&self) -> &Attributes<'e> {
        &self.custom_attributes
    }

    fn attributes_mut(&mut self) -> &mut Attributes<'e> {
        &mut self.custom_attributes
    }

    fn leave_out_field(&mut self, name: &str) -> bool {
        match name {
            "email" => self.email.take().is_some(),
            "phone" => self.phone.take().is_some(),
            "name" => self.name.take().is_some(),
            "signed_up_at" => self.signed_up_at.take().is_some(),
            "last_seen_at" => self.last_seen_at.take().is_some(),
            "unsubscribed_from_emails" => self.unsubscribed_from_emails.take().is_some(),
            _ => false,
        }
    }

    /// A lead without its anonymous_id would never be found again.
    fn depends_on(&self, attribute: &str) -> bool {
        self.role == Role::Lead && attribute == ANONYMOUS_ID
    }
}

impl<'e> Body<'e> for Company<'e> {
    const MODEL: Model = Model::Company;

    fn attributes(&self) -> &Attributes<'e> {
        &self.custom_attributes
    }

    fn attributes_mut(&mut self) -> &mut Attributes<'e> {
        &mut self.custom_attributes
    }

    fn leave_out_field(&mut self, name: &str) -> bool {
        match name {
            "name" => self.name.take().is_some(),
            "plan" => self.plan.take().is_some(),
            "monthly_spend" => self.monthly_spend.take().is_some(),
            "size" => self.size.take().is_some(),
            "website" => self.website.take().is_some(),
            "industry" => self.industry.take().is_some(),
            "remote_created_at" => self.remote_created_at.take().is_some(),
            _ => false,
        }
    }
}

/// The name under which Intercom takes an attribute whose own it refuses.
pub(super) fn cleaned(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if name.chars().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let clean = |c| if is_plain(c) { c } else { '_' };
    Cow::Owned(name.chars().map(clean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left once every field was to be left out.
    fn kept<'e>(body: &impl Body<'e>) -> Vec<String> {
        let mut body = body.clone();
        for name in body.parts().keys() {
            body.leave_out_field(name);
        }
        body.parts().keys().cloned().collect()
    }

    #[test]
    fn what_can_be_left_out_is_every_field_but_what_says_whose_it_is() {
        let contact = ContactFields {
            external_id: Some("u".into()),
            email: Some("u@example.com".into()),
            phone: Some("1".into()),
            name: Some("A".into()),
            signed_up_at: Some(1),
            last_seen_at: Some(1),
            unsubscribed_from_emails: Some(true),
            ..ContactFields::default()
        };
        let company = Company {
            company_id: "c".into(),
            name: Some("C".into()),
            plan: Some("p".into()),
            monthly_spend: Some(1),
            size: Some(1),
            website: Some("w".into()),
            industry: Some("i".into()),
            remote_created_at: Some(1),
            ..Company::default()
        };
        assert_eq!(kept(&contact), ["role", "external_id"]);
        assert_eq!(kept(&company), ["company_id"]);
    }

    #[test]
    fn a_name_is_cleaned_of_what_is_neither_letter_nor_digit() {
        for (name, expected) in [
            ("plan", "plan"),
            ("plan_1-a", "plan_1-a"),
            ("Größe", "Größe"),
            ("plan (EUR)", "plan__EUR_"),
            ("a/b!", "a_b_"),
        ] {
            assert_eq!(cleaned(name), expected);
        }
    }
}
