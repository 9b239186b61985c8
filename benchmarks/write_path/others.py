"""The usual ways to write a CSV file to DynamoDB, each as its documentation shows it.

    python -m benchmarks.write_path.others WAY      in an environment of its own, .venv/bench

All of them retry unprocessed items.
"""

import csv
import io
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from benchmarks.write_path.worker import Job, Way, serve

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TABLE = "Tickets"
_BATCH_ITEMS = 25


def batch_writer(job: Job) -> Callable[[], None]:
    """csv.DictReader and boto3's batch_writer, which most people use first."""
    table = _resource(job.endpoint).Table(_TABLE)
    data = _read(job)

    def work() -> None:
        with table.batch_writer() as batch:
            for row in _dicts(data):
                batch.put_item(Item={**row, "quantity": int(row["quantity"])})

    return work


def put_csv(job: Job) -> Callable[[], None]:
    """awswrangler's put_csv. It keeps empty fields as empty strings, as the other ways do."""
    import awswrangler

    awswrangler.config.dynamodb_endpoint_url = job.endpoint

    def work() -> None:
        awswrangler.dynamodb.put_csv(
            path=job.path, table_name=_TABLE, nrows=job.rows, keep_default_na=False
        )

    return work


def tuned(job: Job) -> Callable[[], None]:
    """A boto3 client without parameter validation, shared by `in_flight` threads."""
    client = _client(job.endpoint, job.in_flight)
    data = _read(job)

    def work() -> None:
        room = threading.Semaphore(2 * job.in_flight)  # keeps memory flat
        with ThreadPoolExecutor(job.in_flight) as threads:
            sent: list[Future[None]] = []
            for batch in _batches(_dicts(data)):
                room.acquire()
                future = threads.submit(_write, client, batch)
                future.add_done_callback(lambda _: room.release())
                sent.append(future)
        for future in sent:
            future.result()

    return work


def _write(client: "DynamoDBClient", rows: tuple[dict[str, str], ...]) -> None:
    requests: list[Any] = [
        {
            "PutRequest": {
                "Item": {
                    name: {"N" if name == "quantity" else "S": value} for name, value in row.items()
                }
            }
        }
        for row in rows
    ]
    while requests:
        answer = client.batch_write_item(RequestItems={_TABLE: requests})
        requests = list(answer["UnprocessedItems"].get(_TABLE, []))


def _batches(rows: Iterator[dict[str, str]]) -> Iterator[tuple[dict[str, str], ...]]:
    while batch := tuple(itertools.islice(rows, _BATCH_ITEMS)):
        yield batch


def _read(job: Job) -> bytes:
    with Path(job.path).open("rb") as file:
        return file.read(job.size)


def _dicts(data: bytes) -> Iterator[dict[str, str]]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    return iter(csv.DictReader(text))


@cache
def _resource(endpoint: str) -> Any:
    return boto3.resource("dynamodb", endpoint_url=endpoint)


@cache
def _client(endpoint: str, in_flight: int) -> "DynamoDBClient":
    config = Config(
        parameter_validation=False,
        max_pool_connections=in_flight,
        retries={"mode": "standard", "total_max_attempts": 10},
    )
    return boto3.client("dynamodb", endpoint_url=endpoint, config=config)


WAYS: dict[str, Way] = {"batch_writer": batch_writer, "put_csv": put_csv, "tuned": tuned}

if __name__ == "__main__":
    if sys.argv[1] == "put_csv":
        import awswrangler  # noqa: F401 - takes seconds, which must not be measured
    serve(WAYS[sys.argv[1]])
