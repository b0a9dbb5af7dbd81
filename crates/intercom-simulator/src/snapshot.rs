//! A readable copy of the state, for tests and people.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::contact_store::{Contact, Status};
use crate::state::State;

/// What the simulated workspace holds.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// Unix seconds of the simulator's clock, with fractions.
    pub now: f64,
    /// Active and archived contacts, oldest first.
    pub contacts: Vec<ContactSnapshot>,
    /// Contacts that were merged into others.
    pub merged_contacts: Vec<MergedContact>,
    /// Contacts that were deleted for good.
    pub deleted_contacts: Vec<DeletedContact>,
    /// Companies, oldest first.
    pub companies: Vec<CompanySnapshot>,
    /// Events in the order received, without dropped duplicates.
    pub events: Vec<EventSnapshot>,
    /// Custom data attributes in the order created.
    pub data_attributes: Vec<DataAttributeSnapshot>,
    /// Totals since the start or the last reset.
    pub counts: Counts,
}

/// An active or archived contact.
#[derive(Clone, Debug, Serialize)]
pub struct ContactSnapshot {
    /// Intercom's id.
    pub id: String,
    /// `user` or `lead`.
    pub role: &'static str,
    /// Whether it is archived.
    pub archived: bool,
    /// Ours for users, Intercom's own for leads.
    pub external_id: Option<String>,
    /// As sent.
    pub email: Option<String>,
    /// As sent.
    pub phone: Option<String>,
    /// As sent.
    pub name: Option<String>,
    /// URL.
    pub avatar: Option<String>,
    /// An admin's id.
    pub owner_id: Option<String>,
    /// False unless set.
    pub unsubscribed_from_emails: bool,
    /// Unix seconds.
    pub signed_up_at: Option<i64>,
    /// Unix seconds.
    pub last_seen_at: Option<i64>,
    /// Unix seconds of the simulator's clock.
    pub created_at: i64,
    /// Unix seconds of the simulator's clock.
    pub updated_at: i64,
    /// In the order first set.
    pub custom_attributes: Map<String, Value>,
    /// `company_id`s (ours) in the order attached.
    pub companies: Vec<String>,
}

/// A contact that was merged into another.
#[derive(Clone, Debug, Serialize)]
pub struct MergedContact {
    /// Its id, which now answers 410.
    pub id: String,
    /// Id of the contact that took it up.
    pub into: String,
}

/// A contact that was deleted for good.
#[derive(Clone, Debug, Serialize)]
pub struct DeletedContact {
    /// Its id, which now answers 404.
    pub id: String,
    /// The external id that it had.
    pub external_id: Option<String>,
    /// The email that it had.
    pub email: Option<String>,
}

/// A company.
#[derive(Clone, Debug, Serialize)]
pub struct CompanySnapshot {
    /// Intercom's id.
    pub id: String,
    /// Ours.
    pub company_id: String,
    /// As sent.
    pub name: Option<String>,
    /// The plan's name.
    pub plan: Option<String>,
    /// Employees.
    pub size: Option<i64>,
    /// As sent.
    pub website: Option<String>,
    /// As sent.
    pub industry: Option<String>,
    /// Unix seconds; when it was first written, unless sent.
    pub remote_created_at: i64,
    /// 0 unless sent.
    pub monthly_spend: i64,
    /// In the order first set.
    pub custom_attributes: Map<String, Value>,
    /// Contacts attached.
    pub user_count: usize,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct EventSnapshot {
    /// Intercom's id of the contact.
    pub contact_id: String,
    /// The contact's external id.
    pub external_id: Option<String>,
    /// The contact's email.
    pub email: Option<String>,
    /// Name, with `.` and `$` replaced by `-`.
    pub name: String,
    /// Unix seconds.
    pub created_at: i64,
    /// The keys kept, in the order sent.
    pub metadata: Map<String, Value>,
}

/// A custom data attribute.
#[derive(Clone, Debug, Serialize)]
pub struct DataAttributeSnapshot {
    /// Its name.
    pub name: String,
    /// `contact` or `company`.
    pub model: Value,
    /// As created: `string`, `integer`, `float`, `boolean`, `datetime`, `date`, `options`.
    pub data_type: Value,
}

/// Totals since the start or the last reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Events answered 202 and dropped.
    pub duplicate_events_dropped: u64,
    /// Metadata keys beyond the limit.
    pub metadata_keys_ignored: u64,
    /// Distinct event names, whatever their case.
    pub event_names: usize,
    /// API answers by HTTP status.
    pub requests_by_status: BTreeMap<u16, u64>,
    /// Requests whose connection was closed without an answer.
    pub connections_dropped: u64,
}

impl State {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            now: self.clock.now().as_secs_f64(),
            contacts: Vec::new(),
            merged_contacts: Vec::new(),
            deleted_contacts: Vec::new(),
            companies: self.company_snapshots(),
            events: self.event_snapshots(),
            data_attributes: self
                .attributes
                .all()
                .iter()
                .map(|attribute| DataAttributeSnapshot {
                    name: attribute.name.clone(),
                    model: serde_json::json!(attribute.model),
                    data_type: serde_json::json!(attribute.data_type),
                })
                .collect(),
            counts: Counts {
                duplicate_events_dropped: self.events.duplicates_dropped,
                metadata_keys_ignored: self.events.metadata_keys_ignored,
                event_names: self.events.distinct_names(),
                requests_by_status: self.answered_by_status.clone(),
                connections_dropped: self.dropped_connections,
            },
        };
        for contact in self.contacts.all() {
            match &contact.status {
                Status::Active => snapshot
                    .contacts
                    .push(self.contact_snapshot(contact, false)),
                Status::Archived => snapshot.contacts.push(self.contact_snapshot(contact, true)),
                Status::Merged { into } => snapshot.merged_contacts.push(MergedContact {
                    id: contact.id.clone(),
                    into: into.clone(),
                }),
                Status::Deleted { .. } => snapshot.deleted_contacts.push(DeletedContact {
                    id: contact.id.clone(),
                    external_id: contact.external_id.clone(),
                    email: contact.email.clone(),
                }),
            }
        }
        snapshot
    }

    fn contact_snapshot(&self, contact: &Contact, archived: bool) -> ContactSnapshot {
        ContactSnapshot {
            id: contact.id.clone(),
            role: contact.role.name(),
            archived,
            external_id: contact.external_id.clone(),
            email: contact.email.clone(),
            phone: contact.phone.clone(),
            name: contact.name.clone(),
            avatar: contact.avatar.clone(),
            owner_id: contact.owner_id.clone(),
            unsubscribed_from_emails: contact.unsubscribed_from_emails,
            signed_up_at: contact.signed_up_at,
            last_seen_at: contact.last_seen_at,
            created_at: contact.created_at,
            updated_at: contact.updated_at,
            custom_attributes: contact.custom_attributes.clone(),
            companies: contact
                .companies
                .iter()
                .filter_map(|id| self.companies.get(id))
                .map(|company| company.company_id.clone())
                .collect(),
        }
    }

    fn company_snapshots(&self) -> Vec<CompanySnapshot> {
        self.companies
            .all()
            .map(|company| CompanySnapshot {
                id: company.id.clone(),
                company_id: company.company_id.clone(),
                name: company.name.clone(),
                plan: company.plan.clone(),
                size: company.size,
                website: company.website.clone(),
                industry: company.industry.clone(),
                remote_created_at: company.remote_created_at,
                monthly_spend: company.monthly_spend,
                custom_attributes: company.custom_attributes.clone(),
                user_count: company.user_count,
            })
            .collect()
    }

    fn event_snapshots(&self) -> Vec<EventSnapshot> {
        self.events
            .all()
            .iter()
            .map(|event| {
                let contact = self.contacts.get(&event.contact_id);
                EventSnapshot {
                    contact_id: event.contact_id.clone(),
                    external_id: contact.and_then(|contact| contact.external_id.clone()),
                    email: contact.and_then(|contact| contact.email.clone()),
                    name: event.name.clone(),
                    created_at: event.created_at,
                    metadata: event.metadata.clone(),
                }
            })
            .collect()
    }
}
