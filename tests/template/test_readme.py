"""The README's tables say what the template says."""

import re
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


def test_parameters_are_listed_with_their_defaults() -> None:
    listed = re.findall(r"^\| `([A-Z][a-z][A-Za-z]+)` \| (.*?) \| (.*?) \|$", README, re.MULTILINE)
    expected = [
        (
            name,
            f"`{parameter['Default']}`" if parameter["Default"] != "" else "(empty)",
            " ".join(parameter["Description"].split()),
        )
        for name, parameter in TEMPLATE["Parameters"].items()
    ]
    assert listed == expected


def test_environment_variables_are_listed() -> None:
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    set_by_template = {
        name
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        for name in resource["Properties"]["Environment"]["Variables"]
    }
    assert listed == set_by_template


def test_no_placeholder_was_left() -> None:
    assert "@@" not in README
