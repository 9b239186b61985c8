"""A chunk written in as many rounds as it takes, by a table that is slow, throttles or breaks: the
table and the refused rows are those of a plain reading of the file, and no round loses count."""

import csv
import io
from array import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contracts import Chunk, ChunkTask
from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.item_json import escape
from ingestion.csv_files.key_digests import key_digest
from ingestion.csv_files.rows import COLUMNS
from ingestion.csv_files.sections import read_sections
from ingestion.csv_files.syntax import Syntax
from ingestion.errors import NoProgress, TableUnreachable
from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.versions import Turns
from ingestion.s3.refused_rows import PartWriter, Series, read_parts
from ingestion.tasks.accounting import Tally, chunk_series
from ingestion.tasks.target_table import TargetTable
from ingestion.tasks.write_chunk import CHECKPOINT_SECONDS, ChunkWriter
from tests.support.files import ACCEPTED, accepted_file
from tests.support.ledger_in_memory import EntriesInMemory
from tests.support.slow_table import FAULT, THROTTLED, SlowTable
from tests.support.sources import BUILT_IN
from tests.support.stack_in_memory import (
    UPLOADS,
    WORK,
    BucketsInMemory,
)

INVALID = 400, b'{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException"}'
UNFIT = "Atlantis"
"""The store of rows that the table refuses."""


class RefusingTable(SlowTable):
    """Refuses each batch with a row of the store UNFIT."""

    def send(self, tag: object, body: bytes) -> None:
        if f'"{UNFIT}"'.encode() in body:
            self._answers[:1] = [INVALID]
        super().send(tag, body)


class Rows:
    """A chunk's text, and what a plain reading makes of it."""

    def __init__(self, records: list[tuple[str, bool]]) -> None:
        """Records as they stand in the file, and whether each is a good row."""
        self.text = "".join(f"{raw}\n" for raw, _ in records).encode()
        self.items: dict[tuple[str, str], dict[str, str]] = {}
        self.refused: list[int] = []
        self.superseded: list[int] = []
        self.unfit: list[int] = []
        """Superseded as well, where a later row of the same batch has their key."""
        self.read = 0
        self.blank_lines = 0
        last: dict[tuple[str, str], int] = {}
        line = 1
        for raw, good in records:
            self.read += bool(raw)
            self.blank_lines += not raw
            if good:
                [values] = csv.reader(io.StringIO(raw, newline=""))
                key = values[0], values[1]
                if values[-1] == UNFIT:
                    self.unfit.append(line)
                else:
                    if key in last:
                        self.superseded.append(last[key])
                    last[key] = line
                    self.items[key] = dict(zip(COLUMNS, values, strict=True))
            elif raw:
                self.refused.append(line)
            line += raw.count("\n") + 1
        self.lines = line - 1
        self.superseded.sort()


def write(rows: Rows, table: SlowTable, budget: float, in_flight: int) -> ChunkProgress:
    """Writes the chunk in rounds of `budget` seconds. After a round without progress, the next
    rounds have ten seconds more."""
    buckets, ledger = BucketsInMemory(), EntriesInMemory()
    buckets.objects[UPLOADS, "a.csv"] = rows.text
    anything: Any = SimpleNamespace(buckets=buckets, table=table)
    chunks = ledger.over(Chunks)
    # Another chunk of the load, so that also a chunk of which every row is refused can end.
    chunks.save("a", "g", None, ChunkProgress(1, 0, 0, 0, rows_written=1))
    writer = ChunkWriter(
        anything.buckets,
        TargetTable(anything.table, "Tickets"),
        table,
        chunks,
        Turns(anything.buckets, ledger.over(Claims), now=table.clock),
        work_bucket=WORK,
        in_flight=in_flight,
        clock=table.clock,
    )
    file = accepted_file(size=len(rows.text))
    chunk = Chunk(0, UPLOADS, "a.csv", "v1", 0, len(rows.text))
    task = ChunkTask("a", file, chunk, 1, "g", "00")
    at = 0
    rounds = 0
    while True:
        began = table.now
        try:
            result = writer.write(task, CHECKPOINT_SECONDS + budget)
        except NoProgress:
            budget += 10
            continue
        except TableUnreachable:  # the task is tried again
            continue
        rounds += 1
        # Half of what is kept back is for batches that are in flight then, half for the checkpoint.
        in_time = began + budget + CHECKPOINT_SECONDS / 2
        assert all(at <= in_time for at in table.sent_at)
        progress = next(chunks.all("a", "g"))
        assert result == progress.result()
        assert len(progress.rounds) == rounds
        accounted = progress.rows_written + progress.rows_superseded + progress.rows_refused
        assert progress.rows_read == accounted
        assert progress.lines == rows.text[: progress.next_byte].count(b"\n")
        assert progress.finished or not progress.rows_superseded
        if progress.finished:
            sent = len(table.sent_at)
            assert writer.write(task, CHECKPOINT_SECONDS + budget) == result
            assert len(table.sent_at) == sent, "a finished chunk is not written again"
            break
        assert progress.next_byte > at
        at = progress.next_byte
    listed = []
    for series in chunk_series("a", "g", progress):
        rows_of_series = list(read_parts(anything.buckets, WORK, series.keys()))
        assert rows_of_series == sorted(rows_of_series)
        listed += rows_of_series
    lines_of_text = rows.text.decode().split("\n")
    for row in listed:
        assert row.raw.split("\n")[0] == lines_of_text[row.line - 1]
    reasons = {row.line: row.reason for row in listed}
    first = min((line for line in reasons if reasons[line] != "superseded"), default=None)
    assert (progress.first_refused or {"line": None})["line"] == first
    assert len(reasons) == len(listed), "each row is listed once"
    unfit = {line: reasons.pop(line) for line in rows.unfit}
    assert set(unfit.values()) <= {"refused_by_table", "superseded"}
    superseded = sorted(line for line, reason in reasons.items() if reason == "superseded")
    refused = sorted(line for line, reason in reasons.items() if reason != "superseded")
    assert (superseded, refused) == (rows.superseded, rows.refused)
    by_table = list(unfit.values()).count("refused_by_table")
    assert progress.rows_refused_by_table == by_table
    assert progress.rows_refused == len(rows.refused) + by_table
    assert progress.rows_superseded == len(rows.superseded) + len(unfit) - by_table
    if rows.items:
        digests = array("Q", buckets.objects[WORK, "digests/a/g/000000"])
        keys = [(escape(one.encode()), escape(two.encode())) for one, two in rows.items]
        distinct = sorted(key_digest("00")(keys))
        assert list(digests[: progress.distinct_keys]) == distinct
        assert len(digests) == progress.distinct_keys + progress.repeated_keys
    return progress


def check(rows: Rows, table: SlowTable, budget: float, in_flight: int) -> None:
    progress = write(rows, table, budget, in_flight)
    stored = {
        key: {name: next(iter(value.values())) for name, value in item.items()}
        for key, item in table.items.items()
    }
    assert stored == rows.items
    assert progress.next_byte == len(rows.text)
    assert (progress.rows_read, progress.lines, progress.blank_lines) == (
        rows.read,
        rows.lines,
        rows.blank_lines,
    )


GOOD = st.builds(
    '{},{},B1,2026-01-31T00:00,,{},"{}"'.format,
    st.sampled_from(["T1", "T2", '"T1"', '"T""3"']) | st.integers(0, 500).map("T{}".format),
    st.sampled_from(["Tea", "Café"]),
    st.integers(0, 9),
    st.sampled_from(["", "Lyon", "Lyon", "a\nb", "a,\n\nb", UNFIT]),
).map(lambda raw: (raw, True))
RECORDS = st.lists(
    st.one_of(
        GOOD, GOOD, GOOD, st.sampled_from([("", False), ("a,b", False), ("T1,,,,,,", False)])
    ),
    max_size=120,
)
ANSWERS = st.lists(
    st.one_of(st.just(0), st.just(0), st.integers(0, 30), st.sampled_from([THROTTLED, FAULT])),
    min_size=10,
)


@pytest.fixture(autouse=True, scope="module")
def small_pages_and_longest_pauses() -> Iterator[Any]:
    """Pages of some batches each, so that rounds end in the middle of one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.tasks.chunk_rows.PAGE_SIZE", 3_000)
        patch.setattr("ingestion.s3.refused_rows.MAX_PART_BYTES", 200)
        patch.setattr("random.uniform", lambda shortest, longest: longest)
        yield


@given(RECORDS, ANSWERS, st.sampled_from([0.5, 3, 30]), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_however_often_it_is_interrupted_no_row_is_lost(
    records: Any, given_answers: Any, takes: Any, in_flight: Any
) -> None:
    check(Rows(records), RefusingTable(takes, list(given_answers)), 5.0, in_flight)


@pytest.mark.exhaustive
@pytest.mark.timeout(600)
@given(RECORDS, ANSWERS, st.sampled_from([0.1, 0.5, 3, 30]), st.integers(1, 9))
@settings(deadline=None, max_examples=2_000)
def test_however_often_it_is_interrupted_at_length(
    records: Any, given_answers: Any, takes: Any, in_flight: Any
) -> None:
    check(Rows(records), RefusingTable(takes, list(given_answers)), 5.0, in_flight)


def test_a_chunk_of_many_rounds() -> None:
    """Each round acknowledges two batches: one is in flight when the time is up, and one is sent
    behind it. Equal keys stand far apart."""
    records = [(f"T{at % 90},Tea,B1,2026-01-31T00:00,,{at},Lyon", True) for at in range(300)]
    records[100:100] = [("x,y", False), ("", False)]
    rows = Rows(records)
    progress = write(rows, SlowTable(10, []), 5.0, in_flight=1)
    assert 6 <= len(progress.rounds) <= 8  # of 300 rows; a page's last batch may be smaller
    assert (progress.rows_written, progress.rows_superseded, progress.rows_refused) == (90, 210, 1)


def test_refused_rows_behind_what_is_acknowledged_are_left_to_the_next_round() -> None:
    """In each round, the table fails one batch until the round ends, and later pages are read."""
    records = [
        ("x,y", False) if at % 5 == 4 else (f"T{at % 700},Tea,B1,2026-01-31T00:00,,{at},Lyon", True)
        for at in range(900)
    ]
    rows = Rows(records)
    table = SlowTable(10, [0, 0, *[FAULT, 0] * 100])
    progress = write(rows, table, 45.0, in_flight=3)
    # More batches were taken than were needed: those behind the one that was not.
    assert table.batches_taken > 900 * 4 / 5 / 25 + 3
    assert len(progress.rounds) >= 3


def test_the_lines_of_comments_add_up() -> None:
    """They add up over two rounds, as Reconcile compares them with the line ends."""
    reader = PageReader(BUILT_IN, ACCEPTED.columns, 7, b",", ("ticket_id", "product"))
    reader.layout.syntax = Syntax(b",", comment=b"#")
    text = b'# "Sales\nT1,Tea,B1,2026-01-31T00:00,,1,Lyon\n#\n\n'
    (section,) = read_sections([text], reader.layout, ends_file=False)
    bucket: Any = BucketsInMemory()
    parts = PartWriter(bucket, WORK, Series("a-"))
    progress = ChunkProgress(0, 0, 9_999, 0)
    for _ in range(2):
        tally = Tally(progress, key_digest("00"), parts, parts)
        tally.count(reader.read(section))
        progress = tally.progress(throttles=0, times=[], finished=None)
    assert (progress.comment_lines, progress.row_lines, progress.blank_lines) == (4, 2, 2)
    assert progress.lines == progress.line_ends == 8


def test_going_back_forgets_the_refused_rows_behind_the_place_and_no_others() -> None:
    """In a second round: five rows were refused in the first."""
    reader = PageReader(BUILT_IN, ACCEPTED.columns, 7, b",", ("ticket_id", "product"))
    first, second = [
        reader.read(section)
        for text in [f"T{at},Tea,B1,2026-01-31T00:00,,1,Lyon\nx,y\n".encode() * 2 for at in (1, 2)]
        for section in read_sections([text], reader.layout, ends_file=False)
    ]
    before = ChunkProgress(
        0, 0, 9_999, 100, row_lines=9, rows_read=7, rows_written=2, rows_refused=5, blank_lines=1
    )
    bucket: Any = BucketsInMemory()
    tally = Tally(
        before,
        key_digest("00"),
        PartWriter(bucket, WORK, Series("a-"), 5),
        PartWriter(bucket, WORK, Series("b-")),
    )

    def listed() -> list[int]:
        progress = tally.progress(throttles=0, times=[], finished=None)
        series = Series("a-", progress.refused_parts, progress.refused_open_rows)
        return [row.line for row in read_parts(bucket, WORK, series.keys())]

    tally.count(first)
    place = tally.place(second, 1)
    tally.count(second)
    assert listed() == [12, 14, 16, 18]
    tally.go_back(place, reader.part(second, 1))
    assert listed() == [12, 14]
    row = len(b"T2,Tea,B1,2026-01-31T00:00,,1,Lyon\n")
    reached = tally.reached
    assert reached.next_byte == 100 + first.section.size + row
    assert (reached.lines, reached.blank_lines) == (15, 1)
    assert (reached.rows_accepted, reached.rows_refused) == (5, 7)


def test_a_table_that_throttles_is_given_up_in_time_for_the_checkpoint() -> None:
    rows = Rows([(f"T{at},Tea,B1,2026-01-31T00:00,,1,", True) for at in range(30)])
    table = SlowTable(1, [0, *[THROTTLED] * 40])
    progress = write(rows, table, 5.0, in_flight=2)
    assert len(progress.rounds) >= 2
    assert max(table.sent_at) > CHECKPOINT_SECONDS
