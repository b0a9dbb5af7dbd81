//! The value of a statement for one event.

use std::array;
use std::borrow::Cow;
use std::cmp::Ordering;

use super::function::{Arguments, CannotEvaluate};
use super::{Comparison, Expression, Node};
use crate::segment::{Event, Object, Value};

impl Expression {
    /// Whether the condition holds: only if its value is literally `true`.
    pub(in crate::filters) fn holds(&self, event: &Object<'_>) -> Result<bool, CannotEvaluate> {
        holds(&self.0, event)
    }

    /// Whether an event meets the condition. One for which it can't be evaluated doesn't.
    pub fn is_met_by(&self, event: &Event<'_>) -> bool {
        self.holds(event.fields()).unwrap_or_default()
    }

    /// The statement's value.
    pub(in crate::filters) fn value<'v, 'e>(
        &'v self,
        event: &'v Object<'e>,
    ) -> Result<Cow<'v, Value<'e>>, CannotEvaluate> {
        value(&self.0, event)
    }
}

fn holds(node: &Node, event: &Object<'_>) -> Result<bool, CannotEvaluate> {
    match node {
        Node::Not(node) => holds(node, event).map(|holds| !holds),
        Node::And(nodes) => all(nodes, event, true),
        Node::Or(nodes) => all(nodes, event, false).map(|none| !none),
        Node::Compare(comparison, sides) => {
            let [left, right] = &**sides;
            let (left, right) = (value(left, event)?, value(right, event)?);
            compare(*comparison, &left, &right)
        }
        node => Ok(*value(node, event)? == Value::Bool(true)),
    }
}

/// Whether all of these conditions have the expected outcome. Stops at the first that doesn't.
fn all(nodes: &[Node], event: &Object<'_>, expected: bool) -> Result<bool, CannotEvaluate> {
    for node in nodes {
        if holds(node, event)? != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

fn value<'v, 'e>(
    node: &'v Node,
    event: &'v Object<'e>,
) -> Result<Cow<'v, Value<'e>>, CannotEvaluate> {
    match node {
        Node::Literal(value) => Ok(Cow::Borrowed(value)),
        Node::Path(path) => Ok(path
            .get(event)
            .map_or(Cow::Owned(Value::Null), Cow::Borrowed)),
        Node::List(nodes) => {
            let items = nodes
                .iter()
                .map(|node| value(node, event).map(Cow::into_owned));
            Ok(Cow::Owned(Value::Array(items.collect::<Result<_, _>>()?)))
        }
        Node::Call(function, nodes) => {
            let mut arguments: Arguments<'v, 'e> = array::from_fn(|_| Cow::Borrowed(&Value::Null));
            for (argument, node) in arguments.iter_mut().zip(nodes) {
                *argument = value(node, event)?;
            }
            function.call(&arguments).map(Cow::Owned)
        }
        Node::Not(_) | Node::And(_) | Node::Or(_) | Node::Compare(..) => {
            holds(node, event).map(|holds| Cow::Owned(Value::Bool(holds)))
        }
    }
}

fn compare(
    comparison: Comparison,
    left: &Value<'_>,
    right: &Value<'_>,
) -> Result<bool, CannotEvaluate> {
    let order = || match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        _ => None,
    };
    Ok(match comparison {
        Comparison::Equal => are_equal(left, right),
        Comparison::NotEqual => !are_equal(left, right),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
        Comparison::In => match right {
            Value::Array(items) => items.iter().any(|item| are_equal(left, item)),
            Value::Null => false,
            _ => return Err(CannotEvaluate("what follows \"in\" isn't a list")),
        },
    })
}

/// Strict by type. Lists and objects are equal when their JSON is, the order of keys included.
fn are_equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || (left.is_f64() != right.is_f64() && left.as_f64() == right.as_f64())
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| are_equal(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut fields = left.iter().zip(right.iter());
            left.len() == right.len() && fields.all(|(l, r)| l.0 == r.0 && are_equal(l.1, r.1))
        }
        (left, right) => left == right,
    }
}
