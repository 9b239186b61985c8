"""Small random files that combine what is difficult in CSV, such as quotes, line ends and marks,
and how the reference reader reads them."""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from ingestion.csv_files.layout import Check, HeaderLine, Layout
from ingestion.csv_files.sections import Section
from ingestion.csv_files.syntax import Syntax
from tests.support.reference_records import Reference

TOKENS = [
    *(b'"', b'""', b",", b"\n", b"1", b"a", b"\r\n", b"\f", b'x"', b',"', b'",', b'"\n'),
    *(b"\xef\xbb\xbf", b"\xff", b"\r\r\n", b"\r", b"\x00", b"\x1a"),
]
HEADER = b"h,h"


class Made(NamedTuple):
    """A random file, and the settings to read it with."""

    data: bytes
    width: int
    max_record: int
    judges_line_ends: bool
    ends_file: bool
    block_size: int


def fits(width: int, column: int, value: bytes) -> bool:
    if column == 0:
        return value != b""
    return value.isdigit() if column in (1, width - 1) else True


def make(rng: Random) -> Made:
    width = rng.choice([1, 2, 3, 3, 4, 5])
    # Some files have a small limit, so that records are too long. These have no NUL and Ctrl-Z.
    max_record = rng.choice([12, 20, 40] + [2**20] * 7)
    tokens = TOKENS if max_record > 40 else TOKENS[:-2]

    def field(column: int) -> bytes:
        texts = [b"a", b"b", b"", b"a,b", b"x\ny", b'q"q', b"1", b"1,1\n1"]
        value = b"1" if column in (1, width - 1) else rng.choice(texts)
        if rng.random() < 0.3 or b"," in value or b"\n" in value:
            return b'"' + value.replace(b'"', b'""') + b'"'
        return value

    # Whether rows end with a delimiter: none, all, or some.
    trailing = rng.choice([[b""], [b""], [b","], [b"", b","]])
    data = bytearray()
    for _ in range(rng.randrange(1, 9)):
        kind = rng.random()
        if kind < 0.6:
            end = rng.choice([b"\n", b"\r\n", b"\r\r\n"])
            data += b",".join(map(field, range(width))) + rng.choice(trailing) + end
        elif kind < 0.7:
            odd = [b"\n", b"," * (width - 1) + b"\n", b'""\n', HEADER + b"\n", b"\f" + HEADER]
            data += rng.choice(odd)
        else:
            data += b"".join(rng.choices(tokens, k=rng.randrange(1, 9)))
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at = rng.randrange(len(data) + 1)
        if rng.random() < 0.3:
            del data[at : at + 1]
        else:
            data[at:at] = rng.choice(tokens)
    return Made(
        bytes(data),
        width,
        max_record,
        rng.random() < 0.85,
        rng.random() < 0.7,
        rng.choice([1, rng.randrange(1, 30), 10**6]),
    )


def layout_for(made: Made) -> Layout:
    checks: dict[int, Check] = {
        column: lambda value, column=column: fits(made.width, column, value)  # type: ignore[misc]  # its default
        for column in range(made.width)
    }
    return Layout(
        Syntax(b","),
        made.width,
        checks,
        HeaderLine.of(HEADER),
        judges_line_ends=made.judges_line_ends,
    )


class Told(NamedTuple):
    """A record without its fields."""

    line: int
    lines: int
    kind: str
    """A problem, ``end mark``, or empty."""
    doubtful: bool


def as_the_reference_reads(made: Made) -> list[Told]:
    reference = Reference(
        made.width,
        b",",
        lambda column, value: fits(made.width, column, value),
        HEADER,
        made.judges_line_ends,
        made.max_record,
    )
    told = ("stray_quote", "record_too_long", "end mark")
    return [
        Told(one.line, one.lines, one.kind if one.kind in told else "", one.doubtful)
        for one in reference.read(made.data, ends_file=made.ends_file)
    ]


def as_sections_tell(sections: Iterable[Section], first_line: int = 1) -> list[Told]:
    """The records of consecutive sections."""
    told: list[Told] = []
    line = first_line
    for section in sections:
        doubtful = {one.start for one in section.special if one.doubtful}
        start = lines = 0
        for record in section.records():
            kind = record.problem or ""
            told.append(Told(line + record.line - 1, record.lines, kind, start in doubtful))
            start = record.end
            lines = record.line + record.lines - 1
        if section.text:
            assert start == section.size
        if section.end_mark_lines:
            told.append(Told(line + lines, section.end_mark_lines, "end mark", False))
        line += lines + section.end_mark_lines
    return told
