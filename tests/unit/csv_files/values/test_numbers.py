"""Integers and decimal numbers in the forms that a source may declare."""

from typing import Any

import pytest

from ingestion.csv_files.values.conversion import Conversion
from ingestion.csv_files.values.outcomes import Refused, Stored
from ingestion.sources.model import Field

GERMAN = {"decimal_char": ",", "group_char": "."}


def stored(type_: str, text: str, **declared: Any) -> str:
    """What is stored, or the reason for the refusal."""
    outcome = Conversion(Field("amount", type_, stored_as="N", **declared)).convert(text)
    if isinstance(outcome, Refused):
        return outcome.reason
    assert isinstance(outcome, Stored)
    assert outcome.text == outcome.attribute["N"]
    return outcome.text


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("1.234", {"group_char": "."}, "1234"),
        ("-1.234.567", {"group_char": "."}, "-1234567"),
        ("1234567", {"group_char": "."}, "1234567"),
        ("+1,234.0", {"group_char": ","}, "1234"),
        ("1\u00a0234", {"group_char": "\u00a0"}, "1234"),
        ("1'234", {"group_char": "'"}, "1234"),
        (" 12- ", {"trailing_minus": True}, "-12"),
        ("-12", {"trailing_minus": True}, "-12"),
        ("12 pcs", {"bare_number": False}, "12"),
        ("# 007", {"bare_number": False}, "007"),
        ("9" * 38, {"group_char": "."}, "9" * 38),
    ],
)
def test_an_integer_is_stored_without_what_is_around_its_digits(
    text: str, declared: dict[str, Any], expected: str
) -> None:
    assert stored("integer", text, **declared) == expected


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("1.23", {"group_char": "."}),
        ("1.2345", {"group_char": "."}),
        ("1234.567", {"group_char": "."}),
        (".123", {"group_char": "."}),
        ("1.234.", {"group_char": "."}),
        ("1..234", {"group_char": "."}),
        ("1,234.000", {"group_char": ","}),
        ("1 234", {}),
        ("12-", {}),
        ("-12-", {"trailing_minus": True}),
        ("+12-", {"trailing_minus": True}),
        ("+-12", {"trailing_minus": True}),
        ("9" * 39, {"group_char": "."}),
        ("2.5", {"group_char": ","}),
        ("", {"missing_values": ()}),
    ],
)
def test_an_integer_that_is_not_certain_is_refused(text: str, declared: dict[str, Any]) -> None:
    assert stored("integer", text, **declared) == "bad_integer"


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("3,50", GERMAN, "3.5"),
        ("-0,00", GERMAN, "0"),
        ("1.234.567,89", GERMAN, "1234567.89"),
        ("1234,5", GERMAN, "1234.5"),
        ("1,5E3", GERMAN, "1500"),
        (",5", GERMAN, "0.5"),
        ("1e-7", {}, "0.0000001"),
        ("12.50-", {"trailing_minus": True}, "-12.5"),
        ("€ 3.50", {"bare_number": False}, "3.5"),
        ("-3.50 EUR", {"bare_number": False}, "-3.5"),
        ("1 234,50\u00a0€", {**GERMAN, "group_char": " ", "bare_number": False}, "1234.5"),
        ("3\u00a0€", {**GERMAN, "group_char": "\u00a0", "bare_number": False}, "3"),
        ("Fr. 3,50", {**GERMAN, "group_char": None, "bare_number": False}, "3.5"),
        ("7%", {"bare_number": False}, "7"),
        ("€ 5-", {"bare_number": False, "trailing_minus": True}, "-5"),
        ("9" * 38 + "0" * 88, {}, "9" * 38 + "0" * 88),
    ],
)
def test_a_number_is_stored_as_dynamodb_writes_it(
    text: str, declared: dict[str, Any], expected: str
) -> None:
    assert stored("number", text, **declared) == expected


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        ("1.23", GERMAN),
        ("1,234.5", GERMAN),
        ("1,5,0", GERMAN),
        ("0,1.234", GERMAN),
        ("3.50", {"decimal_char": ","}),
        *[(text, {}) for text in ("NaN", "INF", "-Infinity", "0x1F", "1_000", "٣", "1e", ".")],
        *[(text, {}) for text in ("9" * 39, "1e126", "1e-131")],
        ("€ 3.50", {}),
        # The sign or the point would be lost.
        ("(3.50)", {"bare_number": False}),
        ("\u22123.50", {"bare_number": False}),
        ("3.50-", {"bare_number": False}),
        (".5", {"decimal_char": ",", "bare_number": False}),
        ("3½", {"bare_number": False}),
        ("€", {"bare_number": False}),
    ],
)
def test_a_number_that_is_not_certain_is_refused(text: str, declared: dict[str, Any]) -> None:
    assert stored("number", text, **declared) == "bad_number"


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ({"decimal_char": "5"}, "decimalChar"),
        ({"decimal_char": "e"}, "decimalChar"),
        ({"group_char": "-"}, "groupChar"),
    ],
)
def test_a_character_that_numbers_contain_anyway_is_an_error(
    declared: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        Conversion(Field("amount", "number", stored_as="N", **declared))
