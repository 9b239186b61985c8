"""Columns of values, held against the conversion of each value on its own."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files.item_json import escape
from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.outcomes import ABSENT, MISSING, Refused
from ingestion.sources.model import Field
from tests.support.fuzzing import files
from tests.support.random_fields import fields, texts_for

COLUMNS = st.tuples(fields(), st.booleans()).flatmap(
    lambda drawn: st.tuples(
        st.just(drawn[0]),
        st.just(drawn[1] and drawn[0].stored_as in ("S", "N")),
        # Several columns, because what one has may be cached for the next.
        st.lists(
            st.lists(st.one_of(texts_for(drawn[0]), st.none()), min_size=1, max_size=40),
            min_size=1,
            max_size=3,
        ),
    )
)


def column(texts: list[str | None]) -> list[bytes]:
    return [ABSENT if text is None else escape(text.encode()) for text in texts]


def one_by_one(conversion: Conversion, texts: list[str | None]) -> list[tuple[Any, str]] | None:
    """What ``convert`` makes of the texts: attributes, and texts for templates."""
    converted: list[tuple[Any, str]] = []
    for text in texts:
        outcome = conversion.convert(text)
        if isinstance(outcome, Refused) or (outcome is MISSING and conversion.required):
            return None
        converted.append(("missing", "missing") if outcome is MISSING else outcome)
    return converted


def as_column(conversion: Conversion, texts: list[str | None]) -> list[tuple[Any, str]] | None:
    """What ``column`` and ``texts`` make of them, in the same form."""
    stored = conversion.column(column(texts))
    for_templates = conversion.texts(column(texts))
    if stored is None or for_templates is None:
        assert stored is for_templates
        return None
    empty = conversion.missing == {"S": ""}
    return [
        ("missing", "missing")
        if text == ABSENT and value == (b"" if empty else ABSENT)
        else (json.loads(conversion.json % value), json.loads(b'"%b"' % text))
        for value, text in zip(stored, for_templates, strict=True)
    ]


@settings(max_examples=files(quick=200))
@given(COLUMNS)
def test_a_column_is_converted_as_its_values_are(
    drawn: tuple[Field, bool, list[list[str | None]]],
) -> None:
    field, is_key, columns = drawn
    conversion = Conversion(field, is_key=is_key)
    for texts in columns:
        accepted = [text for text in texts if one_by_one(conversion, [text]) is not None]
        for part in (texts, accepted):
            assert not part or as_column(conversion, part) == one_by_one(conversion, part)
        for text in texts:  # its form decides whether it is converted as a column
            without_cache = Conversion(field, is_key=is_key)
            assert as_column(without_cache, [text]) == one_by_one(conversion, [text])
