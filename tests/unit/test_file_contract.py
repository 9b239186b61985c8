"""docs/files.md is true: every example on the page is run through the loader's own code.

An example is a fenced `csv` block, the file, and right behind it a fenced `text` block, what comes
of it. In files marked `escaped` stand `\\xNN`, `\\r`, `\\t`, `\\f` and `{9 times x}`; in any
file may stand `{9 rows}`.
"""

import csv
import inspect
import io
import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from samtranslator.yaml_helper import yaml_parse

from ingestion.csv_files import file_encoding, gzip_stream, header, header_problems, no_header
from ingestion.csv_files.gzip_stream import MAX_FILE_BYTES, MAX_UNPACKED_BYTES, Unpacker
from ingestion.csv_files.header import HEAD_SIZE, FileFacts, examine
from ingestion.csv_files.header_search import MAX_LINES_ABOVE
from ingestion.csv_files.layout import MAX_COLUMNS
from ingestion.csv_files.records import MAX_RECORD_BYTES
from ingestion.csv_files.refused_rows import MAX_RAW_BYTES, csv_lines, refused_row
from ingestion.csv_files.row_warnings import WARNINGS
from ingestion.csv_files.rows import REASONS, SOURCE_REASONS, Item, NoRow, Row, RowReader
from ingestion.csv_files.sections import read_sections
from ingestion.s3 import unreadable
from ingestion.tasks import split_file, validate_file
from ingestion.tasks.join_refused_rows import MAX_JOINED_ROWS
from ingestion.tasks.quality_limits import QualityLimits
from tests.support.sources import BUILT_IN
from tests.support.stack_in_memory import KEY, StackInMemory
from tickets import TEMPLATE
from tickets.runs.ingest import NOTIFIED_ENDINGS

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(
    r"^```csv(?P<escaped> escaped)?\n(?P<file>.*?)^```\n```text\n(?P<outcome>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
VALUE = re.compile(r'(\w+) = ("(?:[^"\\]|\\.)*"|-?[0-9]+)(?:, |$)')


class Said(NamedTuple):
    """One line of an outcome, and the values that it names."""

    line: str
    values: dict[str, str]


def examples() -> list[Any]:
    """Pairs of file and outcome; a test's name tells the line of the page."""
    found = []
    for match in EXAMPLE.finditer(PAGE):
        file = match["file"].encode()
        if match["escaped"]:
            file = re.sub(rb"\\x([0-9a-f]{2})", lambda byte: bytes.fromhex(byte[1].decode()), file)
            for name, byte in ((rb"\r", b"\r"), (rb"\t", b"\t"), (rb"\f", b"\f")):
                file = file.replace(name, byte)
            file = re.sub(
                rb"\{([0-9,]+) times (.)\}",
                lambda run: run[2] * int(run[1].replace(b",", b"")),
                file,
            )
        file = re.sub(rb"\{([0-9,]+) rows\}\n", good_rows, file)
        place = f"files.md:{PAGE.count(chr(10), 0, match.start()) + 1}"
        found.append(pytest.param(file, match["outcome"], id=place))
    return found


def good_rows(match: re.Match[bytes]) -> bytes:
    row = "G{},Soap,B1,2026-03-01T12:00Z,Home,1,Lyon\n"
    return "".join(map(row.format, range(int(match[1].replace(b",", b""))))).encode()


def said(outcome: str) -> list[Said]:
    lines = []
    for line in outcome.splitlines():
        words, written, values = line.partition(": written, ")
        pairs = VALUE.findall(values)
        assert not VALUE.sub("", values), f"the page says what nobody can check: {line}"
        known = {name: str(json.loads(value, parse_int=str)) for name, value in pairs}
        lines.append(Said(f"{words}: written" if written else line, known))
    return lines


def happens(file: bytes) -> tuple[list[str], dict[str, Item]]:
    """The outcome in the page's words, and the items of the lines that are written."""
    head, complete = file[:HEAD_SIZE], len(file) <= HEAD_SIZE
    found = examine(head, complete, QualityLimits(5).too_many_refused, BUILT_IN)
    if isinstance(found, list):
        return [
            ", ".join(
                ["file refused"]
                + ([f"line {reason.line}"] if reason.line else [])
                + ([reason.column] if reason.column else [])
            )
            + f": {reason.reason}: {reason.detail}"
            for reason in found
        ], {}
    return rows_happen(file, found)


def rows_happen(file: bytes, found: FileFacts) -> tuple[list[str], dict[str, Item]]:
    """What is listed is taken from a load of the file; where its rows begin, from its records."""
    stack = StackInMemory(chunk_size=len(file) + 1)
    stack.load(file)
    delimiter = found.delimiter.encode()
    reader = RowReader(BUILT_IN, found.columns, found.width, delimiter, KEY, found.header)
    outcomes: dict[int, str] = {}
    items: dict[str, Item] = {}
    before = found.lines_before_data
    for section in read_sections([file[found.data_start :]], reader.layout, ends_file=True):
        for record in section.records():
            line = before + record.line
            row = reader.read(record)
            if isinstance(row, NoRow):
                outcomes[line] = row.value
            elif isinstance(row, Row):
                outcomes[line] = "written"
                items[f"line {line}: written"] = row.item
        before += section.line_ends
        for at in range(section.end_mark_lines):
            outcomes[before - at] = "end mark"
    report = stack.report
    for first_line, column, reason, _ in listed_rows(stack):
        where = f", {column}" if column else ""
        words = "superseded" if reason == "superseded" else f"refused{where}: {reason}"
        outcomes[int(first_line)] = words
        items.pop(f"line {first_line}: written", None)
    assert {tuple(item[name]["S"] for name in KEY): item for item in items.values()} == (
        stack.table.items
    )
    assert report["rows_written"] == len(items)
    no_rows = {"blank", "repeated header", "end mark"}
    assert report["rows_read"] == sum(words not in no_rows for words in outcomes.values())
    lines = in_words(outcomes) or ["no rows"]
    warnings = sorted(report["warnings"].items(), key=lambda one: one[1]["line"])
    for kind, warned in warnings:
        rows = "1 row" if warned["rows"] == 1 else f"{warned['rows']} rows"
        lines.append(f"warning, line {warned['line']}: {kind}, {rows}")
    if found.unknown_columns:
        lines.append(f"not stored: {', '.join(found.unknown_columns)}")
    return lines, items


def in_words(outcomes: dict[int, str]) -> list[str]:
    """A line for each, but one for all of many rows that are written one after another."""
    lines = []
    for written, run in groupby(sorted(outcomes.items()), key=lambda one: one[1] == "written"):
        of_run = list(run)
        if written and len(of_run) > 20:
            lines.append(f"lines {of_run[0][0]:,} to {of_run[-1][0]:,}: written")
        else:
            lines += [f"line {line}: {words}" for line, words in of_run]
    return lines


def listed_rows(stack: StackInMemory) -> list[list[str]]:
    url = stack.report["refused_rows"]
    return (
        list(csv.reader(io.StringIO(stack.read_url(url).decode(), newline="")))[1:] if url else []
    )


@pytest.mark.parametrize(("file", "outcome"), examples())
def test_what_the_page_says_of_an_example_is_what_happens(file: bytes, outcome: str) -> None:
    expected = said(outcome)
    lines, items = happens(file)
    assert lines == [one.line for one in expected]
    for one in expected:
        item = items.get(one.line, {})
        stored = {name: next(iter(value.values())) for name, value in item.items()}
        assert {name: stored[name] for name in one.values} == one.values


def test_every_file_on_the_page_is_an_example() -> None:
    assert len(examples()) == PAGE.count("\n```csv") >= 20


def test_every_reason_has_its_meaning_on_the_page_and_an_example() -> None:
    shown = "".join(example.values[1] for example in examples())
    for reason, meaning in REASONS.items():
        assert f"| `{reason}` | {meaning} |" in PAGE
        # The examples are for the built-in source and the table that the stack creates, which takes
        # every row.
        assert reason in shown or reason in ("bad_number", "refused_by_table", *SOURCE_REASONS)


def test_every_warning_has_its_meaning_on_the_page_and_an_example() -> None:
    shown = "".join(example.values[1] for example in examples())
    for warning, meaning in WARNINGS.items():
        assert f"| `{warning}` | {meaning} |" in PAGE
        # Files of tickets have columns with a form, so line ends can be checked.
        assert warning in shown or warning == "unchecked_line_ends"


def test_every_reason_to_refuse_a_file_is_on_the_page() -> None:
    modules = (
        header,
        header_problems,
        no_header,
        file_encoding,
        validate_file,
        gzip_stream,
        split_file,
    )
    source = "".join(map(inspect.getsource, modules))
    reasons = set(re.findall(r'Reason\(\s*"(\w+)"', source)) | {"object_gone", "object_changed"}
    of_s3 = set(re.findall(r'return \(\s+"(\w+)",', inspect.getsource(unreadable)))
    assert len(reasons) >= 20
    assert len(of_s3) == 5
    reasons |= of_s3
    for reason in reasons:
        assert f"| `{reason}` | " in PAGE


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    template = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))
    parameters = template["Parameters"]
    timeout = template["Resources"]["SplitFile"]["Properties"]["Timeout"]
    for number, name in (
        (MAX_FILE_BYTES, "largest file"),
        (MAX_UNPACKED_BYTES, "largest gzip file"),
        (MAX_RECORD_BYTES, "longest record"),
        (MAX_COLUMNS, "columns of a file"),
        (MAX_LINES_ABOVE, "lines above the header"),
        (HEAD_SIZE, "what is looked at before a file is accepted"),
        (Unpacker.largest(0), "how far a gzip file may unpack"),
        (round(timeout - split_file.MIN_SECONDS_LEFT), "how long Split File may read a file"),
        (MAX_RAW_BYTES, "text of a refused row"),
        (MAX_JOINED_ROWS, "rows of the file of refused rows"),
        (parameters["MaxRefusedPercent"]["Default"], "share of refused rows"),
        (parameters["MaxSupersededPercent"]["Default"], "share of superseded rows"),
    ):
        (line,) = [one for one in PAGE.splitlines() if one.startswith(f"| {name}")]
        assert re.search(rf"(?<![0-9,]){number:,}(?![0-9,])", line), (name, number)
    assert Unpacker.largest(10**8) == 200 * 10**8
    assert Unpacker.largest(10**9) == MAX_UNPACKED_BYTES


def test_the_endings_on_the_page_are_those_that_the_bucket_notifies() -> None:
    bucket = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]["UploadBucket"]
    notified = bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    suffixes = [one["Filter"]["S3Key"]["Rules"][0]["Value"] for one in notified]
    assert sorted(suffixes) == sorted(NOTIFIED_ENDINGS)
    for suffix in suffixes:
        assert f"`{suffix}`" in PAGE


def test_the_apostrophe_is_put_before_the_characters_that_the_page_names() -> None:
    for start in ("=", "+", "-", "@", "\t", "\r"):
        row = refused_row(2, "", "too_few_fields", f"{start}1".encode())
        _, line = b"".join(csv_lines([row])).decode().split("\r\n", 1)
        assert line.partition("too_few_fields,")[2].lstrip('"').startswith("'")
    for start in ("=", "+", "-", "@"):
        assert f"`{start}`" in PAGE
