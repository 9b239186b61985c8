"""However a file is cut into chunks, its rows are those of the whole file: the rows that the csv
module has written, or in files with stray quotes those that the reference in
`tests/support` finds. `make fuzz` does this with 10,000 files of each kind.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from ingestion.csv_files import chunks, multiline, records, sections
from ingestion.csv_files.layout import Check, Layout
from ingestion.csv_files.multiline import is_plain_row, may_be_escaped
from ingestion.csv_files.records import is_comment, split_fields
from ingestion.csv_files.sections import Section, read_sections
from ingestion.csv_files.syntax import Syntax
from tests.support.chunk_plans import Ranges, plan
from tests.support.fuzzing import FUZZING, SEED, files
from tests.support.random_records import (
    COMMON,
    Told,
    a_syntax,
    as_sections_tell,
    as_the_reference_reads,
    layout_for,
    make,
)

FILES = files(quick=70)


class Reader:
    """Reads the chunks of one file, each like a separate file."""

    def __init__(self, data: bytes, layout: Layout) -> None:
        self._data = data
        self._layout = layout
        self._read: dict[tuple[int, int], list[Section]] = {}

    def chunk(self, start: int, end: int) -> list[Section]:
        if (start, end) not in self._read:
            text = self._data[start:end]
            blocks = [text[: len(text) // 2], text[len(text) // 2 :]]
            last = end == len(self._data)
            self._read[start, end] = list(read_sections(blocks, self._layout, ends_file=last))
        return self._read[start, end]

    def told(self, ranges: Iterable[tuple[int, int]]) -> list[Told]:
        told: list[Told] = []
        line = 1
        for start, end in ranges:
            told += as_sections_tell(self.chunk(start, end), line)
            line += self._data.count(b"\n", start, end)
        return told

    def rows(self, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, list[str]]]:
        """The line and the fields of each record."""
        rows = []
        line = 1
        for start, end in ranges:
            for section in self.chunk(start, end):
                for record in section.records():
                    assert record.problem is None
                    if is_comment(record.raw, self._layout.syntax):
                        continue
                    fields = split_fields(record.raw, self._layout.syntax)
                    assert isinstance(fields, list)
                    if record.raw.endswith(self._layout.delimiter):
                        assert fields.pop() == b""
                    rows.append((line + record.line - 1, [one.decode() for one in fields]))
                line += section.line_ends
        return rows


def all_plans(data: bytes, layout: Layout) -> list[Ranges]:
    """The different plans of all chunk sizes."""
    plans = []
    for chunk_size in range(1, len(data) + 2):
        ranges = plan(data, chunk_size, layout)
        if ranges not in plans:
            plans.append(ranges)
        edges = [0, *(end for _, end in ranges)]
        assert ranges == list(pairwise(edges)), "the chunks do not tile the file"
        assert edges[-1] == len(data)
    return plans


def some_cuts(data: bytes, layout: Layout, rng: Random) -> Ranges:
    """The file cut before some of its plain rows."""
    edges = [0]
    at = 0
    escaped = False
    for line in data.split(b"\n"):
        is_end_mark = not line.strip(b"\x1a\x00\r")
        if (
            at
            and rng.random() < 0.5
            and not is_end_mark
            and not escaped
            and is_plain_row(line.rstrip(b"\r"), layout)
        ):
            edges.append(at)
        at += len(line) + 1
        escaped = may_be_escaped(line, len(line), layout.syntax)
    return list(pairwise([*edges, len(data)])) if data else []


def without_doubt(told: list[Told]) -> list[Told]:
    """A record that is doubtful because of a row in it is not, if that row begins a chunk."""
    return [one._replace(doubtful=False) for one in told]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("any_syntax", [False, True])
def test_wherever_a_file_is_cut_its_rows_are_those_of_the_reference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, any_syntax: bool
) -> None:
    counts: Counter[str] = Counter()
    for number in range(FILES):
        rng = Random(f"oracle-{SEED}-{number}-{any_syntax}")
        made = make(rng, a_syntax(rng) if any_syntax else COMMON)._replace(ends_file=True)
        for module in (multiline, records, sections):
            monkeypatch.setattr(module, "MAX_RECORD_BYTES", made.max_record)
        monkeypatch.setattr(chunks, "MAX_SEARCH", rng.choice([3, 10, 40, 2**20]))
        layout = layout_for(made)
        expected = without_doubt(as_the_reference_reads(made))
        reader = Reader(made.data, layout)
        plans = all_plans(made.data, layout)
        if made.judges_line_ends:
            plans.append(some_cuts(made.data, layout, rng))
        for ranges in plans:
            told = without_doubt(reader.told(ranges))
            assert told == expected, f"file {number}: {made}, cut into {ranges}"
        counts.update(files=1, plans=len(plans), rows=len(expected))
        counts["stray quotes"] += sum(one.kind == "stray_quote" for one in expected)
    assert counts["stray quotes"] > FILES / 10
    if FUZZING:
        with capsys.disabled():
            print(f"\noracle, as the reference reads them: {dict(counts)}")


# ---------------------------------------------------------------- as the csv module has it

DANGEROUS = ['"', ",", ";", "\t", "|", " ", "a", "é", "味", "\x00", "\u2028", "\n", "\r\n", "\r"]


Written = tuple[str, list[tuple[int, list[str]]], Layout]
"""A file, its rows with their lines, and its layout."""


def well_formed(rng: Random) -> Written:
    """A file that the csv module has written, its rows with their lines, and its layout. All rows
    are valid. The second and the last column hold numbers, the others whatever there is."""
    delimiter = rng.choice(",;\t|")
    width = rng.randrange(3, 6)
    text = io.StringIO(newline="")
    ends = rng.choice([["\n"], ["\r\n"], ["\n", "\r\n", "\r\r\n"]])
    if rng.random() < 0.3:  # with a delimiter before them
        ends = [delimiter + end for end in ends]
    rows = []
    for number in range(rng.randrange(1, 8)):
        texts = ["".join(rng.choices(DANGEROUS, k=rng.randrange(4))) for _ in range(width)]
        row = [f"T{number}", str(number), *texts[3:], str(rng.randrange(9))]
        rows.append((text.getvalue().count("\n") + 1, row))
        quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        end = rng.choice(ends)
        csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerow(row)  # type: ignore[arg-type]  # two of its constants
    checks: dict[int, Check] = {0: bool, 1: bytes.isdigit, width - 1: bytes.isdigit}
    data = text.getvalue()
    if rng.random() < 0.2:
        data = data.rstrip("\r\n")
    return data, rows, Layout(Syntax(delimiter.encode()), width, checks)


CHARACTERS = [" ", " ", "a", "é", "味", "\x00", "\u2028", "\n", "\r\n"]


def of_a_dialect(rng: Random) -> Written:
    """As `well_formed`, but in any dialect, with comments, and as the csv module reads it."""
    dialect: dict[str, Any] = {
        "delimiter": rng.choice(",;\t|§"),
        "quotechar": rng.choice(['"', "'", "«", None]),
        "doublequote": rng.random() < 0.6,
        "escapechar": rng.choice(["\\", "^", "¬", None]),
        "skipinitialspace": rng.random() < 0.4,
    }
    if dialect["quotechar"] is None:
        dialect["quoting"] = csv.QUOTE_NONE
    special = [dialect[name] for name in ("delimiter", "quotechar", "escapechar")]
    characters = [*CHARACTERS, *filter(None, special)]
    if dialect["quotechar"] is None:
        characters.remove("\r\n")  # the csv module would not escape all of it
    if not dialect["escapechar"]:
        unwritable = {dialect["quotechar"]} if not dialect["doublequote"] else set()
        if dialect["quotechar"] is None:
            unwritable = {dialect["delimiter"], "\n"}
        characters = [one for one in characters if one not in unwritable]
    comment = rng.choice(["#", "%", None])
    width = rng.randrange(3, 6)
    text = ""
    rows = []
    for number in range(rng.randrange(1, 8)):
        if comment and rng.random() < 0.4:
            text += comment + "".join(rng.choices([*filter(None, special), "a"], k=5)) + "\n"
        texts = ["".join(rng.choices(characters, k=rng.randrange(4))) for _ in range(width)]
        row = [f"T{number}", str(number), *texts[3:], str(rng.randrange(9))]
        quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
        end = rng.choice(["\n", "\r\n"])
        file = io.StringIO(newline="")
        csv.writer(file, **{"quoting": quoting, "lineterminator": end, **dialect}).writerow(row)
        file.seek(0)
        rows.append((text.count("\n") + 1, *csv.reader(file, **dialect)))
        text += file.getvalue()
    checks: dict[int, Check] = {0: bool, 1: bytes.isdigit, width - 1: bytes.isdigit}
    syntax = Syntax(
        dialect["delimiter"].encode(),
        quote=_encoded(dialect["quotechar"]),
        double_quote=dialect["doublequote"],
        escape=_encoded(dialect["escapechar"]),
        skip_initial_space=dialect["skipinitialspace"],
        comment=_encoded(comment),
    )
    return text, rows, Layout(syntax, width, checks)


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("make_file", "share"),
    [(well_formed, 1 / 2), (of_a_dialect, 1 / 4)],
    ids=["as it has written them", "as it reads any dialect"],
)
def test_wherever_a_file_is_cut_its_rows_are_those_of_the_csv_module(
    capsys: pytest.CaptureFixture[str], make_file: Callable[[Random], Written], share: float
) -> None:
    """`share` is the least number of rows of several lines for each file."""
    counts: Counter[str] = Counter()
    for number in range(FILES):
        text, rows, layout = make_file(Random(f"{make_file.__name__}-{SEED}-{number}"))
        data = text.encode()
        reader = Reader(data, layout)
        plans = all_plans(data, layout)
        for ranges in plans:
            assert reader.rows(ranges) == rows, (
                f"file {number}: {data!r}, {layout.syntax}, {ranges}"
            )
        counts.update(files=1, plans=len(plans), rows=len(rows))
        counts["rows of several lines"] += sum("\n" in "".join(row) for _, row in rows)
    assert counts["plans"] > 2 * FILES
    assert counts["rows of several lines"] > share * FILES
    if FUZZING:
        with capsys.disabled():
            print(f"\noracle, files that are {make_file.__name__}: {dict(counts)}")
