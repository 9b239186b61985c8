"""What makes a declaration unusable besides its form: values that can't be converted or stored."""

import json
from typing import Any

import pytest

from ingestion.sources.declaration import read_source
from ingestion.sources.model import Constraints, Field
from ingestion.tasks.deployed_sources import deployed_sources, value_problems
from tests.support.sources import source


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (Field("Datum", "date", formats=("%Q",)), "%Q"),
        (Field("Datum", "datetime", timezone="Europe/Berlyn"), "Europe/Berlyn"),
        (Field("Nr", constraints=Constraints(pattern="(")), "pattern"),
    ],
)
def test_a_problem_names_its_field(field: Field, problem: str) -> None:
    [found] = value_problems(source(Field("Bon-Nr", attribute="ticket_id"), field))
    assert found.startswith("schema.fields[1]: ")
    assert problem in found


def test_the_deployed_sources_have_none() -> None:
    assert deployed_sources().built_in.name == "tickets"


def problems_with_constants(values: dict[str, Any]) -> list[str]:
    declaration = {
        "name": "tills",
        "match": ["tills/*"],
        "schema": {"fields": [{"name": "id", "dynamodb": {"attribute": "ticket_id"}}]},
        "dynamodb": {"values": values},
    }
    return value_problems(read_source(json.dumps(declaration).encode(), "tills.json"))


@pytest.mark.parametrize("number", [1e200, 10**40 + 1, 1e-200])
def test_a_constant_that_dynamodb_can_not_store_is_named(number: float) -> None:
    (problem,) = problems_with_constants({"version": number})
    assert problem == (f"dynamodb.values.version: DynamoDB can't store {number!r} as a number.")


def test_any_other_constant_is_right() -> None:
    assert problems_with_constants({"version": 10**37, "share": -0.5, "none": 0}) == []
