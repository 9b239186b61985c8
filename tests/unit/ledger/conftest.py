from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.support.moto_server import LEDGER_INDEXES, create_table


@pytest.fixture(scope="module")
def session() -> Any:
    """One for all tests, because it reads the service's model. Made within moto, or its clients
    would talk to AWS."""
    with mock_aws():
        return boto3.Session("testing", "testing", region_name="us-east-1")


@pytest.fixture
def dynamodb(session: Any) -> Iterator[Any]:
    """A client, and an empty table `Ledger`."""
    with mock_aws():
        client = session.client("dynamodb")
        create_table(client, "Ledger", "load_id", "entry", indexes=LEDGER_INDEXES)
        yield client
