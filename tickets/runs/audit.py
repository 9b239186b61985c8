"""Audits a load: reads the object version and the table again, and compares them row by row.

It reads the file with `ingestion.csv_files.rows`, one record at a time, and not with the fast
reader that loaded it. It reads the file twice: first to find the last row of each key, then to look
those rows up in the table. The digests of the keys are on disk, partitioned by hash, so that memory
is bounded.
"""

import hashlib
import heapq
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingestion.csv_files.rows import Row
from ingestion.dynamodb.table_schema import TableSchema, read_table_schema
from ingestion.tasks.equal_key_rules import summed
from ingestion.tasks.target_table import mismatches
from tickets.errors import CommandError
from tickets.runs.loaded_file import missing_objects_explained, recorded_source_of
from tickets.runs.loaded_rows import LoadedRows, load_that_read
from tickets.runs.refused_rows import read_refused_rows
from tickets.runs.stack import Stack
from tickets.runs.table_reader import TableReader
from tickets.runs.totals import TotalsOnDisk

MAX_LINES = 10
"""The most line numbers that an audit lists of rows with other values, and of missing rows."""

_ROWS_PER_PARTITION = 400_000
_MAX_PARTITIONS = 4_096
_MIN_ROW_BYTES = 27
_DIGEST_BYTES = 16
_REFUSED_LATER = ("refused_by_table", "total_too_long")
_ENTRY_BYTES = _DIGEST_BYTES + 8


@dataclass
class Audit:
    """The result of an audit. Line numbers are those in the file, where the header is line 1."""

    load_id: str
    object_url: str
    version_id: str | None
    status: str | None
    """The load's status in the ledger."""
    table: str
    table_replaced: bool
    """Whether the load was validated for another table: the table ids differ."""
    rows_read: int = 0
    rows_refused: int = 0
    """Refused by the file's contract, by the table, or because of rows with the same key."""
    rows_superseded: int = 0
    rows_combined: int = 0
    """Added to a later row with the same key."""
    as_loaded: int = 0
    """Rows whose item is in the table with the values of the row, or with the totals of its key."""
    other_values: int = 0
    """Rows whose item has other values: it was changed or replaced after the load."""
    missing: int = 0
    """Rows whose item is not in the table."""
    rows_written_recorded: int | None = None
    """The rows that the load recorded as written."""
    other_values_lines: list[int] = field(default_factory=list)
    """The line numbers of the first MAX_LINES rows with other values."""
    missing_lines: list[int] = field(default_factory=list)
    """The line numbers of the first MAX_LINES missing rows."""

    @property
    def rows_expected(self) -> int:
        return self.as_loaded + self.other_values + self.missing


def audit(
    stack: Stack,
    name_or_arn: str,
    rows_per_second: float | None = None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Audit:
    """Compares the file that an execution loaded with the table as it is now; see `audit_load`."""
    return audit_load(stack, load_that_read(stack, name_or_arn), rows_per_second, on_progress)


def audit_load(
    stack: Stack,
    load: Mapping[str, Any],
    rows_per_second: float | None = None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Audit:
    """Compares the object version that a load read with the table as it is now.

    load: the load's entry in the ledger.
    rows_per_second: the most rows to look up in the table per second.
    on_progress: called with the number of rows looked up so far.
    Raises CommandError if the table or the object version can't be compared.
    """
    schema = read_table_schema(stack.client("dynamodb"), stack.table)
    source = recorded_source_of(load)
    unfit = mismatches(stack.table, schema, source)
    if schema is None or unfit:
        raise CommandError(f"{unfit[0].detail} There is nothing to compare the file with.")
    found = Audit(
        load["load_id"],
        f"s3://{load['bucket']}/{load['key']}",
        load.get("version_id"),
        load.get("status"),
        stack.table,
        load.get("table_id") not in (None, schema.table_id),
        rows_written_recorded=load.get("rows_written"),
    )
    attributes = tuple(summed(source, schema.key_names)) if source.equal_keys == "sum" else ()
    with missing_objects_explained(
        "The load can't be audited without it.", "The load can be audited"
    ):
        file = _File(stack, load, schema)
        with tempfile.TemporaryDirectory(prefix="tickets-audit-") as folder:
            partitions = _partitions(file.max_size)
            keys = _Keys(Path(folder), partitions)
            totals = TotalsOnDisk(Path(folder), partitions, attributes) if attributes else None
            for line, row in file.rows():
                found.rows_read += 1
                if row is None or line in file.refused_later:
                    found.rows_refused += 1
                    continue
                digest = _digest(row.key)
                keys.add(digest, line)
                if totals:
                    totals.add(digest, line, row.item)
            reader = TableReader(stack.client("dynamodb"), stack.table, schema, rows_per_second)
            expected = _Expected(file, keys.superseded_lines(), totals.totals() if totals else ())
            _compare(found, expected, reader, on_progress)
            if totals:
                found.rows_combined = expected.rows_left_out
            elif source.is_unique:
                found.rows_refused += expected.rows_left_out
            else:
                found.rows_superseded = expected.rows_left_out
    return found


class _Expected:
    """The rows of a file that should be in the table, with the totals of their keys."""

    def __init__(
        self,
        file: "_File",
        lines_left_out: Iterator[int],
        totals: Iterable[tuple[int, Mapping[str, dict[str, str]]]],
    ) -> None:
        self._file = file
        self._lines_left_out = lines_left_out
        self._totals = iter(totals)
        self.rows_left_out = 0
        """Rows found so far that have the key of a later row."""

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Yields (line number, row)."""
        left_out, total = next(self._lines_left_out, None), next(self._totals, None)
        for line, row in self._file.rows():
            if row is None or line in self._file.refused_later:
                continue
            if line == left_out:
                self.rows_left_out += 1
                left_out = next(self._lines_left_out, None)
            elif total and line == total[0]:
                yield line, row._replace(item={**row.item, **total[1]})
                total = next(self._totals, None)
            else:
                yield line, row


def _compare(
    found: Audit,
    expected: _Expected,
    reader: TableReader,
    on_progress: Callable[[int], None],
) -> None:
    lines: list[int] = []
    rows: list[Row] = []

    def look_up() -> None:
        for line, row, item in zip(lines, rows, reader.items(rows), strict=True):
            if item is None:
                found.missing += 1
                _note(found.missing_lines, line)
            elif reader.is_as_loaded(row, item):
                found.as_loaded += 1
            else:
                found.other_values += 1
                _note(found.other_values_lines, line)
        lines.clear()
        rows.clear()
        on_progress(found.rows_expected)

    for line, row in expected.rows():
        lines.append(line)
        rows.append(row)
        if len(rows) == reader.batch_rows:
            look_up()
    if rows:
        look_up()


def _note(lines: list[int], line: int) -> None:
    if len(lines) < MAX_LINES:
        lines.append(line)


class _File(LoadedRows):
    """The rows of the object version that a load read."""

    def __init__(self, stack: Stack, load: Mapping[str, Any], schema: TableSchema) -> None:
        self.refused_later = _refused_later(stack, load)
        """The line numbers of the rows that comply with the file's contract, and that the table or
        the total of their key refused."""
        super().__init__(stack.client("s3"), load, schema)


def _refused_later(stack: Stack, load: Mapping[str, Any]) -> frozenset[int]:
    uri = load.get("refused_rows")
    if not uri:
        return frozenset()
    rows = read_refused_rows(stack, str(uri))
    return frozenset(row.line for row in rows if row.reason in _REFUSED_LATER)


class _Keys:
    """The digests of all keys with the line numbers of their rows, on disk, partitioned by
    digest."""

    def __init__(self, folder: Path, partitions: int) -> None:
        self._paths = [folder / f"{number:04d}" for number in range(partitions)]
        self._buffers = [bytearray() for _ in self._paths]

    def add(self, digest: bytes, line: int) -> None:
        """Adds a row. Rows must come in the order of their line numbers."""
        partition = int.from_bytes(digest[:4], "big") % len(self._paths)
        buffer = self._buffers[partition]
        buffer += digest + line.to_bytes(8, "big")
        if len(buffer) >= 256 * _ENTRY_BYTES:
            self._write(partition)

    def superseded_lines(self) -> Iterator[int]:
        """Returns the line numbers of all rows except the last one of each key, ascending."""
        found = []
        for partition, path in enumerate(self._paths):
            self._write(partition)
            superseded = _superseded(path.read_bytes()) if path.exists() else array("Q")
            if superseded:
                path.write_bytes(superseded.tobytes())
                found.append(path)
            else:
                path.unlink(missing_ok=True)
        return heapq.merge(*map(_numbers, found))

    def _write(self, partition: int) -> None:
        buffer = self._buffers[partition]
        if buffer:
            with self._paths[partition].open("ab") as file:
                file.write(buffer)
            buffer.clear()


def _superseded(entries: bytes) -> "array[int]":
    last: dict[bytes, int] = {}
    superseded: array[int] = array("Q")
    for at in range(0, len(entries), _ENTRY_BYTES):
        digest = entries[at : at + _DIGEST_BYTES]
        line = int.from_bytes(entries[at + _DIGEST_BYTES : at + _ENTRY_BYTES], "big")
        if digest in last:
            superseded.append(last[digest])
        last[digest] = line
    return array("Q", sorted(superseded))


def _numbers(path: Path) -> Iterator[int]:
    with path.open("rb") as file:
        while block := file.read(8 * 1024):
            yield from array("Q", block)


def _partitions(size: int) -> int:
    rows = size // _MIN_ROW_BYTES
    return min(_MAX_PARTITIONS, rows // _ROWS_PER_PARTITION + 1)


def _digest(key: Iterable[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for value in key:
        encoded = value.encode()
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.digest()
