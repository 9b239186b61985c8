"""The types of columns, guessed from their values."""

from collections import Counter

import pytest

from tickets.draft.columns import ColumnGuess, guess_column


def guessed(*values: str, is_text: bool = False, is_date: bool = False) -> ColumnGuess:
    return guess_column("x", Counter(values), is_text=is_text, is_date=is_date, prefers_comma=False)


@pytest.mark.parametrize(
    ("values", "kind", "properties"),
    [
        (("1", "-2", "+3"), "integer", {}),
        (("1.5", "2", ".75", "0.1"), "string", {}),  # a quarter is no number that can be declared
        (("1.5", "2"), "number", {}),
        (("1,5", "12,25"), "number", {"decimalChar": ","}),
        (("1.234,50", "7,25"), "number", {"decimalChar": ",", "groupChar": "."}),
        (("1,234.50", "7.25"), "number", {"groupChar": ","}),
        (("1 234,50", "7,25"), "number", {"decimalChar": ",", "groupChar": " "}),
        (("1'234.50", "7.25"), "number", {"groupChar": "'"}),
        (("€ 3.50", "€ 12.00"), "number", {"bareNumber": False}),
        (("12,5 %", "7 %"), "number", {"decimalChar": ",", "bareNumber": False}),
        (("007", "012"), "string", {}),
        (("2026-01-31", "2026-02-01"), "date", {}),
        (("31.01.2026", "1.2.2026"), "date", {"format": "%d.%m.%Y"}),
        (("1/31/26", "2/1/26"), "date", {"format": "%m/%d/%y"}),
        (("31-Jan-2026",), "date", {"format": "%d-%b-%Y"}),
        (("2026-01-31T10:00:00",), "datetime", {}),
        (("2026-01-31 10:00:00.250",), "datetime", {"format": "%Y-%m-%d %H:%M:%S.%f"}),
        (("2026-01-31T10:00:00+01:00",), "datetime", {"format": "%Y-%m-%dT%H:%M:%S%z"}),
        (("01/31/2026 06:05 PM",), "datetime", {"format": "%m/%d/%Y %I:%M %p"}),
        (("10:00:00", "23:59:59"), "time", {}),
        (("10:00", "23:59"), "time", {"format": "%H:%M"}),
        (("true", "false"), "boolean", {}),
        (("Ja", "Nein"), "boolean", {"trueValues": ["Ja"], "falseValues": ["Nein"]}),
        (("yes", "yes"), "string", {}),
        (("31.02.2026", "30.02.2026"), "string", {}),
        (("", ""), "string", {}),
    ],
)
def test_type_of_a_column(
    values: tuple[str, ...], kind: str, properties: dict[str, object]
) -> None:
    found = guessed(*values)
    assert (found.type, found.properties) == (kind, properties)


def test_a_minus_after_the_number() -> None:
    assert guessed("12.50-", "3.00").dynamodb == {"trailingMinus": True}


def test_a_column_may_mix_formats() -> None:
    found = guessed("31.12.2025 18:05", "2026-01-31 18:05:00", "01.01.2026 9:00", "2026-02-01 1:00")
    formats = ["%d.%m.%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
    assert (found.type, found.properties) == ("datetime", {})
    assert sorted(found.dynamodb["formats"]) == sorted(formats)
    assert (found.guess.fitting, found.guess.of) == (4, 4)


def test_a_column_does_not_mix_orders_of_day_and_month() -> None:
    assert guessed("31/12/2025", "12/31/2025").type == "string"


def test_digits_without_signs_are_a_date_only_below_such_a_title() -> None:
    assert guessed("20260131", "20251231").type == "integer"
    assert guessed("20260131", "20251231", is_date=True).properties == {"format": "%Y%m%d"}


def test_codes_are_texts() -> None:
    assert guessed("17850", "13047", is_text=True).type == "string"


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        (("1", "NULL", ""), ("", "NULL")),
        (("1", "-", "2"), ("", "-")),
        (("soap", "-", "N/A"), ("", "N/A")),
        (("31.12.2025", "NaN"), ("", "NaN")),
    ],
)
def test_texts_that_mean_that_there_is_no_value(
    values: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    found = guessed(*values)
    assert found.missing_values == missing
    assert not found.is_full


def test_a_type_fits_nine_of_ten_values() -> None:
    found = guessed(*["1"] * 9, "two")
    assert (found.type, found.guess.fitting, found.guess.of) == ("integer", 9, 10)
    assert found.guess.share == "90 %"
    assert guessed(*["1"] * 8, "two", "three").type == "string"
