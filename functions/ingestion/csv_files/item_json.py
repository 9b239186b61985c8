"""Makes the JSON for BatchWriteItem, as bytes, from the attributes of rows."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any


def encode(value: Any) -> bytes:
    """Encodes a value as JSON, in UTF-8. Strings must not have lone surrogates."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


EncodedKey = tuple[bytes, ...]
"""The values of an item's key attributes as `escape` gives them, partition key first."""

TO_ESCAPE = bytes(range(32)) + b'"\\'
"""The characters that must be escaped in JSON strings (RFC 8259, 7)."""

_NOT_ESCAPED = b"\x7f"
"""A character that JSON does not escape, and that values rarely have."""


def escape(value: bytes) -> bytes:
    """Escapes a UTF-8 string for use between the quotes of a JSON string."""
    if len(value.translate(None, TO_ESCAPE)) == len(value):
        return value
    return encode(value.decode())[1:-1]


def escape_all(values: list[bytes]) -> list[bytes]:
    """Escapes UTF-8 strings as `escape` does, which is slower for many of them."""
    joined = _NOT_ESCAPED.join(values)
    if len(joined.translate(None, TO_ESCAPE)) == len(joined):
        return values
    escaped = escape(joined).split(_NOT_ESCAPED)
    return escaped if len(escaped) == len(values) else list(map(escape, values))


def put_request(item: Mapping[str, Any]) -> bytes:
    """The request to put an item, in DynamoDB's wire form."""
    return encode({"PutRequest": {"Item": item}})


def put_requests(columns: Sequence[tuple[bytes, Sequence[bytes]]], end: bytes) -> list[bytes]:
    """The requests to put the items of several rows, in the form of `put_request`.

    Each column has the JSON that precedes its value in every row, and the values of all rows,
    escaped. `end` is the JSON after the last value.
    """
    rows = len(columns[0][1])
    pieces: list[Iterable[bytes]] = []
    for before, values in columns:
        pieces += [repeat(before, rows), values]
    return list(map(b"".join, zip(*pieces, repeat(end, rows), strict=True)))
