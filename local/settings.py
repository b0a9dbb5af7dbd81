"""The function's settings as variables of `make run`: `NESTED=flatten make run`."""

import os
import re

from samtranslator.yaml_helper import yaml_parse

from tools import ROOT, Failure


def from_environment():
    """The template's parameters for those of the function's variables that this process has, checked as CloudFormation
    would: its own message names neither the variable nor what is allowed."""
    template = yaml_parse((ROOT / "template.yaml").read_text())
    variables = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"]
    given = {}
    for name, value in variables.items():
        parameter = value.get("Ref") if isinstance(value, dict) else None
        if parameter in template["Parameters"] and name in os.environ:
            check(name, os.environ[name], template["Parameters"][parameter])
            given[parameter] = os.environ[name]
    return given


def check(name, value, parameter):
    """Raises Failure for a value that the parameter doesn't take."""
    if allowed := parameter.get("AllowedValues"):
        fits, what = value in map(str, allowed), " or ".join(map(str, allowed))
    elif parameter["Type"] == "Number":
        least, most = parameter.get("MinValue", 0), parameter.get("MaxValue", float("inf"))
        fits = bool(re.fullmatch(r"-?\d{1,9}", value)) and least <= int(value) <= most
        what = f"a whole number from {least}" + (f" to {most}" if "MaxValue" in parameter else "")
    else:
        fits = bool(re.search(parameter.get("AllowedPattern", ""), value)) and '"' not in value
        what = parameter.get("ConstraintDescription", "text without double quotes")
    if not fits:
        raise Failure(f"{name}={value} is not allowed: use {what}")
