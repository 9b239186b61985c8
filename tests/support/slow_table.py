"""A table in memory that is slow, throttles or fails, for tests in which a chunk is interrupted and
continued."""

import json
from typing import Any

from ingestion.dynamodb.transport import Reply
from tests.support.stack_in_memory import TableInMemory

THROTTLED = 400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}'
FAULT = 500, b""


class SlowTable(TableInMemory):
    """A table in memory with a clock of its own.

    takes: seconds that each batch takes.
    given: the answers to the first batches, in order; later batches are stored. An answer is the
        number of unprocessed items, or a (status, body).
    """

    def __init__(self, takes: float, given: list[Any]) -> None:
        super().__init__()
        self.now = 0.0
        self.batches_taken = 0
        self.sent_at: list[float] = []
        self._takes = takes
        self._answers = given

    def clock(self) -> float:
        return self.now

    def send(self, tag: object, body: bytes) -> None:
        self.sent_at.append(self.now)
        answer = self._answers.pop(0) if self._answers else 0
        if isinstance(answer, tuple):
            self._replies.append(Reply(tag, *answer))
            return
        self.batches_taken += answer == 0
        [(table, requests)] = json.loads(body)["RequestItems"].items()
        taken = requests[: max(0, len(requests) - answer)]
        if taken:
            super().send(tag, json.dumps({"RequestItems": {table: taken}}).encode())
            self._replies.pop()
        left = requests[len(taken) :]
        unprocessed = json.dumps({"UnprocessedItems": {table: left} if left else {}})
        self._replies.append(Reply(tag, 200, unprocessed.encode()))

    def replies(self, seconds: float) -> list[Reply]:
        if not self._replies:
            self.now += seconds
            return []
        self.now += self._takes
        return [self._replies.pop(0)]
