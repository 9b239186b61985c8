"""The attribute that says from which line of which load an item comes."""

from typing import Any

import pytest

from ingestion.generation import generation
from ingestion.sources.declaration import recorded_source, source_record
from ingestion.sources.lineage import Lineage, lineage_problem, read_lineage, with_lineage
from ingestion.sources.model import Field, Template
from tests.support.sources import BUILT_IN, source, tickets_with


def test_without_the_attribute_a_source_and_its_record_stay_as_they_are() -> None:
    assert with_lineage(BUILT_IN, None) is BUILT_IN
    assert source_record(BUILT_IN).keys() == {"name", "sha256", "declaration"}
    assert not BUILT_IN.uses_line


def test_without_the_attribute_generations_are_those_of_releases_without_it() -> None:
    assert generation("table", {"name": "kassenbon"}) == "d959bda19af57f1f"


def test_the_attribute_belongs_to_the_generation() -> None:
    declaration = {"name": "kassenbon"}
    assert len({generation(None, declaration, one) for one in (None, "from", "origin")}) == 3


def test_a_recorded_source_has_the_attribute_that_it_had() -> None:
    """Also if a field has a name that is reserved in templates."""
    declared = tickets_with(values={"file": "{key}"})
    read = recorded_source(source_record(with_lineage(declared, "from")))
    assert read.lineage == "from"
    assert read.values == {
        "file": Template(("", ""), ("{key}",)),
        "from": Template(("", "#", ""), ("{load}", "{line}")),
    }
    assert read.uses_line
    assert read.attribute_types["from"] == "S"
    assert read.declaration == declared.declaration


@pytest.mark.parametrize(
    ("declared", "attribute", "beginning"),
    [
        (BUILT_IN, "store", "Source tickets stores an attribute store, "),
        (tickets_with(values={"from": 1}), "from", "Source tills stores an attribute from, "),
        (source(Field("a", attribute="a")), "id", "The stack's LineageAttribute, id, is part of"),
        (BUILT_IN, "from", None),
        (source(Field("from", attribute="a")), "from", None),
    ],
)
def test_the_attribute_must_be_free(declared: Any, attribute: str, beginning: str | None) -> None:
    problem = lineage_problem(declared, attribute, ("id", "sort"))
    assert (problem is None) == (beginning is None)
    assert (problem or "").startswith(beginning or "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a-csv-1f#17", Lineage("a-csv-1f", 17)),
        ("a_B-9#1000000000", Lineage("a_B-9", 1_000_000_000)),
        ("a-csv-1f", None),
        ("#17", None),
        ("a#0", None),
        ("a#01", None),
        ("a#-1", None),
        ("a#1\n", None),
        ("a b#1", None),
        ("a#1#2", None),
    ],
)
def test_only_what_a_load_writes_is_read(value: str, expected: Lineage | None) -> None:
    assert read_lineage(value) == expected
