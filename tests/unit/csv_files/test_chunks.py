"""Where files are cut. That the rows stay the same is in `test_oracle`."""

from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.csv_files import chunks
from ingestion.csv_files.chunks import (
    Boundary,
    BoundaryFinder,
    cut,
    find_boundary,
    next_multiple,
)
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.sections import Section, read_sections
from ingestion.csv_files.syntax import Syntax

NUMBERS = Layout(Syntax(b","), 2, {0: bytes.isdigit})
"""A plain row begins with a number and has two fields."""


def boundaries(
    data: bytes, chunk_size: int, block_size: int = 2**20
) -> list[tuple[int, int | None]]:
    finder = BoundaryFinder(0, chunk_size, chunk_size, NUMBERS)
    for at in range(0, len(data), block_size):
        finder.feed(data[at : at + block_size])
    finder.finish()
    return [(one.multiple, one.start) for one in finder.boundaries]


def ranges(data: bytes, chunk_size: int, start: int = 0) -> list[tuple[int, int]]:
    def sections_from(position: int) -> Generator[Section]:
        yield from read_sections([data[position:]], NUMBERS, ends_file=True)

    multiples = range(next_multiple(start, chunk_size), len(data), chunk_size)
    found = [
        find_boundary(lambda first, last: data[first:last], one, len(data), chunk_size, NUMBERS)
        for one in multiples
    ]
    return cut(start, len(data), [one for one in found if one], sections_from)


@pytest.mark.parametrize(
    ("data", "chunk_size", "expected"),
    [
        (b"1,a\n2,b\n3,c\n", 4, [(4, 4), (8, 8)]),
        (b"1,a\n2,b\n3,c\n", 3, [(3, 4), (6, 8)]),
        (b"1,a\n2,b\n3,c\n", 5, [(5, 8)]),
        (b"1,a\n2,b\n3,c", 5, [(5, 8)]),  # the last row has no line end
        (b"1,a\n2,b\n3,c\n", 9, []),
        (b'1,a\nx,b\n,\n\n2,"\n3,c"\n4,d\n', 2, [(2, 20)]),
        (b'1,a\n2,5" pipe\n3,c\n', 2, [(2, 14)]),  # a quote in an unquoted field
        (b"1,a\n", 1, []),
        (b"", 1, []),
    ],
)
def test_a_chunk_begins_at_the_first_plain_row_at_or_after_a_multiple(
    data: bytes, chunk_size: int, expected: list[tuple[int, int]]
) -> None:
    for block_size in range(1, len(data) + 2):
        assert boundaries(data, chunk_size, block_size) == expected


def test_a_plain_row_is_looked_for_in_a_mebibyte_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MAX_SEARCH", 20)
    data = b"1,a\n" + b"x,y\n" * 5 + b"2,b\n" + b"x,y\n" * 6 + b"3,c\n"
    # Plain rows at 0, 24 and 52.
    for block_size in (1, 3, 100):
        assert boundaries(data, 4, block_size) == [
            (4, None),
            (8, 24),
            (28, None),
            (32, None),
            (36, 52),
        ]


def test_where_there_is_no_plain_row_a_chunk_ends_with_a_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chunks, "MAX_SEARCH", 8)
    data = b'1,a\n5,"b\nb"c\n' + b'x,"y\ny"\n' * 4 + b"2,c\n"
    assert boundaries(data, 10) == [(10, None), (20, None), (30, None), (40, 45)]
    # Records end at 4, 9 (a stray quote), 13, 21, 29, 37, 45.
    assert ranges(data, 10) == [(0, 13), (13, 21), (21, 37), (37, 45), (45, 49)]
    assert ranges(data, 25) == [(0, 29), (29, 49)]


def test_where_line_ends_are_not_judged_all_chunks_end_with_records() -> None:
    data = b'1,"a\n2,b\n3,c"\n4,d\n' * 3
    layout = Layout(Syntax(b","), 2, {}, judges_line_ends=False)

    def sections_from(position: int) -> Generator[Section]:
        yield from read_sections([data[position:]], layout, ends_file=True)

    unknown = [Boundary(one, None) for one in range(5, len(data), 5)]
    assert cut(0, len(data), unknown, sections_from) == [
        (0, 14),
        (14, 18),
        (18, 32),
        (32, 36),
        (36, 50),
        (50, 54),
    ]


@pytest.mark.parametrize("end_mark", [b"\x00\n\x1a\n", b"\n\x1a\n"])
def test_an_end_mark_stays_with_the_last_record(
    monkeypatch: pytest.MonkeyPatch, end_mark: bytes
) -> None:
    """It may begin on the record's line, and it is one only where the file ends."""
    monkeypatch.setattr(chunks, "MAX_SEARCH", 2)
    data = b"1,a\n2,b" + end_mark
    assert ranges(data, 3) == [(0, 4), (4, len(data))]


def test_an_end_mark_is_no_row_of_one_field() -> None:
    finder = BoundaryFinder(0, 2, 2, Layout(Syntax(b","), 1, {}))
    finder.feed(b"a\nb\n\x1a\x00\n\x00")
    finder.finish()
    assert finder.boundaries == [(2, 2)]


@settings(max_examples=400, deadline=None)
@given(
    rows=st.lists(
        st.sampled_from(
            [b"1,a\n", b"x\n", b'2,"\n', b'3,"a\n4,b"\n', b'"', b"5," + b"y" * 30 + b"\n"]
        ),
        max_size=20,
    ),
    chunk_size=st.integers(1, 50),
    block_size=st.integers(1, 40),
    search=st.sampled_from([5, 12, 2**20]),
    first_read=st.integers(1, 30),
)
def test_small_reads_find_what_a_stream_finds(
    rows: list[bytes], chunk_size: int, block_size: int, search: int, first_read: int
) -> None:
    """A stream leaves out the multiples whose boundary has been found already."""
    data = b"".join(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "MAX_SEARCH", search)
        patch.setattr(chunks, "_FIRST_READ", first_read)
        streamed = dict(boundaries(data, chunk_size, block_size))
        for multiple in range(chunk_size, len(data), chunk_size):
            found = find_boundary(
                lambda first, last: data[first:last], multiple, len(data), chunk_size, NUMBERS
            )
            if multiple in streamed:
                assert found == (multiple, streamed[multiple])
            elif found:
                earlier = [start for one, start in streamed.items() if one < multiple and start]
                assert found.start in earlier or found.start is None


def test_reads_are_small_and_few() -> None:
    """The file has 100 MB, which are generated when they are read."""
    row = b"7," + b"y" * 97 + b"\n"
    reads = []

    def read(first: int, last: int) -> bytes:
        reads.append(last - first)
        return (row * ((last - first) // 100 + 2))[first % 100 :][: last - first]

    found = find_boundary(read, 50_000_001, 10**8, 10**6, NUMBERS)
    assert found == (50_000_001, 50_000_100)
    assert reads == [16 * 1024]


def test_an_end_of_many_bytes_without_a_line_end_is_not_kept_in_memory() -> None:
    finder = BoundaryFinder(0, 10, 10, NUMBERS)
    finder.feed(b"1,a\n")
    for _ in range(64):
        finder.feed(b"x" * 2**16)
    assert finder.boundaries
    assert all(start is None for _, start in finder.boundaries)
    assert len(finder._text) <= 2**20 + 2**16
