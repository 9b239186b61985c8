"""A stand-in for the table and the transport that is slow, throttles, fails or answers out of order
as a test scripts it.

It has its own clock, which advances only while the writer waits for replies, so tests take no time.
"""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from ingestion.dynamodb.batch_writer import BatchWriter
from ingestion.dynamodb.transport import Reply

TABLE = "Tickets"
_ENDLESS = 100_000


class Answer(NamedTuple):
    """The table's answer to a batch, `takes` seconds after it was sent."""

    left: int = 0
    """How many of the batch's items, counted from the end, are returned as unprocessed."""
    status: int = 200
    body: bytes | None = None
    """Sent in place of an answer with the unprocessed items. The table then stores no item."""
    takes: float | None = None
    stored: bool = False
    """Whether the table stores the batch although it answers with `body`: only the answer was
    lost."""


def error(code: str, status: int = 400, message: str = "No.", **more: Any) -> Answer:
    name = f"com.amazonaws.dynamodb.v20120810#{code}"
    return Answer(status=status, body=json.dumps({"__type": name, "message": message}).encode())


TAKEN = Answer()
THROTTLED = error("ProvisionedThroughputExceededException")
DENIED = error("AccessDeniedException", message="User: arn:aws:sts::1:role/x is not authorized")
INVALID = error("ValidationException", message="A value of Ada Lovelace is too long")
FAULT = error("InternalServerError", 500)
UNAVAILABLE = Answer(status=503, body=b"<html>busy</html>")
RESET = Answer(status=0, body=b"curl 56: Recv failure: Connection reset by peer")
LOST = RESET._replace(stored=True)


class Call(NamedTuple):
    """A batch that was sent: the time, the values of its items, and how many batches were under
    way, including this one."""

    at: float
    values: list[int]
    under_way: int


class _UnderWay(NamedTuple):
    due: float
    number: int
    tag: object
    requests: list[Any]
    answer: Answer


class ScriptedTable:
    """The sender of a BatchWriter.

    answers: the answers to the batches, in the order of sending. All later batches are accepted.
    takes: seconds until an answer comes, unless the answer sets its own.
    invalid: a batch with one of these values is refused as a whole, in place of its answer.
    """

    def __init__(
        self, *answers: Answer, takes: float = 0.01, invalid: Collection[int] = ()
    ) -> None:
        self.answers = list(answers)
        self.invalid = set(invalid)
        self.takes = takes
        self.now = 0.0
        self.calls: list[Call] = []
        self.stored: dict[str, int] = {}
        self.history: dict[str, list[int]] = {}
        """By key, all values that the table has ever stored for it."""
        self.waits = 0
        self._under_way: list[_UnderWay] = []

    def clock(self) -> float:
        return self.now

    @property
    def under_way(self) -> int:
        return len(self._under_way)

    def most_under_way(self, first_call: int = 0) -> int:
        return max(call.under_way for call in self.calls[first_call:])

    @property
    def sent(self) -> list[list[int]]:
        """The values of each batch, in the order of sending."""
        return [call.values for call in self.calls]

    def send(self, tag: object, body: bytes) -> None:
        request = json.loads(body)
        assert list(request) == ["RequestItems"]
        assert list(request["RequestItems"]) == [TABLE]
        requests = request["RequestItems"][TABLE]
        keys = _keys(requests)
        assert 1 <= len(keys) <= 25
        assert len(set(keys)) == len(keys), "equal keys in one batch"
        for other in self._under_way:
            assert not set(keys) & set(_keys(other.requests)), "equal keys in flight together"
        answer = self.answers.pop(0) if self.answers else TAKEN
        takes = self.takes if answer.takes is None else answer.takes
        values = [_value(one) for one in requests]
        if self.invalid.intersection(values):
            answer = INVALID
        number = len(self.calls)
        self._under_way.append(_UnderWay(self.now + takes, number, tag, requests, answer))
        self.calls.append(Call(self.now, values, len(self._under_way)))

    def replies(self, seconds: float) -> list[Reply]:
        assert seconds >= 0
        self.waits += 1
        assert self.waits < _ENDLESS, "the writer goes round without end"
        due = min((one.due for one in self._under_way), default=float("inf"))
        self.now = max(self.now, min(due, self.now + seconds))
        come = sorted(one for one in self._under_way if one.due <= self.now)
        self._under_way = [one for one in self._under_way if one.due > self.now]
        return [Reply(one.tag, *self._answer(one)) for one in come]

    def _answer(self, one: _UnderWay) -> tuple[int, bytes]:
        done = max(0, len(one.requests) - one.answer.left)
        if one.answer.body is None or one.answer.stored:
            for request in one.requests[:done]:
                [key] = _keys([request])
                self.stored[key] = _value(request)
                self.history.setdefault(key, []).append(_value(request))
        if one.answer.body is not None:
            return one.answer.status, one.answer.body
        left = one.requests[done:]
        return 200, json.dumps({"UnprocessedItems": {TABLE: left} if left else {}}).encode()


def _keys(requests: Sequence[Any]) -> list[str]:
    return [request["PutRequest"]["Item"]["id"]["S"] for request in requests]


def _value(request: Any) -> int:
    return int(request["PutRequest"]["Item"]["value"]["N"])


def writer_for(
    table: ScriptedTable, in_flight: int = 1, deadline: float = 1000.0, **options: Any
) -> BatchWriter[int]:
    return BatchWriter(
        table, TABLE, in_flight=in_flight, deadline=deadline, clock=table.clock, **options
    )


def put(
    writer: BatchWriter[int],
    values: Sequence[int],
    key: Callable[[int], object] = lambda value: value,
) -> None:
    """Puts one batch. Its mark is its last value."""
    names = [f"key-{key(value)}" for value in values]
    writer.put(
        [(name.encode(),) for name in names],
        [
            b'{"PutRequest":{"Item":{"id":{"S":"%b"},"value":{"N":"%d"}}}}' % (name.encode(), value)
            for name, value in zip(names, values, strict=True)
        ],
        values[-1],
    )


def put_all(writer: BatchWriter[int], values: Sequence[int]) -> None:
    """Puts values in batches of the largest size that the writer accepts."""
    for first in range(0, len(values), writer.batch_items):
        put(writer, values[first : first + writer.batch_items])


def write(table: Any, values: Any, **options: Any) -> Any:
    """Puts all values and drains the writer. Returns the writer."""
    with writer_for(table, **options) as writer:
        put_all(writer, values)
        writer.drain()
    assert table.under_way == 0
    return writer
