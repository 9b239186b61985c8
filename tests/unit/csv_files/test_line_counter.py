"""Lines before offsets of a stream, however it is divided into blocks."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from ingestion.csv_files.line_counter import LineCounter


@given(
    st.lists(st.sampled_from([b"\n", b"a", b"\r\n"])).map(b"".join),
    st.lists(st.integers(0, 40)),
    st.integers(1, 7),
    st.integers(0, 100),
)
def test_lines_before_each_point(text: bytes, points: list[int], size: int, offset: int) -> None:
    points = sorted(point for point in points if point <= len(text))
    counter = LineCounter(offset, (offset + point for point in points))
    for at in range(0, len(text), size):
        counter.feed(text[at : at + size])
    assert counter.counts == [len(text[:point].split(b"\n")) - 1 for point in points]


def test_points_without_end() -> None:
    counter = LineCounter(0, count(0, 3))
    for block in (b"a\n", b"", b"b\nc\n\n", b"d"):
        counter.feed(block)
    assert counter.counts == [0, 1, 3]
