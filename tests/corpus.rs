//! The fuzz targets of `fuzz/`, run with every file of their corpus. What a fuzzer found once
//! stays found.

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz targets")]
mod targets;

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let files = fs::read_dir(folder).expect("the corpus");
    let paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    assert!(paths.len() >= 10, "only {} files were found", paths.len());
    for path in paths {
        // Shown only when the check after it fails.
        println!("{}", path.display());
        run(&fs::read(path).expect("a readable file"));
    }
}

#[test]
fn filters() {
    replay("filters", targets::filters);
}

#[test]
fn http() {
    replay("http", targets::http);
}

#[test]
fn mapping() {
    replay("mapping", targets::mapping);
}

#[test]
fn tracking() {
    replay("tracking", targets::tracking);
}

#[test]
fn trigger() {
    replay("trigger", targets::trigger);
}

#[test]
fn queue() {
    replay("queue", targets::queue);
}
