//! Segment's Filter Query Language, FQL: `type = 'track' and match( event, 'Order *' )`.
//!
//! A statement is parsed once into an [`Expression`] and evaluated on each event. What it means, and
//! where Segment's own semantics surprise: `docs/filters.md#fql`.

mod evaluate;
mod function;
mod glob;
mod parser;
mod path;
mod routing;

pub(super) use function::CannotEvaluate;
pub use parser::FqlError;
pub(super) use path::Path;

use self::function::Function;
use crate::segment::Value;

/// A parsed statement. Its value is a condition's when that value is literally `true`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Node);

/// One node of the tree.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// A constant, or a list of constants.
    Literal(Value<'static>),
    /// A list with at least one item that isn't constant.
    List(Vec<Node>),
    /// A field of the event.
    Path(Path),
    Call(Function, Vec<Node>),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Compare(Comparison, Box<[Node; 2]>),
}

/// What stands between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
}

impl Comparison {
    /// As it is written.
    fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
        }
    }
}

impl Expression {
    /// Parses a statement.
    ///
    /// # Errors
    /// [`FqlError`], with the place in the statement and what is allowed there.
    pub fn parse(statement: &str) -> Result<Self, FqlError> {
        parser::parse(statement).map(Self)
    }

    /// Whether its value may change when what is at this path, from the event's top, does.
    pub(super) fn reads(&self, keys: &[String]) -> bool {
        self.0.reads(keys)
    }
}

impl Node {
    fn reads(&self, keys: &[String]) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Path(path) => path.keys().starts_with(keys) || keys.starts_with(path.keys()),
            Self::Not(node) => node.reads(keys),
            Self::List(nodes) | Self::Call(_, nodes) | Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().any(|node| node.reads(keys))
            }
            Self::Compare(_, sides) => sides.iter().any(|node| node.reads(keys)),
        }
    }
}
