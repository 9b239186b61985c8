"""Conversions, held against a reference written with decimal, datetime.strptime and zoneinfo."""

import re

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.outcomes import MISSING, Stored
from ingestion.sources.model import Field
from tests.support.fuzzing import files
from tests.support.random_fields import fields, texts_for
from tests.support.reference_values import Outcome, expected

TEMPORAL = ("date", "datetime", "time")
"""Their fractions of a second may have more digits than strptime takes."""
FIELDS_AND_TEXTS = fields().flatmap(lambda field: st.tuples(st.just(field), texts_for(field)))


def outcome(conversion: Conversion, text: str | None) -> Outcome:
    converted = conversion.convert(text)
    if isinstance(converted, Stored):
        return converted.attribute, converted.text
    return "missing" if converted is MISSING else converted.reason


@settings(max_examples=files(quick=300))
@given(FIELDS_AND_TEXTS)
def test_a_value_becomes_what_the_reference_makes_of_it(drawn: tuple[Field, str]) -> None:
    field, text = drawn
    assume(field.type not in TEMPORAL or not re.search("[0-9]{7}", text.rpartition(".")[2]))
    assert outcome(Conversion(field), text) == expected(field, text)
