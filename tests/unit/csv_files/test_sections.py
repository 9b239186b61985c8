"""Chunks read as sections: end marks, lines that are too long, and how much is held in memory.

Which records there are is tested in `test_multiline`.
"""

from collections.abc import Iterator

import pytest

from ingestion.csv_files.layout import Layout
from ingestion.csv_files.records import MAX_RECORD_BYTES
from ingestion.csv_files.sections import Section, read_sections
from ingestion.csv_files.syntax import Syntax

TWO = Layout(Syntax(b","), 2, {0: bytes.isdigit})


def sections(data: bytes, block_size: int = 2**16, *, ends_file: bool = True) -> list[Section]:
    blocks = [data[at : at + block_size] for at in range(0, len(data), block_size)]
    found = list(read_sections(blocks, TWO, ends_file=ends_file))
    assert sum(section.size for section in found) == len(data)
    assert sum(section.line_ends for section in found) == data.count(b"\n")
    return found


def raws(found: list[Section]) -> list[bytes]:
    return [record.raw for section in found for record in section.records()]


def test_a_section_is_about_a_block_long() -> None:
    found = sections(b"1,a\n" * 300, block_size=402)
    assert [section.size for section in found] == [400, 404, 396]


def test_nothing_is_no_section() -> None:
    assert sections(b"") == []


@pytest.mark.parametrize(
    ("mark", "records", "lines"),
    [
        (b"", [b"1,a", b"2,b"], 0),
        (b"\n", [b"1,a", b"2,b"], 0),
        (b"\n\x1a", [b"1,a", b"2,b"], 1),
        (b"\n\x1a\n", [b"1,a", b"2,b"], 1),
        (b"\n\x1a\x1a\r\n\x00\n\n", [b"1,a", b"2,b"], 3),
        (b"\n\n\r\n\x1a", [b"1,a", b"2,b", b"", b""], 1),  # blank lines before it are blank lines
        (b"\x1a", [b"1,a", b"2,b"], 0),  # in the last row's own line
        (b"\x00\x00\r\n", [b"1,a", b"2,b"], 0),
        (b"\x1a\n\x1a\n", [b"1,a", b"2,b"], 1),
        (b"\x1ax", [b"1,a", b"2,b\x1ax"], 0),  # not at the end
    ],
)
def test_the_end_mark_of_a_file(mark: bytes, records: list[bytes], lines: int) -> None:
    data = b"1,a\n2,b" + mark
    for block_size in range(1, len(data) + 1):
        found = sections(data, block_size)
        assert raws(found) == records
        assert sum(section.end_mark_lines for section in found) == lines
        ends = [section.size for section in found if section.text]
        assert [list(one.records())[-1].end for one in found if one.text] == ends


def test_only_a_file_has_an_end_mark_and_not_each_chunk() -> None:
    assert raws(sections(b"1,a\n\x1a\n", ends_file=False)) == [b"1,a", b"\x1a"]


@pytest.mark.parametrize("padding", [10, 3 * MAX_RECORD_BYTES])
@pytest.mark.parametrize("block_size", [2**16, 2**20, 2**24])
def test_a_file_padded_with_nuls(padding: int, block_size: int) -> None:
    for line_end, rows in [(b"\n", [b"1,a", b"2,b"]), (b"", [b"1,a", b"2,b"])]:
        data = b"1,a\n2,b" + line_end + bytes(padding)
        for end in (b"", b"\n", b"\r\n"):
            found = sections(data + end, block_size)
            assert raws(found) == rows
            assert sum(section.end_mark_lines for section in found) == (1 if line_end else 0)
    found = sections(b'1,"a' + bytes(padding), block_size)
    assert [record.problem for one in found for record in one.records()] == ["stray_quote"]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
@pytest.mark.parametrize("block_size", [2**16, 2**20, 2**24])
@pytest.mark.parametrize("quoted", [False, True])
def test_the_longest_line_is_the_same_however_it_comes(
    line_end: bytes, block_size: int, quoted: bool
) -> None:
    """A line of exactly the longest size is read, one byte more is too long."""
    for more in (0, 1):
        size = MAX_RECORD_BYTES + more - len(line_end.rstrip(b"\n")) - 2
        raw = b'1,"' + b"x" * (size - 2) + b'"' if quoted else b"1," + b"x" * size
        data = b"0,a\n" + raw + line_end + b"3,c\n" * bool(line_end)
        found = [record for one in sections(data, block_size) for record in one.records()]
        assert [one.problem for one in found[:2]] == [None, "record_too_long" if more else None]
        assert [one.raw for one in found[2:]] == [b"3,c"] * bool(line_end)
        assert found[1].raw[:2000] == raw[:2000]


def test_a_record_of_several_lines_may_be_as_long_as_one_line() -> None:
    for more in (0, 1):
        size = MAX_RECORD_BYTES + more - len(b'1,"\n"')
        found = [
            record
            for one in sections(b'1,"\n' + b"x" * size + b'"\n2,b\n')
            for record in one.records()
        ]
        problems = ["stray_quote", None, None] if more else [None, None]
        assert [one.problem for one in found] == problems


def test_a_stray_quote_before_a_long_line_costs_one_row_each() -> None:
    data = b'1,"a\n2,b\n' + b'3,"' + b"x" * MAX_RECORD_BYTES + b'"\n4,d\n'
    found = [record for one in sections(data) for record in one.records()]
    assert [one.problem for one in found] == ["stray_quote", None, "record_too_long", None]


@pytest.mark.parametrize(
    "line",
    [
        b"x",  # one endless line
        b'1,"a\n' + b"2,b\n" * 400,  # a quote that the next one closes, followed by text
        b'1,"a\n' + b"2,b\n" * 400_000,  # one that nothing closes for more than a MiB
    ],
)
def test_how_far_is_read_ahead(line: bytes) -> None:
    """Little more than twice the longest record is held in memory."""
    most = 2.2 * MAX_RECORD_BYTES
    read = done = ahead = 0

    def blocks() -> Iterator[bytes]:
        nonlocal read
        text = line * -(-(2**23) // len(line))
        for at in range(0, len(text), 2**16):
            block = text[at : at + 2**16]
            read += len(block)
            yield block

    for section in read_sections(blocks(), TWO, ends_file=True):
        ahead = max(ahead, read - done)
        assert len(section.text) <= most
        done += section.size
    assert done == read
    if b"\n" in line:
        assert ahead <= most
