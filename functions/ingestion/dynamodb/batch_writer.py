"""Writes items with BatchWriteItem: several batches in flight, retried until a deadline.

Throttling slows the writer down but never makes it fail. The interface is `BatchWriter.put`,
`pass_over`, `drain`, `stop` and `acknowledged`.
"""

import time
from array import array
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

from botocore.exceptions import ClientError

from ingestion.dynamodb.bisection import Bisection
from ingestion.dynamodb.flow_control import InFlightLimit, RateLimit
from ingestion.dynamodb.requests import batch_body
from ingestion.dynamodb.responses import Answer, Backoff, read_answer
from ingestion.dynamodb.transport import Reply
from ingestion.errors import TableMismatch, TableRefusesEveryRow, TableUnreachable

BATCH_ITEMS = 25
"""BatchWriteItem's limit on items. Its limit of 16 MB can't be reached: a batch comes from one
page, so it has one item of up to 400 KB and `fast_rows.PAGE_SIZE` bytes of others. JSON turns a
byte into at most six."""

_MAX_UNACKNOWLEDGED = 8
"""How far the writer may run ahead of an unacknowledged batch, as a multiple of the batches in
flight. If the deadline comes before that batch is acknowledged, the batches after it are sent
again later."""
_MAX_WAIT_SECONDS = 1.0  # between two checks of the clock

Mark = TypeVar("Mark")


class WritingStopped(Exception):
    """The deadline came, or the caller stopped, before all items were acknowledged.

    What was acknowledged remains so.
    """


class Sender(Protocol):
    """The part of `ingestion.dynamodb.transport.Transport` that the writer uses."""

    @property
    def under_way(self) -> int: ...

    def send(self, tag: object, body: bytes) -> None: ...

    def replies(self, seconds: float) -> list[Reply]: ...


class _Batch(Generic[Mark]):
    """A batch of items in progress.

    `requests` are those that the table has yet to accept: one per key, although `rows` may have
    several. `first_row` is the number of the batch's first row.
    """

    __slots__ = ("backoff", "bisection", "first_row", "keys", "mark", "requests", "rows")

    def __init__(
        self,
        first_row: int,
        rows: tuple[Sequence[Hashable], Sequence[bytes]],
        keys: frozenset[Hashable],
        requests: Sequence[bytes],
        mark: Mark,
    ) -> None:
        self.first_row = first_row
        self.rows = rows
        self.keys = keys
        self.requests = requests
        self.mark = mark
        # Created when needed.
        self.backoff: Backoff | None = None
        self.bisection: Bisection | None = None


class BatchWriter(Generic[Mark]):
    """Puts items into one table. Items with equal keys are put in the order given: an item is sent
    only after every earlier item of the same key is acknowledged, or in its place.

    `sender` must have no requests under way, and has none when the `with` block ends. `rate`
    caps the items per second. `acknowledged` is the mark of the last `put` up to which every
    item is in the table, replaced or refused.

    If DynamoDB refuses a batch as invalid, the writer finds the rows at fault and puts all others.
    If it has refused every row so far, the writer calls `any_accepted`, which returns whether
    another writer of the load had a row accepted; if not, the writer gives up. Without
    `may_refuse`, a batch that is refused as invalid is an error.
    """

    def __init__(
        self,
        sender: Sender,
        table: str,
        *,
        in_flight: int,
        deadline: float,
        rate: float | None = None,
        may_refuse: bool = True,
        any_accepted: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._table = table
        self._may_refuse = may_refuse
        self._any_accepted = any_accepted
        self._pressure = InFlightLimit(in_flight)
        self._rate = RateLimit(rate, clock()) if rate else None
        self._most_unacknowledged = in_flight * _MAX_UNACKNOWLEDGED
        self._deadline = deadline
        self._clock = clock
        self._sent: deque[_Batch[Mark]] = deque()  # in order, up to the first not acknowledged
        self._open_keys: set[Hashable] = set()  # of all items in progress
        self._waiting: list[tuple[float, _Batch[Mark]]] = []  # to be sent again, and when
        self._rows = 0  # put so far
        self._accepted = False  # whether the table has accepted any item
        self._refused = 0  # includes rows of batches not yet acknowledged
        self._refused_why = ""
        self.acknowledged: Mark | None = None
        self.items_written = 0
        """Items acknowledged. Of equal keys in one batch, only the last was sent."""
        self.items_replaced = 0
        """Acknowledged rows that a later row with the same key replaced within their batch."""
        self.refused = array("Q")
        """The numbers of the acknowledged rows that the table refuses, counted from 0 in the order
        in which they were put."""
        self.throttles = 0
        """Responses in which the table accepted less than it was sent."""
        self.unanswered = 0
        """Requests without a response from DynamoDB, which may carry them out later."""
        self.batch_items = min(BATCH_ITEMS, self._rate.batch_items) if self._rate else BATCH_ITEMS
        """The most items of one `put`."""

    def __enter__(self) -> "BatchWriter[Mark]":
        return self

    def __exit__(self, *_: object) -> None:
        while self._sender.under_way:
            for reply in self._sender.replies(_MAX_WAIT_SECONDS):
                self.unanswered += _is_fault(reply)

    def put(self, keys: Sequence[Hashable], requests: Sequence[bytes], mark: Mark) -> None:
        """Sends at most `batch_items` items as one batch. Blocks while enough are in flight.

        Raises WritingStopped, TableUnreachable after too many faults in a row,
        TableRefusesEveryRow, and botocore's ClientError for an error that a retry can't fix.
        """
        distinct = frozenset(keys)
        rows = keys, requests
        if len(distinct) < len(keys):
            requests = list(dict(zip(keys, requests, strict=True)).values())
        if self._rate:
            may_go = self._rate.take(len(requests), self._clock())
            while (delay := may_go - self._clock()) > 0:
                self._advance(delay)
        while not self._has_room_for(distinct):
            self._advance(_MAX_WAIT_SECONDS)
        batch = _Batch(self._rows, rows, distinct, requests, mark)
        self._rows += len(keys)
        self._sent.append(batch)
        self._open_keys |= distinct
        self._send(batch)

    def pass_over(self, mark: Mark) -> None:
        """Records that `mark` is reached without an item to put."""
        if not self._sent:
            self.acknowledged = mark
        elif self._sent[-1].keys:
            self._sent.append(_Batch(self._rows, ((), ()), frozenset(), (), mark))
        else:
            self._sent[-1].mark = mark

    def drain(self) -> None:
        """Returns once everything is acknowledged. Raises like `put`."""
        while self._sent:
            self._advance(_MAX_WAIT_SECONDS)
        if self._refused and not self._accepted:
            self._check_any_accepted()

    def stop(self) -> None:
        """Waits for the requests in flight, without retries, and updates `acknowledged`.

        Raises nothing.
        """
        while self._sender.under_way:
            for reply in self._sender.replies(_MAX_WAIT_SECONDS):
                try:
                    self._take(reply)
                except (ClientError, TableMismatch, TableRefusesEveryRow, TableUnreachable):
                    continue

    def _has_room_for(self, keys: frozenset[Hashable]) -> bool:
        return (
            self._sender.under_way + len(self._waiting) < self._pressure.limit
            and len(self._sent) < self._most_unacknowledged
            and self._open_keys.isdisjoint(keys)
        )

    def _advance(self, seconds: float) -> None:
        """Resends what is due and processes the replies. Waits at most `seconds` for one."""
        now = self._clock()
        if now >= self._deadline:
            raise WritingStopped
        wait = min(seconds, self._deadline - now)
        if self._waiting:
            wait = min(wait, self._send_again(now))
        for reply in self._sender.replies(wait):
            self._take(reply)

    def _send_again(self, now: float) -> float:
        """Resends what is due and fits. Returns the seconds until there is more to do."""
        self._waiting.sort(key=lambda one: one[0])
        while self._waiting and self._waiting[0][0] <= now:
            if self._sender.under_way >= self._pressure.limit:
                return _MAX_WAIT_SECONDS  # a reply must come first
            self._send(self._waiting.pop(0)[1])
        return self._waiting[0][0] - now if self._waiting else _MAX_WAIT_SECONDS

    def _send(self, batch: _Batch[Mark]) -> None:
        self._sender.send(batch, batch_body(self._table, batch.requests))

    def _take(self, reply: Reply) -> None:
        batch: _Batch[Mark] = reply.tag
        self.unanswered += _is_fault(reply)
        answer = read_answer(reply.status, reply.body, batch.requests, self._table)
        if not answer.left:
            self._pressure.succeeded()
            self._accepted = True
            if batch.bisection:
                batch.bisection.part_accepted()
                self._go_on_with(batch, batch.bisection)
            else:
                self._acknowledge(batch)
            return
        if answer.invalid and not self._may_refuse:
            raise TableMismatch(
                f"Table {self._table} refuses rows that it has accepted before ({answer.invalid}). "
                "Has its schema been changed?"
            )
        if answer.invalid:
            self._refused_why = answer.invalid
            batch.bisection = batch.bisection or Bisection(*batch.rows)
            batch.bisection.part_refused()
            self._go_on_with(batch, batch.bisection)
            return
        if answer.throttled:
            self.throttles += 1
            self._pressure.throttled(self._clock())
        self._wait_with(batch, answer, reply)

    def _go_on_with(self, batch: _Batch[Mark], bisection: Bisection) -> None:
        """Queues the next part of a batch that the table has refused, or finishes the batch."""
        batch.requests = bisection.requests
        batch.backoff = None
        if batch.requests:
            self._waiting.append((self._clock(), batch))
            return
        self._acknowledge(batch)
        self._refused += len(bisection.refused)
        if self._refused >= BATCH_ITEMS and not self._accepted:
            self._check_any_accepted()

    def _check_any_accepted(self) -> None:
        if not self._any_accepted():
            raise TableRefusesEveryRow(
                f"Table {self._table} refuses every row as invalid ({self._refused_why}). Compare "
                "its key and the keys of its indexes with the columns of the file."
            )
        self._accepted = True

    def _wait_with(self, batch: _Batch[Mark], answer: Answer, reply: Reply) -> None:
        batch.backoff = batch.backoff or Backoff()
        some_taken = len(answer.left) < len(batch.requests)
        pause = batch.backoff.pause(answer, some_taken=some_taken)
        if pause is None:
            # Only the status of a response is shown: its text may contain the items left.
            why = f"status {reply.status}" if reply.status else reply.body.decode(errors="replace")
            raise TableUnreachable(f"DynamoDB did not take a batch: {why}")
        batch.requests = answer.left
        self._waiting.append((self._clock() + pause, batch))

    def _acknowledge(self, batch: _Batch[Mark]) -> None:
        batch.requests = ()
        self._open_keys -= batch.keys
        while self._sent and not self._sent[0].requests:
            first = self._sent.popleft()
            self.acknowledged = first.mark
            written, refused = len(first.keys), 0
            if first.bisection:
                written, refused = first.bisection.accepted, len(first.bisection.refused)
                numbers = [first.first_row + at for at in sorted(first.bisection.refused)]
                self.refused.extend(numbers)
            self.items_written += written
            self.items_replaced += len(first.rows[0]) - written - refused


def _is_fault(reply: Reply) -> bool:
    return not reply.status or reply.status >= 500
