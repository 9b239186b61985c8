"""Makes the JSON for BatchWriteItem, as bytes, by filling a row's fields into a template."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def encode(value: Any) -> bytes:
    """Encode a value as JSON, in UTF-8. Strings must not have lone surrogates."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


EncodedKey = tuple[bytes, ...]
"""The values of an item's key attributes as ``escape`` gives them, partition key first."""

TO_ESCAPE = bytes(range(32)) + b'"\\'
"""The characters that must be escaped in JSON strings (RFC 8259, 7)."""


def escape(value: bytes) -> bytes:
    """Escape a UTF-8 string for use between the quotes of a JSON string."""
    if len(value.translate(None, TO_ESCAPE)) == len(value):
        return value
    return encode(value.decode())[1:-1]


def put_request(item: Mapping[str, Any]) -> bytes:
    """The request to put an item, in DynamoDB's wire form."""
    return encode({"PutRequest": {"Item": item}})


def put_request_template(fields: Sequence[str | None], numbers: Sequence[str]) -> bytes:
    """A template that ``%`` fills with a row's fields, to make what ``put_request`` makes.

    The fields must be in the file's order, as ``escape`` returns them. The attributes have the same
    order. ``fields`` names the attribute of each field, or has None for a field to leave out. The
    attributes in ``numbers`` have DynamoDB's type N, the others S.
    """
    text = ""
    comma = ""
    for name in fields:
        if name is None:
            text += "%.0b"  # consumes a field and writes nothing
        else:
            kind = "N" if name in numbers else "S"
            text += f'{comma}"{name}":{{"{kind}":"%b"}}'
            comma = ","
    return ('{"PutRequest":{"Item":{' + text + "}}}").encode()
