//! What the customer's own rules make of an event before it is mapped: consent, Segment's
//! transformations and destination filters.
//!
//! Pure: the same event and rules give the same result, also for sampling, so that an event fares the
//! same however it comes in and however often it is tried.
//!
//! The rules and their form: `docs/filters.md`.

mod action;
mod consent;
mod edit;
mod filtering;
mod fql;
mod hashing;
mod packaged;
mod page;
mod reading;
mod sampling;
mod transformation;

use std::borrow::Cow;

pub use filtering::{Changed, Filtered};
pub use fql::{Expression, FqlError};
pub use packaged::{FiltersError, PACKAGED, read};
pub use page::PageRules;

use self::action::Action;
use self::filtering::Filtering;
use self::transformation::Transformation;
use crate::segment::{Event, IgnoredUserIds};

/// The customer's rules. The default lets every event through as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// `CONSENT_CATEGORIES`: each has to be consented to.
    pub consent_categories: Vec<String>,
    rules: Rules,
}

/// The rules of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Transformations of a source.
    of_source: Vec<Rule<Transformation>>,
    /// Destination filters.
    filters: Vec<Rule<Vec<Action>>>,
    /// Transformations of a destination.
    of_destination: Vec<Rule<Transformation>>,
}

/// What is done with events for which a condition holds.
#[derive(Clone, Debug, PartialEq)]
struct Rule<T> {
    /// Its name for a person.
    title: String,
    condition: Expression,
    then: T,
}

impl Rules {
    /// Reads the text of a file: one or more JSON values, as Segment's Public API returns them.
    ///
    /// # Errors
    /// One line that says which rule can't be read, where, and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        // What is quoted of the file may have line breaks.
        reading::rules(text).map_err(|why| why.replace(char::is_control, " "))
    }

    /// How many filters and transformations are enabled.
    pub fn counts(&self) -> (usize, usize) {
        let transformations = self.of_source.len() + self.of_destination.len();
        (self.filters.len(), transformations)
    }
}

impl Filters {
    /// These rules. Each of the categories has to be consented to.
    pub fn new(consent_categories: Vec<String>, rules: Rules) -> Self {
        Self {
            consent_categories,
            rules,
        }
    }

    /// What becomes of an event: consent first, then the source's transformations, the destination
    /// filters, the destination's transformations.
    pub fn apply<'f>(&'f self, event: &Event<'f>, ignored: &IgnoredUserIds) -> Filtered<'f> {
        let lacking = consent::lacking(&self.consent_categories, event.fields());
        if !lacking.is_empty() {
            return Filtered::Dropped(format!("no consent for {}", lacking.join(", ")).into());
        }
        if self.rules == Rules::default() {
            return Filtered::AsItCame;
        }
        let mut filtering = Filtering::new(event);
        match self.rules.apply(&mut filtering) {
            Ok(()) => filtering.into_filtered(ignored),
            Err(Dropped(reason)) => Filtered::Dropped(reason),
        }
    }
}

/// Why an event isn't sent.
struct Dropped(Cow<'static, str>);

impl Rules {
    fn apply<'f>(&'f self, filtering: &mut Filtering<'_, 'f>) -> Result<(), Dropped> {
        transform(&self.of_source, filtering)?;
        self.filter(filtering)?;
        transform(&self.of_destination, filtering)
    }

    /// All filters see the event as it was before the first of them.
    fn filter<'f>(&'f self, filtering: &mut Filtering<'_, 'f>) -> Result<(), Dropped> {
        let mut actions = Vec::new();
        for filter in &self.filters {
            if filter.holds("filter", filtering)? {
                actions.extend(filter.then.iter().map(|action| (action, filter)));
            }
        }
        // Sample, drop, drop properties, allow properties.
        actions.sort_by_key(|(action, _)| action.order());
        for (action, filter) in actions {
            if !action.apply(&filter.title, filtering) {
                return Err(Dropped(format!("filter: {}", filter.title).into()));
            }
        }
        Ok(())
    }
}

fn transform<'f>(
    transformations: &'f [Rule<Transformation>],
    filtering: &mut Filtering<'_, 'f>,
) -> Result<(), Dropped> {
    for transformation in transformations {
        if transformation.holds("transformation", filtering)?
            && !transformation
                .then
                .apply(&transformation.title, filtering)
                .map_err(|why| cannot_evaluate("transformation", &transformation.title, why))?
        {
            let title = &transformation.title;
            return Err(Dropped(format!("transformation: {title}").into()));
        }
    }
    Ok(())
}

impl<T> Rule<T> {
    /// Whether its condition holds. One that can't be evaluated drops the event, so that no rule for
    /// personal data fails open.
    fn holds(&self, kind: &str, filtering: &Filtering<'_, '_>) -> Result<bool, Dropped> {
        let holds = self.condition.holds(filtering.fields());
        holds.map_err(|why| cannot_evaluate(kind, &self.title, why))
    }
}

fn cannot_evaluate(kind: &str, title: &str, why: fql::CannotEvaluate) -> Dropped {
    Dropped(format!("{kind}: {title} (it can't be evaluated for this event: {why})").into())
}
