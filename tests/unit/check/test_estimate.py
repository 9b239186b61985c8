"""Write units and prices of items. Sizes are counted by hand, by the rules of "DynamoDB item sizes
and formats" in the Developer Guide."""

import json
from typing import Any

import pytest

from tickets.check.estimate import estimate, item_size, write_units


def put(item: dict[str, Any]) -> bytes:
    return json.dumps({"PutRequest": {"Item": item}}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"id": {"S": "abc"}}, 2 + 3),
        ({"id": {"S": "äö"}}, 2 + 4),
        ({"n": {"N": "12345"}}, 1 + 4),
        ({"n": {"N": "-12.5"}}, 1 + 4),
        ({"n": {"N": "1000000"}}, 1 + 2),
        ({"b": {"BOOL": True}, "x": {"NULL": True}}, 1 + 1 + 1 + 1),
        ({"s": {"SS": ["a", "bc"]}}, 1 + 3),
        ({"l": {"L": [{"S": "a"}, {"N": "1"}]}}, 1 + 3 + 2 + 3),
    ],
)
def test_size_of_an_item(item: dict[str, Any], size: int) -> None:
    assert item_size(item) == size


def test_write_units_are_rounded_up_for_each_item() -> None:
    def sized(size: int) -> bytes:
        return put({"id": {"S": "x" * (size - 2)}})

    assert write_units([sized(10), sized(1024)]) == 2
    assert write_units([sized(1024), sized(1025), sized(2049)]) == 1 + 2 + 3
    assert write_units([]) == 0


def test_time_and_price() -> None:
    found = estimate(puts=1_000_000, units=2_000_000, units_per_second=4_000)
    assert (found.seconds, found.dollars) == (500, 1.25)
