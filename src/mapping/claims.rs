//! Which traits become fields: each is named once, where it is read.

use super::{Change, Mapper, Place};
use crate::segment::{Object, Value, is_loosely};

/// The traits or properties of an object while fields claim them. What no field claims becomes a
/// custom attribute, or metadata. Names are canonical, as for [`is_loosely`], and each is claimed
/// once; of several spellings of one name the first that isn't null counts.
pub(super) struct Claims<'e> {
    object: &'e Object<'e>,
    verdicts: Vec<Verdict<'e>>,
}

/// What becomes of one trait.
struct Verdict<'e> {
    /// Its place in the object.
    index: usize,
    /// False for one that becomes a custom attribute.
    is_claimed: bool,
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

impl<'e> Claims<'e> {
    /// The traits of an object, none of them claimed yet.
    pub(super) fn new(object: &'e Object<'e>) -> Self {
        Self {
            object,
            verdicts: Vec::new(),
        }
    }

    /// The value under a name, claimed or not.
    pub(super) fn get(&self, name: &str) -> Option<&'e Value<'e>> {
        spellings(self.object, name).next().map(|(_, value)| value)
    }

    /// Claims a trait for a field; `read` says what the field makes of it.
    pub(super) fn claim<T>(
        &mut self,
        name: &str,
        read: impl Fn(&'e Value<'e>) -> Fit<'e, T>,
    ) -> Option<T> {
        self.claim_first(&[name], ANOTHER_SPELLING, read)
    }

    /// Claims several traits for one field. The first name, in this order, that the field can read
    /// gives its value; the others are left out for the reason `another`.
    pub(super) fn claim_first<T>(
        &mut self,
        names: &[&str],
        another: &'static str,
        read: impl Fn(&'e Value<'e>) -> Fit<'e, T>,
    ) -> Option<T> {
        let mut claimed = None;
        for name in names {
            let mut repeated = another;
            let is_free = claimed.is_none();
            for (place, (index, value)) in spellings(self.object, name).enumerate() {
                let (is_claimed, change) = match read(value) {
                    Fit::Whole(value) if is_free && place == 0 => {
                        (claimed, repeated) = (Some(value), ANOTHER_SPELLING);
                        (true, None)
                    }
                    Fit::Changed(value, change) if is_free && place == 0 => {
                        (claimed, repeated) = (Some(value), ANOTHER_SPELLING);
                        (true, Some(change))
                    }
                    Fit::Whole(_) | Fit::Changed(..) => (true, Some(Change::LeftOut(repeated))),
                    Fit::LeftOut(reason) => (true, Some(Change::LeftOut(reason))),
                    Fit::Attribute(reason) => (false, reason.map(Change::Attribute)),
                };
                self.verdicts.push(Verdict {
                    index,
                    is_claimed,
                    change,
                });
            }
        }
        claimed
    }

    /// Claims traits that no field carries, for this reason.
    pub(super) fn ignore(&mut self, names: &[&str], reason: &'static str) {
        for name in names {
            self.claim(name, |_| Fit::<()>::LeftOut(reason));
        }
    }

    /// Decides about the value under a name alone, not about its other spellings: whether it is
    /// claimed, and what the warning says.
    pub(super) fn decide(&mut self, name: &str, is_claimed: bool, change: Option<Change<'e>>) {
        let first = spellings(self.object, name).next();
        self.verdicts.extend(first.map(|(index, _)| Verdict {
            index,
            is_claimed,
            change,
        }));
    }
}

/// The place and value of each spelling of a name, in the order sent.
fn spellings<'e, 'n>(
    object: &'e Object<'e>,
    name: &'n str,
) -> impl Iterator<Item = (usize, &'e Value<'e>)> + use<'e, 'n> {
    let traits = object.iter().enumerate();
    traits.filter_map(move |(index, (key, value))| {
        (!value.is_null() && is_loosely(key, name)).then_some((index, value))
    })
}

impl<'e> Mapper<'e, '_> {
    /// Goes through the traits in the order sent: warns about what the claims changed, and hands
    /// those that nobody claimed to `each`.
    pub(super) fn each_unclaimed(
        &mut self,
        mut claims: Claims<'e>,
        place: Place,
        mut each: impl FnMut(&mut Self, &'e str, &'e Value<'e>),
    ) {
        claims
            .verdicts
            .sort_unstable_by_key(|verdict| verdict.index);
        let mut verdicts = claims.verdicts.into_iter().peekable();
        for (index, (key, value)) in claims.object.iter().enumerate() {
            let verdict = verdicts.next_if(|verdict| verdict.index == index);
            let is_claimed = verdict.as_ref().is_some_and(|verdict| verdict.is_claimed);
            if let Some(change) = verdict.and_then(|verdict| verdict.change) {
                self.warn(place, key, change);
            }
            if !is_claimed {
                each(self, key, value);
            }
        }
    }
}
