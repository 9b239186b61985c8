"""Examines the first bytes of a file: returns facts about it, or the reasons to refuse it."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingestion.contracts import Reason
from ingestion.csv_files.encodings import is_utf8, looks_like, utf16_without_mark
from ingestion.csv_files.layout import MAX_COLUMNS, HeaderLine
from ingestion.csv_files.records import (
    DELIMITERS,
    State,
    marks_end,
    take_record,
    values_of,
    without_line_end,
)
from ingestion.csv_files.rows import COLUMNS, NoRow, RowReader
from ingestion.csv_files.sections import end_mark_start, read_sections

HEAD_SIZE = 1024 * 1024
"""Bytes of a file (unpacked) that are examined before it is accepted."""

_MAX_UNKNOWN_COLUMNS = 100  # named in the report; a million columns would not fit into the ledger

_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; save it as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an Excel 97 workbook; save it as CSV (UTF-8)"),
    (b"\x1f\x8b", "gzip-compressed twice; unpack it once"),
    (b"PAR1", "a Parquet file; export it as CSV"),
    (b"\xff\xfe", "UTF-16 or UTF-32 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
)


@dataclass(frozen=True)
class FileFacts:
    """What the writer needs to know about a file, apart from its bytes."""

    delimiter: str
    columns: dict[str, int]
    """The zero-based field of each of our columns."""
    width: int
    """The number of fields in the header, and so in every row."""
    data_start: int
    """Offset of the first byte after the header."""
    header_lines: int
    header: HeaderLine
    """Used to recognize repeated headers."""
    unknown_columns: tuple[str, ...]


def examine(
    head: bytes, complete: bool, too_many_refused: Callable[[int, int], bool]
) -> FileFacts | list[Reason]:
    """Returns the facts about a file, or the reasons why it is refused.

    The file begins with ``head``, which is its whole text if ``complete``. If the object is
    compressed, ``head`` is already unpacked.

    ``too_many_refused(refused, rows)`` returns whether a load with these counts fails. The file is
    refused here if that many rows of the head are not UTF-8.
    """
    if head in (b"", codecs.BOM_UTF8):
        return [Reason("empty_file", "The file is empty; a file needs at least a header.")]
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return [Reason("not_csv", f"The file is {what}.")]
    nul = head.find(b"\x00", 0, end_mark_start(head) or len(head))
    if nul >= 0:
        return [_why_nul_bytes(head, nul)]
    if not is_utf8(head.partition(b"\n")[0]):
        detail = f"The header is not UTF-8.{_what_to_do(head)}"
        return [Reason("not_utf8", detail, 1)]
    facts = _read_header(head, complete)
    if isinstance(facts, FileFacts) and not is_utf8(head):
        reason = _why_not_utf8(head, complete, facts, too_many_refused)
        return [reason] if reason else facts
    return facts


def _why_nul_bytes(head: bytes, nul: int) -> Reason:
    line = head.count(b"\n", 0, nul) + 1
    encoding = utf16_without_mark(head)
    if encoding:
        detail = f"The file looks like {encoding} text without a byte order mark; save it as UTF-8."
    else:
        detail = "The file has NUL bytes, so it is binary or damaged; save it as CSV (UTF-8)."
    return Reason("not_csv", detail, line)


def _why_not_utf8(
    head: bytes, complete: bool, facts: FileFacts, too_many_refused: Callable[[int, int], bool]
) -> Reason | None:
    """Why a file is refused whose head has rows that are not UTF-8.

    None if there are few of them: then only these rows are refused, when they are read.
    """
    data = head[facts.data_start :]
    if not complete:
        data = data[: data.rfind(b"\n") + 1]  # only the beginning of the last line is known
    reader = RowReader(facts.columns, facts.width, facts.delimiter.encode(), (), facts.header)
    rows, affected, first_line, sample = 0, 0, 0, b""
    lines = facts.header_lines
    for section in read_sections([data], reader.layout, ends_file=complete):
        for record in section.records():
            if isinstance(reader.read(record), NoRow):
                continue
            rows += 1
            if not is_utf8(record.raw):
                affected += 1
                first_line = first_line or lines + record.line
                sample += record.raw + b"\n"
        lines += section.line_ends
    if not too_many_refused(affected, rows) and not (complete and affected == rows > 0):
        return None
    of_rows = f"{rows:,} rows" if complete else f"the first {rows:,} rows"
    detail = f"{affected:,} of {of_rows} are not UTF-8, more than may be refused."
    return Reason("not_utf8", detail + _what_to_do(sample), first_line)


def _what_to_do(text: bytes) -> str:
    encoding = looks_like(text)
    told = f" The text looks like {encoding}." if encoding else ""
    return f"{told} Save the file as UTF-8 and upload it again."


def _read_header(head: bytes, complete: bool) -> FileFacts | list[Reason]:
    line_end = head.find(b"\n") + 1 or len(head)
    line = without_line_end(head[marks_end(head) : min(line_end, end_mark_start(head))])
    best: tuple[int, bytes, list[str]] | None = None
    for delimiter in DELIMITERS:
        taken = take_record(line, 0, len(line), delimiter, len(line) + 1, complete=True)
        if taken.state is not State.CLOSED or (line_end == len(head) and not complete):
            continue
        names = [value.decode(errors="replace").strip() for value in values_of(taken.fields)]
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
