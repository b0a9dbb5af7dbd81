//! Which traits become fields: each is named once, where it is read.

use super::standard_names::is_standard;
use super::{Change, Mapper, Place};
use crate::segment::{Object, Value, key_matches};

/// Reads the fields of an object of traits, properties or options. What no field reads becomes a
/// custom attribute, or metadata. Names are canonical, as for [`key_matches`], and each is read
/// once; of several spellings of one name the first that isn't null counts. A name with an underscore
/// is Intercom's own, which counts only as Intercom spells it: an `ownerId` is the sender's.
pub(super) struct FieldReader<'e> {
    object: &'e Object<'e>,
    decisions: Vec<Decision<'e>>,
}

/// What becomes of one trait.
struct Decision<'e> {
    /// Its place in the object.
    index: usize,
    /// False for one that becomes a custom attribute.
    is_read: bool,
    /// What the warning says.
    change: Option<Change<'e>>,
}

/// What a field makes of a trait.
pub(super) enum Fit<'e, T> {
    /// The field carries it.
    Whole(T),
    /// The field carries this of it, with a warning.
    Changed(T, Change<'e>),
    /// It is left out for this reason.
    LeftOut(&'static str),
    /// It becomes a custom attribute, with a warning where there is a reason to give.
    Attribute(Option<&'static str>),
}

/// Why a second spelling of a key isn't sent.
const ANOTHER_SPELLING: &str = "another spelling of this key came first";

impl<'e> FieldReader<'e> {
    /// A reader that has read nothing yet.
    pub(super) fn new(object: &'e Object<'e>) -> Self {
        Self {
            object,
            decisions: Vec::new(),
        }
    }

    /// The value under a name. It stays unread.
    pub(super) fn peek(&self, name: &str) -> Option<&'e Value<'e>> {
        spellings(self.object, name).next().map(|(_, value)| value)
    }

    /// Reads a trait for a field; `read` says what the field makes of it.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        read: impl Fn(&'e Value<'e>) -> Fit<'e, T>,
    ) -> Option<T> {
        self.read_first(&[name], ANOTHER_SPELLING, read)
    }

    /// Reads several traits for one field. The first name, in this order, that the field can read
    /// gives its value; the others are left out for the reason `another`.
    pub(super) fn read_first<T>(
        &mut self,
        names: &[&str],
        another: &'static str,
        read: impl Fn(&'e Value<'e>) -> Fit<'e, T>,
    ) -> Option<T> {
        let mut found = None;
        for name in names {
            let mut repeated = another;
            let is_free = found.is_none();
            for (place, (index, value)) in spellings(self.object, name).enumerate() {
                let (is_read, change) = match read(value) {
                    Fit::Whole(value) if is_free && place == 0 => {
                        (found, repeated) = (Some(value), ANOTHER_SPELLING);
                        (true, None)
                    }
                    Fit::Changed(value, change) if is_free && place == 0 => {
                        (found, repeated) = (Some(value), ANOTHER_SPELLING);
                        (true, Some(change))
                    }
                    Fit::Whole(_) | Fit::Changed(..) => (true, Some(Change::LeftOut(repeated))),
                    Fit::LeftOut(reason) => (true, Some(Change::LeftOut(reason))),
                    Fit::Attribute(reason) => (false, reason.map(Change::Attribute)),
                };
                self.decisions.push(Decision {
                    index,
                    is_read,
                    change,
                });
            }
        }
        found
    }

    /// Reads traits that no field carries, for this reason.
    pub(super) fn ignore(&mut self, names: &[&str], reason: &'static str) {
        for name in names {
            self.read(name, |_| Fit::<()>::LeftOut(reason));
        }
    }

    /// Decides about the value under a name alone, not about its other spellings: whether it is
    /// read, and what the warning says.
    pub(super) fn decide(&mut self, name: &str, is_read: bool, change: Option<Change<'e>>) {
        let first = spellings(self.object, name).next();
        self.decisions.extend(first.map(|(index, _)| Decision {
            index,
            is_read,
            change,
        }));
    }
}

/// The place and value of each spelling of a name, in the order sent.
fn spellings<'e, 'n>(
    object: &'e Object<'e>,
    name: &'n str,
) -> impl Iterator<Item = (usize, &'e Value<'e>)> + use<'e, 'n> {
    let is_intercoms_own = name.contains('_');
    let traits = object.iter().enumerate();
    traits.filter_map(move |(index, (key, value))| {
        let is_named = if is_intercoms_own {
            key.eq_ignore_ascii_case(name)
        } else {
            key_matches(key, name)
        };
        (!value.is_null() && is_named).then_some((index, value))
    })
}

impl<'e> Mapper<'e, '_> {
    /// Goes through the keys in the order sent: warns about what the fields changed, and hands those
    /// that no field read to `each`.
    pub(super) fn each_unread(
        &mut self,
        mut reader: FieldReader<'e>,
        place: Place,
        mut each: impl FnMut(&mut Self, &'e str, &'e Value<'e>),
    ) {
        reader
            .decisions
            .sort_unstable_by_key(|decision| decision.index);
        let mut decisions = reader.decisions.into_iter().peekable();
        for (index, (key, value)) in reader.object.iter().enumerate() {
            let decision = decisions.next_if(|decision| decision.index == index);
            let mut is_read = decision.as_ref().is_some_and(|decision| decision.is_read);
            match decision.and_then(|decision| decision.change) {
                Some(Change::Attribute(reason))
                    if is_standard(place, key) && self.keeps_its_key(value) =>
                {
                    is_read = true;
                    self.warn(place, key, Change::NoAttribute(reason));
                }
                Some(change) => self.warn(place, key, change),
                None => {}
            }
            if !is_read {
                each(self, key, value);
            }
        }
    }
}
