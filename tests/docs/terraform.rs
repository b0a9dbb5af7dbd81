//! The Terraform example names parameters and outputs of the template.

use std::collections::BTreeSet;

use regex::Regex;

use super::{assert_none, root, text_of};

/// The names at the given depth beneath a key of the template.
fn names_of(section: &str) -> BTreeSet<String> {
    let template = text_of(&root().join("template.yaml"));
    let lines = template.lines().skip_while(|line| *line != section).skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let name = Regex::new(r"^  (\w+):").expect("a pattern");
    lines
        .filter_map(|line| Some(name.captures(line)?[1].to_owned()))
        .collect()
}

#[test]
fn the_example_names_what_the_template_has() {
    let folder = root().join("examples/terraform");
    let (main, settings) = (
        text_of(&folder.join("main.tf")),
        text_of(&folder.join("terraform.tfvars.example")),
    );
    // What is in CamelCase and is set, or read from the outputs.
    let parameter = Regex::new(r"\b([A-Z]\w+) +=").expect("a pattern");
    let output = Regex::new(r#"outputs\["?(\w+)"?\]|outputs\.(\w+)"#).expect("a pattern");
    let mut problems = Vec::new();
    let mut count = 0;
    for (known, pattern, text) in [
        (
            names_of("Parameters:"),
            &parameter,
            format!("{main}{settings}"),
        ),
        (names_of("Outputs:"), &output, main.clone()),
    ] {
        for found in pattern.captures_iter(&text) {
            let name = found.iter().skip(1).flatten().next().expect("a name");
            count += 1;
            if !known.contains(name.as_str()) {
                problems.push(format!("template.yaml has no {}", name.as_str()));
            }
        }
    }
    assert!(count >= 5, "only {count} names were found");
    assert_none(&problems);
}
