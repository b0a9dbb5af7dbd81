//! delete → `delete_contact`.

use super::{Action, Actions, Mapped, Mapper};

impl<'e> Mapper<'e, '_> {
    pub(super) fn delete(&mut self) -> Actions<'e> {
        // A write key can stand in a page, where everybody reads it.
        if !self.arrival.source.is_segment() {
            return Err(Mapped::Reject(
                "a delete isn't taken from the Tracking API: only Segment itself may delete, by \
                 its webhook, EventBridge or Amazon Lambda destination"
                    .into(),
            ));
        }
        let identity = self.known_identity().ok_or_else(|| self.no_identity())?;
        Ok(vec![Action::DeleteContact { identity }])
    }
}
