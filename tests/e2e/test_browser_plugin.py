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


CONSUMER = """/// <reference types="segment-intercom-browser/window" />
import {{ AnalyticsBrowser }} from "@segment/analytics-next"
import {{ intercom, type IntercomOptions, type Settings }} from "segment-intercom-browser"
const settings: Settings = {{ appId: "abc123", appearance: {{ alignment: "left", z_index: 900 }} }}
export const analytics = AnalyticsBrowser.load({{ writeKey: "k", plugins: [intercom, intercom(settings)] }})
const options: IntercomOptions = {{ user_hash: "h", hide_default_launcher: true }}
void analytics.identify("u-1", {{}}, {{ integrations: {{ Intercom: options }} }})
window.Intercom?.("showArticle", 123)
{mistake}
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A project that has the package as `npm pack` makes it."""
    project = tmp_path_factory.mktemp("project")
    run("npm", "pack", "--silent", "--pack-destination", project)
    package = project / "node_modules" / "segment-intercom-browser"
    package.mkdir(parents=True)
    run("tar", "-xzf", next(project.glob("*.tgz")), "-C", package, "--strip-components=1")
    (project / "node_modules" / "@segment").symlink_to(BROWSER / "node_modules" / "@segment")
    return project


def test_the_package_can_be_imported_and_required(package):
    files = package / "node_modules" / "segment-intercom-browser"
    assert {"README.md", "LICENSE", "package.json"} <= {file.name for file in files.iterdir()}
    types = {"intercom.d.ts", "intercom.d.cts", "window.d.ts"}
    assert types | {"intercom.mjs.map", "intercom.cjs.map"} <= {file.name for file in (files / "package").iterdir()}
    check = "if (intercom({ appId: 'x' }).name != 'Intercom' || !intercom.pluginName) process.exit(1)"
    run("node", "--input-type=module", "-e", f"import {{ intercom }} from 'segment-intercom-browser'; {check}",
        cwd=package)
    run("node", "-e", f"const {{ intercom }} = require('segment-intercom-browser'); {check}", cwd=package)


@pytest.mark.parametrize(("module", "name"), [
    ("nodenext", "page.mts"), ("nodenext", "page.cts"), ("esnext", "page.ts")], ids=["module", "CommonJS", "bundler"])
def test_the_package_has_types(package, module, name):
    """For imports and for `require`, and they know a wrong option from a right one."""
    def check(mistake=""):
        (package / name).write_text(CONSUMER.format(mistake=mistake))
        resolution = "bundler" if module == "esnext" else module
        return subprocess.run(
            ["node", BROWSER / "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target",
             "es2021", "--lib", "es2021,dom", "--module", module, "--moduleResolution", resolution, name],
            cwd=package, capture_output=True, text=True)

    right = check()
    assert right.returncode == 0, right.stdout
    for mistake in ("intercom({})", "intercom({ appId: 1 })", "options.userHash = 'h'"):
        wrong = check(mistake)
        assert (package / name).name in wrong.stdout, mistake
