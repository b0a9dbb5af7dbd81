//! A setting is in three places: the code that reads it, the template that sets it, and
//! `docs/api.md`, which says what it does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use segment_intercom::config::Config;

use super::{assert_none, files, root, text_of};

static NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?:lookup[,(]\s*|NAME: &str = )"([A-Z0-9_]+)""#).expect("a pattern")
});
static READ: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"env::var(?:_os)?\("(\w+)"\)"#).expect("a pattern"));
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`([^`]+)`").expect("a pattern"));
static RANGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\((\d[\d,]*) to (\d[\d,]*)[),;]").expect("a pattern"));
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"!Ref (\w+)").expect("a pattern"));

/// Not settings of ours: the AWS SDK's, which the template names so that `sam local invoke` can set
/// it, and one that many programs read.
const NOT_OURS: [&str; 2] = ["AWS_ENDPOINT_URL", "SSL_CERT_FILE"];

/// Every variable that the function reads.
fn variables_of_the_code() -> BTreeSet<String> {
    let mut variables = BTreeSet::new();
    for file in files(&["rs"]) {
        let Ok(path) = file.strip_prefix(root().join("src")) else {
            continue;
        };
        let text = text_of(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_config = path.starts_with("config") || path == "config.rs";
        let names = if is_config { &NAME } else { &READ };
        variables.extend(names.captures_iter(code).map(|name| name[1].to_owned()));
    }
    variables.retain(|name| !NOT_OURS.contains(&name.as_str()));
    variables
}

struct Template {
    /// The parameters and their defaults.
    parameters: BTreeMap<String, Option<String>>,
    /// The function's variables, and the parameters that give them their values.
    variables: BTreeMap<String, Vec<String>>,
}

fn template() -> Template {
    let text = text_of(&root().join("template.yaml"));
    let mut parameters: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut last = String::new();
    for line in block(&text, "Parameters:") {
        if let Some(name) = line
            .strip_prefix("  ")
            .and_then(|line| line.strip_suffix(':'))
            && !name.starts_with(' ')
        {
            name.clone_into(&mut last);
            parameters.insert(last.clone(), None);
        } else if let Some(default) = line.strip_prefix("    Default: ") {
            let default = default.trim_matches('"').to_owned();
            parameters.insert(last.clone(), Some(default));
        }
    }
    let variables = block(&text, "        Variables:").filter_map(|line| {
        let (name, value) = line.trim().split_once(": ")?;
        let references = REFERENCE.captures_iter(value);
        let references = references.map(|reference| reference[1].to_owned());
        (!name.starts_with('#')).then(|| (name.to_owned(), references.collect()))
    });
    Template {
        parameters,
        variables: variables.collect(),
    }
}

/// The lines beneath a key of YAML.
pub(super) fn block<'t>(text: &'t str, key: &'t str) -> impl Iterator<Item = &'t str> {
    let depth = key.len() - key.trim_start().len();
    let is_inside =
        move |line: &&str| line.trim().is_empty() || line.len() - line.trim_start().len() > depth;
    let lines = text.lines().skip_while(move |line| *line != key).skip(1);
    lines.take_while(is_inside)
}

/// One row of a table of settings.
#[derive(Debug)]
struct Row {
    parameters: Vec<String>,
    variables: Vec<String>,
    defaults: Vec<String>,
    /// The lowest and the highest value, as `(1 to 43,200)` says.
    range: Option<(i64, i64)>,
}

/// The rows of both tables under "Settings".
fn rows() -> Vec<Row> {
    let text = text_of(&root().join("docs/api.md"));
    let (_, section) = text.split_once("\n## Settings\n").expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let (of_function, of_stack) = section.split_once("\n### ").expect("two tables");
    let codes = |cell: &str| {
        let codes = CODE.captures_iter(cell);
        codes.map(|code| code[1].to_owned()).collect()
    };
    let cells = |line: &str| line.split('|').skip(1).map(codes).collect::<Vec<Vec<_>>>();
    let mut rows = Vec::new();
    for line in of_function.lines().filter(|line| line.starts_with('|')) {
        let [parameters, variables, defaults] = cells(line)[..3].to_vec().try_into().expect("3");
        rows.push(Row {
            parameters,
            variables,
            defaults,
            range: range(line),
        });
    }
    for line in of_stack.lines().filter(|line| line.starts_with('|')) {
        let [parameters, defaults] = cells(line)[..2].to_vec().try_into().expect("2");
        rows.push(Row {
            parameters,
            variables: Vec::new(),
            defaults,
            range: range(line),
        });
    }
    rows.retain(|row| !row.parameters.is_empty() || !row.variables.is_empty());
    rows
}

fn range(line: &str) -> Option<(i64, i64)> {
    let range = RANGE.captures(line)?;
    let [low, high] = [&range[1], &range[2]].map(|number| number.replace(',', ""));
    Some((low.parse().ok()?, high.parse().ok()?))
}

#[test]
fn every_documented_range_is_what_the_function_takes() {
    let takes = |name: &str, value: i64| {
        let required = ["SECRET_ID", "RETRY_QUEUE_URL", "WAITING_QUEUE_URL"];
        let config = Config::read(|asked| match asked {
            asked if asked == name => Some(value.to_string()),
            "DEAD_LETTER_QUEUE_URL" => Some("https://sqs.example/dead".to_owned()),
            asked if required.contains(&asked) => Some("https://sqs.example/x".to_owned()),
            _ => None,
        });
        config.is_ok()
    };
    let mut count = 0;
    let mut problems = Vec::new();
    for row in rows() {
        let ([name], Some((low, high))) = (&row.variables[..], row.range) else {
            continue;
        };
        count += 1;
        for (value, is_taken) in [
            (low - 1, false),
            (low, true),
            (high, true),
            (high + 1, false),
        ] {
            if takes(name, value) != is_taken {
                problems.push(format!("{name}={value}: docs/api.md says {low} to {high}"));
            }
        }
    }
    assert!(count >= 6, "only {count} ranges were found");
    assert_none(&problems);
}

#[test]
fn every_variable_is_read_set_and_documented() {
    let read = variables_of_the_code();
    assert!(read.len() > 20, "only {read:?} were found");
    let set = template().variables;
    let documented: Vec<String> = rows().into_iter().flat_map(|row| row.variables).collect();
    let mut problems = Vec::new();
    for name in &read {
        if !set.contains_key(name) {
            problems.push(format!("template.yaml doesn't set {name}"));
        }
        if !documented.contains(name) {
            problems.push(format!("docs/api.md doesn't list {name}"));
        }
    }
    for name in set.keys().filter(|name| !NOT_OURS.contains(&name.as_str())) {
        if !read.contains(name) {
            problems.push(format!("template.yaml sets {name}, which nothing reads"));
        }
    }
    for name in documented.iter().filter(|name| !read.contains(*name)) {
        problems.push(format!("docs/api.md lists {name}, which nothing reads"));
    }
    assert_none(&problems);
}

#[test]
fn every_parameter_is_documented_with_its_variable_and_default() {
    let template = template();
    let rows = rows();
    let mut problems = Vec::new();
    for name in template.parameters.keys() {
        if !rows.iter().any(|row| row.parameters.contains(name)) {
            problems.push(format!("docs/api.md doesn't list the parameter {name}"));
        }
    }
    for row in &rows {
        for (index, name) in row.parameters.iter().enumerate() {
            let Some(default) = template.parameters.get(name) else {
                problems.push(format!("template.yaml has no parameter {name}"));
                continue;
            };
            let stated = row.defaults.get(index);
            if stated.is_some() && stated != default.as_ref() {
                problems.push(format!("{name}: {stated:?} is listed, {default:?} is set"));
            }
            for variable in &row.variables {
                let sources = template.variables.get(variable);
                if sources.is_none_or(|sources| !sources.contains(name)) {
                    problems.push(format!("template.yaml doesn't make {name} {variable}"));
                }
            }
        }
    }
    assert_none(&problems);
}
