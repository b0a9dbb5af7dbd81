//! The rules in the form that analytics.js applies in the page, to one of its plugins.

use serde_json::{Map, Value as Json, json};

use super::action::{Action, Keys};
use super::fql::Path;
use super::transformation::{Name, Transformation};
use super::{Filters, Rule};

/// The rules for a page.
#[derive(Debug, Default)]
pub struct PageRules {
    /// `middlewareSettings.routingRules` of the settings document.
    pub routing_rules: Vec<Json>,
    /// What doesn't hold in the page, one line each.
    pub left_out: Vec<String>,
}

/// Whether the names of these types of events are in `traits`, or in `properties`.
type Types = (bool, &'static [&'static str]);
const TYPES: &[Types] = &[
    (true, &["identify", "group"]),
    (false, &["track", "page", "screen", "alias"]),
];
/// Where tracks get a new name.
const TRACKS_APART: &[Types] = &[
    (true, &["identify", "group"]),
    (false, &["track"]),
    (false, &["page", "screen", "alias"]),
];

impl Filters {
    /// The rules for the plugin of this name. What personal data they keep out stays out: where the
    /// page's engine can't hash a value, or evaluate a condition, the keys are left out there.
    pub fn page_rules(&self, plugin: &str) -> PageRules {
        let mut page = PageRules::default();
        for transformation in &self.rules.of_source {
            page.transformation(transformation, plugin);
        }
        let mut earlier: Vec<&Action> = Vec::new();
        for order in 0..=3 {
            for filter in &self.rules.filters {
                for action in filter.then.iter().filter(|action| action.order() == order) {
                    page.action(filter, action, &earlier, plugin);
                    earlier.push(action);
                }
            }
        }
        for transformation in &self.rules.of_destination {
            page.transformation(transformation, plugin);
        }
        page
    }
}

impl PageRules {
    /// `earlier` are the actions before it. The engine evaluates each condition on what they left.
    fn action(
        &mut self,
        filter: &Rule<Vec<Action>>,
        action: &Action,
        earlier: &[&Action],
        plugin: &str,
    ) {
        let title = &filter.title;
        let (transformer, keeps_data_out) = match action {
            Action::Drop => (json!({"type": "drop"}), false),
            Action::Sample(sample) => match &sample.path {
                None => {
                    let sample = json!({"percent": sample.share, "path": ""});
                    (
                        json!({"type": "sample_event", "config": {"sample": sample}}),
                        false,
                    )
                }
                Some(path) => {
                    self.left_out.push(format!(
                        "filter {title:?}: sampling by {path} (analytics.js gets it wrong)"
                    ));
                    return;
                }
            },
            Action::DropProperties(keys) => match key_targets(keys) {
                Some(drop) => (
                    json!({"type": "drop_properties", "config": {"drop": drop}}),
                    true,
                ),
                None => return self.dotted("filter", title),
            },
            Action::AllowProperties(keys) => match key_targets(keys) {
                Some(allow) => (
                    json!({"type": "allow_properties", "config": {"allow": allow}}),
                    true,
                ),
                None => return self.dotted("filter", title),
            },
        };
        let is_affected = earlier
            .iter()
            .any(|action| action.may_change(&filter.condition));
        let matcher = if is_affected {
            let why = "an earlier filter takes away what it looks at";
            Some(self.always("filter", title, why))
        } else {
            self.matcher("filter", title, &filter.condition, keeps_data_out)
        };
        if let Some(matcher) = matcher {
            self.push(&matcher, &[transformer], plugin);
        }
    }

    fn transformation(&mut self, rule: &Rule<Transformation>, plugin: &str) {
        let (title, then) = (&rule.title, &rule.then);
        if then.is_drop {
            let matcher = self.matcher("transformation", title, &rule.condition, false);
            if let Some(matcher) = matcher {
                self.push(&matcher, &[json!({"type": "drop"})], plugin);
            }
            return;
        }
        if !then.statements.is_empty() {
            self.left_out.push(format!(
                "transformation {title:?}: fqlDefinedProperties (analytics.js has none)"
            ));
        }
        if then.renames.iter().any(|(old, _)| then.is_new_name(old)) {
            self.left_out.push(format!(
                "transformation {title:?}: a rename to a name that it renames too, where there is \
                 nothing to rename"
            ));
        }
        if !then.allowed.is_empty() && then.allowed.iter().any(Name::is_from_top) {
            self.left_out.push(format!(
                "transformation {title:?}: allowProperties outside of properties and traits"
            ));
        }
        if then.hashed.is_some() {
            self.left_out.push(format!(
                "transformation {title:?}: hashing (analytics.js has none): the values are left \
                 out in the page"
            ));
        }
        let keeps_data_out =
            then.hashed.is_some() || !then.drops.is_empty() || !then.allowed.is_empty();
        let matcher = self.matcher("transformation", title, &rule.condition, keeps_data_out);
        let Some(matcher) = matcher else { return };
        let all = match &then.new_event_name {
            Some(_) => TRACKS_APART,
            None => TYPES,
        };
        for &types in all {
            let transformers = transformers(then, types);
            if !transformers.is_empty() {
                let types = types.1.iter();
                let types: Vec<Json> = types.map(|name| json!({"value": name})).collect();
                let of_type = json!(["in", "type", {"value": types}]);
                self.push(&json!(["and", of_type, matcher]), &transformers, plugin);
            }
        }
    }

    /// The condition. One that the engine can't evaluate counts as true where data is to be kept
    /// out; otherwise its rule has no place in the page.
    fn matcher(
        &mut self,
        kind: &str,
        title: &str,
        condition: &super::Expression,
        keeps_data_out: bool,
    ) -> Option<Json> {
        match condition.routing_form() {
            Ok(form) => Some(form),
            Err(why) if keeps_data_out => Some(self.always(kind, title, &why)),
            Err(why) => {
                self.left_out
                    .push(format!("{kind} {title:?}: its condition ({why})"));
                None
            }
        }
    }

    /// A condition for every event, where the rule's own can't be evaluated.
    fn always(&mut self, kind: &str, title: &str, why: &str) -> Json {
        self.left_out.push(format!(
            "{kind} {title:?}: its condition ({why}), so its properties are left out of every \
             event in the page"
        ));
        json!({"value": true})
    }

    fn dotted(&mut self, kind: &str, title: &str) {
        self.left_out
            .push(format!("{kind} {title:?}: a path with a dot within a key"));
    }

    fn push(&mut self, matcher: &Json, transformers: &[Json], plugin: &str) {
        self.routing_rules.push(json!({
            "scope": "destinations",
            "target_type": "workspace::project::destination::config",
            "destinationName": plugin,
            "matchers": [{"type": "fql", "ir": matcher.to_string()}],
            "transformers": [transformers],
        }));
    }
}

/// `{"traits": ["ssn"]}`. None if the engine would take a path for another.
fn key_targets(all: &[Keys]) -> Option<Json> {
    let targets = all
        .iter()
        .map(|keys| Some((dotted(&keys.path)?, json!(keys.keys))));
    Some(Json::Object(
        targets.collect::<Option<Map<String, Json>>>()?,
    ))
}

/// A path as the engine takes it.
fn dotted(path: &Path) -> Option<String> {
    let has_dot = path.keys().iter().any(|key| key.contains('.'));
    (!has_dot).then(|| path.keys().join("."))
}

/// What a transformation does with events of these types.
fn transformers(then: &Transformation, (has_traits, types): Types) -> Vec<Json> {
    let path = |name: &Name| dotted(name.of(has_traits));
    let mut map = Map::new();
    if let Some(name) = &then.new_event_name
        && *types == ["track"]
    {
        map.insert("event".to_owned(), json!({"set": name}));
    }
    // Not the engine's "move", which leaves "", 0 and false where they were.
    for (old, new) in &then.renames {
        if let (Some(old), Some(new)) = (path(old), path(new)) {
            map.insert(new, json!({"copy": old}));
        }
    }
    let renamed = then.renames.iter().map(|(old, _)| old);
    let renamed = renamed.filter(|old| !then.is_new_name(old));
    let renamed = targets(renamed, has_traits);
    for (name, value) in &then.values {
        if let Some(name) = path(name) {
            map.insert(name, json!({"set": value}));
        }
    }
    let hashed = then.hashed.iter().flat_map(|(names, _)| names);
    let hashed = targets(hashed, has_traits);
    let drop = targets(then.drops.iter(), has_traits);
    let top = if has_traits { "traits" } else { "properties" };
    let relative = then.allowed.iter().filter(|name| !name.is_from_top());
    let allowed: Vec<&String> = relative
        .filter_map(|name| name.of(has_traits).keys().get(1))
        .collect();
    let mut transformers = Vec::new();
    // First what stands for hashing, so that no rename carries it away.
    if !hashed.is_empty() {
        transformers.push(json!({"type": "drop_properties", "config": {"drop": hashed}}));
    }
    if !map.is_empty() {
        transformers.push(json!({"type": "map_properties", "config": {"map": map}}));
    }
    for drop in [renamed, drop] {
        if !drop.is_empty() {
            transformers.push(json!({"type": "drop_properties", "config": {"drop": drop}}));
        }
    }
    if !allowed.is_empty() {
        let allow = json!({top: allowed});
        transformers.push(json!({"type": "allow_properties", "config": {"allow": allow}}));
    }
    transformers
}

/// The last keys of these names, by the object that they are in.
fn targets<'n>(names: impl Iterator<Item = &'n Name>, has_traits: bool) -> Map<String, Json> {
    let mut targets: Map<String, Json> = Map::new();
    for name in names {
        if let Some((last, parents)) = name.of(has_traits).keys().split_last() {
            let keys = targets
                .entry(parents.join("."))
                .or_insert_with(|| json!([]));
            if let Json::Array(keys) = keys {
                keys.push(last.as_str().into());
            }
        }
    }
    targets
}
