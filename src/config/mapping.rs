//! What of an event becomes what in Intercom.

use super::variable::{ConfigError, Lookup, comma_list, flag, number, one_of};
use crate::mapping::{Anonymous, CollectContext, CompanyIdHash, Nested, Settings};
use crate::segment::IgnoredUserIds;

/// `COLLECT_CONTEXT`, `NESTED`, `RICH_LINK_PROPERTIES`, `METADATA_LIMIT`, `EVENT_FILTER`,
/// `COMPANY_ID_HASH`, `ANONYMOUS`, `IGNORED_USER_IDS`, `REQUIRE_USER_HASH`, `VERIFIED_COMPANIES`.
pub(super) fn settings(lookup: Lookup<'_>) -> Result<Settings, ConfigError> {
    let default = Settings::default();
    Ok(Settings {
        collect_context: one_of(
            lookup,
            "COLLECT_CONTEXT",
            &[
                ("false", CollectContext::Nothing),
                ("true", CollectContext::Device),
                ("all", CollectContext::All),
            ],
        )?,
        nested: one_of(
            lookup,
            "NESTED",
            &[
                ("drop", Nested::Drop),
                ("flatten", Nested::Flatten),
                ("stringify", Nested::Stringify),
            ],
        )?,
        rich_link_properties: comma_list(lookup, "RICH_LINK_PROPERTIES"),
        metadata_limit: number(lookup, "METADATA_LIMIT", default.metadata_limit, 0..=100)?,
        event_filter: comma_list(lookup, "EVENT_FILTER"),
        company_id_hash: one_of(
            lookup,
            "COMPANY_ID_HASH",
            &[
                ("sha256", CompanyIdHash::Sha256),
                ("segment", CompanyIdHash::Segment),
            ],
        )?,
        anonymous: one_of(
            lookup,
            "ANONYMOUS",
            &[("skip", Anonymous::Skip), ("lead", Anonymous::Lead)],
        )?,
        ignored_user_ids: match lookup("IGNORED_USER_IDS") {
            None => default.ignored_user_ids,
            // A lone comma is an empty list.
            Some(_) => IgnoredUserIds::new(comma_list(lookup, "IGNORED_USER_IDS")),
        },
        require_user_hash: flag(lookup, "REQUIRE_USER_HASH")?,
        verified_companies: flag(lookup, "VERIFIED_COMPANIES")?,
    })
}
