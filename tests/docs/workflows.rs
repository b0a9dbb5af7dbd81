//! The workflows of `.github`: nothing that somebody else can change runs with more than it needs.

use std::collections::BTreeSet;

use regex::Regex;

use super::settings::block;
use super::{assert_none, files, root, shown, text_of};

#[test]
fn every_action_is_pinned_and_every_job_names_its_rights_and_its_time() {
    let pinned = Regex::new(r"^[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d[\d.]*$").expect("a pattern");
    let job = Regex::new(r"^  ([\w-]+):$").expect("a pattern");
    let mut problems = Vec::new();
    let mut count = 0;
    let mut workflows = files(&["yml"]);
    workflows.retain(|file| file.starts_with(root().join(".github/workflows")));
    for file in &workflows {
        let (text, name) = (text_of(file), shown(file));
        if !text.contains("\npermissions: {}\n") || !text.contains("\nconcurrency:\n") {
            problems.push(format!("{name}: permissions or concurrency is missing"));
        }
        for line in text.lines() {
            let Some((_, action)) = line.split_once("uses: ") else {
                continue;
            };
            count += 1;
            if !pinned.is_match(action) {
                problems.push(format!("{name}: {action} is not pinned by its commit"));
            }
        }
        let jobs = block(&text, "jobs:").filter(|line| job.is_match(line));
        for line in jobs {
            for needed in ["    permissions:", "    timeout-minutes:"] {
                if !block(&text, line).any(|line| line.starts_with(needed)) {
                    problems.push(format!("{name}: {} has no{needed}", line.trim()));
                }
            }
        }
    }
    assert!(count >= 5, "only {count} actions were found");
    assert_none(&problems);
}

#[test]
fn the_nightly_run_fuzzes_every_target() {
    let manifest = text_of(&root().join("fuzz/Cargo.toml"));
    let targets = manifest
        .split("[[bin]]\nname = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let nightly = text_of(&root().join(".github/workflows/nightly.yml"));
    let matrix = nightly
        .split_once("target: [")
        .and_then(|(_, rest)| rest.split(']').next())
        .expect("a matrix of targets");
    assert_eq!(
        matrix.split(", ").collect::<BTreeSet<_>>(),
        targets.collect(),
        "the matrix of .github/workflows/nightly.yml and the targets of fuzz/Cargo.toml"
    );
}
