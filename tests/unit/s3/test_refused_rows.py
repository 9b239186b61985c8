"""Parts of refused rows: whichever calls write them, and however they end, each row is there once.

The calls of Write Chunk are played against a list of the chunk's refused rows: they go on from what
is recorded, go back, are killed, or come late.
"""

import io
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contracts import RefusedRow
from ingestion.s3.refused_rows import (
    ChunkRows,
    PartWriter,
    Series,
    read_chunks,
    read_parts,
    write_part,
)

AWKWARD = ['a,"b"', "two\nlines", "cr\rhere", "crlf\r\nhere", "\u2028\x85\x1c", "é日本", "\x00", ""]


class Bucket:
    """The part of an S3 client that the parts need."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.read: list[str] = []

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        self.objects[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        self.read.append(Key)
        return {"Body": io.BytesIO(self.objects[Key])}


@pytest.fixture
def bucket() -> Any:
    return Bucket()


def rows_of(*lines: int, raw: str = "x") -> list[RefusedRow]:
    return [RefusedRow(line, "quantity", "bad_quantity", raw) for line in lines]


def written(bucket: Any, prefix: str, rows: list[RefusedRow]) -> Series:
    writer = PartWriter(bucket, "work", Series(prefix))
    for row in rows:
        writer.add(row)
    return writer.finish()


@pytest.fixture(autouse=True, scope="module")
def small_parts() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingestion.s3.refused_rows.MAX_PART_BYTES", 200)
        yield


@pytest.mark.parametrize("raw", AWKWARD)
def test_a_part_is_read_as_it_was_written(bucket: Any, raw: str) -> None:
    write_part(bucket, "work", "a.jsonl", rows_of(1, 2, raw=raw))
    assert list(read_parts(bucket, "work", ["a.jsonl"])) == rows_of(1, 2, raw=raw)


def test_no_part_is_much_larger_than_the_limit(bucket: Any) -> None:
    series = written(bucket, "a-", rows_of(*range(100)))
    assert list(read_parts(bucket, "work", series.keys(), 7)) == rows_of(*range(7, 107))
    line = len('[99, "quantity", "bad_quantity", "x"]\n')
    assert len(bucket.objects) == series.complete >= 100 * line / (200 + line)
    assert max(map(len, bucket.objects.values())) < 200 + line


CALLS = st.lists(
    st.tuples(
        st.integers(0, 40),  # rows that the call adds
        st.integers(0, 60),  # rows that it then goes back by, at most to where it began
        st.sampled_from(["checkpoint", "killed", "late"]),
    ),
    max_size=8,
)


@given(st.lists(st.integers(0, 150), min_size=1, max_size=120), CALLS)
@settings(deadline=None)
def test_each_row_is_listed_once_however_the_calls_end(
    sizes: list[int], calls: list[tuple[int, int, str]]
) -> None:
    rows = [RefusedRow(at + 1, "", "too_few_fields", "é" * size) for at, size in enumerate(sizes)]
    bucket: Any = Bucket()
    recorded, known = Series("a-"), 0
    late: list[PartWriter] = []
    for adds, back, ending in [*calls, (len(rows), 0, "finished")]:
        writer = PartWriter(bucket, "work", recorded, known)
        for row in rows[known : known + adds]:
            writer.add(row)
        writer.go_back(max(known, writer.rows - back))
        if ending == "checkpoint":
            recorded, known = writer.pause(), writer.rows
        elif ending == "late":
            late.append(writer)
        elif ending == "finished":
            recorded = writer.finish()
        listed = list(read_parts(bucket, "work", recorded.keys()))
        assert listed == (rows if ending == "finished" else rows[:known])
    for writer in late:  # their entries are not taken any more
        writer.pause()
    assert list(read_parts(bucket, "work", recorded.keys())) == rows


def test_going_back_into_a_part_that_is_written_reads_it_again(bucket: Any) -> None:
    writer = PartWriter(bucket, "work", Series("a-"))
    for row in rows_of(*range(50)):
        writer.add(row)
    writer.go_back(3)
    assert bucket.read == ["a-000000.jsonl"]
    assert list(read_parts(bucket, "work", writer.pause().keys())) == rows_of(0, 1, 2)


def test_the_rows_of_all_chunks_come_by_line_counted_from_the_files_start(bucket: Any) -> None:
    """A chunk's series are merged; the lines of each chunk count from its own start."""
    chunks = [
        ChunkRows(
            0,
            1,
            [
                written(bucket, "0-refused-", rows_of(*range(1, 40, 2))),
                written(bucket, "0-superseded-", rows_of(2, 4, 6, 38)),
            ],
        ),
        ChunkRows(1, 41, []),
        ChunkRows(2, 50, [written(bucket, "2-refused-", rows_of(1, 3))]),
    ]
    lines = [row.line for row in read_chunks(bucket, "work", chunks)]
    assert lines == [*sorted(1 + line for line in [*range(1, 40, 2), 2, 4, 6, 38]), 51, 53]


def test_many_chunks_are_fetched_ahead_and_no_thread_is_left(bucket: Any) -> None:
    chunks = [
        ChunkRows(index, index, [written(bucket, f"{index}-", rows_of(1))]) for index in range(100)
    ]
    rows = read_chunks(bucket, "work", chunks)
    assert next(rows).line == 1
    rows.close()
    assert not [thread for thread in threading.enumerate() if "refused-rows" in thread.name]
    assert len(bucket.read) < 40  # not all of them
    assert [row.line for row in read_chunks(bucket, "work", chunks)] == list(range(1, 101))
