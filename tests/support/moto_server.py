"""Runs moto's server in this process, and creates tables.

The server has the same tables and buckets as `mock_aws`. It is needed because `mock_aws` answers
only botocore's clients.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from moto.core.serialize import ResponseSerializer
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server

LEDGER_INDEXES = {"loads": ("object_url", "started_at"), "days": ("day", "started_at")}
"""The ledger's indexes and their keys, as in template.yaml."""


@contextmanager
def _values_found_directly() -> Iterator[None]:
    """Within the block, moto makes large answers in less time. For each of the ten types that a
    DynamoDB value may have, it would look into the value under several names."""
    search = ResponseSerializer.get_value

    def get_value(serializer: ResponseSerializer, value: Any, key: str, shape: Any) -> Any:
        parent = getattr(shape, "parent", None)
        if parent and parent.name == "AttributeValue" and type(value) is dict:
            return value.get(key)
        return search(serializer, value, key, shape)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResponseSerializer, "get_value", get_value)
        yield


@contextmanager
def moto_server() -> Iterator[str]:
    """Runs a server within the block. Yields its URL."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # otherwise it logs each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with _values_found_directly():
            yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def moto_server_over_tls(certificate: Path, key: Path) -> Iterator[str]:
    """Runs a server with this certificate within the block. Yields its URL."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
        ssl_context=(str(certificate), str(key)),
    )
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def create_table(
    dynamodb: Any,
    name: str,
    *key: str,
    types: Mapping[str, str] | None = None,
    indexes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Creates a table in on-demand mode.

    key: the partition key, then the sort key if there is one.
    types: the types of key attributes; S for those not given.
    indexes: the keys of global secondary indexes, by the index's name.
    """

    def schema(names: Sequence[str]) -> list[dict[str, str]]:
        kinds = zip(names, ("HASH", "RANGE"), strict=False)
        return [{"AttributeName": one, "KeyType": kind} for one, kind in kinds]

    attributes = dict.fromkeys([*key, *chain(*(indexes or {}).values())], "S") | dict(types or {})
    found = [
        {"IndexName": index, "KeySchema": schema(names), "Projection": {"ProjectionType": "ALL"}}
        for index, names in (indexes or {}).items()
    ]
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": one, "AttributeType": kind} for one, kind in attributes.items()
        ],
        KeySchema=schema(key),
        **({"GlobalSecondaryIndexes": found} if found else {}),
    )


@contextmanager
def table_ids() -> Iterator[None]:
    """Within the block, DescribeTable returns the TableId, which moto leaves out. A table that is
    deleted and created again gets another one."""
    describe = Table.describe

    def with_id(self: Any, base_key: str = "TableDescription") -> dict[str, Any]:
        description = describe(self, base_key)
        if not hasattr(self, "table_id"):
            self.table_id = str(uuid4())
        description[base_key]["TableId"] = self.table_id
        return description

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "describe", with_id)
        yield
