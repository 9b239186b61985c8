"""Examines the first bytes of a file: returns facts about it, or the reasons to refuse it."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ingestion.contracts import Reason
from ingestion.csv_files.column_names import nearest_names
from ingestion.csv_files.encodings import is_utf8, looks_like, utf16_without_mark
from ingestion.csv_files.header_search import (
    MAX_LINES_ABOVE,
    HeadLine,
    lines_to_header,
    row_above,
)
from ingestion.csv_files.layout import MAX_COLUMNS, HeaderLine
from ingestion.csv_files.multiline import is_plain_row
from ingestion.csv_files.records import without_line_end
from ingestion.csv_files.rows import COLUMNS, NoRow, RowReader, layout_of
from ingestion.csv_files.sections import end_mark_start, read_sections
from ingestion.sources.catalogue import BUILT_IN_FILE, BUNDLED
from ingestion.sources.declaration import read_source

_BUILT_IN = read_source((BUNDLED / BUILT_IN_FILE).read_bytes(), BUILT_IN_FILE, is_built_in=True)
HEAD_SIZE = 1024 * 1024
"""Bytes of a file (unpacked) that are examined before it is accepted."""

_DELIMITER_NAMES = {b",": "commas", b";": "semicolons", b"\t": "tabs", b"|": "pipes"}
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
    """The number of fields in the header, and so in every row. A delimiter at the end of the header
    or of a row adds none."""
    data_start: int
    """Offset of the first byte after the header."""
    skipped_lines: int
    """Lines above the header."""
    header_lines: int
    header: HeaderLine
    """Used to recognize repeated headers."""
    unknown_columns: tuple[str, ...]

    @property
    def lines_before_data(self) -> int:
        return self.skipped_lines + self.header_lines


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
    lines = lines_to_header(head, complete)
    best = max(lines, key=lambda line: (len(line.found), len(line.names) * bool(line.found)))
    if not is_utf8(best.text):
        detail = f"The header is not UTF-8.{_what_to_do(head)}"
        return [Reason("not_utf8", detail, best.number)]
    if problems := _problems(best):
        return problems
    facts = _read_header(lines, head, complete)
    if isinstance(facts, Reason):
        return [facts]
    if not is_utf8(head[facts.data_start :]):
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
    reader = RowReader(
        _BUILT_IN, facts.columns, facts.width, facts.delimiter.encode(), (), facts.header
    )
    rows, affected, first_line, sample = 0, 0, 0, b""
    lines = facts.lines_before_data
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


def _read_header(lines: Sequence[HeadLine], head: bytes, complete: bool) -> FileFacts | Reason:
    """Read the header, which is the last of the lines and names each column once."""
    header = lines[-1]
    columns = {column: fields[0] for column, fields in header.columns.items()}
    names = header.names
    if header.text.endswith(header.delimiter) and not _has_column_without_name(
        head[header.end :], complete, columns, header
    ):
        names = names[:-1]
    width = len(names)
    if width > MAX_COLUMNS:
        detail = f"The header has {width:,} columns; a file may have {MAX_COLUMNS:,} at most."
        return Reason("too_many_columns", detail, header.number)
    row = row_above(lines, layout_of(_BUILT_IN, columns, width, header.delimiter))
    if row:
        detail = (
            f"Line {row.number} looks like a row, but is above the header in line {header.number}. "
            "Put the header first."
        )
        return Reason("rows_above_header", detail, row.number)
    known = set(columns.values())
    unknown = [name.strip() for field, name in enumerate(names) if field not in known]
    return FileFacts(
        delimiter=header.delimiter.decode(),
        columns=columns,
        width=width,
        data_start=header.end,
        skipped_lines=header.number - 1,
        header_lines=1,
        header=HeaderLine.of(header.text),
        unknown_columns=tuple(name[:255] for name in unknown[:_MAX_UNKNOWN_COLUMNS]),
    )


def _has_column_without_name(
    data: bytes, complete: bool, columns: dict[str, int], header: HeadLine
) -> bool:
    """Whether a header with a delimiter at its end has a column without a name there.

    It has none if its rows end with a delimiter as well, or have one field less. It has one if at
    least as many rows have a value there as have one field less.
    """
    lines = data.split(b"\n")
    if not complete:
        lines.pop()
    width = len(header.names)
    with_value = without_field = 0
    narrow, wide = (
        layout_of(_BUILT_IN, columns, one, header.delimiter) for one in (width - 1, width)
    )
    for line in lines:
        row = without_line_end(line + b"\n")
        fits_narrow, fits_wide = is_plain_row(row, narrow), is_plain_row(row, wide)
        with_value += fits_wide and not fits_narrow and not row.endswith(header.delimiter)
        without_field += fits_narrow and not fits_wide
    return with_value >= max(without_field, 1)


def _problems(line: HeadLine) -> list[Reason]:
    """Why a line can't be the header. Empty if it names each column once."""
    if not line.found:
        detail = (
            f"None of the first {MAX_LINES_ABOVE + 1} lines names one of the columns "
            f"{', '.join(COLUMNS)}. {_what_was_found(line)} Add a header."
        )
        return [Reason("no_header", detail, line.number)]
    nearest = nearest_names(line.names, line.columns)
    reasons = []
    for column, fields in line.columns.items():
        if not fields:
            detail = f"The header has no column {column}."
            if column in nearest:
                detail += f' Is it "{nearest[column]}"?'
            reasons.append(Reason("missing_column", detail, line.number, column))
        elif len(fields) > 1:
            names = " and ".join(f'"{line.names[at].strip()[:40]}"' for at in fields[:3])
            detail = f"The header has more than one column {column}: {names}."
            reasons.append(Reason("repeated_column", detail, line.number, column))
    if reasons:
        detail = f"{reasons[-1].detail} {_what_was_found(line)}"
        reasons[-1] = replace(reasons[-1], detail=detail)
    return reasons


def _what_was_found(line: HeadLine) -> str:
    """A sentence that says how a line was read, without values of a row."""
    if not line.names:
        return f"The quotes of line {line.number} do not match, or it is too long."
    fields = len(line.names)
    how = (
        f"{fields:,} fields separated by {_DELIMITER_NAMES[line.delimiter]}"
        if fields > 1
        else "one field"
    )
    named = f", and names {', '.join(line.found)}" if line.found else ""
    return f"Line {line.number} has {how}{named}."
