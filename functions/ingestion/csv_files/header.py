"""Examines the first bytes of a file: returns facts about it, or the reasons to refuse it."""

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingestion.contracts import Reason
from ingestion.csv_files.encodings import is_utf8
from ingestion.csv_files.file_encoding import (
    nul_bytes,
    undecodable_header,
    undecodable_rows,
    wrong_encoding,
)
from ingestion.csv_files.header_problems import missing_positions, problems_of, unexpected_columns
from ingestion.csv_files.header_search import (
    HeadLine,
    delimiters_of,
    lines_to_header,
    row_above,
)
from ingestion.csv_files.layout import MAX_COLUMNS, HeaderLine
from ingestion.csv_files.multiline import is_plain_row
from ingestion.csv_files.no_header import find_width, separator_line_end
from ingestion.csv_files.records import without_line_end
from ingestion.csv_files.rows import layout_of
from ingestion.csv_files.sections import end_mark_start
from ingestion.csv_files.transcoding import transcode
from ingestion.sources.model import Source

HEAD_SIZE = 1024 * 1024
"""Bytes of a file (unpacked) that are examined before it is accepted."""

_MAX_UNKNOWN_COLUMNS = 100  # named in the report; a million columns would not fit into the ledger

_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; save it as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an Excel 97 workbook; save it as CSV (UTF-8)"),
    (b"\x1f\x8b", "gzip-compressed twice; unpack it once"),
    (b"PAR1", "a Parquet file; export it as CSV"),
)


@dataclass(frozen=True)
class FileFacts:
    """What the writer needs to know about a file, apart from its bytes. Offsets and lines are those
    of its text in UTF-8."""

    delimiter: str
    columns: dict[str, int]
    """The zero-based column of each field that the file has."""
    width: int
    """The number of fields in every row. A delimiter at the end of the header or of a row adds
    none."""
    data_start: int
    """Offset of the first byte after the header."""
    skipped_lines: int
    """Lines above the header."""
    header_lines: int
    header: HeaderLine | None
    """Used to recognize repeated headers. None if the file has no header."""
    unknown_columns: tuple[str, ...]

    @property
    def lines_before_data(self) -> int:
        return self.skipped_lines + self.header_lines


def examine(
    head: bytes, complete: bool, too_many_refused: Callable[[int, int], bool], source: Source
) -> FileFacts | list[Reason]:
    """Returns the facts about a file, or the reasons why it is refused.

    The file begins with `head`, in the encoding that its source declares, and `head` is all of
    it if `complete`. If the object is compressed, `head` is already unpacked.

    `too_many_refused(refused, rows)` returns whether a load with these counts fails. The file is
    refused here if that many rows of the head can't be decoded.
    """
    empty = Reason("empty_file", "The file is empty; a file needs at least a header.")
    if not head:
        return [empty]
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return [Reason("not_csv", f"The file is {what}.")]
    if reason := wrong_encoding(head, complete, source.encoding):
        return [reason]
    text = b"".join(transcode([head], source.encoding, complete=complete))
    if text in (b"", codecs.BOM_UTF8):
        return [empty]
    nul = text.find(b"\x00", 0, end_mark_start(text) or len(text))
    if nul >= 0:
        return [nul_bytes(text, nul)]
    read = _with_header if source.dialect.header else _without_header
    facts = read(text, complete, source)
    if isinstance(facts, list):
        return facts
    if not is_utf8(text[facts.data_start :]):
        reason = undecodable_rows(
            text[facts.data_start :],
            complete,
            layout_of(source, facts.columns, facts.width, facts.delimiter.encode(), facts.header),
            facts.lines_before_data,
            source.encoding,
            too_many_refused,
        )
        return [reason] if reason else facts
    return facts


def _with_header(head: bytes, complete: bool, source: Source) -> FileFacts | list[Reason]:
    lines = lines_to_header(head, complete, source)
    if lines:
        best = max(lines, key=lambda line: (len(line.found), len(line.names) * bool(line.found)))
        if not is_utf8(best.text):
            return [undecodable_header(head, best.number, source.encoding)]
        if problems := problems_of(best, source):
            return problems
        return _read_header(lines, head, complete, source)
    detail = "The file ends before the line in which its source declares the header."
    return [Reason("no_header", detail)]


def _without_header(head: bytes, complete: bool, source: Source) -> FileFacts | list[Reason]:
    delimiter = delimiters_of(source)[0]
    start = separator_line_end(head)
    width = find_width(head, start, complete, delimiter, source)
    if isinstance(width, Reason):
        return [width]
    names = [field.name for field in source.fields]
    if reasons := missing_positions(names[width:], width, source):
        return reasons
    return FileFacts(
        delimiter=delimiter.decode(),
        columns={name: column for column, name in enumerate(names[:width])},
        width=width,
        data_start=start,
        skipped_lines=1 if start else 0,
        header_lines=0,
        header=None,
        unknown_columns=(),
    )


def _read_header(
    lines: Sequence[HeadLine], head: bytes, complete: bool, source: Source
) -> FileFacts | list[Reason]:
    """Reads the header, which is the last of the lines and names no field twice."""
    header = lines[-1]
    columns = {name: found[0] for name, found in header.columns.items() if found}
    names = header.names
    if (
        header.text.endswith(header.delimiter)
        and not names[-1]
        and not _has_column_without_name(head[header.end :], complete, columns, header, source)
    ):
        names = names[:-1]
    width = len(names)
    if width > MAX_COLUMNS:
        detail = f"The header has {width:,} columns; a file may have {MAX_COLUMNS:,} at most."
        return [Reason("too_many_columns", detail, header.number)]
    if reason := unexpected_columns(names, columns, header.number, source):
        return [reason]
    row = row_above(lines, layout_of(source, columns, width, header.delimiter))
    if row:
        detail = (
            f"Line {row.number} looks like a row, but is above the header in line {header.number}. "
            "Put the header first."
        )
        return [Reason("rows_above_header", detail, row.number)]
    known = set(columns.values())
    unknown = [name.strip() for column, name in enumerate(names) if column not in known]
    return FileFacts(
        delimiter=header.delimiter.decode(),
        columns=columns,
        width=width,
        data_start=header.end,
        skipped_lines=header.number - header.lines,
        header_lines=header.lines,
        header=HeaderLine.of(header.text),
        unknown_columns=tuple(name[:255] for name in unknown[:_MAX_UNKNOWN_COLUMNS]),
    )


def _has_column_without_name(
    data: bytes, complete: bool, columns: dict[str, int], header: HeadLine, source: Source
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
    narrow, wide = (layout_of(source, columns, one, header.delimiter) for one in (width - 1, width))
    for line in lines:
        row = without_line_end(line + b"\n")
        fits_narrow, fits_wide = is_plain_row(row, narrow), is_plain_row(row, wide)
        with_value += fits_wide and not fits_narrow and not row.endswith(header.delimiter)
        without_field += fits_narrow and not fits_wide
    return with_value >= max(without_field, 1)
