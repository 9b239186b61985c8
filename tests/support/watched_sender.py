"""A sender between Write Chunk and its transport, for tests. It counts batches, lets time pass with
each batch, runs a test's code before a batch, or answers in place of the table."""

from typing import Any

from handlers import write_chunk
from ingestion.dynamodb.transport import Reply

INVALID = b'{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"No."}'


class WatchedSender:
    """Installed by `watch`. It has its own clock: each batch advances it by `batch_takes`
    seconds, and waiting for answers when none is due advances it by the time waited."""

    def __init__(
        self, sender: Any, batch_takes: Any, before: Any, answer: Any, refused: Any
    ) -> None:
        self._sender = sender
        self._batch_takes = batch_takes
        self._before = before
        self._answer = answer
        self._refused = refused
        self._answered: list[Reply] = []
        self.batches = 0
        self.now = 0.0

    @property
    def under_way(self) -> Any:
        return self._sender.under_way + len(self._answered)

    def send(self, tag: Any, body: Any) -> None:
        self.batches += 1
        self._before(self.batches)
        self.now += self._batch_takes
        if self._refused and self._refused in body:
            self._answered.append(Reply(tag, 400, INVALID))
        elif self._answer:
            self._answered.append(Reply(tag, *self._answer))
        else:
            self._sender.send(tag, body)

    def replies(self, seconds: Any) -> Any:
        replies, self._answered = self._answered, []
        if self._sender.under_way:
            return replies + self._sender.replies(seconds)
        if not replies:
            self.now += seconds
        return replies


def watch(
    *,
    batch_takes: float = 0.0,
    before: Any = lambda batch: None,
    answer: Any = None,
    refused: Any = None,
) -> Any:
    """Makes the handler send all further batches through a WatchedSender, and returns it.

    batch_takes: seconds that each batch takes.
    before: called with the number of each batch, from 1, before it is sent.
    answer: a (status, body) to give in place of the table's answers.
    refused: a batch that contains these bytes is refused as invalid.
    """
    writer = write_chunk._chunk_writer()
    sender = writer._sender
    while isinstance(sender, WatchedSender):
        sender = sender._sender
    watched = WatchedSender(sender, batch_takes, before, answer, refused)
    writer._sender = watched
    writer._clock = lambda: watched.now
    return watched


def unwatch() -> None:
    writer = write_chunk._chunk_writer()
    watched = writer._sender
    assert isinstance(watched, WatchedSender)
    writer._sender = watched._sender
