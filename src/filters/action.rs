//! What a destination filter does with the events that it holds for.

use std::borrow::Cow;

use super::edit::{any_object, each, retain};
use super::filtering::Filtering;
use super::fql::{Expression, Path};
use super::sampling::Sample;
use crate::mapping::{ByRule, Change};
use crate::segment::Object;

/// One action of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Keeps a share of the events.
    Sample(Sample),
    /// The event isn't sent.
    Drop,
    /// Takes these keys out of the objects that the paths lead to.
    DropProperties(Vec<Keys>),
    /// Leaves these keys alone in the objects that the paths lead to.
    AllowProperties(Vec<Keys>),
}

/// Keys of the objects that a path leads to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Keys {
    pub(super) path: Path,
    pub(super) keys: Vec<String>,
}

/// The fields that identify an event in the log and in answers. Filters keep them, since they are
/// never sent to Intercom.
const KEPT: [&str; 2] = ["type", "messageId"];

impl Action {
    /// Its place among the actions of all filters.
    pub(super) fn order(&self) -> u8 {
        match self {
            Self::Sample(_) => 0,
            Self::Drop => 1,
            Self::DropProperties(_) => 2,
            Self::AllowProperties(_) => 3,
        }
    }

    /// Whether a condition may have another value after it.
    pub(super) fn may_change(&self, condition: &Expression) -> bool {
        match self {
            Self::Sample(_) | Self::Drop => false,
            Self::DropProperties(all) => all.iter().any(|of_path| {
                let path = of_path.path.keys();
                let mut taken = of_path.keys.iter();
                taken.any(|key| condition.reads(&[path, std::slice::from_ref(key)].concat()))
            }),
            Self::AllowProperties(all) => {
                let mut paths = all.iter().map(|of_path| of_path.path.keys());
                paths.any(|path| condition.reads(path))
            }
        }
    }

    /// False when the event isn't sent. `title` is its filter's.
    pub(super) fn apply<'f>(&self, title: &'f str, filtering: &mut Filtering<'_, 'f>) -> bool {
        match self {
            Self::Sample(sample) => return sample.keeps(title, filtering),
            Self::Drop => return false,
            Self::DropProperties(all) => {
                for of_path in all {
                    of_path.leave(title, filtering, |key| !of_path.has(key));
                }
            }
            Self::AllowProperties(all) => {
                for of_path in all {
                    of_path.leave(title, filtering, |key| of_path.has(key));
                }
            }
        }
        true
    }
}

impl Keys {
    fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|own| own == key)
    }

    /// Leaves some keys of the objects that the path leads to, and names the others.
    fn leave<'f>(
        &self,
        title: &'f str,
        filtering: &mut Filtering<'_, 'f>,
        keep: impl Fn(&str) -> bool,
    ) {
        let path = self.path.keys();
        let keep = |key: &str| (path.is_empty() && KEPT.contains(&key)) || keep(key);
        let loses_one = |object: &Object<'_>| !object.keys().all(keep);
        if !any_object(filtering.value(), path, &loses_one) {
            return;
        }
        let mut left_out: Vec<Cow<'f, str>> = Vec::new();
        each(filtering.value_mut(), path, true, &mut |object| {
            retain(object, keep, |key| {
                // In a list of objects each has the same keys.
                if left_out.len() < 1_000 && !left_out.contains(&key) {
                    left_out.push(key);
                }
            });
        });
        for key in left_out {
            let change = Change::ByRule(ByRule::LeftOut, "filter", title.into());
            filtering.warn_of_key(path, key, change);
        }
    }
}
