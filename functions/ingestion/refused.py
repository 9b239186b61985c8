"""Refused and superseded rows: kept in the work bucket, chunk by chunk, joined at the end."""

import csv
import heapq
import io
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LONGEST_RAW = 2000
"""Bytes of a row's text that are kept."""

HEADER = ("line", "column", "reason", "raw")


class RefusedRow(NamedTuple):
    """``line`` is counted from the chunk's start in a part, from the file's in the joined file."""

    line: int
    column: str
    reason: str
    raw: str


def refused_row(line: int, column: str, reason: str, raw: bytes) -> RefusedRow:
    """Bytes that are not UTF-8 are shown as ``\\xff``; a text over LONGEST_RAW is cut."""
    end = LONGEST_RAW
    while end < len(raw) and 0x80 <= raw[end] < 0xC0 and end > LONGEST_RAW - 4:
        end -= 1  # not within a character
    return RefusedRow(line, column, reason, raw[:end].decode(errors="backslashreplace"))


def write_part(client: "S3Client", bucket: str, key: str, rows: Iterable[RefusedRow]) -> None:
    """Keep the refused rows of one round of a chunk: a JSON array a line, sorted by line."""
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in sorted(rows))
    client.put_object(Bucket=bucket, Key=key, Body=body.encode())


def read_parts(
    client: "S3Client", bucket: str, keys: Iterable[str], line_offset: int
) -> Iterator[RefusedRow]:
    """The rows of one chunk's parts in the order of their lines, counted from the file's start."""
    for row in heapq.merge(*(_read_part(client, bucket, key) for key in keys)):
        yield row._replace(line=row.line + line_offset)


def _read_part(client: "S3Client", bucket: str, key: str) -> Iterator[RefusedRow]:
    body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    for line in body.splitlines():  # JSON escapes every line end within
        yield RefusedRow(*json.loads(line))


def csv_lines(rows: Iterable[RefusedRow]) -> Iterator[bytes]:
    """The rows as a CSV file for people, made while it is read.

    A text that a spreadsheet would take for a formula gets an apostrophe before it ("CSV
    Injection", OWASP); the parts keep it as it is.
    """
    yield _csv_line(HEADER)
    for row in rows:
        yield _csv_line(row._replace(raw=_harmless(row.raw)))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _csv_line(values: Iterable[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(values)
    return line.getvalue().encode()
