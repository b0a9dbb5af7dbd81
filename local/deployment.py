"""`make settings`, `make deploy`, `make delete`: a stack on AWS, by the settings of deployments/STACK.toml.

A setting that the file doesn't name has the template's default: CloudFormation would keep the deployed value, so that
no setting could be reset, and `sam deploy --guided` can't clear an answer that it has saved. Runs on .tools/sam.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
import textwrap

from samcli.yamlhelper import yaml_parse

import filters
import health
from build import ARCHITECTURE
from deployed import DEPLOYMENTS, Deployed, command, default_region, read_settings, settings_path
from tools import ROOT, SAM, Failure, command_for_target

SAM_COMMAND = str(SAM / "sam")


def template():
    return yaml_parse((ROOT / "template.yaml").read_text())


def parameters(name):
    """The value of every parameter of the template, as text: the settings file's, else the default."""
    file = settings_path(name).relative_to(ROOT)
    settings = read_settings(name)
    if settings is None:
        raise Failure(f"{file} is missing: `make settings STACK={name}` writes it")
    if not isinstance(settings.pop("region", None), str):
        raise Failure(f'{file} names no AWS region: write region = "…" above [parameters]')
    given = settings.pop("parameters", {})
    if settings:
        raise Failure(f"{file}: {next(iter(settings))} belongs under [parameters]")
    return merge(given, template()["Parameters"])


def merge(given, known):
    """The value of every parameter in `known`: the given one, else its default."""
    for name in given:
        if name not in known:
            similar = difflib.get_close_matches(name, known, 1)
            hint = f": did you mean {similar[0]}?" if similar else ", see template.yaml"
            raise Failure(f"there is no parameter {name}{hint}")
    values = {name: text(name, given.get(name, parameter.get("Default"))) for name, parameter in known.items()}
    reserved = int(values["ReservedConcurrency"])
    if reserved != -1 and reserved <= int(values["RetryConcurrency"]):
        raise Failure(f"ReservedConcurrency={reserved} must be more than RetryConcurrency="
                      f"{values['RetryConcurrency']}: retries would leave nothing for requests")
    return values


def text(name, value):
    """A parameter's value as CloudFormation takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int)):
        return str(value)
    if value is None:
        raise Failure(f"{name} is required: give it under [parameters]")
    raise Failure(f"{name} must be text in quotes, a whole number, true or false")


# make settings


def write_settings(name):
    """Writes the settings file with every parameter commented out."""
    path = settings_path(name)
    file = path.relative_to(ROOT)
    if path.exists():
        print(f"{file} is there already. `make deploy STACK={name}` deploys it.")
        return
    region = default_region()
    DEPLOYMENTS.mkdir(exist_ok=True)
    path.write_text("\n".join(settings_file(name, region)) + "\n")
    print(f"Wrote {file}, for {region}. Look through it, then: make deploy STACK={name}")


def settings_file(name, region):
    parsed = template()
    yield from comment(
        f"Settings of the stack {name}. What stays commented out has the template's default, also later: comment a "
        "line out again, and `make deploy` takes it back. Git ignores this file. Tokens and keys don't belong here: "
        "`make secret` asks for them.")
    yield f'region = "{region}"\n\n[parameters]'
    for group in parsed["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        yield f"\n## {group['Label']['default']}"
        for parameter in group["Parameters"]:
            known = parsed["Parameters"][parameter]
            allowed = known.get("AllowedValues")
            one_of = f" One of {', '.join(map(str, allowed))}." if allowed else ""
            yield ""
            yield from comment(known["Description"] + one_of)
            yield f"#{parameter} = {json.dumps(known.get('Default', ''))}"


def comment(sentence):
    return textwrap.wrap(sentence, 110, initial_indent="# ", subsequent_indent="# ")


# make deploy, make delete


def deploy(name):
    """Builds the function, deploys the stack with every parameter given, and asks whether it is well."""
    values = parameters(name)
    deployed = Deployed(name)
    refuse_other_partitions(deployed)
    overrides = ROOT / "target" / "deployments" / f"{name}.yaml"
    overrides.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML as well.
    overrides.write_text(json.dumps(values, indent=2))
    run(["cargo", "fetch", "--locked"], "Cargo.lock doesn't name what is to be built: see cargo's message above")
    run(command_for_target(values["Architecture"]), "adding Rust's target failed: see above")
    # The same file for both, so that what is built is of the architecture that is deployed.
    run([SAM_COMMAND, "build", "--parameter-overrides", f"file://{overrides}"], "building failed: see above")
    take_filters_along(name, values["Architecture"])
    confirm = "--no-confirm-changeset" if os.environ.get("YES") else "--confirm-changeset"
    run([SAM_COMMAND, "deploy", "--stack-name", name, "--region", deployed.region, "--resolve-s3",
         "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset", confirm,
         "--parameter-overrides", f"file://{overrides}"], "deploying failed: see above")
    if deployed.description() is None:  # the change set was turned down
        return
    outputs = deployed.outputs()
    width = max(map(len, outputs))
    print("\n" + "\n".join(f"{output:<{width}}  {value}" for output, value in outputs.items()) + "\n", flush=True)
    health.check(deployed)


def take_filters_along(name, architecture):
    """Puts the stack's file of filters, if it has one, beside the built binary, once it is known to be good."""
    file = DEPLOYMENTS / f"{name}.filters.json"
    if not file.exists():
        return
    [binary] = (ROOT / ".aws-sam" / "build").glob("*/bootstrap")
    filters.check(file, binary if architecture == ARCHITECTURE else None)
    shutil.copyfile(file, binary.with_name(filters.PACKAGED))


def refuse_other_partitions(deployed):
    partition = deployed.aws("sts").get_caller_identity()["Arn"].split(":")[1]
    if partition != "aws":
        raise Failure(f"these credentials are of the partition {partition}: China and GovCloud aren't supported, since "
                      "Segment's AWS destinations don't reach them and nothing has been tried there")


def delete(name):
    """Deletes the stack, once the user knows what goes with it and what stays."""
    deployed = Deployed(name)
    outputs = deployed.outputs()
    letters = ("DeadLetterQueueUrl", "MovedBySqsQueueUrl", "FailedInvocationQueueUrl")
    kept = [outputs[key] for key in ("SecretArn", *letters) if key in outputs]
    if outputs:  # none after a first deployment that failed
        print(f"The log goes, and the retry and waiting queues with the {deployed.waiting_count()} messages in them.")
        print("These stay, until you delete them:\n  " + "\n  ".join(kept), flush=True)
        if count := sum(map(deployed.message_count, letters)):
            print(f"They hold {count} dead letters, which no command can show without the stack. First export them:\n"
                  f"  make dead-letters STACK={name} ARGS=export > letters.ndjson", flush=True)
    confirm = ["--no-prompts"] if os.environ.get("YES") else []
    run([SAM_COMMAND, "delete", "--stack-name", name, "--region", deployed.region, *confirm],
        "deleting failed: see above")


def run(arguments, failure):
    """Runs a command on this terminal."""
    environment = {**os.environ, "PATH": f"{SAM}{os.pathsep}{os.environ['PATH']}", "SAM_CLI_TELEMETRY": "0"}
    if subprocess.run(arguments, cwd=ROOT, env=environment).returncode != 0:
        raise Failure(failure)


if __name__ == "__main__":
    command({"settings": write_settings, "deploy": deploy, "delete": delete}[sys.argv[1]], sys.argv[2:])
