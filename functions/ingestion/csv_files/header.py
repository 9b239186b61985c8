"""What kind of file it is, told from its first bytes: facts to go on with, or reasons to refuse."""

import codecs
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ingestion.csv_files.layout import MAX_COLUMNS, HeaderLine
from ingestion.csv_files.records import (
    DELIMITERS,
    Taken,
    marks_end,
    take_record,
    values_of,
    without_line_end,
)
from ingestion.csv_files.rows import COLUMNS
from ingestion.csv_files.sections import end_mark_start

HEAD_SIZE = 1024 * 1024
"""How many bytes of a file (unpacked) are looked at before it is accepted."""

_MAX_UNKNOWN_COLUMNS = 100  # named in the report; a million columns must not burst the ledger

_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; save it as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an Excel 97 workbook; save it as CSV (UTF-8)"),
    (b"\x1f\x8b", "gzip-compressed twice; unpack it once"),
    (b"PAR1", "a Parquet file; export it as CSV"),
    (b"\xff\xfe", "UTF-16 or UTF-32 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)


@dataclass(frozen=True)
class Reason:
    """Why a file is refused. ``detail`` is a sentence that says what to do about it."""

    reason: str
    detail: str
    line: int | None = None
    column: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class FileFacts:
    """What the writer needs to know of a file beyond its bytes."""

    delimiter: str
    columns: dict[str, int]
    """Zero-based field of each of our columns."""
    width: int
    """How many fields the header has, and so every row must have."""
    data_start: int
    """Offset of the first byte after the header."""
    header_lines: int
    header: HeaderLine
    """To recognise the header where it is repeated."""
    unknown_columns: tuple[str, ...]


def examine(head: bytes, complete: bool) -> FileFacts | list[Reason]:
    """Facts of a file that begins with ``head`` (and ends with it, if ``complete``), or why it is
    refused. ``head`` is unpacked already where the object is compressed."""
    if head in (b"", codecs.BOM_UTF8):
        return [Reason("empty_file", "The file is empty; a file needs at least a header.")]
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return [Reason("not_csv", f"The file is {what}.")]
    nul = head.find(b"\x00", 0, end_mark_start(head))
    if nul >= 0:
        line = head.count(b"\n", 0, nul) + 1
        detail = "The file has NUL bytes: it is binary or UTF-16; save it as CSV (UTF-8)."
        return [Reason("not_csv", detail, line)]
    bad_line = _first_line_not_utf8(head, complete)
    if bad_line:
        detail = f"Line {bad_line} is not UTF-8; save the file as UTF-8."
        return [Reason("not_utf8", detail, bad_line)]
    return _read_header(head, complete)


def _first_line_not_utf8(head: bytes, complete: bool) -> int | None:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError as error:
        return head.count(b"\n", 0, error.start) + 1
    return None


def _read_header(head: bytes, complete: bool) -> FileFacts | list[Reason]:
    line_end = head.find(b"\n") + 1 or len(head)
    line = without_line_end(head[marks_end(head) : min(line_end, end_mark_start(head))])
    best: tuple[int, bytes, list[str]] | None = None
    for delimiter in DELIMITERS:
        taken = take_record(line, 0, len(line), delimiter, len(line) + 1, complete=True)
        if not isinstance(taken, Taken) or (line_end == len(head) and not complete):
            continue
        names = [value.decode().strip() for value in values_of(taken.fields)]
        known = len({name.lower() for name in names}.intersection(COLUMNS))
        if best is None or known > best[0]:
            best = known, delimiter, names
    if best is None:
        detail = "The first line is no CSV header: its quotes do not match, or it is too long."
        return [Reason("no_header", detail, 1)]
    known, delimiter, names = best
    if not known:
        detail = f"The first line names none of the columns {', '.join(COLUMNS)}; add a header."
        return [Reason("no_header", detail, 1)]
    if len(names) > MAX_COLUMNS:
        detail = f"The header has {len(names):,} columns; a file may have {MAX_COLUMNS:,} at most."
        return [Reason("too_many_columns", detail, 1)]
    return _match_columns(delimiter, names, line_end, HeaderLine.of(line))


def _match_columns(
    delimiter: bytes, names: Sequence[str], data_start: int, header: HeaderLine
) -> FileFacts | list[Reason]:
    lowered = [name.lower() for name in names]
    reasons = []
    for column in COLUMNS:
        if column not in lowered:
            detail = f"The header has no column {column}."
            reasons.append(Reason("missing_column", detail, 1, column))
        elif lowered.count(column) > 1:
            detail = f"The header has the column {column} more than once."
            reasons.append(Reason("repeated_column", detail, 1, column))
    if reasons:
        return reasons
    unknown = [name for name in names if name.lower() not in COLUMNS]
    return FileFacts(
        delimiter=delimiter.decode(),
        columns={column: lowered.index(column) for column in COLUMNS},
        width=len(names),
        data_start=data_start,
        header_lines=1,
        header=header,
        unknown_columns=tuple(name[:255] for name in unknown[:_MAX_UNKNOWN_COLUMNS]),
    )
