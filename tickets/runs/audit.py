"""Audits a load: reads the object version and the table again, and compares them row by row.

It reads the file with `ingestion.csv_files.rows`, one record at a time, and not with the fast
reader that loaded it. It reads the file twice: first to find the last row of each key, then to look
those rows up in the table. The digests of the keys are on disk, partitioned by hash, so that memory
is bounded.
"""

import hashlib
import heapq
import json
import tempfile
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ingestion.csv_files.gzip_stream import GZIP_MAGIC, Unpacker
from ingestion.csv_files.header import HEAD_SIZE, FileFacts, examine
from ingestion.csv_files.rows import NoRow, Row, RowReader
from ingestion.csv_files.sections import read_sections
from ingestion.csv_files.source_columns import Origin
from ingestion.csv_files.transcoding import MAX_GROWTH, transcode
from ingestion.dynamodb.table_schema import TableSchema, read_table_schema
from ingestion.errors import ObjectChanged, ObjectGone, ObjectUnreadable
from ingestion.s3.objects import PinnedObject, read_blocks
from ingestion.sources.declaration import recorded_source
from ingestion.sources.model import Source
from ingestion.tasks.deployed_sources import deployed_sources
from ingestion.tasks.target_table import key_rules, mismatches
from tickets.errors import CommandError
from tickets.runs.executions import known_execution
from tickets.runs.loads import load_of_execution
from tickets.runs.refused_rows import read_refused_rows
from tickets.runs.stack import Stack
from tickets.runs.table_reader import TableReader

MAX_LINES = 10
"""The most line numbers that an audit lists of rows with other values, and of missing rows."""

_ROWS_PER_PARTITION = 400_000
_MAX_PARTITIONS = 4_096
_MIN_ROW_BYTES = 27
_DIGEST_BYTES = 16
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
    """Refused by the file's contract or by the table."""
    rows_superseded: int = 0
    as_loaded: int = 0
    """Rows whose item is in the table with the values of the row."""
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
    return audit_load(stack, _load(stack, name_or_arn), rows_per_second, on_progress)


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
    unfit = mismatches(stack.table, schema, deployed_sources().built_in)
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
    try:
        file = _File(stack, load, schema)
        with tempfile.TemporaryDirectory(prefix="tickets-audit-") as folder:
            keys = _Keys(Path(folder), _partitions(file.max_size))
            for line, row in file.rows():
                found.rows_read += 1
                if row is None or line in file.refused_by_table:
                    found.rows_refused += 1
                else:
                    keys.add(_digest(row.key), line)
            reader = TableReader(stack.client("dynamodb"), stack.table, schema, rows_per_second)
            _compare(found, file, keys.superseded_lines(), reader, on_progress)
    except (ObjectGone, ObjectChanged) as error:
        raise CommandError(f"{error} The load can't be audited without it.") from error
    except ObjectUnreadable as error:  # its remedy is for the loader
        raise CommandError(
            f"{error.cause} The load can be audited once you can read the object."
        ) from error
    return found


def _compare(
    found: Audit,
    file: "_File",
    superseded_lines: Iterator[int],
    reader: TableReader,
    on_progress: Callable[[int], None],
) -> None:
    superseded = next(superseded_lines, None)
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

    for line, row in file.rows():
        if row is None or line in file.refused_by_table:
            continue
        if line == superseded:
            found.rows_superseded += 1
            superseded = next(superseded_lines, None)
            continue
        lines.append(line)
        rows.append(row)
        if len(rows) == reader.batch_rows:
            look_up()
    if rows:
        look_up()


def _note(lines: list[int], line: int) -> None:
    if len(lines) < MAX_LINES:
        lines.append(line)


def _load(stack: Stack, name_or_arn: str) -> Mapping[str, Any]:
    arn = name_or_arn if name_or_arn.startswith("arn:") else stack.execution_arn(name_or_arn)
    execution = known_execution(stack, arn)
    load = (execution.load if execution else None) or load_of_execution(stack, arn)
    if not load:
        raise CommandError(
            f"Stack {stack.name} has no load of an execution {name_or_arn}: `tickets loads` lists "
            "the loads."
        )
    if "size" not in load:
        raise CommandError(f"Load {load['load_id']} has read no object.")
    return load


def _source(load: Mapping[str, Any]) -> Source:
    """The source by which a load read its file."""
    recorded = load.get("source")
    if not recorded:  # a load of an earlier release
        return deployed_sources().built_in
    return recorded_source({**recorded, "declaration": json.loads(load["declaration"])})


class _File:
    """The object version that a load read."""

    def __init__(self, stack: Stack, load: Mapping[str, Any], schema: TableSchema) -> None:
        self._s3 = stack.client("s3")
        self._object = PinnedObject(
            load["bucket"], load["key"], load.get("version_id"), load["etag"], load["size"]
        )
        self.refused_by_table = self._refused_by_table(stack, load)
        """The line numbers of the rows that the table refused."""
        self._source = _source(load)
        head = b""
        with closing(self._blocks()) as blocks:
            for block in blocks:
                head += block
                if len(head) > HEAD_SIZE:
                    break
        complete = len(head) <= HEAD_SIZE and not self._is_damaged
        facts = examine(head[:HEAD_SIZE], complete, lambda refused, rows: False, self._source)
        if not isinstance(facts, FileFacts):
            raise CommandError(f"The file is refused as a whole: {facts[0].detail}")
        self._facts = facts
        self._reader = RowReader(
            self._source,
            facts.columns,
            facts.width,
            facts.delimiter.encode(),
            schema.key_names,
            facts.header,
            key_rules(schema, self._source),
            Origin(load["key"], load["load_id"]),
        )

    @property
    def max_size(self) -> int:
        """The largest possible size of the text in bytes."""
        size = Unpacker.largest(self._object.size) if self._is_packed else self._object.size
        return size if self._source.encoding == "utf_8" else size * MAX_GROWTH

    def rows(self) -> Iterator[tuple[int, Row | None]]:
        """Yields (line number, row) for each row; the row is None if the file's contract refuses
        it."""
        lines = self._facts.lines_before_data
        for section in read_sections(self._data(), self._reader.layout, ends_file=True):
            for record in section.records():
                outcome = self._reader.read(record, lines)
                if isinstance(outcome, Row):
                    yield lines + record.line, outcome
                elif not isinstance(outcome, NoRow):
                    yield lines + record.line, None
            lines += section.line_ends

    def _data(self) -> Iterator[bytes]:
        """Yields the text after the header."""
        left_out = self._facts.data_start
        for block in self._text():
            yield block[left_out:]
            left_out = max(0, left_out - len(block))

    def _text(self) -> Iterator[bytes]:
        """Yields the text, as UTF-8. Damaged gzip data is cut off after the last complete line."""
        held = b""
        for block in transcode(self._blocks(), self._source.encoding):
            end = block.rfind(b"\n") + 1
            if end:
                yield held + block[:end]
                held = b""
            held += block[end:]
        if held and not self._is_damaged:
            yield held

    def _blocks(self) -> Generator[bytes, None, None]:
        """Yields the object, unpacked."""
        self._is_damaged = False
        blocks = read_blocks(self._s3, self._object, 0, self._object.size)
        first = next(blocks, b"")
        self._is_packed = first.startswith(GZIP_MAGIC)
        packed = chain([first], blocks)
        if not self._is_packed:
            yield from packed
            return
        unpacker = Unpacker(packed, self._object.size)
        yield from unpacker
        self._is_damaged = unpacker.damaged

    @staticmethod
    def _refused_by_table(stack: Stack, load: Mapping[str, Any]) -> frozenset[int]:
        uri = load.get("refused_rows")
        if not uri:
            return frozenset()
        rows = read_refused_rows(stack, str(uri))
        return frozenset(row.line for row in rows if row.reason == "refused_by_table")


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
