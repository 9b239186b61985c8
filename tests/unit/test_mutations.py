"""Files that look real, mutilated: no crash, no hang, and every line accounted for.

Each file is loaded on a stack in memory. What has become of it is compared with what the reference
in `tests/support` finds in it. `make fuzz` does this with 10,000 files; a file that is not loaded
as it should be is named by its number, and `FUZZ_ONLY=<number>` loads it alone.
"""

import codecs
import csv
import gzip
import io
import time
import zlib
from bisect import bisect_right
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.fuzzing import FUZZING, ONLY, SEED, files
from tests.support.random_forms import in_form, random_form
from tests.support.reference_header import find_header
from tests.support.reference_loads import expected_load
from tests.support.reference_records import Reference, fits_ticket
from tests.support.stack_in_memory import StackInMemory
from tickets.sample import write_sample

FILES = files(quick=50)

LONGEST = 10.0  # seconds for one file of some 10 KB, which takes some milliseconds
EVIL = (
    b'"',
    b'""',
    b"\n",
    b"\r\n",
    b"\r\r\n",
    b"\r",
    b"\f",
    b"\xef\xbb\xbf",
    b"\x1a",
    b"\x00",
    b",",
    b";",
    b"\t",
    b"|",
    b"\xff",
    b"\xc3",
    b"'",
)


REASONS = {
    "fields": {"too_few_fields", "too_many_fields"},
    "value": {"missing_value", "bad_quantity", "bad_timestamp"},
}
"""Where the reference says less than the loader."""


def mutate(rng: Random, data: bytes) -> bytes:
    """Changes a file in one to eight places."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
        at = rng.randrange(len(body) + 1)
        length = rng.choice((1, 1, 2, 5, 40, 300))
        match rng.randrange(10):
            case 0 if at < len(body):
                body[at] ^= 1 << rng.randrange(8)
            case 1:
                del body[at : at + length]
            case 2 | 3 | 4:
                body[at:at] = rng.choice(EVIL) * rng.choice((1, 1, 1, 2, 7))
            case 5:
                body[at : at + length] = rng.choice(EVIL) * length
            case 6 if rng.random() < 0.3:
                del body[at:]
            case 7:  # splice: a piece of the file again, somewhere else
                start = rng.randrange(len(body) + 1)
                body[at:at] = body[start : start + length * 4]
            case 8:  # a quote that nothing closes any more
                at = body.rfind(b",", 0, max(0, len(body) - rng.randrange(600))) + 1
                body[at:at] = b'"'
            case 9:  # two files torn together
                body = body[:at] + data[rng.randrange(len(data)) :][: len(data) // 2]
    return bytes(body)


def unpack_plainly(packed: bytes) -> tuple[bytes, bool]:
    """What can be unpacked of gzip data, byte by byte, and whether it is complete."""
    data = bytearray()
    member = None
    for at in range(len(packed)):
        if member is None:
            if data and not packed[at:].strip(b"\x00"):
                break
            member = zlib.decompressobj(wbits=31)
        try:
            data += member.decompress(packed[at : at + 1])
        except zlib.error:
            return bytes(data), False
        if member.eof:
            member = None
    return bytes(data), member is None


def check(stack: StackInMemory, body: bytes) -> str:
    """Compare what a load has left with what the reference finds. Returns its ending."""
    packed = body.startswith(b"\x1f\x8b")
    plain, whole = unpack_plainly(body) if packed else (body, True)
    if stack.verdict["verdict"] == "refused":
        assert stack.result is None
        assert not stack.table.items
        assert all(one["detail"] for one in stack.verdict["reasons"])
        reason = stack.verdict["reasons"][0]["reason"]
        assert reason != "empty_file" or (whole and plain in (b"", codecs.BOM_UTF8))
        return f"refused: {reason}"
    assert stack.result, "neither refused nor loaded"
    file, report, data = stack.verdict["file"], stack.report, stack.data
    assert data == plain, "not all that can be unpacked"

    check_header(file, data)

    # The ranges tile what follows the header.
    start = edge = file["data_start"]
    for chunk in stack.chunks:
        assert chunk["start"] == edge < chunk["end"]
        edge = chunk["end"]
    if whole:
        assert edge == len(data)
    else:  # the data ends with a line
        assert edge == max(start, data.rfind(b"\n") + 1)

    # Every line is part of a record, and every record is one of these.
    noted = notes(stack)
    too_long = {line: reason for line, reason in noted if reason == "value_too_long"}
    expected = expected_load(
        data[:edge],
        file["columns"],
        file["width"],
        file["delimiter"].encode(),
        skipped=file["skipped_lines"],
        refused_later=too_long,
    )
    lines = expected.lines
    assert Counter(report["lines"]) == lines
    assert lines["total"] == data.count(b"\n", 0, edge) + (data[:edge][-1:] != b"\n")
    assert len(noted) == len({line for line, _ in noted}), "a line is listed twice"
    superseded = set(expected.superseded)
    if not whole:  # Then equal keys of different chunks are not settled.
        edges = [1 + data.count(b"\n", 0, chunk["start"]) for chunk in stack.chunks]
        superseded = {
            line
            for line, later in expected.superseded.items()
            if bisect_right(edges, line) == bisect_right(edges, later)
        }
    assert {line for line, reason in noted if reason == "superseded"} == superseded
    assert {line for line, reason in noted if reason != "superseded"} == set(expected.refused)
    assert all(
        reason in (REASONS.get(kind, {kind}) if kind != "row" else {"value_too_long"})
        for line, kind in expected.refused.items()
        for reason in [reason for at, reason in noted if at == line]
    )
    raw = data.split(b"\n")
    assert all(len(raw[line - 1]) > 1024 for line in too_long)
    assert report["blank_lines"] == lines["blank"]
    assert report["rows_read"] == expected.rows
    assert report["rows_refused"] == len(expected.refused)
    assert report["rows_superseded"] == len(superseded)
    assert report["rows_written"] == expected.rows - len(expected.refused) - len(superseded)
    assert not whole or report["rows_written"] == len(expected.items)
    doubtful = expected.doubtful
    warned = report["warnings"].get("split_record", {"rows": 0, "line": 0})
    # A row in a record begins a chunk perhaps, and then the record is not seen as a whole.
    assert warned["rows"] <= len(doubtful)
    if len(stack.chunks) == 1:
        assert (warned["rows"], warned["line"]) == (len(doubtful), min(doubtful, default=0))

    # The table holds the last row of each key, byte for byte.
    stored = {
        key: {name: value for attribute in item.items() for name, value in [told(*attribute)]}
        for key, item in stack.table.items.items()
    }
    assert stored == {key: item for key, (_, item) in expected.items.items()}
    unread = report["unread"]
    assert (unread is None) == whole
    failed = unread is not None or (expected.rows > 0 and not expected.items)
    assert report["status"] == ("FAILED" if failed else "SUCCEEDED")
    return "damaged" if unread else "failed" if failed else "loaded"


def check_header(file: dict[str, Any], data: bytes) -> None:
    """The header is the one that the reference finds, and no row is above it."""
    found = find_header(data)
    assert found
    for name, expected in (
        ("skipped_lines", found.lines_above),
        ("header_lines", 1),
        ("data_start", found.end),
        ("delimiter", found.delimiter),
        ("columns", found.columns),
    ):
        assert file[name] == expected
    delimiter = found.delimiter.encode()
    # Whether a delimiter at the end begins a column without a name depends on the rows.
    fields = {found.fields, found.fields - found.line.endswith(delimiter)}
    assert file["width"] in fields
    names = {at: name for name, at in found.columns.items()}
    reader = Reference(
        file["width"], delimiter, lambda column, value: fits_ticket(names.get(column), value)
    )
    for line in data.split(b"\n")[: found.lines_above]:
        assert not reader.is_plain_row(line + b"\n")


def told(name: str, value: dict[str, Any]) -> tuple[str, str]:
    [(kind, text)] = value.items()
    assert kind == ("N" if name == "quantity" else "S")
    return name, text


def notes(stack: StackInMemory) -> list[tuple[int, str]]:
    url = stack.report["refused_rows"]
    if url is None:
        return []
    text = io.StringIO(stack.read_url(url).decode(), newline="")
    return [(int(row["line"]), row["reason"]) for row in csv.DictReader(text)]


def file_of(number: int, samples: list[bytes]) -> tuple[bytes, int]:
    """The file of a number, and a chunk size for it."""
    rng = Random(f"{SEED}-{number}")
    data = rng.choice(samples)
    if rng.random() < 0.5:
        _, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
        data = in_form(random_form(rng), rows, rng)
    elif rng.random() < 0.2:
        data = data.replace(b"\r\n", b"\n")
    body = mutate(rng, data)
    match rng.randrange(10):
        case 0:
            body = gzip.compress(body, mtime=0)
        case 1:
            body = mutate(rng, gzip.compress(data, rng.choice((0, 1, 9)), mtime=0))
    return body, rng.choice((40, 150, 300, 1_000, 5_000, 100_000))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path: Path = tmp_path_factory.mktemp("samples") / "a.csv"
    made = []
    for seed, rows in enumerate((3, 20, 60, 60, 120)):
        write_sample(path, rows, seed)
        made.append(path.read_bytes())
    return made


@pytest.mark.timeout(3600 if FUZZING else 120)
def test_every_line_of_a_mutilated_file_is_accounted_for(
    samples: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    endings: Counter[str] = Counter()
    misses = []
    for number in [int(ONLY)] if ONLY else range(FILES):
        body, chunk_size = file_of(number, samples)
        stack = StackInMemory(chunk_size)
        started = time.monotonic()
        try:
            stack.load(body)
            endings[check(stack, body)] += 1
            assert time.monotonic() - started < LONGEST, "it took too long"
        except Exception as error:
            if ONLY:
                raise
            misses.append(f"file {number}: {type(error).__name__}: {error}"[:300])
    if FUZZING:
        with capsys.disabled():
            told = ", ".join(f"{count:,} {ending}" for ending, count in sorted(endings.items()))
            print(f"\nmutations: {FILES:,} files of seed {SEED}: {told}; {len(misses):,} misses")
    assert not misses, "\n".join([f"{len(misses)} misses", *misses[:10]])
    assert ONLY or {"loaded", "damaged"} <= set(endings)
