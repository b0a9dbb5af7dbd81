//! The documentation against the repository: what it links to, cites and lists exists.

mod citations;
mod codes;
mod links;
mod queues;
mod settings;
mod style;
mod terraform;
mod version;
mod workflows;

use std::fs;
use std::path::{Path, PathBuf};

/// What is built or installed here, and holds nothing of the project's own.
const NOT_OURS: [&str; 6] = [
    ".aws-sam",
    ".git",
    ".tools",
    "corpus",
    "node_modules",
    "target",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The project's files with one of these extensions.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, name) = (entry.path(), entry.file_name());
            let is_ours = !NOT_OURS.iter().any(|other| name == *other);
            let extension = path.extension().and_then(|extension| extension.to_str());
            if entry.file_type().expect("a type").is_dir() {
                folders.extend(is_ours.then_some(path));
            } else if extension.is_some_and(|extension| extensions.contains(&extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {extensions:?} was found");
    found
}

/// Fails with all problems at once.
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// A path as it is written in the repository.
fn shown(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.display().to_string()
}
