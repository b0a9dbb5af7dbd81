//! delete → `delete_contact`.

use super::{Action, Actions, Mapper};

impl<'e> Mapper<'e, '_> {
    pub(super) fn delete(&mut self) -> Actions<'e> {
        let identity = self.known_identity().ok_or_else(|| self.no_identity())?;
        Ok(vec![Action::DeleteContact { identity }])
    }
}
