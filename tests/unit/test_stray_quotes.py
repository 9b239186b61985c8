"""Known files with quotes dropped, added, doubled or moved: which rows are still read as they were?

The right result is known from how each file was made: a row whose bytes were not touched must be
read as it is. `make fuzz` does this with 10,000 files of each kind.
"""

import csv
import io
from collections import Counter
from collections.abc import Generator
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import pytest

from ingestion.csv_files.chunks import BoundaryFinder, cut, next_multiple
from ingestion.csv_files.records import split_fields, without_marks
from ingestion.csv_files.rows import COLUMNS, Row, RowReader
from ingestion.csv_files.sections import Section, read_sections
from ingestion.csv_files.syntax import Syntax
from tests.support.fuzzing import FUZZING, SEED, files
from tests.support.sources import BUILT_IN

FILES = files(quick=100)
ROWS = 40

PLAIN = ["Soap", "Rice 1 kg", "Café", "Olive oil, extra virgin", 'Pipe 5" copper', "", "a;b|c\td"]
SEVERAL_LINES = [
    "Gift card\nwith envelope",
    "Notebook,\nA5,\n80 g",
    '"old"\ncheese\n\n300 g',
    "a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n",
    'Hose\r\n3/4"\r\nbrass',
    "see 2026-03-01,1,\nfor\n\n\nmore",
]


class Known(NamedTuple):
    """A file, row by row, without its header."""

    texts: list[bytes]
    rows: list[list[str]]
    syntax: Syntax


def known_file(rng: Random, *, several_lines: bool, other_dialect: bool = False) -> Known:
    delimiter = rng.choice(",;\t|")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    dialect: dict[str, Any] = {"delimiter": delimiter, "quoting": quoting}
    if other_dialect:
        dialect |= {
            "delimiter": rng.choice([delimiter, "§"]),
            "quotechar": rng.choice("'\"«"),
            "doublequote": rng.random() < 0.5,
            "escapechar": rng.choice("\\^"),
        }
    delimiter = dialect["delimiter"]
    end = rng.choice(["", "", delimiter]) + rng.choice(["\n", "\r\n"])
    time, number_form = rng.choice([(":00Z", ""), (":00 UTC", ".0"), ("+02", ".00")])
    texts, rows = [], []
    for number in range(ROWS):
        choice = PLAIN + SEVERAL_LINES * (several_lines and rng.random() < 0.3)
        row = [
            f"T{number}",
            rng.choice(choice) or "Tea",
            f"B{number // 3}",
            f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T12:{number:02}{time}",
            rng.choice(choice),
            f"{rng.randrange(100)}{number_form}",
            rng.choice(choice),
        ]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=end, **dialect).writerow(row)
        texts.append(text.getvalue().encode())
        rows.append(row)
    syntax = Syntax(
        delimiter.encode(),
        quote=dialect.get("quotechar", '"').encode(),
        double_quote=dialect.get("doublequote", True),
        escape=dialect["escapechar"].encode() if other_dialect else None,
    )
    return Known(texts, rows, syntax)


def touch(rng: Random, texts: list[bytes], syntax: Syntax) -> set[int]:
    """Drop, add, double or move one to ten quotes, or escape characters if the file has them.
    Returns the rows that were touched."""
    touched = set()
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5, 10])):
        number = rng.randrange(len(texts))
        text = texts[number]
        body = len(text.rstrip(b"\r\n"))
        mark = syntax.opening
        if syntax.escape and rng.random() < 0.3:
            mark = syntax.escape
        marks = [at for at in range(body) if text.startswith(mark, at)]
        starts = [0, *(at + 1 for at in range(body) if text.endswith(syntax.delimiter, 0, at + 1))]
        match rng.choice(["drop", "add", "add at a start", "double", "move"]):
            case "drop" if marks:
                text = _without(text, rng.choice(marks), mark)
            case "double" if marks:
                text = _with(text, rng.choice(marks), mark)
            case "move" if marks:
                text = _without(text, rng.choice(marks), mark)
                text = _with(text, rng.randrange(body - len(mark) + 1), mark)
            case "add at a start":
                text = _with(text, rng.choice(starts), mark)
            case _:
                text = _with(text, rng.randrange(body + 1), mark)
        if text != texts[number]:
            texts[number] = text
            touched.add(number)
    return touched


def _with(text: bytes, at: int, mark: bytes) -> bytes:
    return text[:at] + mark + text[at:]


def _without(text: bytes, at: int, mark: bytes) -> bytes:
    return text[:at] + text[at + len(mark) :]


class Outcome(NamedTuple):
    """What was read of a file."""

    accepted: dict[int, tuple[int, list[str]]]
    """By its first line: how many lines a row has, and its values."""
    refused: int


def load(data: bytes, syntax: Syntax, chunk_size: int) -> Outcome:
    """Read a file as Split File cuts it, chunk by chunk."""
    columns = {name: at for at, name in enumerate(COLUMNS)}
    reader = RowReader(BUILT_IN, columns, len(COLUMNS), syntax.delimiter, ("ticket_id", "product"))
    layout = reader.layout
    layout.syntax = syntax
    finder = BoundaryFinder(0, next_multiple(0, chunk_size), chunk_size, layout)
    finder.feed(data)
    finder.finish()

    def sections_from(start: int) -> Generator[Section]:
        yield from read_sections([data[start:]], layout, ends_file=True)

    ranges = cut(0, len(data), finder.boundaries, sections_from)
    accepted = {}
    refused = 0
    line = 1
    for start, end in ranges:
        for section in read_sections([data[start:end]], layout, ends_file=end == len(data)):
            for record in section.records():
                if isinstance(reader.read(record), Row):
                    fields = split_fields(without_marks(record.raw), layout.syntax)
                    assert isinstance(fields, list)
                    values = [field.decode() for field in fields[: len(COLUMNS)]]
                    accepted[line + record.line - 1] = record.lines, values
                else:
                    refused += record.lines
            line += section.line_ends
    return Outcome(accepted, refused)


def judge(known: Known, texts: list[bytes], touched: set[int], outcome: Outcome) -> Counter[str]:
    """Count the untouched rows, those of them that are lost, and the items that were joined."""
    lines = [text.count(b"\n") for text in texts]
    first_lines = [1, *accumulate(lines, initial=1)][1:]
    counts = Counter({"untouched rows": len(texts) - len(touched)})
    for number, row in enumerate(known.rows):
        found = outcome.accepted.get(first_lines[number])
        if number not in touched and found != (lines[number], row):
            counts["lost"] += 1
    row_of_line = {
        line: number
        for number, first in enumerate(first_lines[:-1])
        for line in range(first, first + lines[number])
    }
    for first, (spanned, values) in outcome.accepted.items():
        rows = {row_of_line[line] for line in range(first, first + spanned)}
        if len(rows) > 1:
            counts["joined"] += 1
            # A stray escape character at the end of a row makes the next one part of it.
            changed = {min(rows)} if known.syntax.escape else {min(rows), max(rows)}
            assert changed <= touched, "an untouched row became part of another one"
        elif not rows & touched:
            assert values == known.rows[rows.pop()], "an untouched row was read as another one"
    return counts


def fuzz(kind: str, *, several_lines: bool, other_dialect: bool = False) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number in range(FILES):
        rng = Random(f"{kind}-{SEED}-{number}")
        known = known_file(rng, several_lines=several_lines, other_dialect=other_dialect)
        texts = list(known.texts)
        touched = touch(rng, texts, known.syntax)
        outcome = load(b"".join(texts), known.syntax, rng.choice([300, 1_000, 100_000]))
        try:
            counts += judge(known, texts, touched, outcome)
        except AssertionError as error:
            raise AssertionError(f"file {number}: {error}") from error
        counts.update({"files": 1, "touched rows": len(touched), "refused": outcome.refused})
    return counts


def show(capsys: pytest.CaptureFixture[str], kind: str, counts: Counter[str]) -> None:
    if FUZZING:
        with capsys.disabled():
            print(f"\nstray quotes, {kind}: {dict(counts)}")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("other_dialect", [False, True])
def test_without_line_ends_in_fields_no_untouched_row_is_lost(
    capsys: pytest.CaptureFixture[str], *, other_dialect: bool
) -> None:
    kind = "rows of one line" + ", other dialects" * other_dialect
    counts = fuzz(kind, several_lines=False, other_dialect=other_dialect)
    show(capsys, kind, counts)
    assert counts["lost"] == 0
    assert counts["joined"] == 0
    assert counts["refused"] <= counts["touched rows"]
    assert counts["refused"] > FILES / 2


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("other_dialect", [False, True])
def test_with_line_ends_in_fields_hardly_an_untouched_row_is_lost(
    capsys: pytest.CaptureFixture[str], *, other_dialect: bool
) -> None:
    kind = "rows of several lines" + ", other dialects" * other_dialect
    counts = fuzz(kind, several_lines=True, other_dialect=other_dialect)
    show(capsys, kind, counts)
    assert counts["lost"] <= max(1, counts["untouched rows"] * 3 / 100_000)
    assert counts["joined"] <= max(1, FILES / 1_000)


@pytest.mark.timeout(3600)
def test_without_stray_quotes_nothing_changes(capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()
    for number in range(FILES):
        rng = Random(f"clean-{SEED}-{number}")
        known = known_file(rng, several_lines=True)
        outcome = load(b"".join(known.texts), known.syntax, rng.choice([300, 1_000, 100_000]))
        assert [values for _, values in outcome.accepted.values()] == known.rows, f"file {number}"
        assert outcome.refused == 0
        counts["rows"] += ROWS
        counts["rows of several lines"] += sum(lines > 1 for lines, _ in outcome.accepted.values())
    show(capsys, "none", counts)
    assert counts["rows of several lines"] > FILES
