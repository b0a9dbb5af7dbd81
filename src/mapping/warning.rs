//! What the mapping changed or left out: never silent.

use std::borrow::Cow;
use std::fmt;

/// Where in the event the key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named by Segment's specification")]
pub enum Place {
    Trait,
    Company,
    Property,
    Option,
    Context,
    /// A field of the event itself.
    Field,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'e> {
    /// A null never overwrites what Intercom has.
    Null,
    /// An object or array under `NESTED=drop`, or an empty one.
    Nested,
    /// A string longer than Intercom stores, cut to this many characters.
    Cut(usize),
    /// Sent under this key.
    Renamed(Cow<'e, str>),
    /// Sent as this whole number: Intercom takes no fractions here.
    Rounded(i64),
    /// It doesn't fit its field for this reason, so it became a custom attribute.
    Attribute(&'static str),
    /// More than `METADATA_LIMIT` keys.
    OverLimit(usize),
    /// More than this many companies in one event.
    TooManyCompanies(usize),
    /// Left out, for this reason.
    LeftOut(&'static str),
    /// It doesn't fit its field for this reason, and Intercom has no custom attribute of its name.
    NoAttribute(&'static str),
    /// It stays, but makes no price for this reason.
    NoPrice(&'static str),
    /// Its key says that it is a date, but it can't be read as one.
    NoDate,
    /// It is later than the receipt, which is sent instead.
    AfterReceipt,
    /// It stays, but says nothing of the user, for this reason.
    NoIdentity(&'static str),
    /// How many further changes aren't named.
    More(usize),
}

/// One change to one key. Displays as a line that a person understands, never with values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning<'e> {
    /// Where the key stands.
    pub place: Place,
    /// The key as sent; for nested data with its path.
    pub key: Cow<'e, str>,
    /// What became of it.
    pub change: Change<'e>,
}

impl Warning<'_> {
    /// The same, borrowing from nothing.
    #[must_use]
    pub fn into_owned(self) -> Warning<'static> {
        Warning {
            place: self.place,
            key: Cow::Owned(self.key.into_owned()),
            change: match self.change {
                Change::Renamed(key) => Change::Renamed(Cow::Owned(key.into_owned())),
                Change::Null => Change::Null,
                Change::Nested => Change::Nested,
                Change::Cut(limit) => Change::Cut(limit),
                Change::Rounded(whole) => Change::Rounded(whole),
                Change::Attribute(reason) => Change::Attribute(reason),
                Change::OverLimit(limit) => Change::OverLimit(limit),
                Change::TooManyCompanies(most) => Change::TooManyCompanies(most),
                Change::LeftOut(reason) => Change::LeftOut(reason),
                Change::NoAttribute(reason) => Change::NoAttribute(reason),
                Change::NoPrice(reason) => Change::NoPrice(reason),
                Change::NoDate => Change::NoDate,
                Change::AfterReceipt => Change::AfterReceipt,
                Change::NoIdentity(reason) => Change::NoIdentity(reason),
                Change::More(unnamed) => Change::More(unnamed),
            },
        }
    }
}

impl fmt::Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Trait => "trait",
            Place::Company => "company trait",
            Place::Property => "property",
            Place::Option => "option",
            Place::Context => "context",
            Place::Field => "field",
        };
        if let Change::More(unnamed) = self.change {
            return write!(f, "and {unnamed} more of this event");
        }
        write!(f, "{place} {:?} ", self.key)?;
        match &self.change {
            Change::Null => f.write_str("left out: it is null, and null never overwrites"),
            Change::Nested => {
                f.write_str("left out: Intercom takes no nested data (see the setting NESTED)")
            }
            Change::Cut(limit) => write!(f, "cut at {limit} characters"),
            Change::Renamed(key) => write!(f, "sent as {key:?}"),
            Change::Rounded(whole) => {
                write!(f, "rounded to {whole}: Intercom takes whole numbers here")
            }
            Change::Attribute(reason) => write!(f, "becomes a custom attribute: {reason}"),
            Change::OverLimit(limit) => write!(
                f,
                "left out: more than {limit} keys (see the setting METADATA_LIMIT)"
            ),
            Change::TooManyCompanies(most) => {
                write!(
                    f,
                    "left out: at most {most} companies of an event are taken"
                )
            }
            Change::LeftOut(reason) => write!(f, "left out: {reason}"),
            Change::NoAttribute(reason) => write!(
                f,
                "left out: {reason}, and no custom attribute can have the name of Intercom's field"
            ),
            Change::NoPrice(reason) => write!(f, "makes no price: {reason}"),
            Change::NoDate => {
                f.write_str("sent as it is: its key says that it is a date, but it can't be read")
            }
            Change::AfterReceipt => {
                f.write_str("left out: it is later than the receipt, which is sent instead")
            }
            Change::NoIdentity(reason) => write!(f, "doesn't say who the user is: {reason}"),
            Change::More(_) => Ok(()),
        }
    }
}
