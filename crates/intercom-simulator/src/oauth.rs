//! Intercom's OAuth: the page that asks a person, codes for tokens, and an end to them.
//!
//! The page at `/oauth`, which is on another host of Intercom's, agrees at once or, with the setting
//! `oauth_denied`, declines.

use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::message::{ApiRequest, ApiResponse};
use crate::state::State;

impl State {
    /// The answer to a request of OAuth's; `None` for any other.
    pub(crate) fn oauth(&mut self, request: &ApiRequest) -> Option<ApiResponse> {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/oauth") => Ok(self.authorize(request)),
            ("POST", "/auth/eagle/token") => self.exchange(request),
            ("POST", "/auth/uninstall") => self.uninstall(request),
            _ => return None,
        };
        let mut response = answer.unwrap_or_else(|error| ApiResponse {
            status: error.status,
            headers: Vec::new(),
            body: Some(error.body(&self.ids.uuid())),
            page: None,
        });
        response.set_header("content-type", "application/json; charset=utf-8");
        Some(response)
    }

    fn authorize(&mut self, request: &ApiRequest) -> ApiResponse {
        let value = |name| request.query_value(name).unwrap_or_default();
        let client_id = value("client_id");
        let answer = if self.settings.oauth_denied {
            ("error", "access_denied".to_owned())
        } else {
            let code = self.ids.uuid();
            self.oauth_codes.push((code.clone(), client_id));
            ("code", code)
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair(answer.0, &answer.1)
            .append_pair("state", &value("state"))
            .finish();
        let mut response = ApiResponse {
            status: 302,
            headers: Vec::new(),
            body: None,
            page: None,
        };
        response.set_header("location", format!("{}?{query}", value("redirect_uri")));
        response
    }

    /// A code for a token, once.
    fn exchange(&mut self, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        let fields: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let field = |name: &str| fields[name].as_str().unwrap_or_default();
        let (client_id, secret) = (field("client_id"), field("client_secret"));
        if self.settings.oauth_apps.get(client_id).map(String::as_str) != Some(secret) {
            return Err(refused(401, "unauthorized", "Invalid client credentials"));
        }
        let is_it = |(code, app): &(String, String)| code == field("code") && app == client_id;
        let Some(index) = self.oauth_codes.iter().position(is_it) else {
            return Err(refused(404, "not_found", "The code is unknown or was used"));
        };
        self.oauth_codes.remove(index);
        let token = format!("oauth-{}", self.ids.uuid());
        self.settings.tokens.push(token.clone());
        let body = json!({"token_type": "Bearer", "token": token, "access_token": token});
        Ok(ApiResponse::ok(body))
    }

    /// Takes the app out of the workspace: its token is worth nothing any more.
    fn uninstall(&mut self, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        if !self.is_authorized(request) {
            return Err(refused(401, "unauthorized", "Access Token Invalid"));
        }
        let authorization = request.header("authorization").unwrap_or_default();
        let token = authorization.split(' ').next_back().unwrap_or_default();
        self.settings.tokens.retain(|known| known != token);
        Ok(ApiResponse::ok(json!({"uninstalled": true})))
    }
}

fn refused(status: u16, code: &str, message: &str) -> ApiError {
    ApiError::new(status, code, message)
}
