//! `Intercom-Version`.

use crate::errors::{ApiError, Result};

/// The API version that the simulator speaks.
pub(crate) const VERSION: &str = "2.16";

/// The version asked for. Another one than ours is noted, one that Intercom never had refused.
pub(crate) fn read<'a>(header: Option<&'a str>, violations: &mut Vec<String>) -> Result<&'a str> {
    match header {
        Some(VERSION) => Ok(VERSION),
        Some(other) if !is_version(other) => Err(ApiError::new(
            400,
            "intercom_version_invalid",
            "The requested version could not be found",
        )),
        Some(other) => {
            violations.push(format!("Intercom-Version is {other}, not {VERSION}"));
            Ok(other)
        }
        None => {
            violations.push("Intercom-Version missing: always send it".to_owned());
            Ok(VERSION)
        }
    }
}

/// Whether Intercom has, or had, this version.
fn is_version(text: &str) -> bool {
    matches!(text, "Preview" | "Unstable")
        || match text.split_once('.') {
            Some(("1", minor)) => matches!(minor, "0" | "1" | "2" | "3" | "4"),
            Some(("2", minor)) => minor.parse().is_ok_and(|minor: u8| minor <= 16),
            _ => false,
        }
}

/// `GET /contacts/find_by_external_id/{external_id}` came with version 2.13.
pub(crate) fn lacks_find_by_external_id(version: &str) -> bool {
    version.split_once('.').is_some_and(|(major, minor)| {
        major == "1" || minor.parse().is_ok_and(|minor: u8| minor < 13)
    })
}
