"""Refused and superseded rows: kept in the work bucket, chunk by chunk, joined at the end."""

import csv
import heapq
import io
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

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
    text = raw[:LONGEST_RAW].decode(errors="backslashreplace")
    return RefusedRow(line, column, reason, text)


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


class CsvStream(io.RawIOBase):
    """Rows as a CSV file that is made while it is read, so that any number uploads in flat memory.

    ``rows`` counts what has been read.
    """

    def __init__(self, rows: Iterable[RefusedRow]) -> None:
        self._source = iter(rows)
        self._pending = bytearray(_csv_line(HEADER))
        self.rows = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while len(self._pending) < len(buffer):
            row = next(self._source, None)
            if row is None:
                break
            self._pending += _csv_line(row)
            self.rows += 1
        size = min(len(buffer), len(self._pending))
        buffer[:size] = self._pending[:size]
        del self._pending[:size]
        return size


def _csv_line(values: Iterable[object]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(values)
    return line.getvalue().encode()
