"""JSON for BatchWriteItem, as bytes: a template that takes a file's fields as they are, and the exact
way for values that JSON has to escape."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_WAY_OF_WRITING = {"ensure_ascii": False, "separators": (",", ":")}


def encode(value: Any) -> bytes:
    """A JSON value. Every string that is valid UTF-8 comes out right."""
    return json.dumps(value, **_WAY_OF_WRITING).encode()  # type: ignore[arg-type]


def put_request(item: Mapping[str, Any]) -> bytes:
    """The request to put an item, in DynamoDB's wire form."""
    return encode({"PutRequest": {"Item": item}})


def put_request_template(fields: Sequence[str | None], numbers: Sequence[str]) -> bytes:
    """A template for ``%``, which takes a row's fields in the file's order and gives what
    ``put_request`` would, its attributes in that order. It needs fields without quotes, backslashes
    and control characters.

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


def batch_body(table: str, requests: Sequence[bytes]) -> bytes:
    """The body of a BatchWriteItem."""
    return b'{"RequestItems":{"%b":[%b]}}' % (table.encode(), b",".join(requests))
