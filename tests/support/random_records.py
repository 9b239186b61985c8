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


COMMON = Syntax(b",")


class Made(NamedTuple):
    """A random file, and the settings to read it with."""

    data: bytes
    width: int
    max_record: int
    judges_line_ends: bool
    ends_file: bool
    block_size: int
    syntax: Syntax = COMMON


def fits(width: int, column: int, value: bytes) -> bool:
    if column == 0:
        return value != b""
    return value.isdigit() if column in (1, width - 1) else True


def a_syntax(rng: Random) -> Syntax:
    """Any syntax. Half of the characters take several bytes."""
    delimiter, quote, escape, comment = (
        rng.choice(one).encode() for one in (",;\t|§→", "'\"~«", "\\^\\¬", "#%!¡")
    )
    return Syntax(
        delimiter,
        quote=rng.choice([quote, quote, quote, None]),
        double_quote=rng.random() < 0.7,
        escape=rng.choice([escape, escape, None]),
        skip_initial_space=rng.random() < 0.3,
        comment=rng.choice([comment, None]),
    )


def make(rng: Random, syntax: Syntax = COMMON) -> Made:
    width = rng.choice([1, 2, 3, 3, 4, 5])
    delimiter, quote = syntax.delimiter, syntax.quote or b'"'
    # Some files have a small limit, so that records are too long. These have no NUL and Ctrl-Z.
    max_record = rng.choice([12, 20, 40] + [2**20] * 7)
    tokens = [one.replace(b",", delimiter).replace(b'"', quote) for one in TOKENS]
    tokens = tokens if max_record > 40 else tokens[:-2]
    if escape := syntax.escape:
        tokens += [escape + one for one in (quote, delimiter, b"\n", b"\n", b"\r\n", b"", escape)]
    if syntax.comment:
        tokens += [syntax.comment, b"\n" + syntax.comment]
    if syntax.skip_initial_space:
        tokens += [b" ", delimiter + b" ", delimiter + b" " + quote]

    def field(column: int) -> bytes:
        texts = [b"a", b"b", b"", b"a" + delimiter + b"b", b"x\ny", b'q"q', b"1"]
        texts += [b"1%b1\n1" % delimiter, b"x" + quote, b"x\ny\nz"]
        value = b"1" if column in (1, width - 1) else rng.choice(texts)
        blank = b" " * (syntax.skip_initial_space and rng.randrange(3))
        needs_quotes = delimiter in value or b"\n" in value
        if syntax.quote is not None and (rng.random() < 0.3 or needs_quotes) and rng.random() < 0.9:
            if syntax.double_quote and (not escape or rng.random() < 0.5):
                value = value.replace(quote, quote + quote)
            elif escape:
                value = value.replace(quote, escape + quote)
            return blank + quote + value + quote
        if escape:
            value = value.replace(delimiter, escape + delimiter).replace(b"\n", escape + b"\n")
        return blank + value

    # Whether rows end with a delimiter: none, all, or some.
    trailing = rng.choice([[b""], [b""], [delimiter], [b"", delimiter]])
    data = bytearray()
    for _ in range(rng.randrange(1, 9)):
        kind = rng.random()
        if kind < 0.6:
            end = rng.choice([b"\n", b"\r\n", b"\r\r\n"])
            data += delimiter.join(map(field, range(width))) + rng.choice(trailing) + end
        elif kind < 0.7:
            odd = [b"\n", delimiter * (width - 1) + b"\n", quote + quote + b"\n"]
            odd += [HEADER + b"\n", b"\f" + HEADER]
            if syntax.comment:
                odd += [syntax.comment + b"%b%b1%b1\n" % (quote, delimiter, delimiter)] * 3
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
        syntax,
    )


def layout_for(made: Made) -> Layout:
    checks: dict[int, Check] = {
        column: lambda value, column=column: fits(made.width, column, value)  # type: ignore[misc]  # its default
        for column in range(made.width)
    }
    return Layout(
        made.syntax,
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
    """A problem, `end mark`, or empty."""
    doubtful: bool


def reference_for(made: Made) -> Reference:
    syntax = made.syntax
    return Reference(
        made.width,
        syntax.delimiter,
        lambda column, value: fits(made.width, column, value),
        HEADER,
        made.judges_line_ends,
        made.max_record,
        syntax.quote,
        syntax.double_quote,
        syntax.escape,
        syntax.skip_initial_space,
        syntax.comment,
    )


def as_the_reference_reads(made: Made) -> list[Told]:
    reference = reference_for(made)
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
