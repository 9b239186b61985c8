"""Counts the calls that handlers make to AWS through boto3. Batches of rows are not among them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient

from tests.support.cloud import Cloud


@contextmanager
def counted_calls(cloud: Cloud) -> Iterator[Counter[str]]:
    """Within the block, counts the calls of handlers (`lambda`) and their calls of S3 and DynamoDB:
    `s3 GetObject`, `dynamodb PutItem`. All items of DynamoDB are entries of the ledger."""
    counted: Counter[str] = Counter()
    under_way = False
    invoke, call = cloud.invoke, BaseClient._make_api_call  # type: ignore[attr-defined] # not in the stubs

    def counted_invoke(*arguments: Any) -> Any:
        nonlocal under_way
        counted["lambda"] += 1
        under_way = True
        try:
            return invoke(*arguments)
        finally:
            under_way = False

    def counted_call(client: Any, operation: str, arguments: Any) -> Any:
        if under_way:
            counted[f"{client.meta.service_model.service_name} {operation}"] += 1
        return call(client, operation, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloud, "invoke", counted_invoke)
        patch.setattr(BaseClient, "_make_api_call", counted_call)
        yield counted
