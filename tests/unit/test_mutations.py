"""Files that look real, mutilated: no crash, no hang, and every line accounted for.

Each file is loaded on a stack in memory. What has become of it is compared with a slow and simple
reading of its bytes, one by one. `make fuzz` does this with 10,000 files; a file that is not loaded
as it should be is told by its number, and `FUZZ_ONLY=<number>` loads it alone.
"""

import codecs
import csv
import gzip
import io
import os
import time
import zlib
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from tests.support.stack_in_memory import StackInMemory
from tickets.sample import write_sample

FILES = int(os.environ.get("FUZZ_FILES", "150"))
SEED = int(os.environ.get("FUZZ_SEED", "3"))
ONLY = os.environ.get("FUZZ_ONLY")
FUZZING = "FUZZ_FILES" in os.environ

LONGEST = 10.0  # seconds for one file of some 10 KB, which takes some milliseconds
COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
EVIL = (
    b'"',
    b'""',
    b"\n",
    b"\r\n",
    b"\r",
    b"\x00",
    b",",
    b";",
    b"\t",
    b"|",
    b"\xff",
    b"\xc3",
    b"'",
)


class Plain(NamedTuple):
    """A record, read byte by byte."""

    line: int
    start: int
    end: int
    fields: list[bytes]
    blank: bool
    malformed: bool
    closed: bool


def read_plainly(data: bytes, start: int, line: int, delimiter: int) -> list[Plain]:
    """The grammar of docs/files.md, told in the plainest way."""
    records = []
    while start < len(data):
        fields, field, at = [], bytearray(), start
        quoted = inside = malformed = False
        while True:
            byte = data[at] if at < len(data) else None
            if byte is None:
                break
            if inside:
                if byte == 0x22 and data[at + 1 : at + 2] == b'"':
                    field.append(0x22)
                    at += 1
                elif byte == 0x22:
                    inside = False
                else:
                    field.append(byte)
            elif byte == 0x22 and not quoted and not field:
                quoted = inside = True
            elif byte == delimiter:
                fields.append(bytes(field))
                field, quoted = bytearray(), False
            elif byte == 0x0A or (byte == 0x0D and data[at + 1 : at + 2] == b"\n"):
                break
            else:
                malformed = malformed or quoted
                field.append(byte)
            at += 1
        fields.append(bytes(field))
        end = at + (0 if at == len(data) else 1 if data[at] == 0x0A else 2)
        blank = data[start:end] in (b"\n", b"\r\n")
        records.append(Plain(line, start, end, fields, blank, malformed, not inside))
        line += data.count(b"\n", start, end)
        start = end
    return records


def mutate(rng: Random, data: bytes) -> bytes:
    """One to eight wounds."""
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
    """What can be told of gzip data, byte by byte, and whether that is all."""
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
    """Compare what a load has left with a plain reading of the file. Returns its ending."""
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
    delimiter = file["delimiter"].encode()[0]
    assert data == plain, "not all that can be unpacked"

    # The ranges tile what follows the header.
    edge = file["data_start"]
    for chunk in stack.chunks:
        assert chunk["start"] == edge < chunk["end"]
        edge = chunk["end"]
    unread = report["unread"]
    damaged = not whole
    assert edge == len(data) or damaged

    # Every line is part of a record, and every record is one of these.
    records = read_plainly(data[:edge], file["data_start"], file["header_lines"] + 1, delimiter)
    blank = [one for one in records if one.blank]
    unclosed = [one for one in records if not one.closed]
    rows = {one.line: one for one in records if not one.blank}
    noted = notes(stack)
    assert len(noted) == len({line for line, _ in noted}), "a line is listed twice"
    assert {line for line, _ in noted} <= set(rows), "a line is listed at which no row begins"
    assert report["blank_lines"] == len(blank)
    assert report["rows_read"] == len(rows)
    refused = {line for line, reason in noted if reason != "superseded"}
    superseded = {line for line, reason in noted if reason == "superseded"}
    assert report["rows_refused"] == len(refused)
    assert report["rows_superseded"] == len(superseded)
    assert report["rows_written"] == len(rows) - len(noted)
    for one in unclosed:
        assert (one.line, "unclosed_quote") in noted
        assert unread["bytes"] == edge - one.start
        assert one.line <= unread["line"] <= one.line + data.count(b"\n", one.start)
    if damaged:
        assert unread["reason"] in ("corrupt_gzip", "unclosed_quote")
        assert data[edge - 1 : edge] in (b"\n", b"") or edge == file["data_start"]
    assert (unread is not None) == (bool(unclosed) or damaged)

    # The table holds the rows that are not listed, the last one of each key, byte for byte.
    items = {}
    for line, row in rows.items():
        if line in refused:
            continue
        assert not row.malformed
        assert row.closed
        assert len(row.fields) == file["width"]
        item = {name: row.fields[file["columns"][name]].decode() for name in COLUMNS}
        items[item["ticket_id"], item["product"]] = item
    stored = {
        key: {name: value for attribute in item.items() for name, value in [told(*attribute)]}
        for key, item in stack.table.items.items()
    }
    for item in items.values():
        item["quantity"] = item["quantity"].removeprefix("+")
    assert stored == items
    malformed = [one for one in rows.values() if one.malformed and one.closed]
    assert all(one.line in refused for one in malformed)
    assert report["status"] == ("FAILED" if unread else "SUCCEEDED")
    return "failed: " + unread["reason"] if unread else "loaded"


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
    if rng.random() < 0.2:
        data = data.replace(b"\r\n", b"\n")
    body = mutate(rng, data)
    match rng.randrange(10):
        case 0:
            body = gzip.compress(body, mtime=0)
        case 1:
            body = mutate(rng, gzip.compress(data, rng.choice((0, 1, 9)), mtime=0))
    return body, rng.choice((1, 50, 300, 1_000, 5_000, 100_000))


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
    assert ONLY or {"loaded", "failed: unclosed_quote"} <= set(endings)


def test_the_plain_reading_itself() -> None:
    data = b'a,"b\n""c"\r\n\n"d"e,f\r\r\n""\n"g'
    found = read_plainly(data, 0, 1, ord(","))
    assert [(one.line, one.fields, one.malformed, one.closed) for one in found] == [
        (1, [b"a", b'b\n"c'], False, True),
        (3, [b""], False, True),
        (4, [b"de", b"f\r"], True, True),
        (5, [b""], False, True),
        (6, [b"g"], False, False),
    ]
    assert [one.blank for one in found] == [False, True, False, False, False]
    assert b"".join(data[one.start : one.end] for one in found) == data
