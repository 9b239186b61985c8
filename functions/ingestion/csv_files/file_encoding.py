"""Checks whether a file has the encoding that its source declares, and says what is wrong."""

import codecs
from collections.abc import Callable

from ingestion.contracts import Reason
from ingestion.csv_files.encodings import (
    is_rather_utf8,
    is_utf8,
    looks_like,
    utf16_without_mark,
)
from ingestion.csv_files.header_problems import SOURCES_PAGE
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.records import (
    MalformedField,
    Record,
    is_comment,
    split_fields,
    without_marks,
)
from ingestion.csv_files.sections import read_sections
from ingestion.csv_files.transcoding import ENCODING_NAMES

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def wrong_encoding(head: bytes, complete: bool, encoding: str) -> Reason | None:
    """The reason to refuse a file that is certainly not in the declared encoding, or None."""
    if encoding == "utf_8":
        return _utf16_or_32(head)
    declared = f"The file's source declares the encoding {ENCODING_NAMES[encoding]}, but "
    detail = ""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        detail = "the file is UTF-32 text; save it as UTF-8 and declare `encoding` as utf-8."
    elif encoding == "utf_16" and not head.startswith(_UTF16_MARKS):
        without_mark = utf16_without_mark(head)
        if without_mark:
            detail = f"the file is {without_mark} text without a byte order mark; save it with one."
        else:
            detail = "the file has no byte order mark of UTF-16. "
            detail += _declare_utf8() if is_utf8(_whole_lines(head, complete)) else "Correct it."
    elif encoding != "utf_16" and head.startswith(_UTF16_MARKS):
        detail = f"the file is UTF-16 text; declare `encoding` as utf-16 ({SOURCES_PAGE})."
    elif encoding != "utf_16" and (
        head.startswith(codecs.BOM_UTF8) or is_rather_utf8(_whole_lines(head, complete), encoding)
    ):
        detail = "the file is UTF-8 text. " + _declare_utf8()
    return Reason("wrong_encoding", declared + detail) if detail else None


def nul_bytes(text: bytes, position: int) -> Reason:
    """The reason to refuse a file that has a NUL at this position, in its declared encoding."""
    line = text.count(b"\n", 0, position) + 1
    encoding = utf16_without_mark(text)
    if encoding:
        detail = f"The file looks like {encoding} text without a byte order mark; save it as UTF-8."
    else:
        detail = "The file has NUL bytes, so it is binary or damaged; save it as CSV (UTF-8)."
    return Reason("not_csv", detail, line)


def undecodable_header(text: bytes, line: int, encoding: str) -> Reason:
    """The reason to refuse a file whose header has bytes that its encoding doesn't define."""
    if encoding == "utf_8":
        return Reason("not_utf8", f"The header is not UTF-8.{_what_to_do(text)}", line)
    detail = f"The header has bytes that are not {ENCODING_NAMES[encoding]} text."
    return Reason("undecodable", f"{detail} Correct the declared `encoding` or the file.", line)


def undecodable_rows(
    data: bytes,
    complete: bool,
    layout: Layout,
    lines_before: int,
    encoding: str,
    too_many_refused: Callable[[int, int], bool],
) -> Reason | None:
    """The reason to refuse a file whose first rows have bytes that its encoding doesn't define.

    `data` is the head without the header, in UTF-8, and has such bytes. None if few rows have
    them: then only these rows are refused, when they are read.
    """
    if not complete:
        data = data[: data.rfind(b"\n") + 1]  # only the beginning of the last line is known
    rows, affected, first_line, sample = 0, 0, 0, b""
    lines = lines_before
    for section in read_sections([data], layout, ends_file=complete):
        for record in section.records():
            if not _is_row(record, layout):
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
    detail = (
        f"{affected:,} of {of_rows} are not {ENCODING_NAMES[encoding]}, more than may be refused."
    )
    if encoding == "utf_8":
        return Reason("not_utf8", detail + _what_to_do(sample), first_line)
    detail += " Correct the declared `encoding` or the file."
    return Reason("undecodable", detail, first_line)


def _utf16_or_32(head: bytes) -> Reason | None:
    """The reason to refuse a file that is declared as UTF-8 and begins like UTF-16 or UTF-32."""
    if not head.startswith((*_UTF16_MARKS, codecs.BOM_UTF32_BE)):
        return None
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return Reason("not_csv", "The file is UTF-32 text; save it as UTF-8.")
    detail = (
        f"The file is UTF-16 text; save it as UTF-8, or declare its `encoding` ({SOURCES_PAGE})."
    )
    return Reason("not_csv", detail)


def _is_row(record: Record, layout: Layout) -> bool:
    """Whether a record is neither blank nor a comment nor a repeated header."""
    if record.problem:
        return True
    raw = without_marks(record.raw)
    if is_comment(raw, layout.syntax) or layout.is_header(raw):
        return False
    fields = split_fields(raw, layout.syntax)
    return isinstance(fields, MalformedField) or any(fields)


def _what_to_do(text: bytes) -> str:
    encoding = looks_like(text)
    told = f" The text looks like {encoding}." if encoding else ""
    declare = ""
    if encoding and encoding in ENCODING_NAMES.values():
        declare = f", or declare its `encoding` as {encoding.lower()} ({SOURCES_PAGE})"
    return f"{told} Save the file as UTF-8 and upload it again{declare}."


def _declare_utf8() -> str:
    return f"Declare `encoding` as utf-8 ({SOURCES_PAGE})."


def _whole_lines(head: bytes, complete: bool) -> bytes:
    return head if complete else head[: head.rfind(b"\n") + 1]
