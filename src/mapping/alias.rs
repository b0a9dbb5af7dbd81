//! alias → `merge_contact`: the lead of previousId into the user.

use super::{Action, Actions, Identity, Mapper, NotSent, named_user};
use crate::segment::IdField;

impl<'e> Mapper<'e, '_> {
    pub(super) fn alias(&mut self) -> Actions<'e> {
        let into = named_user(self.event).ok_or_else(|| self.no_identity())?;
        if self.event.is_nobody(IdField::PreviousId) {
            return Err(NotSent::Skip(
                ".previousId stands for nobody (see the setting IGNORED_USER_IDS)".into(),
            ));
        }
        let from = self
            .event
            .previous_id()
            .map(Identity::AnonymousId)
            .ok_or(NotSent::Reject(
                ".previousId is required: it names the lead to merge into the user".into(),
            ))?;
        Ok(vec![Action::MergeContact { from, into }])
    }
}
