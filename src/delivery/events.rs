//! Events of users and leads.

use super::attempt::Attempt;
use super::look_up::not_refused;
use super::{Stop, UnknownUser};
use crate::failure::{Code, Failure};
use crate::in_progress::{Otherwise, Undelivered};
use crate::intercom::{CallError, ErrorResponse, Verdict};
use crate::mapping::{ContactFields, Identity, IntercomEvent};

/// The result of sending an event.
enum Sent {
    Yes,
    /// Intercom doesn't know its user.
    UserUnknown(Failure),
}

impl Attempt<'_> {
    /// Repeating it is safe: Intercom drops an event of the same contact, name and second.
    pub(super) async fn create_event(
        &self,
        event: &IntercomEvent<'_>,
        lead: Option<&Identity<'_>>,
    ) -> Result<(), Stop> {
        let Sent::UserUnknown(unknown) = self.send_event(event, lead).await? else {
            return Ok(());
        };
        let waits = |failure| Undelivered::Waiting {
            failure,
            otherwise: Otherwise::Rejected,
        };
        match self.round.delivery.settings.unknown_user {
            UnknownUser::Wait => Err(waits(unknown).into()),
            UnknownUser::Reject => Err(Undelivered::Rejected(Code::UnknownUser, unknown).into()),
            UnknownUser::Create => {
                let identity = lead.cloned().or_else(|| identity_of(event));
                let identity = identity.ok_or_else(|| {
                    let reason = "the event names neither a user_id nor an email";
                    Undelivered::Rejected(Code::InvalidEvent, Failure::new(reason))
                })?;
                let contact = ContactFields::of(&identity);
                self.upsert_contact(&identity, &contact).await?;
                match self.send_event(event, lead).await? {
                    Sent::Yes => Ok(()),
                    // The contact was created; Intercom's events just don't see it yet.
                    Sent::UserUnknown(unknown) => Err(waits(unknown).into()),
                }
            }
        }
    }

    async fn send_event(
        &self,
        event: &IntercomEvent<'_>,
        lead: Option<&Identity<'_>>,
    ) -> Result<Sent, Stop> {
        const UNKNOWN: &str = "Intercom does not know the event's user";
        let round = self.round;
        let mut event = event.clone();
        if let Some(lead) = lead {
            let Some(contact) = self.contact(lead).await? else {
                return Ok(Sent::UserUnknown(Failure::new(UNKNOWN)));
            };
            event.id = Some(contact.id.into());
        }
        let mut sent = self.intercom.create_event(&event).await;
        if let (Err(CallError::Refused(error)), Some(email)) = (&sent, &event.email)
            && error.verdict() == Verdict::Conflict
        {
            // Several share the address. The search lists users before leads, the oldest first.
            let sharing = not_refused(self.intercom.search_email(email).await)?;
            let Some(contact) = sharing.into_iter().next() else {
                return Ok(Sent::UserUnknown(Failure::of(
                    error,
                    "several contacts have the event's email, and search shows none of them yet",
                )));
            };
            let of_contact = IntercomEvent {
                email: None,
                id: Some(contact.id.into()),
                ..event
            };
            sent = self.intercom.create_event(&of_contact).await;
        }
        match sent {
            Ok(()) => Ok(Sent::Yes),
            Err(CallError::Refused(error)) if error.verdict() == Verdict::NotFound => {
                if let Some(lead) = lead
                    && round.delivery.contacts.get(lead).is_some()
                {
                    round.delivery.contacts.remove(lead);
                    return Err(Stop::Gone(Failure::of(&error, UNKNOWN)));
                }
                Ok(Sent::UserUnknown(Failure::of(&error, UNKNOWN)))
            }
            Err(CallError::Refused(error)) if is_about_names(&error) => {
                let reason = "Intercom takes at most 120 event names in a workspace: archive some \
                              there, or list the events to send in EVENT_FILTER";
                Err(Undelivered::refused(Failure::of(&error, reason)).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a refusal speaks of the limit of event names, for an explanation of what to do.
fn is_about_names(error: &ErrorResponse) -> bool {
    let message = error.message.to_lowercase();
    message.contains("limit") && message.contains("event")
}

/// The user of an event, unless it is a lead's.
pub(super) fn identity_of<'e>(event: &IntercomEvent<'e>) -> Option<Identity<'e>> {
    let user_id = event.user_id.clone().map(Identity::ExternalId);
    user_id.or_else(|| event.email.clone().map(Identity::Email))
}
