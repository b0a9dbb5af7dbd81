//! The plugin's files, as `browser/` builds them.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// A file for pages.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, which is the last part of its path.
    pub name: &'static str,
    /// Its text, JavaScript.
    pub text: &'static str,
}

/// The name of the script that makes the plugin.
pub(super) const SCRIPT: &str = "intercom.js";

static FILES: [File; 3] = [
    File {
        name: SCRIPT,
        text: include_str!("../../browser/dist/intercom.js"),
    },
    File {
        name: "intercom.mjs",
        text: include_str!("../../browser/dist/intercom.mjs"),
    },
    File {
        name: "intercom-device.mjs",
        text: include_str!("../../browser/dist/intercom-device.mjs"),
    },
];

/// The version in the paths of this build's files, whose content never changes under such a path.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let texts = FILES.iter().map(|file| file.text);
    let digest = texts.fold(Sha256::new(), Digest::chain_update);
    hex::encode(&digest.finalize()[..8])
});

/// The file of a path `…/browser/intercom.js` or `…/browser/VERSION/intercom.js`, and whether that
/// is this build's version, so that it can be cached forever. A page with the settings of an
/// earlier build gets this build's file.
pub fn file(path: &str) -> Option<(&'static File, bool)> {
    let (_, path) = path.rsplit_once("/browser/")?;
    let (version, name) = path.split_once('/').unwrap_or(("", path));
    let file = FILES.iter().find(|file| file.name == name)?;
    Some((file, version == *VERSION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_files() {
        let versioned = format!("/prod/browser/{}/intercom-device.mjs", *VERSION);
        for (path, expected) in [
            ("/browser/intercom.js", Some(("intercom.js", false))),
            ("/browser/intercom.mjs", Some(("intercom.mjs", false))),
            ("/browser/0123/intercom.js", Some(("intercom.js", false))),
            (&*versioned, Some(("intercom-device.mjs", true))),
            ("/browser/other.js", None),
            ("/browser/a/b/intercom.js", None),
            ("/intercom.js", None),
        ] {
            let found = file(path).map(|(file, is_this_build)| (file.name, is_this_build));
            assert_eq!(found, expected, "{path}");
        }
    }
}
