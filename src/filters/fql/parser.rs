//! From a statement's text to its tree.

mod token;

use self::token::number;
use super::function::Function;
use super::{Comparison, Node, Path, glob};
use crate::segment::Value;

/// Parentheses, lists, calls and negations inside each other, so that none exhausts the stack.
const MAX_DEPTH: usize = 64;

/// A statement that can't be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at character {position} of {statement:?}")]
pub struct FqlError {
    /// Where, in characters from 1.
    pub position: usize,
    /// What is wrong there, and what is allowed.
    pub message: String,
    /// The statement, at most 200 characters of it.
    statement: String,
}

/// Most characters of a statement in an error.
const SHOWN: usize = 200;

pub(super) fn parse(statement: &str) -> Result<Node, FqlError> {
    let mut parser = Parser {
        text: statement,
        place: 0,
        depth: 0,
    };
    let node = parser.expression().and_then(|node| match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("and, or, a comparison or the end")),
    });
    node.map_err(|Unparsable { place, message }| FqlError {
        position: 1 + statement[..place].chars().count(),
        message,
        statement: statement.chars().take(SHOWN).collect(),
    })
}

/// What is wrong, and at which byte.
struct Unparsable {
    place: usize,
    message: String,
}

type Parsed<T> = Result<T, Unparsable>;

struct Parser<'t> {
    text: &'t str,
    /// The next byte.
    place: usize,
    depth: usize,
}

impl Parser<'_> {
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(self.fail(format!("more than {MAX_DEPTH} levels inside each other")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self) -> Parsed<Node> {
        self.chain("or", Node::Or, |parser| {
            parser.chain("and", Node::And, Self::condition)
        })
    }

    /// One part, or several with this word between them.
    fn chain(
        &mut self,
        word: &str,
        join: impl FnOnce(Vec<Node>) -> Node,
        part: impl Fn(&mut Self) -> Parsed<Node>,
    ) -> Parsed<Node> {
        let first = part(self)?;
        let mut parts = vec![first];
        while self.take_word(word) {
            parts.push(part(self)?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => join(parts),
        })
    }

    fn condition(&mut self) -> Parsed<Node> {
        if self.rest().starts_with('!') && !self.rest().starts_with("!=") {
            let start = self.place;
            self.place += 1;
            let negated = self.nested(|parser| {
                if parser.rest().starts_with('!') {
                    parser.condition()
                } else {
                    parser.operand()
                }
            })?;
            if self.comparison().is_some() {
                return Err(Unparsable {
                    place: start,
                    message: "what ! negates is unclear: write !( a = b )".to_owned(),
                });
            }
            return Ok(Node::Not(Box::new(negated)));
        }
        let left = self.operand()?;
        let Some(comparison) = self.comparison() else {
            return Ok(left);
        };
        let right = self.operand()?;
        if comparison == Comparison::In
            && let Node::Literal(value) = &right
            && !value.is_array()
        {
            return Err(self.fail("what stands before this isn't a list: write x in ['a', 'b']"));
        }
        if self.comparison().is_some() {
            return Err(self.fail("two comparisons need \"and\" between them"));
        }
        Ok(Node::Compare(comparison, Box::new([left, right])))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        if self.take_word("in") {
            return Some(Comparison::In);
        }
        let all = [
            Comparison::NotEqual,
            Comparison::LessOrEqual,
            Comparison::GreaterOrEqual,
            Comparison::Equal,
            Comparison::Less,
            Comparison::Greater,
        ];
        all.into_iter()
            .find(|comparison| self.take(comparison.as_str()))
    }

    fn operand(&mut self) -> Parsed<Node> {
        match self.peek() {
            Some('(') => {
                self.place += 1;
                let inner = self.nested(Self::expression)?;
                if self.take(")") {
                    Ok(inner)
                } else {
                    Err(self.unexpected("a closing parenthesis"))
                }
            }
            Some('[') => self.list(),
            Some(quote @ ('\'' | '"')) => self.text(quote).map(Node::Literal),
            _ => self.name(),
        }
    }

    fn list(&mut self) -> Parsed<Node> {
        self.place += 1;
        let nodes = self.items("]")?;
        let constant = nodes.iter().map(|node| match node {
            Node::Literal(value) => Some(value.clone()),
            _ => None,
        });
        Ok(match constant.collect() {
            Some(items) => Node::Literal(Value::Array(items)),
            None => Node::List(nodes),
        })
    }

    /// Values with commas between them, up to what closes them.
    fn items(&mut self, close: &str) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        if self.take(close) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.nested(Self::expression)?);
            if self.take(close) {
                return Ok(nodes);
            }
            if !self.take(",") {
                return Err(self.unexpected(&format!("a comma or {close:?}")));
            }
        }
    }

    /// A path, a constant, a number or a call.
    fn name(&mut self) -> Parsed<Node> {
        let start = self.place;
        let word = self.word();
        if word.is_empty() || matches!(word, "and" | "or" | "in") {
            return Err(self.unexpected("a field, a function, a text, a number or a list"));
        }
        self.place += word.len();
        let constant = match word {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            "null" => Some(Value::Null),
            word => number(word),
        };
        if let Some(constant) = constant {
            return Ok(Node::Literal(constant));
        }
        if self.peek() == Some('(') {
            return self.call(word, start);
        }
        let path = Path::parse(word);
        if word.ends_with('\\') || path.keys().iter().any(String::is_empty) {
            self.place = start;
            return Err(self.fail(format!("{word:?} is no path: a.b, with \\ before signs")));
        }
        Ok(Node::Path(path))
    }

    fn call(&mut self, name: &str, start: usize) -> Parsed<Node> {
        let mut known = Function::ALL.into_iter();
        let Some(function) = known.find(|function| function.name() == name) else {
            self.place = start;
            let known = Function::ALL.map(Function::name).join(", ");
            return Err(self.fail(format!("there is no function {name:?}, but {known}")));
        };
        self.place += 1;
        let arguments = self.items(")")?;
        let place = std::mem::replace(&mut self.place, start);
        if arguments.len() != function.arity() {
            let (takes, given) = (function.arity(), arguments.len());
            return Err(self.fail(format!("{name}() takes {takes} values, not {given}")));
        }
        if function == Function::Match
            && let Node::Literal(Value::Str(pattern)) = &arguments[1]
            && !glob::is_pattern(pattern)
        {
            let message = format!("{pattern:?} is no pattern: [ and \\ need their other half");
            return Err(self.fail(message));
        }
        self.place = place;
        Ok(Node::Call(function, arguments))
    }
}

#[cfg(test)]
mod tests {
    use crate::filters::fql::Expression;

    #[test]
    fn an_error_says_where_and_what_is_allowed() {
        for (statement, position, named) in [
            ("", 1, "a field, a function"),
            (r#"userId = oops""#, 14, "and, or"),
            ("event = 'Click", 9, "isn't closed"),
            ("event = ", 9, "a field, a function"),
            ("event = 'a' AND type = 'b'", 13, "lower case"),
            ("event == 'a'", 8, "equality is one ="),
            ("a && b", 3, "\"and\" is written out"),
            ("a || b", 3, "\"or\" is written out"),
            ("not a", 5, "the end"),
            (
                "contain(event, 'a')",
                1,
                "there is no function \"contain\", but contains",
            ),
            ("contains(event)", 1, "contains() takes 2 values, not 1"),
            (
                "a = 1 and length(x, y) > 2",
                11,
                "length() takes 1 values, not 2",
            ),
            ("type in 'track'", 16, "isn't a list"),
            ("type in ['track', ", 19, "a field"),
            ("type in ['track' 'page']", 18, "a comma or \"]\""),
            ("(type = 'track'", 16, "a closing parenthesis"),
            ("type = 'track')", 15, "and, or"),
            ("!type = 'track'", 1, "write !( a = b )"),
            ("1 < a < 2", 8, "\"and\" between"),
            ("match(event, '[a')", 1, "is no pattern"),
            ("a..b = 1", 1, "is no path"),
            ("ä = 1", 1, "a field"),
            ("event = 'ä' $", 13, "not \"$\""),
            ("event = and", 9, "not \"and\""),
        ] {
            let error = Expression::parse(statement).expect_err(statement);
            assert!(error.to_string().contains(named), "{statement}: {error}");
            assert_eq!(error.position, position, "{statement}: {error}");
        }
    }

    #[test]
    fn nothing_exhausts_the_stack() {
        for deep in ["(", "[", "!", "length(", "!("] {
            let statement = deep.repeat(100_000);
            let error = Expression::parse(&statement).expect_err(deep);
            assert!(error.to_string().contains("levels inside"), "{error}");
            assert!(error.to_string().len() < 500, "{error}");
        }
        let long = "type = 'track' and ".repeat(10_000) + "true";
        assert!(Expression::parse(&long).is_ok());
    }
}
