"""Stores rows that are not in the table in the work bucket: JSON lines, in parts of limited size.

A chunk's refused rows form a series of parts, and so do its superseded rows. A series is in the
order of lines. The contents of its parts depend only on the chunk's rows: if a call of Write Chunk
repeats the work of another, it writes the same parts again. At a checkpoint, the last part of a
series may be incomplete. Its name then includes its number of rows, so that a late call can't
replace a longer part with a shorter one.
"""

import heapq
import io
import json
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from ingestion.contracts import RefusedRow

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_PART_BYTES = 4 * 1024 * 1024
"""A part ends with the row that makes it at least as large as this."""

_PARTS_AHEAD = 16
"""Parts to fetch before they are needed: 64 MiB of memory."""


class Series(NamedTuple):
    """A series of parts: `complete` complete ones, then one of `open_rows` rows if not 0.

    Before them come the parts with the keys in `names`, if any.
    """

    prefix: str
    complete: int = 0
    open_rows: int = 0
    names: Sequence[str] = ()

    def keys(self) -> list[str]:
        """The keys of the parts, in order."""
        keys = [*self.names]
        keys += [_part_key(self.prefix, number) for number in range(self.complete)]
        if self.open_rows:
            keys.append(_open_part_key(self.prefix, self.complete, self.open_rows))
        return keys


def _part_key(prefix: str, number: int) -> str:
    return f"{prefix}{number:06d}.jsonl"


def _open_part_key(prefix: str, number: int, rows: int) -> str:
    return f"{prefix}{number:06d}-{rows}.jsonl"


class PartWriter:
    """Writes one series, after the existing parts of `series`, which have `rows` rows.

    Memory: one part.
    """

    def __init__(self, client: "S3Client", bucket: str, series: Series, rows: int = 0) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = series.prefix
        self.rows = rows
        """The number of rows in the whole series."""
        self._complete = series.complete
        self._lines: list[bytes] = []  # of the incomplete part
        self._size = 0
        self._first_rows = [rows - series.open_rows]  # before each part written here
        if series.open_rows:
            self._reopen(_open_part_key(self._prefix, series.complete, series.open_rows))

    def add(self, row: RefusedRow) -> None:
        """Adds a row. Call it in the order of lines."""
        line = _json_line(row)
        self._lines.append(line)
        self._size += len(line)
        self.rows += 1
        if self._size >= MAX_PART_BYTES:
            self._write_complete()

    def go_back(self, rows: int) -> None:
        """Forgets all rows except the first `rows`, which must include the rows of `series`."""
        if rows < self._first_rows[-1]:
            while rows < self._first_rows[-1]:
                self._first_rows.pop()
                self._complete -= 1
            self._reopen(_part_key(self._prefix, self._complete))
        del self._lines[rows - self._first_rows[-1] :]
        self._size = sum(map(len, self._lines))
        self.rows = rows

    def pause(self) -> Series:
        """Writes the remaining rows as an incomplete part, which another writer can continue."""
        if self._lines:
            key = _open_part_key(self._prefix, self._complete, len(self._lines))
            _put(self._client, self._bucket, key, self._lines)
        return Series(self._prefix, self._complete, len(self._lines))

    def finish(self) -> Series:
        """Writes the remaining rows as the last part of the finished series."""
        if self._lines:
            self._write_complete()
        return Series(self._prefix, self._complete)

    def _write_complete(self) -> None:
        _put(self._client, self._bucket, _part_key(self._prefix, self._complete), self._lines)
        self._complete += 1
        self._first_rows.append(self.rows)
        self._lines = []
        self._size = 0

    def _reopen(self, key: str) -> None:
        body = _get(self._client, self._bucket, key)
        self._lines = list(io.BytesIO(body))
        self._size = len(body)


def write_part(client: "S3Client", bucket: str, key: str, rows: Iterable[RefusedRow]) -> None:
    """Writes a single part, with its rows in the order of lines."""
    _put(client, bucket, key, map(_json_line, sorted(rows)))


def read_parts(
    client: "S3Client", bucket: str, keys: Iterable[str], line_offset: int = 0
) -> Iterator[RefusedRow]:
    """The rows of consecutive parts, with `line_offset` added to their lines."""
    for key in keys:
        yield from _rows(_get(client, bucket, key), line_offset)


def read_rows(
    client: "S3Client", bucket: str, series: Iterable[Series], line_offset: int = 0
) -> Iterator[RefusedRow]:
    """The rows of several series of one chunk, in the order of their lines."""
    every = [read_parts(client, bucket, one.keys(), line_offset) for one in series]
    yield from heapq.merge(*every)


class ChunkRows(NamedTuple):
    """The series that hold the rows of one chunk."""

    chunk: int
    lines_before: int
    """The number of lines in the file before the chunk."""
    series: Sequence[Series]


def read_chunks(
    client: "S3Client", bucket: str, chunks: Iterable[ChunkRows]
) -> Generator[RefusedRow]:
    """All rows of some chunks in the order of their lines, which are counted from the file's start.

    A load may have thousands of chunks with a few rows each, so the first parts of the next chunks
    are fetched in the background.
    """
    ahead: deque[tuple[ChunkRows, list[Future[bytes]]]] = deque()
    parts_ahead = 0
    threads = ThreadPoolExecutor(_PARTS_AHEAD, "refused-rows")
    try:
        for chunk in chunks:
            first_parts = [
                threads.submit(_get, client, bucket, series.keys()[0]) for series in chunk.series
            ]
            ahead.append((chunk, first_parts))
            parts_ahead += len(first_parts)
            while parts_ahead >= _PARTS_AHEAD:
                parts_ahead -= len(ahead[0][1])
                yield from _read_chunk(client, bucket, *ahead.popleft())
        while ahead:
            yield from _read_chunk(client, bucket, *ahead.popleft())
    finally:
        threads.shutdown(cancel_futures=True)


def _read_chunk(
    client: "S3Client", bucket: str, chunk: ChunkRows, first_parts: list["Future[bytes]"]
) -> Iterator[RefusedRow]:
    def rows(first_part: "Future[bytes]", series: Series) -> Iterator[RefusedRow]:
        yield from _rows(first_part.result(), chunk.lines_before)
        yield from read_parts(client, bucket, series.keys()[1:], chunk.lines_before)

    yield from heapq.merge(*map(rows, first_parts, chunk.series))


MANIFEST_NAME = "refused-rows.json"


def write_manifest(
    client: "S3Client",
    bucket: str,
    key: str,
    chunks: Iterable[ChunkRows],
    rows: int,
    first_rows: str,
) -> None:
    """Writes a JSON list of where a load's `rows` rows are stored.

    It has the parts of each chunk, and the address of a CSV file with the first rows.
    """
    manifest = {
        "rows": rows,
        "first_rows": first_rows,
        "chunks": [
            {**chunk._asdict(), "series": [series._asdict() for series in chunk.series]}
            for chunk in chunks
        ],
    }
    client.put_object(
        Bucket=bucket, Key=key, Body=json.dumps(manifest).encode(), ContentType="application/json"
    )


def read_manifest(client: "S3Client", bucket: str, key: str) -> list[ChunkRows]:
    """Reads a manifest that `write_manifest` has written."""
    manifest = json.loads(_get(client, bucket, key))
    return [
        ChunkRows(**{**chunk, "series": [Series(**series) for series in chunk["series"]]})
        for chunk in manifest["chunks"]
    ]


def _rows(body: bytes, line_offset: int) -> Iterator[RefusedRow]:
    for text in io.BytesIO(body):  # JSON escapes line ends within values
        line, column, reason, raw = _decode(text.decode())
        yield RefusedRow(line + line_offset, column, reason, raw)


_encode = json.JSONEncoder(ensure_ascii=False).encode
_decode = json.JSONDecoder().decode


def _json_line(row: RefusedRow) -> bytes:
    return _encode(row).encode() + b"\n"


def _put(client: "S3Client", bucket: str, key: str, lines: Iterable[bytes]) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=b"".join(lines))


def _get(client: "S3Client", bucket: str, key: str) -> bytes:
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()
