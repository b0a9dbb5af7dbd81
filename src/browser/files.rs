//! The plugin's files, as `browser/` builds them.

use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A file for pages.
#[derive(Debug)]
pub struct File {
    /// Its name, which is the last part of its path.
    pub name: &'static str,
    /// Its text, JavaScript.
    pub text: &'static str,
    packed: OnceLock<Vec<u8>>,
}

impl File {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text,
            packed: OnceLock::new(),
        }
    }

    /// Its text, gzipped on the first request and kept.
    pub fn packed(&self) -> &[u8] {
        self.packed.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let written = encoder.write_all(self.text.as_bytes());
            written
                .and_then(|()| encoder.finish())
                .expect("memory takes everything")
        })
    }

    /// A version that changes whenever one of this build's files does.
    pub fn version(&self) -> &'static str {
        &VERSION
    }
}

/// The name of the script that makes the plugin.
pub(super) const SCRIPT: &str = "intercom.js";

static FILES: [File; 3] = [
    File::new(SCRIPT, include_str!("../../browser/dist/intercom.js")),
    File::new(
        "intercom.mjs",
        include_str!("../../browser/dist/intercom.mjs"),
    ),
    File::new(
        "intercom-device.mjs",
        include_str!("../../browser/dist/intercom-device.mjs"),
    ),
];

/// The parts that analytics.js loads on demand, of its newest version at this build: from here, an
/// ad blocker that knows Segment's CDN stops none of them.
static BUNDLES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let all = include_str!("../../browser/dist/analytics-next.js");
    let parts = all.split("//# file ").skip(1);
    let named = parts.filter_map(|part| part.split_once('\n'));
    named.map(|(name, text)| File::new(name, text)).collect()
});

/// The part of analytics.js with this name, if this build has it. A name always stands for the
/// same text.
pub(super) fn bundle(name: &str) -> Option<&'static File> {
    BUNDLES.iter().find(|file| file.name == name)
}

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
    fn a_file_is_packed_once() {
        let packed = || file("/browser/intercom.js").expect("a file").0.packed();
        assert!(std::ptr::eq(packed(), packed()));
    }

    #[test]
    fn parts_of_analytics_js() {
        for part in ["ajs-destination", "tsub-middleware", "queryString"] {
            let is_it = |file: &&File| file.name.starts_with(part);
            let file = BUNDLES.iter().find(is_it).expect("a part");
            assert!(file.name.contains(".bundle."), "{}", file.name);
            assert!(file.text.contains("webpackChunk"), "{}", file.name);
            assert_eq!(bundle(file.name).map(|file| file.text), Some(file.text));
        }
        assert!(bundle("ajs-destination.bundle.0f.js").is_none());
    }

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
