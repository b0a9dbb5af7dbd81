//! The settings that change what an event becomes.

use crate::segment::IgnoredUserIds;

/// `NESTED`: what becomes of objects and arrays where Intercom takes only scalars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nested {
    /// Left out, with a warning.
    #[default]
    Drop,
    /// `a.b` → `a_b`, `l[0]` → `l_0`.
    Flatten,
    /// Compact JSON as one string.
    Stringify,
}

/// `COMPANY_ID_HASH`: the id of a company known only by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompanyIdHash {
    /// Hex SHA-256 of the UTF-8 name.
    #[default]
    Sha256,
    /// The classic destination's 32-bit string hash, in decimal.
    Segment,
}

/// `ANONYMOUS`: what becomes of events that have only an anonymousId.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// Skipped.
    #[default]
    Skip,
    /// An Intercom lead that carries the anonymousId as a custom attribute.
    Lead,
}

/// `COLLECT_CONTEXT`: what of the context becomes custom attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CollectContext {
    /// Nothing.
    #[default]
    Nothing,
    /// Device, os and app, as Segment's destination collects them.
    Device,
    /// IP address and user agent too, for which Intercom's API has no fields of its own.
    All,
}

/// The settings of the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `COLLECT_CONTEXT`.
    pub collect_context: CollectContext,
    /// `NESTED`.
    pub nested: Nested,
    /// `RICH_LINK_PROPERTIES`: event properties that stay `{url, value}`.
    pub rich_link_properties: Vec<String>,
    /// `METADATA_LIMIT`: event metadata keys kept.
    pub metadata_limit: usize,
    /// `EVENT_FILTER`: event names to send, `*` is a wildcard; empty sends all.
    pub event_filter: Vec<String>,
    /// `COMPANY_ID_HASH`.
    pub company_id_hash: CompanyIdHash,
    /// `ANONYMOUS`.
    pub anonymous: Anonymous,
    /// `IGNORED_USER_IDS`, applied when an event is read
    /// ([`Event::new`](crate::segment::Event::new)).
    pub ignored_user_ids: IgnoredUserIds,
    /// `REQUIRE_USER_HASH`: events from browsers and apps must prove the user they name.
    pub require_user_hash: bool,
    /// `VERIFIED_COMPANIES`: whether those that prove it may write companies.
    pub verified_companies: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            collect_context: CollectContext::default(),
            nested: Nested::default(),
            rich_link_properties: Vec::new(),
            metadata_limit: 10,
            event_filter: Vec::new(),
            company_id_hash: CompanyIdHash::default(),
            anonymous: Anonymous::default(),
            ignored_user_ids: IgnoredUserIds::default(),
            require_user_hash: false,
            verified_companies: false,
        }
    }
}
