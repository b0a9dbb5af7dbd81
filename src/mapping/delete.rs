//! delete → `delete_contact`.

use super::{Action, Actions, Mapped, Mapper, NO_IDENTITY};

impl<'e> Mapper<'e, '_> {
    pub(super) fn delete(&mut self) -> Actions<'e> {
        let identity = self
            .known_identity()
            .ok_or(Mapped::Skip(NO_IDENTITY.into()))?;
        Ok(vec![Action::DeleteContact { identity }])
    }
}
