import json
import subprocess
import sys

import pytest

from tickets import ROOT
from tickets.definition import DefinitionError, placeholders, substitute
from tools import definition


def test_values_are_replaced_as_text_before_the_text_is_parsed() -> None:
    text = '{"Arn": "arn:${Partition}:states", "N": ${N}, "Twice": "${N}-${N}"}'
    assert placeholders(text) == {"Partition", "N"}
    assert substitute(text, {"Partition": "aws", "N": 3, "Unused": 1}) == {
        "Arn": "arn:aws:states",
        "N": 3,
        "Twice": "3-3",
    }


def test_a_placeholder_without_a_value_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"\$\{A\}, \$\{B\}"):
        substitute('{"x": "${B}${A}${C}"}', {"C": ""})


def test_a_text_that_is_no_json_afterwards_is_shown_where_it_breaks() -> None:
    with pytest.raises(DefinitionError, match='reads: "x": two'):
        substitute('{\n"x": ${X}}', {"X": "two"})
    with pytest.raises(DefinitionError, match="object"):
        substitute("[]", {})


def test_the_projects_definition_loads_with_sample_values_and_only_with_all_values() -> None:
    assert definition.load()["StartAt"] == "Validate File"
    with pytest.raises(DefinitionError):
        definition.load({"Partition": "aws"})


def test_the_module_prints_plain_json() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "tools.definition"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    assert json.loads(printed) == definition.load()
