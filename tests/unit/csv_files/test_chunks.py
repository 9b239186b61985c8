"""The plan tiles the data and ends each chunk at a record, whatever the file holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files.chunks import Cutter, cut_at_records
from ingestion.csv_files.records import read_records


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


@pytest.mark.parametrize(
    ("data", "size", "expected"),
    [
        (b"aa\nbb\ncc\n", 100, [(7, 16)]),
        (b"aa\nbb\nc", 100, [(7, 13)]),  # half a record could be taken for a row
        (b"aa\nbb\nc", 3, [(7, 10), (10, 13)]),
        (b"aa\nbb\ncc\n", 3, [(7, 10), (10, 13), (13, 16)]),
        (b"aa", 1, []),
        (b"", 1, []),
        (b'aa\n"b\nc', 100, [(7, 10)]),  # the LF within quotes ends no record
        (b'aa\n"b\nc"', 1, [(7, 10)]),
        (b'aa\n"b\nc"\n', 100, [(7, 16)]),
        (b"aa\nb\r", 1, [(7, 10)]),
    ],
)
def test_a_stream_that_broke_off_ends_with_its_last_whole_record(data, size, expected):
    for block_size in range(1, len(data) + 2):
        cutter = Cutter(7, size, b",")
        ranges = []
        for at in range(0, len(data), block_size):
            ranges += cutter.feed(data[at : at + block_size])
        assert ranges + cutter.finish(broken=True) == expected, f"blocks of {block_size} bytes"


@settings(max_examples=300, deadline=None)
@given(data=st.text(alphabet='ab",\n\r', max_size=60).map(str.encode), size=st.integers(1, 70))
def test_a_broken_stream_is_cut_as_the_whole_one_but_for_its_last_piece(data, size):
    whole, broken = Cutter(0, size, b","), Cutter(0, size, b",")
    whole_ranges = whole.feed(data)
    assert broken.feed(data) == whole_ranges
    [(start, end)] = whole.finish() or [(len(data), len(data))]
    records = list(read_records([data[start:end]], b","))
    if records and (records[-1].problem or not data.endswith(b"\n")):
        end = start + (records[-2].end if len(records) > 1 else 0)
    assert broken.finish(broken=True) == ([(start, end)] if start < end else [])
