"""Conversions, held against a reference written with decimal, datetime.strptime and zoneinfo."""

import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.outcomes import MISSING, Stored
from ingestion.sources.model import Constraints, Field
from tests.support.fuzzing import FUZZING, files
from tests.support.random_fields import fields, texts_for
from tests.support.reference_values import Outcome, reference_outcome

TEMPORAL = ("date", "datetime", "time")
"""Types whose fractions of a second may have more digits than strptime supports."""
FIELDS_AND_TEXTS = fields().flatmap(lambda field: st.tuples(st.just(field), texts_for(field)))


def outcome(conversion: Conversion, text: str | None) -> Outcome:
    converted = conversion.convert(text)
    if isinstance(converted, Stored):
        return converted.attribute, converted.text
    return "missing" if converted is MISSING else converted.reason


@pytest.mark.timeout(3600 if FUZZING else 120)
@settings(max_examples=files(quick=100), deadline=None)
@given(FIELDS_AND_TEXTS)
def test_a_value_becomes_what_the_reference_makes_of_it(drawn: tuple[Field, str]) -> None:
    field, text = drawn
    assume(field.type not in TEMPORAL or not re.search("[0-9]{7}", text.rpartition(".")[2]))
    assert outcome(Conversion(field), text) == reference_outcome(field, text)


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        (Field("f"), "", "missing"),
        (Field("f"), " ", {"S": " "}),
        (Field("f"), None, "missing"),
        (Field("f", missing_values=("NULL",)), "", {"S": ""}),
        (Field("f", "number", missing_values=("-",), stored_as="N"), " - ", "missing"),
        (Field("f", "number", missing_values=(" - ",), stored_as="N"), "-", "missing"),
        (Field("f", "number", missing_values=("0",), stored_as="N"), "0", "missing"),
        (Field("f", "number", missing_values=("0",), stored_as="N"), "0.0", {"N": "0"}),
        (Field("f", missing_values=("-",)), " - ", {"S": " - "}),
        (Field("f", stored_as="N"), "007.50", {"N": "7.5"}),
        (Field("f", stored_as="N"), " 7", "bad_number"),
        (
            Field(
                "f",
                "boolean",
                true_values=("ja",),
                false_values=("",),
                missing_values=(),
                stored_as="BOOL",
            ),
            "",
            {"BOOL": False},
        ),
        (Field("f", "boolean", true_values=("ja",), false_values=("nein",)), "ja", {"S": "true"}),
        (Field("f", "boolean", true_values=("ja",), false_values=("nein",)), "Ja", "bad_boolean"),
        (Field("f", "integer", as_given=True), " +2.0 ", {"S": "+2.0"}),
        (Field("f", "date", formats=("%d.%m.%Y",), as_given=True), "1.2.2026", {"S": "1.2.2026"}),
    ],
)
def test_a_value_is_missing_or_stored_as_declared(
    field: Field, text: str | None, expected: Any
) -> None:
    result = outcome(Conversion(field), text)
    assert (result if isinstance(result, str) else result[0]) == expected


@pytest.mark.parametrize(
    ("declared", "text", "expected"),
    [
        ({"stored_as": "SS"}, "b, a,b", {"SS": ["b", "a"]}),
        ({"stored_as": "SS"}, "a,,", {"SS": ["a"]}),
        ({"stored_as": "SS"}, " , ", "missing"),
        ({"stored_as": "L"}, "", "missing"),
        ({"stored_as": "L"}, "b,a,b", {"L": [{"S": "b"}, {"S": "a"}, {"S": "b"}]}),
        ({"stored_as": "L", "item_type": "number"}, "1.50,2", {"L": [{"N": "1.5"}, {"N": "2"}]}),
        ({"stored_as": "NS", "item_type": "integer"}, "1,01,1.0,2", {"NS": ["1", "2"]}),
        ({"stored_as": "NS"}, "1,1.0,1e1", {"NS": ["1", "10"]}),
        ({"stored_as": "NS"}, "1,x", "bad_list"),
        ({"stored_as": "L", "item_type": "integer"}, "1,x", "bad_list"),
        ({"stored_as": "L", "item_type": "boolean"}, "1", {"L": [{"BOOL": True}]}),
        ({"stored_as": "SS", "delimiter": "|"}, "a,b|c", {"SS": ["a,b", "c"]}),
        ({"stored_as": "SS", "missing_values": ("?",)}, "?,", {"SS": [""]}),
    ],
)
def test_a_list_is_stored_with_its_items(
    declared: dict[str, Any], text: str, expected: Any
) -> None:
    field = Field("f", "list", true_values=("1",), false_values=("0",), **declared)
    result = outcome(Conversion(field), text)
    assert (result if isinstance(result, str) else result[0]) == expected


@pytest.mark.parametrize(
    ("type_", "text", "constraints", "expected"),
    [
        ("string", "AB12", Constraints(pattern="[A-Z]{2}"), "pattern_mismatch"),
        ("string", "AB", Constraints(pattern="A|AB"), None),
        ("string", "c", Constraints(enum=("a", "b")), "not_in_enum"),
        ("string", "味é", Constraints(min_length=2, max_length=2), None),
        ("string", "味é", Constraints(min_length=3), "too_short"),
        ("string", "味é", Constraints(max_length=1), "too_long"),
        ("list", "a,b", Constraints(min_length=3), "too_short"),
        ("list", "a,b", Constraints(max_length=1), "too_long"),
        ("integer", "2.0", Constraints(enum=(1, 2)), None),
        ("integer", "3", Constraints(enum=(1, 2)), "not_in_enum"),
        ("integer", "-1", Constraints(minimum=0), "below_minimum"),
        ("number", "0.3", Constraints(minimum=0.3, maximum=0.3), None),
        ("number", "0.30000000000000001", Constraints(maximum=0.3), "above_maximum"),
        ("date", "2026-01-01", Constraints(minimum="2026-01-01"), None),
        ("date", "2025-12-31", Constraints(minimum="2026-01-01"), "below_minimum"),
        ("time", "18:00:01", Constraints(maximum="18:00"), "above_maximum"),
        ("datetime", "2026-01-01T00:00:00.1", Constraints(maximum="2026-01-01"), "above_maximum"),
        ("datetime", "2026-01-01T01:00:00+01:00", Constraints(maximum="2026-01-01"), None),
        ("boolean", "0", Constraints(enum=(True,)), "not_in_enum"),
    ],
)
def test_a_value_that_violates_a_constraint_is_refused(
    type_: str, text: str, constraints: Constraints, expected: str | None
) -> None:
    field = Field(
        "f", type_, constraints=constraints, true_values=("1",), false_values=("0",),
        stored_as="L" if type_ == "list" else "S",
    )  # fmt: skip
    result = outcome(Conversion(field), text)
    assert (result if isinstance(result, str) else None) == expected


def test_a_limit_may_be_given_in_the_format_of_the_field() -> None:
    limits = Constraints(minimum="31.12.2025", maximum="2026-12-31")
    conversion = Conversion(Field("f", "date", formats=("%d.%m.%Y",), constraints=limits))
    assert outcome(conversion, "30.12.2025") == "below_minimum"
    assert outcome(conversion, "31.12.2026") == ({"S": "2026-12-31"}, "2026-12-31")


@pytest.mark.parametrize(
    ("field", "texts"),
    [
        (Field("f"), {"": "missing", " ": {"S": " "}}),
        (Field("f", missing_values=("NULL",)), {"": "missing", "NULL": "missing"}),
        (Field("f", "integer", stored_as="N"), {"007": {"N": "7"}, "-0": {"N": "0"}}),
        (Field("f", "integer"), {"007": {"S": "007"}}),
        (Field("f", stored_as="N"), {"7.0": {"N": "7"}}),
    ],
)
def test_a_key_is_neither_empty_nor_written_in_two_ways(
    field: Field, texts: dict[str, Any]
) -> None:
    conversion = Conversion(field, is_key=True)
    for text, expected in texts.items():
        result = outcome(conversion, text)
        assert (result if isinstance(result, str) else result[0]) == expected
    assert conversion.required
    assert not conversion.fits(b"")


def test_a_field_fits_if_its_value_is_accepted() -> None:
    optional = Conversion(Field("f", "integer", stored_as="N"))
    required = Conversion(Field("f", "integer", constraints=Constraints(required=True)))
    assert [optional.fits(value) for value in (b" 2 ", b"", b"x", b"\xe9")] == [
        *(True, True, False, False)
    ]
    assert [required.fits(value) for value in (b" 2 ", b"", b"x")] == [True, False, False]


@pytest.mark.parametrize(
    "field",
    [
        Field("f", "datetime", formats=("any",), as_given=True),
        Field("f", "integer", stored_as="N"),
        Field("f", "integer", stored_as="N", constraints=Constraints(maximum="9")),
    ],
)
@pytest.mark.parametrize(
    "value", ["2026-02-28T10:00:00Z", "2026-02-29T10:00:00Z", "2026-02-28", "7", "007", "12", "x"]
)
def test_a_value_fits_by_itself_if_a_column_of_it_does(field: Field, value: str) -> None:
    conversion = Conversion(field)
    assert conversion.fits(value.encode()) == isinstance(conversion.convert(value), Stored)
    assert not conversion.fits(f"{value}\n{value}".encode())


@pytest.mark.parametrize(
    ("field", "may_refuse", "has_form"),
    [
        (Field("f"), False, False),
        (Field("f", constraints=Constraints(required=True)), True, False),
        (Field("f", constraints=Constraints(max_length=5)), True, False),
        (Field("f", constraints=Constraints(pattern="[A-Z]")), True, True),
        (Field("f", stored_as="N"), True, True),
        (Field("f", "list", item_type="integer", stored_as="SS"), True, False),
        (Field("f", "date"), True, True),
    ],
)
def test_it_is_known_whether_texts_are_refused_and_values_have_a_form(
    field: Field, may_refuse: bool, has_form: bool
) -> None:
    conversion = Conversion(field)
    assert (conversion.may_refuse, conversion.has_form) == (may_refuse, has_form)


@pytest.mark.parametrize(
    ("field", "named"),
    [
        (Field("f", constraints=Constraints(pattern="[")), '"pattern"'),
        (Field("f", "integer", constraints=Constraints(minimum="x")), '"minimum"'),
        (Field("f", "integer", constraints=Constraints(enum=(1, True))), '"enum"'),
        (Field("f", "date", constraints=Constraints(maximum="31.12.2025")), '"maximum"'),
        (Field("f", "date", constraints=Constraints(maximum=2025)), '"maximum"'),
        (Field("f", "boolean", true_values=("1",)), '"falseValues"'),
        (Field("f", "integer", as_given=True, stored_as="N"), '"store"'),
        (Field("f", "date", as_given=True, ttl=True, stored_as="N"), '"store"'),
        (Field("f", "date", formats=()), '"formats"'),
        (Field("f", "list", item_type="boolean", stored_as="NS"), '"as"'),
        (Field("f", "list", item_type="number", delimiter="."), '"delimiter"'),
    ],
)
def test_a_declaration_that_can_not_be_met_is_an_error(field: Field, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Conversion(field)
