//! What pages and apps load: settings, and the plugin for Intercom's Messenger.

use super::Function;
use crate::browser::{self, Bundle};
use crate::http_api::{Answer, ApiError, HttpRequest, Kept};
use crate::invocation::Invocation;

impl Function {
    /// The settings document of the public write key in the path.
    pub(super) async fn browser_settings(
        &self,
        request: &HttpRequest,
        invocation: Invocation<'_>,
    ) -> Result<Answer, ApiError> {
        let path = browser::settings_path(&request.full_path);
        let (base_path, key) = path.ok_or(ApiError::UnknownPath)?;
        self.check_public_key(&key, invocation).await?;
        let endpoint = request.endpoint(base_path).ok_or(ApiError::UnknownHost)?;
        let (settings, mapping) = (&self.browser, &self.processing.mapping);
        let document = browser::settings_document(&key, endpoint, settings, mapping);
        Ok(Answer::cached_json(document, request))
    }

    /// A file of the plugin.
    pub(super) fn browser_file(&self, request: &HttpRequest) -> Result<Answer, ApiError> {
        if self.browser.app_id.is_none() {
            return Err(ApiError::NoMessenger);
        }
        let (file, is_this_build) = browser::file(&request.path).ok_or(ApiError::UnknownPath)?;
        let kept = if is_this_build {
            Kept::ForEver
        } else {
            Kept::Minutes
        };
        Ok(Answer::script(file, kept, request))
    }
}

/// A part of analytics.js, or where it is.
pub(super) fn segment_bundle(request: &HttpRequest) -> Result<Answer, ApiError> {
    let bundle = browser::segment_bundle(&request.path).ok_or(ApiError::UnknownPath)?;
    Ok(match bundle {
        Bundle::Here(file) => Answer::script(file, Kept::ForEver, request),
        Bundle::AtSegment(url) => Answer::redirect(url),
    })
}
