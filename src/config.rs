//! The function's settings, read once at start from the environment.
//!
//! Each has its row in `docs/api.md#settings`.

mod browser;
mod delivery;
mod intercom;
mod mapping;
mod variable;

use std::path::PathBuf;
use std::time::Duration;

use tracing::Level;

use crate::intake::DeliveryMode;
use crate::retry::Schedule;
use crate::time_budget::INLINE_BUDGET_MS;
pub use variable::ConfigError;
use variable::{Lookup, flag, number, one_of, required};

/// Longest time that an event may wait in a queue. SQS deletes it after 14 days; a day is left for
/// the last delay and a backlog.
const MAX_WAIT_HOURS: u64 = 13 * 24;

/// All settings.
#[derive(Clone, Debug)]
pub struct Config {
    /// `SECRET_ID`: ARN or name of the secret.
    pub secret_id: String,
    /// `RETRY_QUEUE_URL`.
    pub retry_queue_url: String,
    /// `WAITING_QUEUE_URL`.
    pub waiting_queue_url: String,
    /// `DEAD_LETTER_QUEUE_URL`.
    pub dead_letter_queue_url: String,
    /// `INTERCOM_BASE_URL`, else the URL of `INTERCOM_REGION`; without a slash at the end.
    pub intercom_base_url: String,
    /// `INTERCOM_VERSION`.
    pub intercom_version: String,
    /// `DELIVERY_MODE`.
    pub delivery_mode: DeliveryMode,
    /// `INLINE_BUDGET_MS`.
    pub inline_budget: Duration,
    /// `RETRY_BASE_SECONDS`, `RETRY_MAX_SECONDS`, `RETRY_HOURS`, `UNKNOWN_USER_SECONDS`.
    pub retry: Schedule,
    /// `LOG_LEVEL`: the lowest level that is logged. What is [counted](crate::log::COUNTED) is
    /// logged at any.
    pub log_level: Level,
    /// `STRICT_WEBHOOK_SIGNATURE`.
    pub strict_webhook_signature: bool,
    /// The settings of the Messenger in the page.
    pub browser: crate::browser::Settings,
    /// `FILTERS`: the file with the customer's rules.
    pub filters_file: Option<PathBuf>,
    /// The settings of the mapping.
    pub mapping: crate::mapping::Settings,
    /// The settings of delivery.
    pub delivery: crate::delivery::Settings,
}

impl Config {
    /// Reads the settings through `lookup`, which returns a variable's value by its name.
    ///
    /// # Errors
    /// [`ConfigError`] for the first variable that is missing or has a bad value.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let lookup: Lookup<'_> = &|name| lookup(name).filter(|value| !value.is_empty());
        let schedule = Schedule {
            base: Duration::from_secs(number(lookup, "RETRY_BASE_SECONDS", 5, 1..=43_200)?),
            max: Duration::from_secs(number(lookup, "RETRY_MAX_SECONDS", 900, 1..=43_200)?),
            give_up_after: Duration::from_secs(
                number(lookup, "RETRY_HOURS", 72, 0..=MAX_WAIT_HOURS)? * 60 * 60,
            ),
            unknown_user: Duration::from_secs(number(
                lookup,
                "UNKNOWN_USER_SECONDS",
                900,
                0..=MAX_WAIT_HOURS * 60 * 60,
            )?),
        };
        Ok(Self {
            secret_id: required(lookup, "SECRET_ID", "the secret's ARN or name")?,
            retry_queue_url: required(lookup, "RETRY_QUEUE_URL", "the retry queue's URL")?,
            waiting_queue_url: required(
                lookup,
                "WAITING_QUEUE_URL",
                "the URL of the queue of events that wait",
            )?,
            dead_letter_queue_url: required(
                lookup,
                "DEAD_LETTER_QUEUE_URL",
                "the dead-letter queue's URL",
            )?,
            intercom_base_url: intercom::base_url(lookup)?,
            intercom_version: intercom::version(lookup)?,
            delivery_mode: one_of(
                lookup,
                "DELIVERY_MODE",
                &[
                    ("inline", DeliveryMode::Inline),
                    ("queue", DeliveryMode::Queue),
                ],
            )?,
            inline_budget: Duration::from_millis(number(
                lookup,
                "INLINE_BUDGET_MS",
                INLINE_BUDGET_MS,
                0..=INLINE_BUDGET_MS,
            )?),
            retry: schedule,
            log_level: one_of(
                lookup,
                "LOG_LEVEL",
                &[
                    ("INFO", Level::INFO),
                    ("DEBUG", Level::DEBUG),
                    ("WARN", Level::WARN),
                    ("ERROR", Level::ERROR),
                ],
            )?,
            strict_webhook_signature: flag(lookup, "STRICT_WEBHOOK_SIGNATURE")?,
            browser: browser::settings(lookup)?,
            filters_file: lookup("FILTERS").map(PathBuf::from),
            mapping: mapping::settings(lookup)?,
            delivery: delivery::settings(lookup)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let required = [
            ("SECRET_ID", "s"),
            ("RETRY_QUEUE_URL", "r"),
            ("WAITING_QUEUE_URL", "w"),
            ("DEAD_LETTER_QUEUE_URL", "d"),
        ];
        Config::read(|name| {
            let mut all = variables.iter().chain(&required);
            all.find(|(other, _)| *other == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_defaults_of_the_api_page() {
        let config = read(&[]).expect("only the required ones are set");
        assert_eq!(config.intercom_base_url, "https://api.intercom.io");
        assert_eq!(config.intercom_version, "2.16");
        assert_eq!(config.delivery_mode, DeliveryMode::Inline);
        assert_eq!(config.inline_budget, Duration::from_millis(3500));
        assert_eq!(config.log_level, Level::INFO);
        assert_eq!(config.retry.give_up_after, Duration::from_secs(259_200));
        assert_eq!(config.mapping, crate::mapping::Settings::default());
        assert_eq!(config.delivery, crate::delivery::Settings::default());
    }

    #[test]
    fn ids_of_nobody_can_be_named_or_none() {
        let ignored = |list: &str| {
            let config = read(&[("IGNORED_USER_IDS", list)]).expect("any list is allowed");
            let ids = config.mapping.ignored_user_ids;
            ["undefined", "visitor 1"].map(|id| ids.contains(id))
        };
        assert_eq!(ignored(""), [true, false]);
        assert_eq!(ignored("Visitor 1, x"), [false, true]);
        assert_eq!(ignored(","), [false, false]);
    }

    #[test]
    fn a_url_overrides_the_region() {
        let url =
            |variables: &[(&str, &str)]| read(variables).map(|config| config.intercom_base_url);
        assert_eq!(
            url(&[("INTERCOM_REGION", "eu")]).as_deref(),
            Ok("https://api.eu.intercom.io")
        );
        let both = [
            ("INTERCOM_REGION", "au"),
            ("INTERCOM_BASE_URL", "http://127.0.0.1:8080/"),
        ];
        assert_eq!(url(&both).as_deref(), Ok("http://127.0.0.1:8080"));
    }

    #[test]
    fn a_bad_value_names_the_variable_the_value_and_what_is_allowed() {
        let cases = [
            (
                ("NESTED", "keep"),
                r#"NESTED="keep" is not allowed: use drop or flatten or stringify"#,
            ),
            (
                ("COLLECT_CONTEXT", "some"),
                r#"COLLECT_CONTEXT="some" is not allowed: use false or true or all"#,
            ),
            (
                ("REQUIRE_USER_HASH", "yes"),
                r#"REQUIRE_USER_HASH="yes" is not allowed: use false or true"#,
            ),
            (
                ("METADATA_LIMIT", "-1"),
                r#"METADATA_LIMIT="-1" is not allowed: use a whole number from 0 to 100"#,
            ),
            (
                ("INTERCOM_BASE_URL", "ftp://x"),
                r#"INTERCOM_BASE_URL="ftp://x" is not allowed: use a URL with https://, or with http:// to a loopback address"#,
            ),
            (
                ("INTERCOM_VERSION", "2.12"),
                r#"INTERCOM_VERSION="2.12" is not allowed: use 2.13 or newer, such as 2.16"#,
            ),
            (
                ("INTERCOM_APP_ID", "a/b"),
                r#"INTERCOM_APP_ID="a/b" is not allowed: use the letters and digits of Settings > Installation in Intercom"#,
            ),
            (
                ("BROWSER_DELIVERY", "cloud"),
                r#"BROWSER_DELIVERY="cloud" is not allowed: use messenger or device"#,
            ),
            (
                ("BOOT_VISITORS", "no"),
                r#"BOOT_VISITORS="no" is not allowed: use true or false"#,
            ),
            (
                ("HIDE_DEFAULT_LAUNCHER", "yes"),
                r#"HIDE_DEFAULT_LAUNCHER="yes" is not allowed: use false or true"#,
            ),
            (
                ("VERIFIED_COMPANIES", "1"),
                r#"VERIFIED_COMPANIES="1" is not allowed: use false or true"#,
            ),
            (
                ("LOG_LEVEL", "info"),
                r#"LOG_LEVEL="info" is not allowed: use INFO or DEBUG or WARN or ERROR"#,
            ),
            (
                ("SECRET_ID", ""),
                "SECRET_ID is not set: set it to the secret's ARN or name",
            ),
        ];
        for (variable, expected) in cases {
            let error = read(&[variable]).expect_err(variable.0);
            assert_eq!(error.to_string(), expected);
        }
    }

    /// A receive can be a failure, meet a rate limit that others have used up (Intercom asks for a
    /// second, or for nothing), or try nothing.
    #[test]
    fn no_allowed_settings_let_sqs_give_an_event_up_before_the_function_does() {
        for base in ["1", "5", "43200"] {
            for max in ["1", "60", "900", "43200"] {
                for hours in ["0", "1", "72", "312"] {
                    for unknown in ["0", "900", "1123200"] {
                        let variables = [
                            ("RETRY_BASE_SECONDS", base),
                            ("RETRY_MAX_SECONDS", max),
                            ("RETRY_HOURS", hours),
                            ("UNKNOWN_USER_SECONDS", unknown),
                        ];
                        let schedule = read(&variables).expect("allowed").retry;
                        for end in [schedule.give_up_after, schedule.unknown_user] {
                            for counts_as_young in [true, false] {
                                let receives = receives_until(end, schedule, counts_as_young);
                                assert!(receives <= 950, "{variables:?}: {receives}");
                            }
                        }
                    }
                }
            }
        }
        for (name, value) in [
            ("RETRY_BASE_SECONDS", "0"),
            ("RETRY_MAX_SECONDS", "0"),
            ("RETRY_HOURS", "313"),
            ("UNKNOWN_USER_SECONDS", "1123201"),
        ] {
            read(&[(name, value)]).expect_err(name);
        }
    }

    /// How often a message is received until it is that old, with the shortest delays that the
    /// jitter allows.
    fn receives_until(end: Duration, schedule: Schedule, counts_as_young: bool) -> u32 {
        let mut age = Duration::ZERO;
        let mut receives = 1;
        while age < end {
            let reckoned = if counts_as_young { Duration::ZERO } else { age };
            let delay = schedule.delay(reckoned, None, 0.0);
            let least = Schedule::least_delay(receives, end.saturating_sub(age));
            // SQS takes at most this.
            age += delay.max(least).min(Duration::from_secs(42_900));
            receives += 1;
        }
        receives
    }
}
