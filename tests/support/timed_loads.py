"""Loads whose calls of Write Chunk have writing times that overlap as a test wants.

The tasks run one after the other, but each call has a time in which it writes, and the table's
content is made of all writes in the order of their times. Calls can crash, end at checkpoints, and
write one chunk at the same time. What the table and the report must contain comes from a
dictionary.
"""

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from ingestion.contracts import ChunkTask
from ingestion.errors import NoProgress
from ingestion.ledger.versions import LEASE_MARGIN_SECONDS
from ingestion.sources.model import Source
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS
from tests.support.stack_in_memory import StackInMemory, TableInMemory

HEADER = "ticket_id,product,basket_id,timestamp,category,quantity,store\n"
CALL_SECONDS = 900


class TimedTable(TableInMemory):
    """Keeps each write with its time, and `hook` sees each batch before it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[tuple[float, int, dict[tuple[str, str], dict[str, Any]]]] = []
        self.time: Callable[[], float] = lambda: 0.0
        self.hook: Callable[[], None] = lambda: None

    def send(self, tag: object, body: bytes) -> None:
        self.items = {}
        super().send(tag, body)
        self.writes.append((self.time(), len(self.writes), self.items))
        self.hook()

    def content(self) -> dict[tuple[str, str], str]:
        """The quantity of each key, by the order of time."""
        content = {}
        for _, _, items in sorted(self.writes, key=lambda write: write[:2]):
            content.update({key: item["quantity"]["N"] for key, item in items.items()})
        return content


class CrashedError(Exception):
    """The call ends here, and records nothing any more."""


@dataclass
class Call:
    """When a call of Write Chunk is made and how long it takes, in seconds. Its own clock is wrong
    by `skew`. Its rows land when it begins, or, if they are `late`, when it ends."""

    at: float
    takes: float
    late: bool = False
    skew: float = 0.0
    crash_at: int | None = None
    """The batch after which it crashes, or it does before it can record what it did. Its rows land
    until its lease runs out."""
    twin_at: int | None = None
    """The batch during which another call for the same chunk does all of its work."""
    twin_takes: float = 0.0
    twin_late: bool = False


ANY_CALLS = st.lists(
    st.builds(
        Call,
        at=st.integers(1, 20),
        takes=st.integers(0, 6),
        late=st.booleans(),
        skew=st.sampled_from([0.0, -0.9, 0.9]),
        crash_at=st.none() | st.none() | st.integers(1, 3),
        twin_at=st.none() | st.none() | st.integers(1, 3),
        twin_takes=st.integers(0, 6),
        twin_late=st.booleans(),
    ),
    min_size=8,
    max_size=8,
)
WEAK_DIGESTS = st.sampled_from([2**64, 2**64, 16, 3, 1])
"""Numbers of different digests, for `small`."""


class Simulation:
    """A load whose calls are made one by one."""

    def __init__(self, file: str, chunk_size: int, source: Source | None = None) -> None:
        self.table = TimedTable()
        if source and source.primary_key:
            self.table.key = source.primary_key
        self.stack = StackInMemory(chunk_size, table=self.table, source=source, clock=lambda: 0.0)
        self.start = self.stack.now
        self.tasks = self.stack.plan(file.encode())

    def call(self, task: ChunkTask, call: Call, *, within: bool = False) -> None:
        """Writes a chunk, or crashes."""
        began = self.start + call.at
        crashes = call.crash_at is not None
        ends = began + (CALL_SECONDS + LEASE_MARGIN_SECONDS - 2 if crashes else call.takes)
        clock = itertools.chain([began, began], itertools.repeat(began + call.takes))
        before = self.table.time, self.table.hook, self.stack.turns._now
        batches = 0

        def hook() -> None:
            nonlocal batches
            batches += 1
            if batches == call.crash_at:
                raise CrashedError
            if batches == call.twin_at:
                self.call(task, Call(call.at, call.twin_takes, call.twin_late), within=True)

        self.table.time, self.table.hook = lambda: ends if call.late else began, hook
        self.stack.turns._now = lambda: next(clock) + call.skew
        replies = self.table._replies
        self.table._replies = []
        try:
            if call.crash_at is None:
                self.stack.writer.write(task, CALL_SECONDS)
            else:
                self.crash(task)
        finally:
            self.table._replies = replies if within else []
            self.table.time, self.table.hook, self.stack.turns._now = before

    def crash(self, task: ChunkTask) -> None:
        """Nothing that the call would do after its crash is done, such as ending its lease."""

        def fail(*_: Any) -> None:
            raise CrashedError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingestion.ledger.chunks.Chunks.save", fail)
            patch.setattr("ingestion.ledger.versions.WriterLease.__exit__", lambda *_: None)
            with pytest.raises(CrashedError):
                self.stack.writer.write(task, CALL_SECONDS)

    def run(self, calls: Sequence[Call], tick: float) -> None:
        """Writes each chunk with the next of these calls, and once more if it has crashed. Then
        settles; if the clock ticks, in calls with little time."""
        for task, call in zip(self.tasks, itertools.cycle(calls), strict=False):
            self.call(task, call)
            if call.crash_at is not None:
                self.call(task, Call(call.at + call.takes, 5))
        self.settle(CHECKPOINT_SECONDS + 5 if tick else CALL_SECONDS, tick)

    def settle(self, seconds: float = CALL_SECONDS, tick: float = 0.0) -> int:
        """Settles and reconciles long after the writers have ended. Returns the number of calls of
        Settle Equal Keys.

        seconds: the time that each call has.
        tick: seconds by which the clock advances each time that a call reads it.
        """
        self.stack.now = self.start + 10 * CALL_SECONDS
        self.stack.settler._clock = itertools.count(0, tick).__next__
        self.table.time = lambda: self.stack.now
        calls = 0
        if (
            self.stack.reconciler.reconcile(
                self.stack.load_id, self.stack.file, self.stack.planned
            ).equal_keys
            == "unsettled"
        ):
            while True:
                calls += 1
                try:
                    if self.stack.settle(seconds) == "settled":
                        break
                except NoProgress:
                    seconds += 5
        self.stack.reconcile()
        return calls


class Expected:
    """What a dictionary makes of a file's rows."""

    def __init__(self, file: str) -> None:
        self.content: dict[tuple[str, str], str] = {}
        self.superseded: list[int] = []
        self.refused = 0
        lines: dict[tuple[str, str], int] = {}
        for line, text in enumerate(file.splitlines()[1:], 2):
            fields = text.split(",")
            if len(fields) < 7:
                self.refused += 1
                continue
            key = fields[0], fields[1]
            if key in lines:
                self.superseded.append(lines[key])
            lines[key] = line
            self.content[key] = fields[5]
        self.superseded.sort()


def check(
    simulation: Simulation, file: str, content: dict[tuple[str, str], str] | None = None
) -> None:
    """`content` is the table's content, if the simulation's own table doesn't have all of it."""
    expected = Expected(file)
    assert (content or simulation.table.content()) == expected.content
    result = simulation.stack.result
    assert result
    # A load without an accepted row has failed, and has nothing to settle.
    assert (result["complete"], result["equal_keys"]) == (bool(expected.content), "settled")
    assert result["rows_written"] == len(expected.content)
    assert result["rows_superseded"] == len(expected.superseded)
    assert result["rows_refused"] == expected.refused
    listed = []
    if result["refused_rows"]:
        text = simulation.stack.read_url(result["refused_rows"]).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        listed = [int(row["line"]) for row in rows if row["reason"] == "superseded"]
        lines = file.splitlines()
        assert all(row["raw"] == lines[int(row["line"]) - 1] for row in rows)
    assert listed == expected.superseded


def good(key: int, quantity: int) -> str:
    return f"T{key},Tea,B1,2026-01-31T00:00,,{quantity},Lyon\n"


def numbered(keys: Sequence[int | None]) -> str:
    """Rows with these keys, each with a different quantity; None is a row that is refused."""
    rows = (good(key, at) if key is not None else "x,y\n" for at, key in enumerate(keys))
    return HEADER + "".join(rows)


@contextmanager
def small(digests: int = 2**64) -> Iterator[None]:
    """Within the block, slabs, batches and pages have only a few rows each, and keys have at most
    `digests` different digests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.tasks.suspect_search.SLAB_DIGESTS", 20)
        patch.setattr("ingestion.tasks.suspect_search.MAX_SUSPECTS", 4)
        patch.setattr("ingestion.tasks.suspect_search.MAX_SUSPECTS_TO_ADD", 4)
        patch.setattr("ingestion.tasks.suspect_search._CONTENTS_BYTES", 10)
        patch.setattr("ingestion.tasks.equal_keys_batch.MAX_PENDING_ROWS", 3)
        patch.setattr("ingestion.tasks.totals_batch.MAX_PENDING_ROWS", 3)
        patch.setattr("ingestion.tasks.chunk_rows.PAGE_SIZE", 200)
        patch.setattr("ingestion.dynamodb.batch_writer.BATCH_ITEMS", 3)
        step = 2**64 // digests

        def weak(data: bytes, seed: int) -> int:
            return xxh3_64_intdigest(data, seed) // step * step

        patch.setattr("ingestion.csv_files.key_digests.xxh3_64_intdigest", weak)
        yield
