"""Columns of values, held against the conversion of each value on its own."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files.item_json import escape
from ingestion.csv_files.values.columns import Column
from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.outcomes import ABSENT, MISSING, Refused
from ingestion.sources.model import Constraints, Field
from tests.support.fuzzing import FUZZING, files
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
    """What `convert` makes of the texts: attributes, and texts for templates."""
    converted: list[tuple[Any, str]] = []
    for text in texts:
        outcome = conversion.convert(text)
        if isinstance(outcome, Refused) or (outcome is MISSING and conversion.required):
            return None
        converted.append(("missing", "missing") if outcome is MISSING else outcome)
    return converted


def as_column(conversion: Conversion, texts: list[str | None]) -> list[tuple[Any, str]] | None:
    """What `column` and `texts` make of them, in the same form."""
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


@pytest.mark.timeout(3600 if FUZZING else 120)
@settings(max_examples=files(quick=70), deadline=None)
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


REQUIRED = Constraints(required=True)
GERMAN = Field("f", "number", stored_as="N", decimal_char=",", group_char=".")


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        (Field("f"), ["a", "", "b"], ["a", ABSENT.decode("latin1"), "b"]),
        (Field("f", when_missing="empty"), ["a", ""], ["a", ""]),
        (Field("f", missing_values=("NULL",), when_missing="empty"), ["NULL", "a"], ["", "a"]),
        (Field("f", constraints=REQUIRED), ["a", ""], None),
        (Field("f", "integer", stored_as="N"), ["+2", "2.0", " 7 "], ["2", "2", "7"]),
        (Field("f", "integer", stored_as="N"), ["2", "2.5"], None),
        (GERMAN, ["1.234,50", "7,10", "100", "5,00"], ["1234.5", "7.1", "100", "5"]),
        (
            Field("f", "datetime", formats=("%Y-%m-%dT%H:%M",)),
            ["2026-01-01t00:00", "2026-01-02t00:01"],
            ["2026-01-01T00:00:00", "2026-01-02T00:01:00"],
        ),
        (GERMAN, ["1.234,50", "-0,00", "7,10", "5"],
         ["1234.5", "0", "7.1", "5"]),
        (GERMAN, ["1,5", "1.23"], None),
        (Field("f", "datetime", formats=("%d.%m.%Y %H:%M",), timezone="Europe/Berlin"),
         ["26.10.2025 01:59", "26.10.2025 02:30", "26.10.2025 03:00", "27.10.2025 00:00"],
         ["2025-10-26T01:59:00+02:00", "2025-10-26T02:30:00+02:00",
          "2025-10-26T03:00:00+01:00", "2025-10-27T00:00:00+01:00"]),
    ],
)  # fmt: skip
def test_a_column_has_what_is_stored(
    field: Field, values: list[str], expected: list[str] | None
) -> None:
    converted = Conversion(field).column([value.encode() for value in values])
    as_texts = None if converted is None else [value.decode("latin1") for value in converted]
    assert as_texts == expected


@pytest.mark.parametrize(
    "field",
    [
        Field("f", when_missing="empty"),
        Field("f", "integer", constraints=REQUIRED, stored_as="N"),
        Field("f", "datetime", formats=("any",), as_given=True),
    ],
)
def test_a_column_that_is_stored_as_it_is_is_not_copied(field: Field) -> None:
    values = [b"2026"] if field.type == "integer" else [b"2026-01-31", b"2026-01-31 12:00"]
    assert Conversion(field).column(values) is values


@pytest.mark.parametrize(
    "field",
    [Field("f", "datetime"), Field("f", "datetime", formats=("any",), as_given=True)],
)
@pytest.mark.parametrize(
    ("form", "numbers"),
    [
        ("2026-01-31T{:02}:00:00Z", range(24)),
        ("2026-01-31T20:{:02}:00Z", range(60)),
        ("2026-01-31T09:00:{:02}Z", range(60)),
        ("2026-{:02}-28T09:00:00Z", range(1, 13)),
        ("2026-02-{:02}T09:00:00Z", range(1, 29)),
    ],
)
def test_a_column_has_only_dates_and_times_that_exist(
    field: Field, form: str, numbers: range
) -> None:
    conversion = Conversion(field)
    usual = b"2026-01-31T23:59:59Z"
    taken = [
        number
        for number in range(100)
        if conversion.column([usual, form.format(number).encode(), usual]) is not None
    ]
    assert taken == list(numbers)


def test_a_column_with_a_null_sequence_is_converted_after_others() -> None:
    conversion = Conversion(Field("f", "datetime", formats=("%d.%m.%Y %H:%M",)))
    days = [b"%02d.01.2026 18:05" % day for day in range(1, 32)]
    assert conversion.column(days[:20]) is not None
    assert conversion.column([ABSENT, *days[20:22]]) == [
        *(ABSENT, b"2026-01-21T18:05:00", b"2026-01-22T18:05:00")
    ]


def test_values_are_cached_but_not_all_of_them_forever() -> None:
    read = []

    def one(text: str) -> bytes:
        read.append(text)
        return text.encode()

    cached = Column(one, {})
    for _ in range(2):
        cached.convert([b"a", b"b", b"a"])
    assert sorted(read) == ["a", "b"]
    cached.convert([b"%d" % number for number in range(5000)])
    cached.convert([b"a", b"x" * 100])
    cached.convert([b"a"])
    assert read.count("a") == 3
