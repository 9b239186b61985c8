"""JSON for BatchWriteItem, as bytes: made from a template that takes a row's fields as they are."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def encode(value: Any) -> bytes:
    """A JSON value. Every string that is valid UTF-8 comes out right."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


EncodedKey = tuple[bytes, ...]
"""The values of an item's key attributes as ``escape`` gives them, partition key first."""

TO_ESCAPE = bytes(range(32)) + b'"\\'
"""The characters that JSON does not take as they are (RFC 8259, 7)."""


def escape(value: bytes) -> bytes:
    """A UTF-8 string as it stands between the quotes of a JSON string."""
    if len(value.translate(None, TO_ESCAPE)) == len(value):
        return value
    return encode(value.decode())[1:-1]


def put_request(item: Mapping[str, Any]) -> bytes:
    """The request to put an item, in DynamoDB's wire form."""
    return encode({"PutRequest": {"Item": item}})


def put_request_template(fields: Sequence[str | None], numbers: Sequence[str]) -> bytes:
    """A template for ``%``, which takes a row's fields in the file's order and gives what
    ``put_request`` would, its attributes in that order. It needs fields as ``escape`` gives
    them.

    ``fields`` names the attribute of each field, None for one to be left out; those in ``numbers``
    are DynamoDB's N, the others S.
    """
    text = ""
    comma = ""
    for name in fields:
        if name is None:
            text += "%.0b"  # takes a field and writes nothing of it
        else:
            kind = "N" if name in numbers else "S"
            text += f'{comma}"{name}":{{"{kind}":"%b"}}'
            comma = ","
    return ('{"PutRequest":{"Item":{' + text + "}}}").encode()
