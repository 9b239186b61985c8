"""Makes the bodies of BatchWriteItem requests, as bytes."""

import json
from collections.abc import Sequence
from typing import Any


def batch_body(table: str, requests: Sequence[bytes]) -> bytes:
    """The body of a BatchWriteItem request."""
    return b'{"RequestItems":{"%b":[%b]}}' % (table.encode(), b",".join(requests))


def request_json(request: Any) -> bytes:
    """Encodes a request that DynamoDB has left unprocessed, to send it again."""
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
