//! The file that the rules come from.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::Rules;

/// Its name in the function's package, beside the binary.
pub const PACKAGED: &str = "filters.json";

/// A file that can't be used. One line: the file, the rule in it, what is wrong and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct FiltersError {
    file: String,
    problem: String,
}

/// Reads the rules of a file.
///
/// # Errors
/// [`FiltersError`], also for a file that isn't there if it `must_exist`. Where nobody asked for
/// one, its absence means no rules.
pub fn read(file: &Path, must_exist: bool) -> Result<Rules, FiltersError> {
    let failed = |problem: String| FiltersError {
        file: file.display().to_string(),
        problem,
    };
    match fs::read_to_string(file) {
        Ok(text) => Rules::parse(without_byte_order_mark(&text)).map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => Ok(Rules::default()),
        Err(error) => Err(failed(format!("it can't be read: {error}"))),
    }
}

fn without_byte_order_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}
