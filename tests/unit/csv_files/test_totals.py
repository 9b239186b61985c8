"""Totals of number attributes, compared with exact fractions."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.csv_files.item_json import put_request
from ingestion.csv_files.totals import Totals

LARGEST = "9" * 38 + "0" * 88
SMALLEST = "0." + "0" * 129 + "1"


def request(**attributes: Any) -> bytes:
    """The request that puts an item: a text is stored as N, anything else as given."""
    item = {
        name: {"N": value} if isinstance(value, str) else value
        for name, value in attributes.items()
    }
    return put_request({"product": {"S": "Tea"}, **item})


def total(*rows: bytes, attributes: Any = ("quantity",)) -> dict[str, Any]:
    """The item that is put in the end, without its product."""
    totals = Totals(attributes)
    for line, row in enumerate(rows, 1):
        assert totals.add(b"A", 0, line, row) is None
    item: dict[str, Any] = json.loads(totals.request(b"A", rows[-1]))["PutRequest"]["Item"]
    assert item.pop("product") == {"S": "Tea"}
    return item


def quantities(*numbers: str) -> str:
    return str(total(*(request(quantity=number) for number in numbers))["quantity"]["N"])


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (["2", "3"], "5"),
        (["0.1", "0.2"], "0.3"),
        (["1.50", "1.50"], "3"),
        (["5", "-5"], "0"),
        (["-1", "-2.5"], "-3.5"),
        (["1" + "0" * 37, "1"], "1" + "0" * 36 + "1"),
        (["7" + "0" * 125, "1" + "0" * 125], "8" + "0" * 125),
        ([SMALLEST, SMALLEST], "0." + "0" * 129 + "2"),
    ],
)
def test_totals_are_exact(numbers: list[str], expected: str) -> None:
    assert quantities(*numbers) == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (["1" + "0" * 37, "0.1", "2"], "1" + "0" * 36 + "2"),  # 39 digits
        ([LARGEST, LARGEST, "-1" + "0" * 125], "8" + "9" * 37 + "0" * 88),  # 10^126
        (["1" + "0" * 125, SMALLEST], "1" + "0" * 125),  # 256 digits
    ],
)
def test_a_row_with_which_the_total_does_not_fit_is_left_out(
    numbers: list[str], expected: str
) -> None:
    totals = Totals(("quantity",))
    refused = [totals.add(b"A", 0, at, request(quantity=one)) for at, one in enumerate(numbers)]
    assert refused == [None, "quantity", None][: len(numbers)]
    put = json.loads(totals.request(b"A", request(quantity="1")))
    assert put["PutRequest"]["Item"]["quantity"]["N"] == expected
    assert totals.rows_combined == len(numbers) - 2


def test_no_attribute_of_a_refused_row_is_added() -> None:
    totals = Totals(("quantity", "price"))
    rows = [
        request(quantity="1", price="1" + "0" * 37),
        request(quantity="1", price="0.1"),
        request(quantity="1", price="1"),
    ]
    assert [totals.add(b"A", 0, at, row) for at, row in enumerate(rows)] == [None, "price", None]
    item = json.loads(totals.request(b"A", rows[-1]))["PutRequest"]["Item"]
    assert item["quantity"] == {"N": "2"}


def test_the_last_row_gives_the_other_attributes() -> None:
    rows = request(quantity="1", store={"S": "Lyon"}), request(quantity="2", store={"S": "Nice"})
    assert total(*rows) == {"quantity": {"N": "3"}, "store": {"S": "Nice"}}


@pytest.mark.parametrize("missing", [{}, {"price": {"NULL": True}}])
def test_rows_without_a_value_add_nothing(missing: Any) -> None:
    attributes = ("quantity", "price")
    rows = request(quantity="1", price="2.5"), request(quantity="1", **missing)
    both = {"quantity": {"N": "2"}, "price": {"N": "2.5"}}
    assert total(*rows, attributes=attributes) == both
    assert total(*rows[::-1], attributes=attributes) == both
    none = total(rows[1], rows[1], attributes=attributes)
    assert none == {"quantity": {"N": "2"}, **missing}


NUMBERS = st.builds(
    lambda digits, places: f"{digits}e{places}", st.integers(-(10**12), 10**12), st.integers(-9, 9)
)


@given(st.lists(st.tuples(st.sampled_from("ABC"), NUMBERS), max_size=20), st.integers(0, 20))
def test_generated_rows_also_if_they_are_added_in_two_calls(
    rows: list[tuple[str, str]], first: int
) -> None:
    totals = Totals(("quantity",))
    expected: dict[str, Fraction] = {}
    for line, (key, number) in enumerate(rows):
        if line == first:
            lines = b"\n".join(totals.to_lines())
            totals = Totals.from_lines(("quantity",), lines.split(b"\n") if lines else ())
        assert totals.add(key.encode(), 0, line, request(quantity=number)) is None
        expected[key] = expected.get(key, Fraction(0)) + Fraction(number)
    for key, total_of_key in expected.items():
        put = json.loads(totals.request(key.encode(), request()))["PutRequest"]["Item"]
        assert Fraction(put["quantity"]["N"]) == total_of_key
    last = {key: line for line, (key, _) in enumerate(rows)}
    several = {line for key, line in last.items() if sum(one == key for one, _ in rows) > 1}
    assert totals.last_lines().get(0, frozenset()) == several
    assert totals.rows_combined == len(rows) - len(last)
