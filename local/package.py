"""`make package`: the release, in target/dist/.

    segment-intercom-VERSION/      for each architecture the function's zip, the template that deploys it and the list
                                   of its dependencies (CycloneDX); licence and documentation
    segment-intercom-VERSION.zip   that folder
    SHA256SUMS                     of all of it

A commit gives the same bytes wherever it is built: the tools are pinned, paths of the building machine are replaced,
and zips have neither order nor time of their own. Runs on .tools/sam, with the tools of `make package`.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import filters
from processes import run_step
from tools import ROOT, SAM, TOOLS, TRIPLES, Failure, command_for_target

DIST = ROOT / "target" / "dist"
TARGET = ROOT / "target" / "package"
# What a user of the package alone needs: the licence and the readme are also what the template's metadata names.
DOCUMENTS = ("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md",
             "docs/decisions/*.md", "examples/terraform/*.tf", "examples/terraform/*.example",
             "local/dead_letters.py", "local/letters.py", "local/letter_queues.py", "local/printable.py",
             "local/deployed.py", "local/tools.py", "local/replay/*.py",
             # The console, and what else it imports.
             "local/console/*.py", "local/console/templates/*.html", "local/console/static/*.*", "events/*.json",
             "local/http_call.py", "local/intercom_account.py", "local/stack_secret.py",
             "local/requirements-console.txt")
# The earliest that a zip can hold.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def version():
    """The version in Cargo.toml, which the function reports too."""
    return re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def name():
    return f"segment-intercom-{version()}"


# From binaries to a package


def assemble(folder, binaries, filters_file=None):
    """Makes `folder` the package of these binaries, which are paths by their architecture, with a file of
    filters if there is one. Only the lists of their dependencies are left out: those take the tools of
    `make package`."""
    shutil.rmtree(folder, ignore_errors=True)
    for pattern in DOCUMENTS:
        for document in ROOT.glob(pattern):
            copy = folder / document.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(document, copy)
    template = (ROOT / "template.yaml").read_text()
    for architecture, binary in binaries.items():
        code = f"{name()}-{architecture}.zip"
        rules = {filters.PACKAGED: filters_file} if filters_file else {}
        write_zip(folder / code, {"bootstrap": binary, **rules})
        (folder / f"template-{architecture}.yaml").write_text(derive_template(template, architecture, code))


def derive_template(template, architecture, code):
    """template.yaml for the zip `code` beside it, which is of this architecture: nothing is left to be built, or to be
    chosen wrongly. SAM CLI and the AWS CLI upload what CodeUri names only where that is a plain path, so each
    architecture has a template of its own."""
    for old, new in (
        ("      BuildMethod: rust-cargolambda\n      BuildProperties:\n        Binary: bootstrap\n", ""),
        ("      CodeUri: .\n", f"      CodeUri: {code}\n"),
        ("    Default: x86_64\n    AllowedValues: [x86_64, arm64]\n",
         f"    Default: {architecture}\n    AllowedValues: [{architecture}]\n"),
    ):
        if template.count(old) != 1:
            raise Failure(f"template.yaml must have this once, for local/package.py to replace it:\n{old}")
        template = template.replace(old, new)
    return template


def write_zip(target, files):
    """Writes a zip whose bytes depend on nothing but the names and contents of `files`, which are paths by the names
    they get, and on zlib. All can be run: Lambda must be able to, as any user, and for the rest it does no harm."""
    with zipfile.ZipFile(target, "w") as archive:
        for entry_name, source in sorted(files.items()):
            entry = zipfile.ZipInfo(entry_name, ZIP_TIME)
            entry.create_system = 3  # Unix, wherever this runs: only then do the permissions count
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def finish(folder):
    """Puts the zip of a package, and the checksums of both, beside its folder."""
    write_zip(folder.with_name(f"{folder.name}.zip"), {
        str(file.relative_to(folder.parent)): file for file in files_of(folder)})
    (folder.parent / "SHA256SUMS").write_text(checksums(folder.parent))


def checksums(directory):
    """The lines that `sha256sum --check` takes."""
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(directory)}\n"
        for file in files_of(directory) if file.name != "SHA256SUMS")


def files_of(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


# What takes the tools of `make package`


def build(architecture):
    """Builds the function as `sam build` does, with the list of its dependencies inside of it (cargo auditable) and
    without paths of this machine; returns the path of the binary."""
    cargo_home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo").resolve()
    flags = [f"--remap-path-prefix={cargo_home}=/cargo", f"--remap-path-prefix={ROOT}=/segment-intercom"]
    lambda_directory = TARGET / "lambda" / architecture
    run_step(
        command_for_target(architecture), env=os.environ, cwd=ROOT,
        failure=f"adding Rust's target for {architecture} failed: see rustup's message above")
    run_step(
        ["cargo", "lambda", "build", "--release", "--locked", "--bin", "bootstrap", "--target", TRIPLES[architecture],
         "--lambda-dir", str(lambda_directory), "--config", f"build.rustflags={json.dumps(flags)}"],
        env=build_environment(), cwd=ROOT, failure="building the function failed: see cargo's message above")
    return lambda_directory / "bootstrap" / "bootstrap"


def build_environment():
    # They would take the place of the flags above.
    kept = {key: value for key, value in os.environ.items() if key not in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS")}
    return {
        **kept,
        "PATH": os.pathsep.join([str(TOOLS / "package" / "bin"), str(SAM), os.environ["PATH"]]),
        "CARGO_TARGET_DIR": str(TARGET),
        # What `cargo auditable` sets, save that it gives its whole path, which cargo hashes into the crate's symbols.
        "RUSTC_WORKSPACE_WRAPPER": "cargo-auditable",
        "CARGO_AUDITABLE_ORIG_ARGS": json.dumps({"offline": False, "locked": True, "frozen": False, "config": []}),
    }


def bill_of_materials(architecture, target):
    """Writes which crates the function of this architecture is made of, with versions, licences and checksums."""
    written = f"{target.stem}.json"
    environment = {**build_environment(), "SOURCE_DATE_EPOCH": commit_time()}
    run_step(
        ["cargo-cyclonedx", "cyclonedx", "-qq", "--format", "json", "--spec-version", "1.5", "--all", "--no-build-deps",
         "--target", TRIPLES[architecture], "--override-filename", target.stem],
        env=environment, cwd=ROOT, failure="listing the dependencies failed: see cargo-cyclonedx's message above")
    # It names packages by this machine's paths, and writes a file for every member of the workspace.
    target.write_text((ROOT / written).read_text().replace(f"file://{ROOT}", "file://"))
    for file in (ROOT / written, *ROOT.glob(f"*/*/{written}")):
        file.unlink()


def commit_time():
    """The time of the commit, in Unix seconds as text."""
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    if shown.returncode != 0:
        raise Failure(f"the time of the commit can't be read: {shown.stderr.strip()}")
    return shown.stdout.strip()


def release_notes(tag):
    """What CHANGELOG.md says of this version. Raises Failure when the tag is another one's, or it isn't ready."""
    if tag != f"v{version()}":
        raise Failure(f"the tag {tag} isn't that of version {version()} in Cargo.toml: it would be v{version()}")
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    heading, _, notes = newest.partition("\n")
    if not re.fullmatch(rf"{re.escape(version())} - \d{{4}}-\d\d-\d\d", heading):
        raise Failure(f"CHANGELOG.md begins with “{heading}”: give version {version()} the date of its release there")
    return notes.strip()


def main():
    binaries = {architecture: build(architecture) for architecture in TRIPLES}
    shutil.rmtree(DIST, ignore_errors=True)
    folder = DIST / name()
    assemble(folder, binaries)
    for architecture in binaries:
        bill_of_materials(architecture, folder / f"{name()}-{architecture}.cdx.json")
    finish(folder)
    print((DIST / "SHA256SUMS").read_text() + f"\nAll of it is in {DIST.relative_to(ROOT)}/.")


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["notes"]:
            print(release_notes(sys.argv[2]))
        else:
            main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
