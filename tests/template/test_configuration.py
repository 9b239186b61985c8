"""docs/configuration.md lists the parameters and environment variables of the template."""

import re
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


def test_parameters_are_listed_with_their_defaults() -> None:
    listed = re.findall(r"^\| `([A-Z][a-z][A-Za-z]+)` \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
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
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    set_by_template = {
        name
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
        for name in resource["Properties"]["Environment"]["Variables"]
    }
    assert listed == set_by_template
