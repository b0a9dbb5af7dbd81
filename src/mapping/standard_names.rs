//! Names of Intercom's own attributes, which no custom attribute can have.
//!
//! From the list that `GET /data_attributes` gives of every workspace (`custom: false`). Intercom
//! compares them ignoring case.

use super::Place;

const OF_CONTACTS: [&str; 46] = [
    "role",
    "id",
    "external_id",
    "email",
    "phone",
    "name",
    "avatar",
    "owner_id",
    "has_hard_bounced",
    "marked_email_as_spam",
    "unsubscribed_from_emails",
    "created_at",
    "updated_at",
    "signed_up_at",
    "last_seen_at",
    "last_replied_at",
    "last_contacted_at",
    "last_email_opened_at",
    "last_email_clicked_at",
    "language_override",
    "country",
    "region",
    "city",
    "browser",
    "browser_version",
    "browser_language",
    "os",
    "referrer",
    "utm_campaign",
    "utm_content",
    "utm_medium",
    "utm_source",
    "utm_term",
    "android_app_name",
    "android_app_version",
    "android_device",
    "android_os_version",
    "android_sdk_version",
    "android_last_seen_at",
    "ios_app_name",
    "ios_app_version",
    "ios_device",
    "ios_os_version",
    "ios_sdk_version",
    "ios_last_seen_at",
    "tags",
];

const OF_COMPANIES: [&str; 13] = [
    "name",
    "company_id",
    "last_request_at",
    "remote_created_at",
    "user_count",
    "session_count",
    "monthly_spend",
    "size",
    "industry",
    "website",
    "id",
    "created_at",
    "updated_at",
];

/// Whether Intercom has an attribute of its own with this name, where what stands at `place` goes.
pub(super) fn is_standard(place: Place, name: &str) -> bool {
    let names: &[&str] = match place {
        Place::Trait | Place::Context => &OF_CONTACTS,
        Place::Company => &OF_COMPANIES,
        Place::Property | Place::Option | Place::Field => &[],
    };
    names
        .iter()
        .any(|standard| standard.eq_ignore_ascii_case(name))
}
