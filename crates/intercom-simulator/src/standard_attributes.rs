//! The attributes that every workspace has. They are listed with the custom ones, but can
//! neither be made nor be written as custom attributes.

use serde_json::{Value, json};

use crate::attribute_store::Model;

/// One attribute of Intercom's own.
#[derive(Debug)]
pub(crate) struct StandardAttribute {
    pub(crate) model: Model,
    /// Path in the contact's or company's object; its last part is the attribute's name.
    full_name: &'static str,
    /// As the UI and the refusal of one of the same name call it.
    pub(crate) label: &'static str,
    data_type: &'static str,
    api_writable: bool,
}

impl StandardAttribute {
    fn name(&self) -> &'static str {
        let (_, name) = self
            .full_name
            .rsplit_once('.')
            .unwrap_or(("", self.full_name));
        name
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "type": "data_attribute",
            "model": self.model,
            "name": self.name(),
            "full_name": self.full_name,
            "label": self.label,
            "data_type": self.data_type,
            "api_writable": self.api_writable,
            "ui_writable": false,
            "messenger_writable": true,
            "custom": false,
            "archived": false,
        })
    }
}

/// The standard attribute that a new one of this name would collide with, whatever its case.
pub(crate) fn find(model: Model, name: &str) -> Option<&'static StandardAttribute> {
    STANDARD
        .iter()
        .find(|standard| standard.model == model && standard.name().eq_ignore_ascii_case(name))
}

pub(crate) const STANDARD: &[StandardAttribute] = &[
    contact("role", "Type", "string", true),
    contact("id", "ID", "string", false),
    contact("external_id", "User ID", "string", true),
    contact("email", "Email", "string", true),
    contact("phone", "Phone", "string", true),
    contact("name", "Name", "string", true),
    contact("avatar", "Avatar", "string", true),
    contact("owner_id", "Owner", "integer", true),
    contact("has_hard_bounced", "Hard bounced", "boolean", false),
    contact(
        "marked_email_as_spam",
        "Marked email as spam",
        "boolean",
        false,
    ),
    contact(
        "unsubscribed_from_emails",
        "Unsubscribed from Emails",
        "boolean",
        true,
    ),
    contact("created_at", "First Seen", "date", false),
    contact("updated_at", "Updated at", "date", false),
    contact("signed_up_at", "Signed up", "date", true),
    contact("last_seen_at", "Last seen", "date", true),
    contact("last_replied_at", "Last heard from", "date", false),
    contact("last_contacted_at", "Last contacted", "date", false),
    contact("last_email_opened_at", "Last opened email", "date", false),
    contact(
        "last_email_clicked_at",
        "Last clicked on link in email",
        "date",
        false,
    ),
    contact("language_override", "Language Override", "string", true),
    contact("location.country", "Country", "string", false),
    contact("location.region", "Region", "string", false),
    contact("location.city", "City", "string", false),
    contact("browser", "Browser", "string", false),
    contact("browser_version", "Browser Version", "string", false),
    contact("browser_language", "Browser Language", "string", false),
    contact("os", "OS", "string", false),
    contact("referrer", "Referral URL", "string", false),
    contact("utm_campaign", "UTM Campaign", "string", false),
    contact("utm_content", "UTM Content", "string", false),
    contact("utm_medium", "UTM Medium", "string", false),
    contact("utm_source", "UTM Source", "string", false),
    contact("utm_term", "UTM Term", "string", false),
    contact("android_app_name", "Android App name", "string", false),
    contact(
        "android_app_version",
        "Android App version",
        "string",
        false,
    ),
    contact("android_device", "Android Device", "string", false),
    contact("android_os_version", "Android OS version", "string", false),
    contact(
        "android_sdk_version",
        "Android SDK version",
        "string",
        false,
    ),
    contact(
        "android_last_seen_at",
        "Last seen on Android",
        "date",
        false,
    ),
    contact("ios_app_name", "iOS App name", "string", false),
    contact("ios_app_version", "iOS App version", "string", false),
    contact("ios_device", "iOS Device", "string", false),
    contact("ios_os_version", "iOS OS version", "string", false),
    contact("ios_sdk_version", "iOS SDK version", "string", false),
    contact("ios_last_seen_at", "Last seen on iOS", "date", false),
    company("name", "Company name", "string", true),
    company("company_id", "Company ID", "string", false),
    company("last_request_at", "Company last seen", "date", false),
    company("remote_created_at", "Company created at", "date", true),
    company("user_count", "People", "integer", false),
    company("session_count", "Company web sessions", "integer", false),
    company("plan.name", "Plan", "string", false),
    company("monthly_spend", "Monthly Spend", "float", true),
    company("size", "Company size", "integer", true),
    company("industry", "Company industry", "string", true),
    company("website", "Company website", "string", true),
    company("id", "ID", "string", false),
    company("created_at", "Created at", "date", false),
    company("updated_at", "Updated at", "date", false),
    company("plan.id", "Plan ID", "string", false),
];

const fn contact(
    full_name: &'static str,
    label: &'static str,
    data_type: &'static str,
    api_writable: bool,
) -> StandardAttribute {
    StandardAttribute {
        model: Model::Contact,
        full_name,
        label,
        data_type,
        api_writable,
    }
}

const fn company(
    full_name: &'static str,
    label: &'static str,
    data_type: &'static str,
    api_writable: bool,
) -> StandardAttribute {
    StandardAttribute {
        model: Model::Company,
        ..contact(full_name, label, data_type, api_writable)
    }
}
