"""Writes the refused rows of a load to a CSV file in which they can be corrected.

The file has the header and the rows as they stand in the object: byte by byte, in its encoding and
dialect. For most rows, the list of refused rows has the same text. Only the others are read from
the object.
"""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO

from ingestion.contracts import RefusedRow
from ingestion.csv_files.equal_keys import SUPERSEDED
from ingestion.csv_files.records import MalformedField, Record, split_fields, without_marks
from ingestion.csv_files.refused_rows import MAX_RAW_BYTES
from ingestion.csv_files.transcoding import encode
from ingestion.ledger.chunks import ChunkProgress
from tickets.errors import CommandError
from tickets.runs.executions import recorded_chunks
from tickets.runs.loaded_file import LoadedFile, missing_objects_explained
from tickets.runs.refused_rows import read_refused_rows
from tickets.runs.stack import Stack

_MAX_CHARACTER_BYTES = 4


@dataclass
class FixableRows:
    """How many rows were written. `too_long` counts those that are left out, because they are
    longer than 1 MiB."""

    rows: int = 0
    too_long: int = 0


def save_fixable_rows(
    stack: Stack, load: Mapping[str, Any], uri: str, out: BinaryIO
) -> FixableRows:
    """Writes the header of a load's file and its refused rows, without superseded ones.

    load: the load's entry in the ledger.
    uri: the address of its refused rows.
    Raises CommandError if the object is needed and can't be read.
    """
    counts = FixableRows()
    with missing_objects_explained(
        "Its refused rows can't be written without it.", "Its refused rows can be written"
    ):
        file = LoadedFile(stack.client("s3"), load)
        for block in _blocks(stack, file, load, uri, counts):
            out.write(block)
    return counts


def values_of(
    stack: Stack, load: Mapping[str, Any], rows: Sequence[RefusedRow]
) -> list[str | None]:
    """The values that rows were refused for; None if it is unknown or no single value is at fault.

    Raises CommandError if the object can't be read.
    """
    with missing_objects_explained("", "The values can be read"):
        file = LoadedFile(stack.client("s3"), load)
    return [_value(file, row) for row in rows]


def _value(file: LoadedFile, row: RefusedRow) -> str | None:
    at = file.facts.columns.get(row.column)
    if at is None:
        return None
    fields = split_fields(without_marks(row.raw.encode()), file.layout.syntax)
    if isinstance(fields, MalformedField) or at >= len(fields):
        return None
    return fields[at].decode(errors="backslashreplace")


def _blocks(
    stack: Stack, file: LoadedFile, load: Mapping[str, Any], uri: str, counts: FixableRows
) -> Iterator[bytes]:
    encoding = file.source.encoding
    if encoding == "utf_16":
        yield codecs.BOM_UTF16_LE
    yield encode(file.header, encoding)
    line_end = b"\r\n" if file.header.endswith(b"\r\n") else b"\n"
    records = _Records(stack, file, load)
    for row in read_refused_rows(stack, uri):
        if row.reason == SUPERSEDED.reason:
            continue
        if row.reason == "record_too_long":
            counts.too_long += 1
            continue
        counts.rows += 1
        raw = row.raw.encode() if _is_as_written(row.raw) else records.at(row.line).raw
        yield encode(without_marks(raw) + line_end, encoding)


def _is_as_written(raw: str) -> bool:
    """Whether the text of a listed row is certain to be the row's text in the file.

    A long one may be cut, a backslash may stand for a byte that is not UTF-8, and an apostrophe may
    have been added for spreadsheets.
    """
    size = len(raw.encode())
    return not (size > MAX_RAW_BYTES - _MAX_CHARACTER_BYTES or "\\x" in raw or raw.startswith("'"))


class _Records:
    """Finds the records of a file that begin at certain lines, which must ascend.

    It begins at the chunk that has the line, or at the file's start if its text can't be read by
    ranges.
    """

    def __init__(self, stack: Stack, file: LoadedFile, load: Mapping[str, Any]) -> None:
        self._file = file
        self._starts: list[tuple[int, int | None]] = [(file.facts.lines_before_data, None)]
        if file.is_read_by_ranges:
            chunks = _numbered(recorded_chunks(stack, load))
            lines = accumulate(
                (chunk.lines for chunk in chunks), initial=file.facts.lines_before_data
            )
            starts = [(before, chunk.start) for before, chunk in zip(lines, chunks, strict=False)]
            self._starts = [*starts] or self._starts
        self._records: Iterator[tuple[int, Record]] = iter(())
        self._begun = -1

    def at(self, line: int) -> Record:
        lines_before, start = max(one for one in self._starts if one[0] < line)
        if lines_before > self._begun:
            self._begun = lines_before
            self._records = self._file.records(start, lines_before)
        for before, record in self._records:
            if before + record.line >= line:
                if before + record.line == line:
                    return record
                break
        raise CommandError(
            f"No row begins in line {line:,} of the file: this release reads the file differently."
        )


def _numbered(chunks: Sequence[ChunkProgress]) -> Sequence[ChunkProgress]:
    """The leading chunks whose lines can be numbered: all chunks before them are finished."""
    unfinished = next((at for at, chunk in enumerate(chunks) if not chunk.finished), len(chunks))
    return [chunk for at, chunk in enumerate(chunks[: unfinished + 1]) if chunk.index == at]
