"""Other dialects than the usual one: cases by hand, and pages against single records. Generated
files are in `test_multiline`, `test_oracle` and `test_stray_quotes`."""

import time
from random import Random

import pytest

from ingestion.csv_files.chunks import BoundaryFinder, find_boundary
from ingestion.csv_files.item_json import escape
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.multiline import Kind, is_plain_row, scan
from ingestion.csv_files.page_fields import FieldSplitter
from ingestion.csv_files.records import (
    MalformedField,
    Record,
    is_comment,
    split_as_written,
    split_fields,
    without_marks,
)
from ingestion.csv_files.rows import COLUMNS, NoRow, RowReader
from ingestion.csv_files.sections import read_sections
from ingestion.csv_files.syntax import Syntax
from ingestion.csv_files.values.outcomes import ABSENT
from ingestion.sources.model import Dialect
from tests.support.fuzzing import SEED, files
from tests.support.random_records import a_syntax, layout_for, make
from tests.support.sources import BUILT_IN

FILES = files(quick=100)

SINGLE_QUOTES = Syntax(b",", quote=b"'")
NO_QUOTES = Syntax(b",", quote=None)
NOT_DOUBLED = Syntax(b",", double_quote=False)
BACKSLASH = Syntax(b",", escape=b"\\")
ONLY_ESCAPES = Syntax(b"\t", quote=None, escape=b"\\")
SPACES = Syntax(b",", skip_initial_space=True)
WIDE = Syntax("§".encode(), quote="«".encode(), escape="¬".encode())
MYSQL = Syntax(b",", escape=b"\\", null_sequence=b"\\N")


@pytest.mark.parametrize(
    ("syntax", "record", "values"),
    [
        (SINGLE_QUOTES, b"'a,b','it''s','5\" pipe'", [b"a,b", b"it's", b'5" pipe']),
        (SINGLE_QUOTES, b"\"a,b'c'", [b'"a', b"b'c'"]),
        (NO_QUOTES, b'"a,b",\'', [b'"a', b'b"', b"'"]),
        (NOT_DOUBLED, b'"a","",""', [b"a", b"", b""]),
        (NOT_DOUBLED, b'a,"b""c"', MalformedField(1)),
        (BACKSLASH, rb'"5\" pipe","a""b",c\,d', [b'5" pipe', b'a"b', b"c,d"]),
        (BACKSLASH, rb'\"a","b\\"', [b'"a"', b"b\\"]),
        (BACKSLASH, rb'a,"b\\"c', MalformedField(1)),
        (BACKSLASH, rb'\"a,"b\\",\a\\', [b'"a', b"b\\", b"a\\"]),
        (BACKSLASH, b'"a\\\nb",c\\\nd,e\\\r\nf', [b"a\nb", b"c\nd", b"e\r\nf"]),
        (ONLY_ESCAPES, b'"a\\\tb"\t\\\\\t\\N', [b'"a\tb"', b"\\", b"N"]),
        (SPACES, b'  a b,  "c, d",   ,e ', [b"a b", b"c, d", b"", b"e "]),
        (SPACES, b"  a b,  c,,   ", [b"a b", b"c", b"", b""]),
        (SPACES, b'a, "b" ,c', MalformedField(1)),
        (WIDE, "«a§«««§b¬§c§¬«".encode(), ["a§«".encode(), "b§c".encode(), "«".encode()]),
        (MYSQL, rb'\N,"\N",\\N,N', [ABSENT, b"N", rb"\N", b"N"]),
        (Syntax(b",", null_sequence=b"NULL"), b'NULL,"NULL", NULL', [ABSENT, b"NULL", b" NULL"]),
    ],
)
def test_values(syntax: Syntax, record: bytes, values: list[bytes] | MalformedField) -> None:
    assert split_fields(record, syntax) == values


def test_fields_as_they_are_written() -> None:
    assert split_as_written(rb'"a\"b", \N,c', SPACES) == MalformedField(0)
    spaces = Syntax(b",", escape=b"\\", skip_initial_space=True)
    assert split_as_written(rb'"a\"b", \N,c\,d', spaces) == [rb'"a\"b"', rb"\N", rb"c\,d"]


def test_a_declared_dialect() -> None:
    assert Syntax.of(Dialect(), b";") == Syntax(b";")
    dialect = Dialect("§", "«", False, "¬", True, "¡", "Ø")
    assert Syntax.of(dialect, "§".encode()) == Syntax(
        b"\xc2\xa7", b"\xc2\xab", False, b"\xc2\xac", True, b"\xc2\xa1", b"\xc3\x98"
    )
    assert Syntax.of(Dialect(quote_char=None), b",").quote is None


def numbers(syntax: Syntax, width: int = 3) -> Layout:
    return Layout(syntax, width, {1: bytes.isdigit, width - 1: bytes.isdigit})


def special(text: bytes, layout: Layout) -> list[tuple[bytes, Kind, bool]]:
    found = scan(text, layout, complete=True).special
    return [(text[one.start : one.end], one.kind, one.doubtful) for one in found]


def test_an_escaped_line_end_is_data() -> None:
    text = b'a,1,2\nb\\\nc,1,2\n"d\ne\\"\n",1,2\nf,1,2\n'
    assert special(text, numbers(BACKSLASH)) == [
        (b"b\\\nc,1,2\n", Kind.ROW, False),
        (b'"d\ne\\"\n",1,2\n', Kind.ROW, False),
    ]


def test_a_stray_escape_character_costs_one_row() -> None:
    text = b"a,1,2\nb,1,2\\\nc,1,2\nd,1,2\n"
    assert special(text, numbers(BACKSLASH)) == [(b"b,1,2\\\n", Kind.STRAY_QUOTE, False)]
    assert special(b"a,1,2\\", numbers(BACKSLASH)) == [(b"a,1,2\\", Kind.STRAY_QUOTE, False)]


def test_a_quoted_field_that_contains_a_row_unless_its_line_end_is_escaped() -> None:
    row = b'"a\nb,1,2\nc",1,2\n'
    assert special(row, numbers(BACKSLASH))[0] == (b'"a\n', Kind.STRAY_QUOTE, True)
    escaped = row.replace(b"\n", b"\\\n").removesuffix(b"\\\n") + b"\n"
    assert special(escaped, numbers(BACKSLASH)) == [(escaped, Kind.ROW, False)]


def test_without_quotes_every_record_is_one_line() -> None:
    assert special(b'"a,1,2\nb",1,2\n', numbers(NO_QUOTES)) == []


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        (b"a,1,2", True),
        (b"a,1,2\\", False),  # goes on
        (b"a\\,b,1,2", True),
        (b'"a\\"b",1,2', True),
        (b'a\\"b",1,2', False),  # a quote in an unquoted field
        (b"#a,1,2", False),  # a comment
        (b"\xef\xbb\xbf#a,1,2", False),
    ],
)
def test_plain_rows(line: bytes, plain: bool) -> None:
    layout = numbers(Syntax(b",", escape=b"\\", comment=b"#"))
    assert is_plain_row(line, layout) is plain


def test_quotes_in_a_comment_mean_nothing() -> None:
    syntax = Syntax(b",", comment=b"#", escape=b"\\")
    text = b'#"\na,1,2\n#\\\nb,1,2\n"c\n#",1,2\n'
    assert special(text, numbers(syntax)) == [(b'"c\n#",1,2\n', Kind.ROW, False)]


def test_a_comment_is_no_row() -> None:
    columns = {name: at for at, name in enumerate(COLUMNS)}
    reader = RowReader(BUILT_IN, columns, len(COLUMNS), b",", ("ticket_id", "product"))
    reader.layout.syntax = Syntax(b",", comment=b"#")
    assert reader.read(Record(b"#,,,,,,", 1, 8)) is NoRow.COMMENT
    assert reader.read(Record(b"\f#", 1, 3)) is NoRow.COMMENT
    assert reader.read(Record(b" #,,,,,,", 1, 9)) is not NoRow.COMMENT


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r\r\n"])
def test_a_chunk_does_not_begin_after_an_escaped_line_end(line_end: bytes) -> None:
    data = b"a,1,2" + line_end + "b¬".encode() + line_end + b"c,1,2" + line_end + b"d,1,2\n"
    layout = numbers(Syntax(b",", escape="¬".encode()))
    expected = data.index(b"d")
    # The multiple is anywhere in the line that is escaped.
    for multiple in range(data.index(b"b") + 1, data.index(b"c") + 1):
        for block_size in (1, 3, len(data)):
            finder = BoundaryFinder(0, multiple, multiple, layout)
            for at in range(0, len(data), block_size):
                finder.feed(data[at : at + block_size])
            finder.finish()
            assert finder.boundaries[0].start == expected
        found = find_boundary(
            lambda start, end: data[start:end], multiple, len(data), multiple, layout
        )
        assert found == (multiple, expected)


def test_a_page_has_the_fields_of_its_records() -> None:
    pages = 0
    for number in range(FILES):
        rng = Random(f"pages-{SEED}-{number}")
        syntax = a_syntax(rng)
        made = make(rng, syntax)
        layout = layout_for(made)
        splitter = FieldSplitter(layout)
        for section in read_sections([made.data], layout, ends_file=False):
            read_alone = {one.start for one in section.special if one.kind is not Kind.ROW}
            if section.too_long or read_alone:
                continue
            parts: list[bytes] = []
            start = 0
            for record in section.records():
                part = splitter.split(section, start, record.end)
                start = record.end
                if part is None:
                    continue
                raw = split_as_written(without_marks(record.raw), syntax)
                assert isinstance(raw, list)
                assert not is_comment(record.raw, syntax)
                values = syntax.values_of(layout.without_trailing(raw))
                assert part == [*map(escape, values), b"\n"], f"file {number}: {made}"
                parts += part
                pages += 1
            whole = splitter.split(section, 0, len(section.text))
            assert whole in (None, parts), f"file {number}: {made}"
    assert pages > FILES / 3


def test_null_sequences_in_a_page() -> None:
    text = b'\\N,1,"\\N"\na,\\N,2\n'
    for null, escaping in ((b"\\N", b"\\"), (b"\\N", None)):
        syntax = Syntax(b",", escape=escaping, null_sequence=null)
        layout = Layout(syntax, 3, {})
        (section,) = read_sections([text], layout, ends_file=True)
        quoted = b"N" if escaping else b"\\\\N"
        expected = [ABSENT, b"1", quoted, b"\n", b"a", ABSENT, b"2", b"\n"]
        assert FieldSplitter(layout).split(section, 0, len(text)) == expected


@pytest.mark.parametrize("line", [b"x\\\n", b'"x\\\n', b'x\\",\\\n', b'\\"\\\n', b'x,"\\\n'])
def test_lines_of_nothing_but_escapes_take_time_in_proportion(line: bytes) -> None:
    layout = numbers(BACKSLASH)

    def seconds(text: bytes) -> float:
        began = time.process_time()
        for _ in read_sections([text], layout, ends_file=True):
            pass
        return time.process_time() - began

    small, large = line * 1_000, line * 16_000
    at_once = min(seconds(small) for _ in range(3))
    assert seconds(large) < 16 * at_once * 4 + 0.5
