"""The csv module as the oracle: the rows of all chunks are the rows of the whole file, wherever it
is cut. `make fuzz` does this with 10,000 files.

Text after a closing quote, a quote never closed, a lone CR and blank lines are where the project's
grammar and the csv module differ: for these the expected rows are written by hand below. In
generated files a lone CR stands within quotes only, and of malformed rows only the place is
compared.
"""

import csv
import io
import os
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.csv_files.chunks import Cutter
from ingestion.csv_files.records import MalformedField, Record, read_records, split_fields

FILES = int(os.environ.get("FUZZ_FILES", "200"))
FUZZING = "FUZZ_FILES" in os.environ

MALFORMED = "malformed"
UNCLOSED = "unclosed"
Row = tuple[int, list[str] | str]
"""The line it begins at, and its values, or one of the two words."""


def split(data: bytes, chunk_size: int, delimiter: bytes, cuts: list[int]) -> list[tuple[int, int]]:
    """The ranges of the chunks; the file comes in blocks that end at the cuts."""
    cutter = Cutter(0, chunk_size, delimiter)
    edges = [0, *cuts, len(data)]
    ranges = []
    for one, two in pairwise(edges):
        ranges += cutter.feed(data[one:two])
    return ranges + cutter.finish()


def meaning(record: Record, delimiter: bytes) -> list[str] | str:
    if record.problem:
        assert record.problem == "unclosed_quote"
        return UNCLOSED
    if not record.raw:
        return []
    fields = split_fields(record.raw, delimiter)
    return MALFORMED if isinstance(fields, MalformedField) else [one.decode() for one in fields]


class Rows:
    """The rows of the chunks of one file, however it is cut."""

    def __init__(self, data: bytes, delimiter: bytes) -> None:
        self._data = data
        self._delimiter = delimiter
        self._chunks: dict[tuple[int, int], tuple[list[Row], int]] = {}

    def of(self, ranges: list[tuple[int, int]]) -> list[Row]:
        rows = []
        line = 0
        for one in ranges:
            found, lines = self._of_chunk(*one)
            rows += [(line + at, values) for at, values in found]
            line += lines
        return rows

    def _of_chunk(self, start: int, end: int) -> tuple[list[Row], int]:
        if (start, end) not in self._chunks:
            chunk = self._data[start:end]
            middle = len(chunk) // 2
            records = list(read_records([chunk[:middle], chunk[middle:]], self._delimiter))
            rows = [(record.line, meaning(record, self._delimiter)) for record in records]
            self._chunks[start, end] = rows, chunk.count(b"\n")
        return self._chunks[start, end]


def wherever_it_is_cut(data: bytes, delimiter: bytes, expected: list[Row]) -> int:
    """Compare the rows for every chunk size, and for every place where two blocks may meet. Returns
    the number of different plans."""
    rows = Rows(data, delimiter)
    plans = set()
    for chunk_size in range(1, len(data) + 2):
        ranges = split(data, chunk_size, delimiter, [])
        if tuple(ranges) in plans:
            continue
        plans.add(tuple(ranges))
        edges = [0, *(end for _, end in ranges)]
        assert ranges == list(pairwise(edges)), "the chunks do not tile the file"
        assert edges[-1] == len(data)
        assert all(end - start >= chunk_size for start, end in ranges[:-1])
        assert rows.of(ranges) == expected, f"chunks of {chunk_size} bytes"
    finest = split(data, 1, delimiter, [])
    for cut in range(len(data) + 1):
        assert split(data, 1, delimiter, [cut]) == finest, f"blocks that meet at byte {cut}"
    assert split(data, 1, delimiter, list(range(len(data)))) == finest, "blocks of one byte"
    return len(plans)


def by_the_csv_module(data: bytes, delimiter: str) -> list[Row]:
    """What the csv module says of the whole file. A row that its strict mode does not take is
    malformed, or unclosed if the file's end was what it did not expect."""
    rows: list[Row] = []
    text = data.decode()
    lines = text.split("\n")
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter)
    while True:
        line = reader.line_num + 1
        values = next(reader, None)
        if values is None:
            return rows
        raw = "\n".join(lines[line - 1 : reader.line_num])
        if reader.line_num < len(lines):
            raw += "\n"
        rows.append((line, _strictly(raw, delimiter, values)))


def _strictly(raw: str, delimiter: str, values: list[str]) -> list[str] | str:
    try:
        strict = list(csv.reader(io.StringIO(raw, newline="\n"), delimiter=delimiter, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return UNCLOSED
        # The rest of a malformed row may open a quote that the file never closes.
        return UNCLOSED if _is_open_at_its_end(raw, delimiter) else MALFORMED
    assert strict == [values]
    return values


def _is_open_at_its_end(raw: str, delimiter: str) -> bool:
    """Whether one more line would belong to the row still."""
    sentinel = "\nsentinel"
    rows = list(csv.reader(io.StringIO(raw + sentinel, newline="\n"), delimiter=delimiter))
    return rows[-1] != ["sentinel"]


DANGEROUS = ['"', ",", ";", "\t", "|", " ", "a", "é", "味", "\x00", "\u2028"]
LINE_ENDS = ["\n", "\n", "\r\n", "\r"]
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=2)


def mixed(tokens: list[str]) -> st.SearchStrategy[str]:
    """A text of some tokens and, in its midst, of whatever characters there are."""
    some = st.lists(st.sampled_from(tokens), max_size=4).map("".join)
    return st.tuples(some, anything, some).map("".join)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A file and its delimiter: fields of every style, rows of any width, broken ones too."""
    delimiter = draw(st.sampled_from(",;\t|"))
    plain = mixed(DANGEROUS).map(lambda text: text.replace(delimiter, "").lstrip('"'))
    within = mixed(DANGEROUS + LINE_ENDS)
    quoted = within.map(lambda text: '"' + text.replace('"', '""') + '"')
    malformed = st.tuples(quoted, plain).map(lambda pair: pair[0] + (pair[1] or "x"))
    styles = {"plain": plain, "quoted": quoted, "malformed": malformed}
    # Of equal strategies `one_of` takes but one; names can be sampled with weights.
    style = st.sampled_from(["plain"] * 8 + ["quoted"] * 7 + ["malformed"])
    width = st.sampled_from([0, 1, 1, 2, 2, 3, 3, 4])  # 0 is a blank line
    text = ""
    for _ in range(draw(st.integers(1, 7))):
        fields = [draw(styles[draw(style)]) for _ in range(draw(width))]
        text += delimiter.join(fields) + draw(st.sampled_from(["\n", "\r\n"]))
    ending = draw(
        st.sampled_from(["", "", "", "last", '"la""st"', 'un,"closed', '"un\nclosed""\n'])
    )
    return (text + ending).encode(), delimiter


counts: Counter[str] = Counter()


@settings(
    max_examples=FILES,
    derandomize=not FUZZING,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(file=files())
def compare_with_the_csv_module(file: tuple[bytes, str]) -> None:
    data, delimiter = file
    expected = by_the_csv_module(data, delimiter)
    plans = wherever_it_is_cut(data, delimiter.encode(), expected)
    counts.update(files=1, plans=plans, rows=sum(bool(values) for _, values in expected))
    counts.update(str(values) for _, values in expected if isinstance(values, str))


@pytest.mark.timeout(3600 if FUZZING else 120)
def test_rows_of_all_chunks_are_the_rows_of_the_csv_module(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compare_with_the_csv_module()
    assert counts["files"] >= FILES
    if FUZZING:
        with capsys.disabled():
            print(
                f"\noracle: {counts['files']:,} files, {counts['plans']:,} plans, "
                f"{counts['rows']:,} rows ({counts[MALFORMED]:,} malformed, "
                f"{counts[UNCLOSED]:,} unclosed), all as the csv module reads them"
            )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # a lone CR is data, wherever it stands
        (b"a\rb,c\nd\n", [(1, ["a\rb", "c"]), (2, ["d"])]),
        (b"a,b\r", [(1, ["a", "b\r"])]),
        (b"a\n\r", [(1, ["a"]), (2, ["\r"])]),
        (b"\ra\n\r\rb\r\n", [(1, ["\ra"]), (2, ["\r\rb"])]),
        (b"a\r\r\nb", [(1, ["a\r"]), (2, ["b"])]),
        (b'a,\r"b\nc"\n', [(1, ["a", '\r"b']), (2, ['c"'])]),  # so no quote opens behind it
        (b'"a\rb"\r\nc\n', [(1, ["a\rb"]), (2, ["c"])]),
        (b'"a"\rb\nc\n', [(1, MALFORMED), (2, ["c"])]),
        (b'"a"\r', [(1, MALFORMED)]),  # no line end follows, so the CR is text after the quote
        (b'"a"\r\nb', [(1, ["a"]), (2, ["b"])]),
        # text after a closing quote
        (b'"a"b,c\nd\n', [(1, MALFORMED), (2, ["d"])]),
        (b'"a" ,c\nd\n', [(1, MALFORMED), (2, ["d"])]),
        (b'"a"b"\nd\n', [(1, MALFORMED), (2, ["d"])]),
        (b'"a"b,"c\nd"\ne\n', [(1, MALFORMED), (3, ["e"])]),  # the next field opens as ever
        (b'x,"a\n"b\nd\n', [(1, MALFORMED), (3, ["d"])]),
        # a quote never closed
        (b'a\nb,"c\nd\n', [(1, ["a"]), (2, UNCLOSED)]),
        (b'a\nb,"c""', [(1, ["a"]), (2, UNCLOSED)]),
        (b'"a"b,"c\nd\n', [(1, UNCLOSED)]),
        (b'"', [(1, UNCLOSED)]),
        (b'"""', [(1, UNCLOSED)]),
        (b'a\n"b"', [(1, ["a"]), (2, ["b"])]),
        # blank lines
        (b"\n", [(1, [])]),
        (b"\r\n\n", [(1, []), (2, [])]),
        (b"a\n\n\r\nb\n", [(1, ["a"]), (2, []), (3, []), (4, ["b"])]),
        (b'a\n\n"\n\n"\n\nb', [(1, ["a"]), (2, []), (3, ["\n\n"]), (6, []), (7, ["b"])]),
        (b'a\n \n""\n', [(1, ["a"]), (2, [" "]), (3, [""])]),  # these are not blank
        (b"\n\na", [(1, []), (2, []), (3, ["a"])]),
        (b"", []),
    ],
)
def test_where_grammars_differ_the_rows_are_written_by_hand(
    data: bytes, expected: list[Row]
) -> None:
    wherever_it_is_cut(data, b",", expected)
