//! Intercom's address and API version.

use std::net::IpAddr;

use super::variable::{ConfigError, Lookup, not_allowed, one_of};

/// `INTERCOM_BASE_URL`, else the URL of `INTERCOM_REGION`; without a slash at the end.
pub(super) fn base_url(lookup: Lookup<'_>) -> Result<String, ConfigError> {
    const NAME: &str = "INTERCOM_BASE_URL";
    let by_region = one_of(
        lookup,
        "INTERCOM_REGION",
        &[
            ("us", "https://api.intercom.io"),
            ("eu", "https://api.eu.intercom.io"),
            ("au", "https://api.au.intercom.io"),
        ],
    )?;
    let Some(url) = lookup(NAME) else {
        return Ok(by_region.to_owned());
    };
    if url.parse().is_ok_and(|url| keeps_the_token(&url)) {
        Ok(url.trim_end_matches('/').to_owned())
    } else {
        let allowed = "a URL with https://, or with http:// to a loopback address";
        Err(not_allowed(NAME, url, allowed))
    }
}

/// Whether nobody on the way there can read the access token.
fn keeps_the_token(url: &reqwest::Url) -> bool {
    let is_loopback = || {
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        let address: Option<IpAddr> = address.parse().ok();
        // RFC 6761: names in .localhost are this machine's.
        let is_local_name = host == "localhost" || host.ends_with(".localhost");
        is_local_name || address.is_some_and(|address| address.is_loopback())
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback())
}

/// The first version of Intercom's API with `GET /contacts/find_by_external_id`, which every
/// delivery begins with.
const OLDEST_VERSION: (u32, u32) = (2, 13);

/// `INTERCOM_VERSION`.
pub(super) fn version(lookup: Lookup<'_>) -> Result<String, ConfigError> {
    const NAME: &str = "INTERCOM_VERSION";
    let version = lookup(NAME).unwrap_or_else(|| "2.16".to_owned());
    let number = |digits: &str| {
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|_| is_plain)
    };
    let numbers = version.split_once('.');
    let numbers = numbers.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    if numbers.is_some_and(|numbers| numbers >= OLDEST_VERSION) {
        Ok(version)
    } else {
        Err(not_allowed(NAME, version, "2.13 or newer, such as 2.16"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intercoms_url_has_tls_beyond_this_machine() {
        for (url, is_allowed) in [
            ("https://api.example.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://127.1.2.3", true),
            ("http://localhost:8080", true),
            ("http://intercom.localhost:8080", true),
            ("http://[::1]:8080", true),
            ("http://api.intercom.io", false),
            ("http://10.0.0.1", false),
            ("http://0.0.0.0:8080", false),
            ("http://localhost.example.com", false),
            ("http://notlocalhost", false),
            ("http://127.0.0.1@example.com", false),
            ("http://[::2]", false),
        ] {
            let config = base_url(&|name| (name == "INTERCOM_BASE_URL").then(|| url.to_owned()));
            assert_eq!(config.is_ok(), is_allowed, "{url}");
        }
    }

    #[test]
    fn versions_of_intercom_that_lack_what_delivery_needs_are_refused() {
        for (version, is_allowed) in [
            ("2.13", true),
            ("2.16", true),
            ("3.0", true),
            ("2.12", false),
            ("2.9", false),
            ("1.99", false),
            ("2", false),
            ("2.+16", false),
            ("2.16.1", false),
            ("latest", false),
        ] {
            let config = super::version(&|_| Some(version.to_owned()));
            assert_eq!(config.is_ok(), is_allowed, "{version}");
        }
    }
}
