//! A statement in the form that analytics.js evaluates in the page: JSON in prefix order.

use serde_json::{Value as Json, json};

use super::function::Function;
use super::{Comparison, Expression, Node};
use crate::segment::Value;

impl Expression {
    /// The statement for the page's own engine.
    ///
    /// # Errors
    /// What of it that engine can't do, or would do otherwise than Segment documents.
    pub(in crate::filters) fn routing_form(&self) -> Result<Json, String> {
        condition(&self.0)
    }
}

fn condition(node: &Node) -> Result<Json, String> {
    Ok(match node {
        Node::Literal(value) => constant(value),
        Node::Path(_) => operand(node)?,
        Node::Not(node) => json!(["!", condition(node)?]),
        Node::And(nodes) => chain("and", nodes)?,
        Node::Or(nodes) => chain("or", nodes)?,
        Node::Call(Function::Contains | Function::Match | Function::Semver, _) => call(node)?,
        Node::Call(function, _) => return Err(format!("{}() as a condition", function.name())),
        Node::List(_) => return Err("a list as a condition".to_owned()),
        Node::Compare(comparison, sides) => {
            let [left, right] = &**sides;
            compare(*comparison, left, right)?
        }
    })
}

fn chain(word: &str, nodes: &[Node]) -> Result<Json, String> {
    let nodes = nodes.iter().map(condition);
    let all = std::iter::once(Ok(word.into())).chain(nodes);
    Ok(Json::Array(all.collect::<Result<_, _>>()?))
}

fn compare(comparison: Comparison, left: &Node, right: &Node) -> Result<Json, String> {
    let word = comparison.as_str();
    let is_length = |node: &Node| matches!(node, Node::Call(Function::Length, _));
    match comparison {
        Comparison::In => match right {
            Node::Literal(list @ Value::Array(items)) => {
                let left = plain(left)?;
                let is_in = json!([word, left, constant(list)]);
                Ok(if items.contains(&Value::Null) {
                    json!(["or", is_in, is_null(&left)])
                } else {
                    is_in
                })
            }
            _ => Err("\"in\" with a list that isn't constant".to_owned()),
        },
        // The engine counts a text's UTF-16 units, and has no length of what isn't there.
        Comparison::Greater if is_length(left) && is_number(right, 0) => {
            Ok(json!([word, call(left)?, operand(right)?]))
        }
        _ if is_length(left) || is_length(right) => {
            Err("length(), other than in length( x ) > 0".to_owned())
        }
        Comparison::Equal | Comparison::NotEqual if may_be_null(left) && may_be_null(right) => {
            let (left, right) = (operand(left)?, operand(right)?);
            let are_null = json!(["and", is_null(&left), is_null(&right)]);
            let is_equal = json!(["or", ["=", left, right], are_null]);
            Ok(match comparison {
                Comparison::Equal => is_equal,
                _ => json!(["!", is_equal]),
            })
        }
        _ => Ok(json!([word, operand(left)?, operand(right)?])),
    }
}

fn is_number(node: &Node, number: u64) -> bool {
    *node == Node::Literal(Value::Number(number.into()))
}

fn may_be_null(node: &Node) -> bool {
    matches!(
        node,
        Node::Path(_) | Node::Call(Function::Lowercase, _) | Node::Literal(Value::Null)
    )
}

/// Whether this is null. The engine takes a missing field for something else.
fn is_null(operand: &Json) -> Json {
    let missing = json!(["=", ["typeof", operand], {"value": "undefined"}]);
    json!(["or", ["=", operand, {"value": null}], missing])
}

/// A path or a constant.
fn plain(node: &Node) -> Result<Json, String> {
    match node {
        Node::Path(_) | Node::Literal(_) => operand(node),
        _ => Err("a function before \"in\"".to_owned()),
    }
}

/// What stands on one side of a comparison.
fn operand(node: &Node) -> Result<Json, String> {
    match node {
        Node::Literal(Value::Array(_)) => Err("a list, other than after \"in\"".to_owned()),
        Node::Literal(value) => Ok(constant(value)),
        Node::Path(path) if path.keys().iter().any(|key| key.contains('.')) => {
            Err(format!("the dot within a key of {path}"))
        }
        Node::Path(path) => Ok(path.keys().join(".").into()),
        Node::Call(Function::Contains | Function::Match | Function::Lowercase, _) => call(node),
        Node::Call(function, _) => Err(format!("{}()", function.name())),
        _ => Err("a condition or a list as a value".to_owned()),
    }
}

fn call(node: &Node) -> Result<Json, String> {
    let Node::Call(function, arguments) = node else {
        return operand(node);
    };
    // The engine doesn't evaluate a function within a function.
    let arguments = arguments.iter().map(|argument| match argument {
        Node::Call(inner, _) => Err(format!("{}() within a function", inner.name())),
        argument => operand(argument),
    });
    let all = std::iter::once(Ok(function.name().into())).chain(arguments);
    Ok(Json::Array(all.collect::<Result<_, _>>()?))
}

fn constant(value: &Value<'_>) -> Json {
    match value {
        Value::Array(items) => {
            let items: Vec<Json> = items.iter().map(constant).collect();
            json!({"value": items})
        }
        value => json!({"value": value}),
    }
}
