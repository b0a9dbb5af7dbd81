//! Events.

use reqwest::Method;

use super::{Call, CallError, Session};
use crate::mapping::IntercomEvent;

impl Session<'_> {
    /// `POST /events`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_event(&self, event: &IntercomEvent<'_>) -> Result<(), CallError> {
        let call = Call::new(Method::POST, "/events", "Write events");
        self.call(call.with(event)).await.map(drop)
    }
}
