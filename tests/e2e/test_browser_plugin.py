"""The plugin of browser/: its tests in Node.js, and whether what the function embeds is what its source builds to."""

import subprocess

import pytest

from tools import BROWSER, why_no_javascript

if reason := why_no_javascript():
    pytest.skip(reason, allow_module_level=True)


def run(*command):
    done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_what_is_embedded_is_what_the_source_builds_to():
    """And the plugin has at most 3 KB."""
    run("node", "node_modules/typescript/bin/tsc")
    run("node", "build.mjs", "--check")


def test_the_page_says_what_the_function_says():
    """The cases of tests/mapping/cases by device delivery, and the limit of updates."""
    run("node", "--test", "test/")
