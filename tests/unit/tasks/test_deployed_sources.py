"""Problems of declarations that only the conversion of values finds."""

import pytest

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
