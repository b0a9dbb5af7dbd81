//! Who may use the Tracking API and the preview: callers with a write key.

use http::header::AUTHORIZATION;

use super::{Answer, BodyError, HttpRequest, write_key, write_key_in};
use crate::secret::Secret;

/// The check of one request's write key, which stands in its headers or in its body.
#[derive(Debug)]
pub struct WriteKeyCheck<'s> {
    secret: &'s Secret,
    /// Whether a key of the headers is right; None where they have none.
    is_right_in_headers: Option<bool>,
}

impl<'s> WriteKeyCheck<'s> {
    /// Looks at the headers.
    ///
    /// # Errors
    /// A 503 when there are no write keys to check against.
    pub fn of(request: &HttpRequest, secret: &'s Secret) -> Result<Self, Answer> {
        if !secret.has_write_keys() {
            return Err(Answer::not_configured("write_keys"));
        }
        let values = request.headers.get_all(AUTHORIZATION).into_iter();
        let keys = values.filter_map(|value| write_key(value.to_str().ok()?));
        Ok(Self {
            secret,
            is_right_in_headers: keys.map(|key| secret.is_write_key(&key)).max(),
        })
    }

    /// Whether the headers or the body have a right key.
    ///
    /// # Errors
    /// A 401 when they don't.
    pub fn let_in(&self, key_in_body: Option<&str>) -> Result<(), Answer> {
        let is_right_in_body = || key_in_body.is_some_and(|key| self.secret.is_write_key(key));
        if self.is_right_in_headers == Some(true) || is_right_in_body() {
            return Ok(());
        }
        Err(Answer::unauthorized())
    }

    /// The answer for a body that can't be taken: what is wrong with it, or that the key is. A
    /// key inside of a body that can't even be read gets the benefit of the doubt, since some
    /// SDKs send it nowhere else and give an event up only on a 400.
    pub fn refuse(&self, broken: &BodyError, body: &[u8]) -> Answer {
        let let_in = match write_key_in(body) {
            Ok(key) => self.let_in(key.as_deref()),
            Err(_) if self.is_right_in_headers == Some(false) => Err(Answer::unauthorized()),
            Err(_) => Ok(()),
        };
        let_in.err().unwrap_or_else(|| broken.into())
    }
}
