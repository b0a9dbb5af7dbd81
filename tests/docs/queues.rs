//! The queues of the template, as `docs/architecture.md` lists them.

use super::settings::block;
use super::{assert_none, root, text_of};

/// Each queue has a row that says its kind, and whether the function's role may send to it.
#[test]
fn every_queue_is_listed_with_its_kind_and_whether_the_function_sends() {
    let template = text_of(&root().join("template.yaml"));
    let page = text_of(&root().join("docs/architecture.md"));
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("Queue`"))
        .collect();
    let names: Vec<&str> = template
        .lines()
        .zip(template.lines().skip(1))
        .filter(|(_, kind)| *kind == "    Type: AWS::SQS::Queue")
        .map(|(name, _)| name.trim().trim_end_matches(':'))
        .collect();
    let role = block(&template, "  FunctionRole:").collect::<Vec<_>>();
    let sends = role
        .split(|line| line.contains("Sid:"))
        .find(|statement| {
            statement
                .iter()
                .any(|line| line.contains("sqs:SendMessage"))
        })
        .expect("a statement");
    let mut problems = Vec::new();
    for name in &names {
        let key = format!("  {name}:");
        let is_fifo = block(&template, &key).any(|line| line.trim() == "FifoQueue: true");
        let kind = if is_fifo { "FIFO" } else { "standard" };
        let may_send = sends
            .iter()
            .any(|line| line.contains(&format!("!GetAtt {name}.Arn")));
        let row = rows
            .iter()
            .find(|row| row.starts_with(&format!("| `{name}`")));
        let cells: Vec<&str> = row.map_or(Vec::new(), |row| row.split(" | ").collect());
        if cells.get(1) != Some(&kind)
            || cells.get(2).is_none_or(|cell| (*cell != "no") != may_send)
        {
            problems.push(format!(
                "{name} is {kind}, sent to by the function: {may_send}; {cells:?}"
            ));
        }
    }
    assert_eq!(names.len(), 5, "{names:?}");
    assert_none(&problems);
}
