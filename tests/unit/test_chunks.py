"""The plan tiles the data and ends each chunk at a record, whatever the file holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.chunks import cut_at_records
from ingestion.records import read_records


@pytest.mark.parametrize(
    ("data", "size", "expected"),
    [
        (b"", 4, []),
        (b"aa\nbb\ncc\n", 3, [(0, 3), (3, 6), (6, 9)]),
        (b"aa\nbb\ncc\n", 4, [(0, 6), (6, 9)]),
        (b"aa\nbb\ncc", 3, [(0, 3), (3, 6), (6, 8)]),
        (b'a,"b\nc\nd"\ne\n', 2, [(0, 10), (10, 12)]),  # no cut at a quoted newline
        (b'a,"b\nc\nd', 2, [(0, 8)]),  # a quote never closed makes the rest one chunk
        (b'5" a\n6" b\n', 2, [(0, 5), (5, 10)]),
        (b"aa\nbb\n", 100, [(0, 6)]),
    ],
)
def test_cuts(data, size, expected):
    assert list(cut_at_records([data], 0, size, b",")) == expected


def test_offsets_count_from_where_the_stream_starts():
    assert list(cut_at_records([b"a\n", b"b\n"], 100, 1, b",")) == [(100, 102), (102, 104)]


@settings(max_examples=1500, deadline=None)
@given(
    data=st.text(alphabet='ab",\n\r é', max_size=80).map(str.encode),
    size=st.integers(1, 40),
    block_size=st.integers(1, 90),
)
def test_reading_chunk_by_chunk_gives_the_records_of_the_whole(data, size, block_size):
    blocks = [data[at : at + block_size] for at in range(0, len(data), block_size)]
    cuts = list(cut_at_records(blocks, 0, size, b","))
    assert b"".join(data[start:end] for start, end in cuts) == data
    assert all(end - start >= size for start, end in cuts[:-1])
    by_chunk = [
        (record.raw, record.problem)
        for start, end in cuts
        for record in read_records([data[start:end]], b",")
    ]
    whole = [(record.raw, record.problem) for record in read_records([data], b",")]
    assert by_chunk == whole
