"""The body of a BatchWriteItem request, as bytes."""

from collections.abc import Sequence


def batch_body(table: str, requests: Sequence[bytes]) -> bytes:
    """The body of a BatchWriteItem."""
    return b'{"RequestItems":{"%b":[%b]}}' % (table.encode(), b",".join(requests))
