"""Numbers as keys: one way to write each, held against the decimal module."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.csv_files.key_rules import canonical_number

NINES = "9" * 38


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("7", "7"),
        ("007", "7"),
        ("7.0", "7"),
        ("+7", "7"),
        ("70e-1", "7"),
        (".7e1", "7"),
        ("-7.", "-7"),
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e5", "0"),
        ("100", "100"),
        ("1.5e3", "1500"),
        ("1.23457E+12", "1234570000000"),
        ("0.10", "0.1"),
        (NINES, NINES),
        ("000" + NINES, NINES),
        (NINES + "0", NINES + "0"),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("9.9E125", "99" + "0" * 124),
        (f"{NINES}E88", NINES + "0" * 88),
    ],
)
def test_each_number_is_written_in_one_way(text: str, canonical: str) -> None:
    assert canonical_number(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            " 7",
            "7 ",
            "7\n",
            "1,5",
            "1_000",
            "٣",
            "²",
            "x",
            "0x7",
            "--7",
            ".",
            "e5",
            "1e",
            "1e5.0",
        ],
        *["NaN", "Infinity", "-Infinity", "sNaN"],
        *[NINES + "9", "1" + "0" * 37 + "1", "1.00000000000000000000000000000000000001"],
        *["1E126", "-1E126", "1E-131", "1e999999", "1e9999999999999999999"],
    ],
)
def test_what_dynamodb_does_not_store_as_a_number_is_none(text: str) -> None:
    assert canonical_number(text) is None


@given(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(-92, 88),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_equal_numbers_are_written_alike_and_others_are_not(
    digits: int, exponent: int, zeros_before: int, zeros_behind: int
) -> None:
    sign = "-" if digits < 0 else ""
    padded = (
        f"{sign}{'0' * zeros_before}{abs(digits)}{'0' * zeros_behind}e{exponent - zeros_behind}"
    )
    canonical = canonical_number(f"{digits}e{exponent}")
    assert canonical is not None
    assert canonical_number(padded) == canonical
    assert canonical_number(canonical) == canonical
    assert Decimal(canonical) == Decimal(f"{digits}e{exponent}")
    assert canonical_number(f"{digits + 1}e{exponent}") != canonical
