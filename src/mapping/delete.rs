//! delete → `delete_contact`.

use super::{Action, Actions, Mapper, named_user};

impl<'e> Mapper<'e, '_> {
    pub(super) fn delete(&mut self) -> Actions<'e> {
        let identity = named_user(self.event).ok_or_else(|| self.no_identity())?;
        Ok(vec![Action::DeleteContact { identity }])
    }
}
