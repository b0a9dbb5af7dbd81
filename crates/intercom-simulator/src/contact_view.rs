//! A contact as Intercom answers it.

use serde_json::{Value, json};

use crate::contact_store::Contact;
use crate::state::{State, WORKSPACE_ID};

/// A contact object lists at most this many of its companies.
const COMPANIES_SHOWN: usize = 10;

impl State {
    pub(crate) fn contact_json(&self, contact: &Contact) -> Value {
        let id = &contact.id;
        let empty_list = |name: &str| {
            json!({
                "type": "list",
                "data": [],
                "url": format!("/contacts/{id}/{name}"),
                "total_count": 0,
                "has_more": false,
            })
        };
        let companies: Vec<Value> = contact
            .companies
            .iter()
            .take(COMPANIES_SHOWN)
            .map(|company| {
                json!({"type": "company", "id": company, "url": format!("/companies/{company}")})
            })
            .collect();
        let mut body = json!({
            "type": "contact",
            "id": id,
            "workspace_id": WORKSPACE_ID,
            "external_id": contact.external_id,
            "role": contact.role,
            "email": contact.email.as_deref().unwrap_or_default(),
            "phone": contact.phone,
            "name": contact.name,
            "avatar": contact
                .avatar
                .as_ref()
                .map(|url| json!({"type": "avatar", "image_url": url})),
            "owner_id": contact.owner_id,
            "language_override": contact.language_override,
            "social_profiles": {"type": "list", "data": []},
            "has_hard_bounced": false,
            "marked_email_as_spam": false,
            "unsubscribed_from_emails": contact.unsubscribed_from_emails,
            "created_at": contact.created_at,
            "updated_at": contact.updated_at,
            "signed_up_at": contact.signed_up_at,
            "last_seen_at": contact.last_seen_at,
            "location": {
                "type": "location",
                "country": null,
                "region": null,
                "city": null,
                "country_code": null,
                "continent_code": null,
            },
            "custom_attributes": contact.custom_attributes,
            "tags": empty_list("tags"),
            "notes": empty_list("notes"),
            "companies": {
                "type": "list",
                "data": companies,
                "url": format!("/contacts/{id}/companies"),
                "total_count": contact.companies.len(),
                "has_more": contact.companies.len() > COMPANIES_SHOWN,
            },
            "opted_out_subscription_types": empty_list("subscriptions"),
            "opted_in_subscription_types": empty_list("subscriptions"),
        });
        if let Some((_, domain)) = contact
            .email
            .as_deref()
            .and_then(|email| email.rsplit_once('@'))
        {
            body["email_domain"] = json!(domain);
        }
        for name in NEVER_SET {
            body[name] = Value::Null;
        }
        body
    }
}

/// Fields that only Intercom's own clients fill.
const NEVER_SET: [&str; 27] = [
    "last_replied_at",
    "last_contacted_at",
    "last_email_opened_at",
    "last_email_clicked_at",
    "browser",
    "browser_version",
    "browser_language",
    "os",
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
    "utm_campaign",
    "utm_content",
    "utm_medium",
    "utm_source",
    "utm_term",
    "referrer",
    "enabled_push_messaging",
];
