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
    let is_null = |node: &Node| *node == Node::Literal(Value::Null);
    let is_length = |node: &Node| matches!(node, Node::Call(Function::Length, _));
    match comparison {
        // The engine takes a missing field for something else than null.
        Comparison::Equal | Comparison::NotEqual if is_null(left) || is_null(right) => {
            let other = if is_null(left) { right } else { left };
            let other = operand(other)?;
            let missing = json!(["=", ["typeof", other], {"value": "undefined"}]);
            let is_null = json!(["or", ["=", other, {"value": null}], missing]);
            Ok(match comparison {
                Comparison::Equal => is_null,
                _ => json!(["!", is_null]),
            })
        }
        Comparison::In => match right {
            Node::Literal(list @ Value::Array(_)) => {
                Ok(json!([word, plain(left)?, constant(list)]))
            }
            _ => Err("\"in\" with a list that isn't constant".to_owned()),
        },
        // Of what has no length the engine has none, and so nothing equals it.
        Comparison::Greater | Comparison::GreaterOrEqual
            if is_length(left) && !is_length(right) =>
        {
            Ok(json!([word, call(left)?, operand(right)?]))
        }
        _ if is_length(left) || is_length(right) => {
            Err("length(), other than in length( x ) > 1".to_owned())
        }
        _ => Ok(json!([word, operand(left)?, operand(right)?])),
    }
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
