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
from typing import NamedTuple

import pytest

from ingestion.csv_files.chunks import BoundaryFinder, cut, next_multiple
from ingestion.csv_files.records import split_fields, without_marks
from ingestion.csv_files.rows import COLUMNS, Row, RowReader
from ingestion.csv_files.sections import Section, read_sections
from tests.support.fuzzing import FUZZING, SEED, files

FILES = files(quick=300)
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
    delimiter: str


def known_file(rng: Random, *, several_lines: bool) -> Known:
    delimiter = rng.choice(",;\t|")
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
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
        csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end).writerow(row)  # type: ignore[arg-type]  # one of its constants
        texts.append(text.getvalue().encode())
        rows.append(row)
    return Known(texts, rows, delimiter)


def touch(rng: Random, texts: list[bytes], delimiter: bytes) -> set[int]:
    """Drop, add, double or move one to ten quotes. Returns the rows that were touched."""
    touched = set()
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5, 10])):
        number = rng.randrange(len(texts))
        text = bytearray(texts[number])
        body = len(bytes(text).rstrip(b"\r\n"))
        quotes = [at for at in range(body) if text[at] == ord('"')]
        starts = [0, *(at + 1 for at in range(body) if text[at] == delimiter[0])]
        match rng.choice(["drop", "add", "add at a start", "double", "move"]):
            case "drop" if quotes:
                del text[rng.choice(quotes)]
            case "double" if quotes:
                at = rng.choice(quotes)
                text[at:at] = b'"'
            case "move" if quotes:
                del text[rng.choice(quotes)]
                at = rng.randrange(body)
                text[at:at] = b'"'
            case "add at a start":
                at = rng.choice(starts)
                text[at:at] = b'"'
            case _:
                at = rng.randrange(body + 1)
                text[at:at] = b'"'
        if bytes(text) != texts[number]:
            texts[number] = bytes(text)
            touched.add(number)
    return touched


class Outcome(NamedTuple):
    """What was read of a file."""

    accepted: dict[int, tuple[int, list[str]]]
    """By its first line: how many lines a row has, and its values."""
    refused: int


def load(data: bytes, delimiter: bytes, chunk_size: int) -> Outcome:
    """Read a file as Split File cuts it, chunk by chunk."""
    columns = {name: at for at, name in enumerate(COLUMNS)}
    reader = RowReader(columns, len(COLUMNS), delimiter, ("ticket_id", "product"))
    layout = reader.layout
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
            assert {min(rows), max(rows)} <= touched, "an untouched row became part of another one"
        elif not rows & touched:
            assert values == known.rows[rows.pop()], "an untouched row was read as another one"
    return counts


def fuzz(kind: str, *, several_lines: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number in range(FILES):
        rng = Random(f"{kind}-{SEED}-{number}")
        known = known_file(rng, several_lines=several_lines)
        texts = list(known.texts)
        delimiter = known.delimiter.encode()
        touched = touch(rng, texts, delimiter)
        outcome = load(b"".join(texts), delimiter, rng.choice([300, 1_000, 100_000]))
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
def test_without_line_ends_in_fields_no_untouched_row_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts = fuzz("rows of one line", several_lines=False)
    show(capsys, "rows of one line", counts)
    assert counts["lost"] == 0
    assert counts["joined"] == 0
    assert counts["refused"] <= counts["touched rows"]
    assert counts["refused"] > FILES / 2


@pytest.mark.timeout(3600)
def test_with_line_ends_in_fields_hardly_an_untouched_row_is_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counts = fuzz("rows of several lines", several_lines=True)
    show(capsys, "rows of several lines", counts)
    assert counts["lost"] <= max(1, counts["untouched rows"] * 3 / 100_000)
    assert counts["joined"] <= max(1, FILES / 1_000)


@pytest.mark.timeout(3600)
def test_without_stray_quotes_nothing_changes(capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()
    for number in range(FILES):
        rng = Random(f"clean-{SEED}-{number}")
        known = known_file(rng, several_lines=True)
        outcome = load(
            b"".join(known.texts), known.delimiter.encode(), rng.choice([300, 1_000, 100_000])
        )
        assert [values for _, values in outcome.accepted.values()] == known.rows, f"file {number}"
        assert outcome.refused == 0
        counts["rows"] += ROWS
        counts["rows of several lines"] += sum(lines > 1 for lines, _ in outcome.accepted.values())
    show(capsys, "none", counts)
    assert counts["rows of several lines"] > FILES
