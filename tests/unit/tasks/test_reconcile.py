"""The speed of a load in the report. The totals are tested in tests/handlers."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.rows import COLUMNS
from ingestion.dynamodb.transport import Reply
from ingestion.ledger.chunks import ChunkProgress
from ingestion.s3.refused_rows import PartWriter, Series
from ingestion.tasks.accounting import Tally
from ingestion.tasks.reconcile import rows_per_second
from tests.support.stack_in_memory import StackInMemory, TableInMemory

START = datetime(2026, 3, 1, 23, 59, 0, tzinfo=UTC)


def at(second: float) -> str:
    """As the ledger notes it."""
    moment = START + timedelta(seconds=second)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chunk(written: int, *rounds: tuple[float, float]) -> ChunkProgress:
    times = [[at(first), at(last), "lease"] for first, last in rounds]
    return ChunkProgress(0, 0, 9, 9, finished=True, rows_written=written, rounds=times)


@pytest.mark.parametrize(
    ("chunks", "rate"),
    [
        ([chunk(100, (0, 10))], 10),
        ([chunk(100, (0, 0.5))], 200),
        ([chunk(100, (0, 10)), chunk(100, (10, 20))], 10),
        ([chunk(100, (0, 10)), chunk(100, (0, 10))], 20),  # at the same time
        ([chunk(100, (0, 10)), chunk(100, (5, 15))], 13),  # 200 in 15
        ([chunk(100, (0, 20)), chunk(100, (5, 10))], 10),  # one within the other
        ([chunk(100, (0, 20)), chunk(50, (5, 10)), chunk(50, (15, 40))], 5),
        ([chunk(100, (70, 80)), chunk(100, (0, 10))], 10),  # an hour between them is no time
        ([chunk(100, (0, 10), (3600, 3610))], 5),  # a checkpoint, and the replay that went on
        ([chunk(1, (0, 3))], 0),
        ([chunk(0, (0, 3))], 0),
        ([chunk(5, (3, 3))], None),
        ([chunk(5)], None),
        ([], None),
        ([chunk(100, (0, 10)), chunk(900)], 10),  # the second is of an earlier release
    ],
)
def test_rows_a_second_are_those_of_the_time_in_which_a_chunk_was_written(
    chunks: list[Any], rate: int | None
) -> None:
    assert rows_per_second(chunks) == rate


def test_the_rate_of_a_replay_is_that_of_its_own_rows_and_time() -> None:
    """The first execution wrote 900 rows in 90 s, and the replay the other 100 in 5 s."""
    rounds = [[at(0), at(90), "lease", "900"], [at(3600), at(3605), "lease", "100"]]
    chunk = ChunkProgress(0, 0, 9, 9, finished=True, rows_written=1000, rounds=rounds)
    assert rows_per_second([chunk], at(3590)) == 20
    assert rows_per_second([chunk], at(-10)) == 11  # 1,000 in 95 s
    assert rows_per_second([chunk], at(3700)) is None


ROUND = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda one: (one[0], sum(one)))


@given(st.lists(st.tuples(st.integers(0, 10_000), st.lists(ROUND, min_size=1, max_size=3))))
def test_the_time_is_that_of_each_second_counted_once(chunks: Any) -> None:
    made = [chunk(written, *rounds) for written, rounds in chunks]
    seconds = {
        second for _, rounds in chunks for first, last in rounds for second in range(first, last)
    }
    written = sum(rows for rows, _ in chunks)
    assert rows_per_second(made) == (round(written / len(seconds)) if seconds else None)


def test_each_round_adds_its_throttles_and_its_times() -> None:
    digest = key_digest("00")
    refused = PartWriter(cast(Any, None), "work", Series("a-"))
    first = Tally(ChunkProgress(0, 0, 9, 0), digest, refused, refused).progress(
        throttles=3, times=[at(0), at(5)], finished=None
    )
    assert (first.throttles, first.rounds) == (3, [[at(0), at(5), "0"]])
    second = Tally(first, digest, refused, refused).progress(
        throttles=4, times=[at(60), at(65)], finished=None
    )
    assert (second.throttles, second.rounds) == (7, [[at(0), at(5), "0"], [at(60), at(65), "0"]])


class ThrottlingTable(TableInMemory):
    """A table that throttles the first two batches of each chunk."""

    def __init__(self) -> None:
        super().__init__()
        self._refusals = 2

    def send(self, tag: object, body: bytes) -> None:
        if self._refusals:
            self._refusals -= 1
            no = b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}'
            self._replies.append(Reply(tag, 400, no))
        else:
            super().send(tag, body)
            self._refusals = 2


def test_the_report_tells_throttles_and_rows_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda shortest, longest: 0)
    rows = [f"T{at},Tea,B1,2026-01-31T00:00,,1,Lyon" for at in range(30)]
    stack = StackInMemory(chunk_size=400, table=ThrottlingTable())
    seconds = itertools.count(START.timestamp())
    monkeypatch.setattr(stack.turns, "_now", lambda: next(seconds))
    stack.load("\n".join([",".join(COLUMNS), *rows, ""]).encode())
    assert len(stack.chunks) == 3
    # Each chunk is one batch, and takes a second between two looks at the clock.
    assert (stack.report["throttles"], stack.report["rows_per_second"]) == (6, 10)
