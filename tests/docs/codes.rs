//! What a machine reads off a dead letter or a log line is listed for those who write the machine.

use segment_intercom::failure::Code;
use segment_intercom::status::Status;

use super::{assert_none, root, text_of};

#[test]
fn every_code_and_status_has_a_row() {
    let statuses = [
        Status::Delivered,
        Status::Queued,
        Status::Waiting,
        Status::Skipped,
        Status::Rejected,
        Status::Lost,
    ];
    let codes = Code::ALL.map(|code| ("docs/operations.md", code.as_str()));
    let statuses = statuses.map(|status| ("docs/runbook.md", status.as_str()));
    let mut problems = Vec::new();
    for (page, word) in codes.into_iter().chain(statuses) {
        let row = format!("\n| `{word}` | ");
        if text_of(&root().join(page)).matches(&row).count() != 1 {
            problems.push(format!("{page} has no row for {word}, or several"));
        }
    }
    assert_none(&problems);
}
