"""`make package`, as far as it goes without a build of its own (local/package.py)."""

import base64
import hashlib
import os
import stat
import subprocess
import zipfile

import pytest
from samtranslator.yaml_helper import yaml_parse

import package
from build import ARCHITECTURE
from tools import ROOT, Failure


@pytest.fixture
def binaries(tmp_path):
    """Stands in for what is built."""
    binaries = {architecture: tmp_path / f"built-{architecture}" for architecture in package.TRIPLES}
    for architecture, binary in binaries.items():
        binary.write_bytes(architecture.encode() * 1000)
    return binaries


def make(dist, binaries):
    """A whole package in `dist`; gives its folder."""
    folder = dist / package.name()
    package.assemble(folder, binaries)
    package.finish(folder)
    return folder


def contents(directory):
    return {str(file.relative_to(directory)): file.read_bytes() for file in package.files_of(directory)}


def test_the_same_binaries_give_the_same_bytes_anywhere(tmp_path, binaries):
    first = make(tmp_path / "here", binaries)
    for binary in binaries.values():
        os.utime(binary, (0, 0))
        binary.chmod(0o600)
    second = make(tmp_path / "elsewhere" / "deeper", binaries)
    assert contents(first.parent) == contents(second.parent)


def test_what_is_there_from_before_goes(tmp_path, binaries):
    folder = make(tmp_path / "dist", binaries)
    known = contents(folder)
    (folder / "left-over.zip").write_bytes(b"x")
    package.assemble(folder, binaries)
    assert contents(folder) == known


def test_the_zip_holds_a_program_that_lambda_may_run(tmp_path, binaries):
    folder = make(tmp_path / "dist", binaries)
    for architecture, binary in binaries.items():
        with zipfile.ZipFile(folder / f"{package.name()}-{architecture}.zip") as archive:
            (entry,) = archive.infolist()
            assert (entry.filename, archive.read(entry)) == ("bootstrap", binary.read_bytes())
        assert stat.S_IMODE(entry.external_attr >> 16) == 0o755


def test_unpacked_it_is_what_was_packed_and_the_checksums_are_right(tmp_path, binaries):
    folder = make(tmp_path / "dist", binaries)
    download = tmp_path / "download"
    with zipfile.ZipFile(folder.with_name(f"{folder.name}.zip")) as archive:
        archive.extractall(download)
    assert contents(download / folder.name) == contents(folder)
    for file in (folder.with_name(f"{folder.name}.zip"), folder.parent / "SHA256SUMS"):
        (download / file.name).write_bytes(file.read_bytes())
    listed = {line.split("  ")[1] for line in (download / "SHA256SUMS").read_text().splitlines()}
    assert listed == contents(download).keys() - {"SHA256SUMS"}
    check = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    subprocess.run(check, cwd=download, check=True)
    with open(download / folder.name / f"template-{ARCHITECTURE}.yaml", "a") as template:
        template.write("# changed\n")
    assert subprocess.run(check, cwd=download, capture_output=True).returncode == 1


def test_its_templates_differ_from_the_repositorys_by_the_code_alone(tmp_path, binaries):
    folder = make(tmp_path / "dist", binaries)
    for architecture in binaries:
        expected = yaml_parse((ROOT / "template.yaml").read_text())
        function = expected["Resources"]["Function"]
        del function["Metadata"]["BuildMethod"], function["Metadata"]["BuildProperties"]
        function["Properties"]["CodeUri"] = f"{package.name()}-{architecture}.zip"
        expected["Parameters"]["Architecture"] |= {"Default": architecture, "AllowedValues": [architecture]}
        derived = yaml_parse((folder / f"template-{architecture}.yaml").read_text())
        assert derived == expected
        # What is uploaded when it is deployed.
        application = derived["Metadata"]["AWS::ServerlessRepo::Application"]
        for name in (function["Properties"]["CodeUri"], application["LicenseUrl"], application["ReadmeUrl"]):
            assert (folder / name).is_file()


def test_a_template_that_it_would_not_understand_is_refused():
    template = (ROOT / "template.yaml").read_text()
    for changed in (template.replace("CodeUri: .", "CodeUri: src"), template + "      CodeUri: .\n"):
        with pytest.raises(Failure, match=r"template\.yaml must have this once"):
            package.derive_template(changed, "arm64", "x.zip")


@pytest.mark.parametrize(("tag", "heading", "refusal"), [
    ("v1.2.4", "1.2.3 - 2026-12-01", r"the tag v1\.2\.4 isn't that of version 1\.2\.3"),
    ("1.2.3", "1.2.3 - 2026-12-01", r"it would be v1\.2\.3"),
    ("v1.2.3", "1.2.3 - unreleased", "give version 1.2.3 the date"),
    ("v1.2.3", "1.2.2 - 2026-12-01", "CHANGELOG.md begins with “1.2.2"),
])
def test_a_release_that_is_not_ready_is_refused(tmp_path, monkeypatch, tag, heading, refusal):
    project(tmp_path, monkeypatch, heading)
    with pytest.raises(Failure, match=refusal):
        package.release_notes(tag)


def test_the_notes_of_a_release_are_its_changes(tmp_path, monkeypatch):
    project(tmp_path, monkeypatch, "1.2.3 - 2026-12-01")
    assert package.release_notes("v1.2.3") == "- Something new.\n\n### Fixed\n\n- Something old."


def project(folder, monkeypatch, heading):
    (folder / "Cargo.toml").write_text('[package]\nname = "x"\nversion = "1.2.3"\n[dependencies]\nversion = "9"\n')
    (folder / "CHANGELOG.md").write_text(
        f"# Changes\n\nWords.\n\n## {heading}\n\n- Something new.\n\n### Fixed\n\n- Something old.\n\n"
        "## 1.2.2 - 2026-11-01\n\n- Older.\n")
    monkeypatch.setattr(package, "ROOT", folder)


def test_all_these_tests_run_on_the_packaged_zip(running_stack):
    code = running_stack.folder / f"{package.name()}-{ARCHITECTURE}.zip"
    deployed = running_stack.aws("lambda").get_function_configuration(
        FunctionName=running_stack.outputs["FunctionName"])["CodeSha256"]
    assert base64.b64decode(deployed) == hashlib.sha256(code.read_bytes()).digest()
