//! Events.

use http::Method;

use super::{Call, CallError, Session};
use crate::mapping::IntercomEvent;

impl Session<'_> {
    /// `POST /events`.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_event(&self, event: &IntercomEvent<'_>) -> Result<(), CallError> {
        let call = Call {
            may_answer_nothing: true,
            ..Call::new(Method::POST, "/events", "Write events").with(event)
        };
        self.call(call).await.map(drop)
    }
}
