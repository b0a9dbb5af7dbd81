//! The sender's options for this destination, and where the call came from.

use super::{Event, Object, Value, get_matching};

/// The keys under which Segment's users name this destination, the classic one first.
pub(super) const OUR_NAMES: [&str; 3] = [
    "Intercom",
    "Intercom Cloud Mode (Actions)",
    "Intercom Web (Actions)",
];

/// The value under a name in `integrations`, where case doesn't count. A null counts as absent.
pub(super) fn named<'e>(integrations: &'e Object<'e>, name: &str) -> Option<&'e Value<'e>> {
    let mut values = integrations.iter();
    let is_named =
        |(key, value): &(&str, &Value<'_>)| !value.is_null() && key.eq_ignore_ascii_case(name);
    values.find(is_named).map(|(_, value)| value)
}

/// The option that says whether the user was active.
pub const ACTIVE: &str = "active";

impl Event<'_> {
    /// The sender's options for Intercom, in order of precedence: `integrations.Intercom`,
    /// `integrations["Intercom Cloud Mode (Actions)"]`, `integrations["Intercom Web (Actions)"]`,
    /// `context.Intercom`.
    pub fn options(&self) -> impl Iterator<Item = &Object<'_>> {
        let integrations = self.object("integrations");
        let in_integrations = OUR_NAMES
            .iter()
            .filter_map(move |name| named(integrations?, name));
        let in_context = self
            .context()
            .and_then(|context| get_matching(context, "intercom"));
        in_integrations
            .chain(in_context)
            .filter_map(Value::as_object)
    }

    /// Every value of `integrations` that says whether the event is for Intercom, with the key as
    /// sent, and `context.Intercom`.
    pub fn switches(&self) -> impl Iterator<Item = (&str, &Value<'_>)> {
        let integrations = self
            .object("integrations")
            .into_iter()
            .flat_map(Object::iter);
        let ours = integrations.filter(|(key, value)| {
            let mut names = OUR_NAMES.iter().chain(&["All"]);
            !value.is_null() && names.any(|name| key.eq_ignore_ascii_case(name))
        });
        let in_context = self
            .context()
            .and_then(|context| Some(("context.Intercom", get_matching(context, "intercom")?)));
        ours.chain(in_context)
    }

    /// The first option of this name. `canonical` as in [`get_matching`].
    pub fn option(&self, canonical: &str) -> Option<&Value<'_>> {
        self.options()
            .find_map(|options| get_matching(options, canonical))
    }

    /// The first option of this name that is a boolean, as [`Self::option`] looks for it;
    /// `active` can also be said at `context.active`.
    pub fn flag(&self, canonical: &str) -> Option<&Value<'_>> {
        let in_options = self
            .options()
            .filter_map(|options| get_matching(options, canonical));
        let in_context = self.context().filter(|_| canonical == ACTIVE);
        let in_context = in_context.and_then(|context| get_matching(context, canonical));
        in_options.chain(in_context).find(|value| value.is_bool())
    }

    /// Whether the user was active: false only when the `active` option, or `context.active`,
    /// says so. An inactive user's "Last Seen" isn't touched.
    pub fn is_active(&self) -> bool {
        self.flag(ACTIVE) != Some(&Value::Bool(false))
    }

    /// Whether the call says of itself that it came from a browser: its `channel` is `client` or
    /// `browser`, or its library is analytics.js.
    pub fn is_from_browser(&self) -> bool {
        let channel = self.fields().get("channel").and_then(Value::as_str);
        let library = || {
            let library = get_matching(self.context()?, "library")?.as_object()?;
            get_matching(library, "name")?.as_str()
        };
        matches!(channel, Some("client" | "browser")) || library() == Some("analytics.js")
    }
}

#[cfg(test)]
mod tests {
    use super::super::IgnoredUserIds;
    use super::*;

    fn event(json: &str) -> Event<'_> {
        Event::new(
            serde_json::from_str(json).expect("valid JSON"),
            &IgnoredUserIds::default(),
        )
        .expect("an object")
    }

    #[test]
    fn options_and_origin() {
        assert!(event("{}").is_active());
        assert!(!event(r#"{"integrations":{"Intercom":{"active":false}}}"#).is_active());
        assert!(!event(r#"{"context":{"Intercom":{"active":false}}}"#).is_active());
        assert!(!event(r#"{"context":{"active":false}}"#).is_active());
        assert!(
            event(r#"{"integrations":{"Intercom":{"active":true}},"context":{"active":false}}"#)
                .is_active()
        );
        assert!(
            !event(r#"{"integrations":{"Intercom Cloud Mode (Actions)":{"active":false}}}"#)
                .is_active()
        );
        assert!(
            !event(r#"{"integrations":{"Intercom":{"active":"yes"}},"context":{"active":false}}"#)
                .is_active()
        );
        assert!(event(r#"{"channel":"client"}"#).is_from_browser());
        assert!(event(r#"{"context":{"library":{"name":"analytics.js"}}}"#).is_from_browser());
        assert!(!event(r#"{"channel":"server","context":null}"#).is_from_browser());
    }
}
