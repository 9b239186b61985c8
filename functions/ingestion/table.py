"""How items get into the table: BatchWriteItem, several in flight, retried until a deadline.

A throttled table slows the writer and never fails it by itself. The interface is
``BatchWriter.put``, ``drain``, ``stop`` and ``acknowledged``. Callers know nothing of batches.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from ingestion.errors import KeySchemaNotSupported
from ingestion.pressure import InFlightLimit
from ingestion.rows import COLUMNS, Item, Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

BATCH_ITEMS = 25
"""BatchWriteItem's limit. Its other one, 16 MB, is out of reach: no item is over 400 KB."""

_FIRST_PAUSE = 0.05  # seconds
_LONGEST_PAUSE = 5.0
_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "LimitExceededException",
}
_MOST_FAULTS = 6  # server faults or broken connections in a row

Mark = TypeVar("Mark")


class WritingStopped(Exception):
    """The deadline came, or ``stop`` was called, with items not yet acknowledged. What is
    acknowledged stands."""


def key_attributes(client: "DynamoDBClient", table: str) -> tuple[str, ...]:
    """The names of the table's key attributes, partition key first.

    Raises KeySchemaNotSupported unless each is a string that the files have a column for.
    """
    description = client.describe_table(TableName=table)["Table"]
    types = {
        one["AttributeName"]: one["AttributeType"] for one in description["AttributeDefinitions"]
    }
    schema = sorted(description["KeySchema"], key=lambda one: one["KeyType"])  # HASH, RANGE
    names = tuple(one["AttributeName"] for one in schema)
    for name in names:
        if name not in COLUMNS or name == "quantity" or types[name] != "S":
            raise KeySchemaNotSupported(
                f"Table {table} has the key attribute {name}, which no column provides as a string."
            )
    return names


def client_config(in_flight: int) -> Config:
    """How the client of a BatchWriter is set up: it does not retry, since only the writer knows its
    deadline and what is left of a batch, and it gives up a silent connection soon."""
    return Config(
        max_pool_connections=in_flight,
        connect_timeout=5,
        read_timeout=10,
        retries={"total_max_attempts": 1},
    )


class BatchWriter(Generic[Mark]):
    """Puts items into one table in the order given, as far as equal keys are concerned: an item is
    sent only once every earlier item of the same key is acknowledged, or instead of it.

    Each item comes with a ``mark``, the caller's note of where it stands. ``acknowledged`` is the
    mark of the last item up to which everything is in the table.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        *,
        in_flight: int,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._table = table
        self._pressure = InFlightLimit(in_flight)
        self._deadline = deadline
        self._clock = clock
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(in_flight, thread_name_prefix="batch")
        self._stopped = threading.Event()
        self._open: dict[Key, Item] = {}
        self._open_mark: Mark  # of the last item in the open batch
        self._sent: deque[tuple[Future[None], Mark, frozenset[Key]]] = deque()
        self.acknowledged: Mark | None = None
        self.items_written = 0
        """Items acknowledged; of equal keys in one batch only the last was sent."""
        self.items_replaced = 0
        """Items never sent because a later one of the same key took their place in a batch."""

    @property
    def idle(self) -> bool:
        """Whether every item taken is acknowledged."""
        return not self._open and not self._sent

    def __enter__(self) -> "BatchWriter[Mark]":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def put(self, key: Key, item: Item, mark: Mark) -> None:
        """Take an item; blocks while enough batches are in flight.

        Raises WritingStopped, or what DynamoDB answered if no retry can help.
        """
        if self._open.pop(key, None) is not None:
            self.items_replaced += 1
        self._open[key] = item
        self._open_mark = mark
        if len(self._open) == BATCH_ITEMS:
            self._send()

    def drain(self) -> None:
        """Return once everything is acknowledged. Raises like ``put``."""
        if self._open:
            self._send()
        while self._sent:
            self._settle_first()

    def stop(self) -> None:
        """Let what is in flight finish, retry nothing, and move ``acknowledged`` as far as it goes.
        Raises nothing."""
        self._stopped.set()
        while self._sent and self._sent[0][0].exception() is None:
            self._settle_first()

    def _send(self) -> None:
        keys = frozenset(self._open)
        for batch, _, earlier in tuple(self._sent):
            if not keys.isdisjoint(earlier):
                batch.result()
        items = list(self._open.values())
        # In order: one slow batch holds the others up, and the checkpoint stays close behind.
        while len(self._sent) >= self._pressure.limit:
            self._settle_first()
        self._sent.append((self._threads.submit(self._write, items), self._open_mark, keys))
        self._open = {}

    def _settle_first(self) -> None:
        batch, mark, keys = self._sent[0]
        batch.result()
        self._sent.popleft()
        self.acknowledged = mark
        self.items_written += len(keys)

    def _write(self, items: list[Item]) -> None:
        """Write one batch, whatever it takes until the deadline."""
        requests: list[Any] = [{"PutRequest": {"Item": item}} for item in items]
        pause = _FIRST_PAUSE
        faults = 0
        while True:
            try:
                answer = self._client.batch_write_item(RequestItems={self._table: requests})
            except (ClientError, ConnectionError, HTTPClientError) as error:
                if _is_throttled(error):
                    self._pressure.throttled(self._clock())
                else:
                    faults += 1
                    if faults > _MOST_FAULTS or not _is_server_fault(error):
                        raise
            else:
                left = answer.get("UnprocessedItems", {}).get(self._table, [])
                if not left:
                    self._pressure.succeeded()
                    return
                self._pressure.throttled(self._clock())
                if len(left) < len(requests):
                    pause = _FIRST_PAUSE
                faults = 0
                requests = list(left)
            # Full jitter: https://aws.amazon.com/builders-library/ "Timeouts, retries and backoff"
            delay = random.uniform(0, pause)
            if self._stopped.is_set() or self._clock() + delay >= self._deadline:
                raise WritingStopped
            self._sleep(delay)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _is_throttled(error: Exception) -> bool:
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _THROTTLED


def _is_server_fault(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) >= 500
    return True
