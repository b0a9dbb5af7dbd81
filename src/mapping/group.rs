//! group → `upsert_company`; with a user: `upsert_contact`, `upsert_company`, `attach_company`.

use std::sync::LazyLock;

use super::{Action, Actions, Change, ContactFields, Mapper, NotSent, Place, named_user};
use crate::segment::Object;

static NO_TRAITS: LazyLock<Object<'static>> = LazyLock::new(Object::default);

impl<'e> Mapper<'e, '_> {
    pub(super) fn group(&mut self) -> Actions<'e> {
        let identity = named_user(self.event);
        let traits = self.event.traits().unwrap_or(&*NO_TRAITS);
        self.warn_unless_object("traits", self.event.fields().get("traits"));
        let company = self.company_of_group(traits);
        let mut actions = Vec::with_capacity(3);
        if let Some(identity) = &identity {
            // The group call shows the user active; its traits are the company's, not the user's.
            actions.push(Action::UpsertContact {
                identity: identity.clone(),
                contact: ContactFields {
                    last_seen_at: self.last_seen_at(),
                    ..ContactFields::of(identity)
                },
            });
        }
        let company = match company {
            Ok(company) => company,
            Err(reason) if actions.is_empty() => {
                return Err(NotSent::Skip(reason.into()));
            }
            Err(reason) => {
                self.warn(Place::Company, "groupId", Change::LeftOut(reason));
                return Ok(actions);
            }
        };
        let company_id = company.company_id.clone();
        actions.push(Action::UpsertCompany { company });
        if let Some(identity) = identity {
            actions.push(Action::AttachCompany {
                identity,
                company_id,
            });
        }
        Ok(actions)
    }
}
