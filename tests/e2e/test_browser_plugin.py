"""The plugin of browser/: its tests in Node.js, and whether what the function embeds is what its source builds to."""

import subprocess

import pytest

from tools import BROWSER, why_no_javascript

if reason := why_no_javascript():
    pytest.skip(reason, allow_module_level=True)


def run(*command, cwd=BROWSER):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_what_is_embedded_is_what_the_source_builds_to():
    """And the plugin has at most 4 KB, with gzip."""
    run("node", "node_modules/typescript/bin/tsc")
    run("node", "build.mjs", "--check")


def test_the_page_says_what_the_function_says():
    """The cases of tests/mapping/cases by device delivery; who the Messenger is told is there, and how often."""
    run("node", "--test", "test/")


def test_the_package_can_be_imported_and_required(tmp_path):
    run("npm", "pack", "--silent", "--pack-destination", tmp_path)
    package = tmp_path / "node_modules" / "segment-intercom-browser"
    package.mkdir(parents=True)
    run("tar", "-xzf", next(tmp_path.glob("*.tgz")), "-C", package, "--strip-components=1")
    assert {"README.md", "LICENSE", "package.json"} <= {file.name for file in package.iterdir()}
    types = {"intercom.d.ts", "intercom.d.cts", "window.d.ts"}
    assert types | {"intercom.mjs.map", "intercom.cjs.map"} <= {file.name for file in (package / "package").iterdir()}
    check = "if (intercom({ appId: 'x' }).name != 'Intercom' || !intercom.pluginName) process.exit(1)"
    run("node", "--input-type=module", "-e", f"import {{ intercom }} from 'segment-intercom-browser'; {check}",
        cwd=tmp_path)
    run("node", "-e", f"const {{ intercom }} = require('segment-intercom-browser'); {check}", cwd=tmp_path)
