"""Estimates what writing rows to DynamoDB takes and costs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

DOLLARS_PER_MILLION_UNITS = 0.625
"""On-demand list price of write request units in us-east-1 ("Amazon DynamoDB pricing")."""

NEW_TABLE_UNITS_PER_SECOND = 4_000
"""What a new on-demand table takes ("On-demand capacity mode", DynamoDB Developer Guide)."""

UNIT_BYTES = 1024
_PUT_REQUEST = len('{"PutRequest":{"Item":{}}}')


@dataclass(frozen=True)
class Estimate:
    """What the writes of a load take and cost. An index of the table doubles units and price."""

    puts: int
    write_units: int
    units_per_second: float
    seconds: float
    dollars: float


def estimate(puts: int, units: int, units_per_second: float) -> Estimate:
    return Estimate(
        puts,
        units,
        units_per_second,
        units / units_per_second,
        units * DOLLARS_PER_MILLION_UNITS / 1e6,
    )


def write_units(requests: Sequence[bytes]) -> int:
    """The write request units of some put requests, as Write Chunk makes them."""
    # An item is smaller than its JSON, so most need no closer look.
    if not requests or max(map(len, requests)) <= UNIT_BYTES + _PUT_REQUEST:
        return len(requests)
    return sum(
        1
        if len(request) <= UNIT_BYTES + _PUT_REQUEST
        else ceil(item_size(json.loads(request)["PutRequest"]["Item"]) / UNIT_BYTES)
        for request in requests
    )


def item_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """The size of an item in bytes, about, as DynamoDB charges it ("DynamoDB item sizes and
    formats", Developer Guide)."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return _number_size(content)
    if kind == "SS":
        return sum(len(one.encode()) for one in content)
    if kind == "NS":
        return sum(map(_number_size, content))
    if kind == "L":
        return 3 + sum(1 + _value_size(one) for one in content)
    return 1  # BOOL, NULL


def _number_size(number: str) -> int:
    digits = number.lstrip("-").replace(".", "").strip("0")
    return ceil(len(digits) / 2) + 1 + number.startswith("-")
