"""Finds a file's header as simply as possible, following the text of docs/files.md. It uses nothing
of the product's code."""

import csv
import re
from typing import NamedTuple

from tests.support.reference_records import cut_end_mark, strip_line_end, strip_marks

COLUMNS = ("ticket_id", "product", "basket_id", "timestamp", "category", "quantity", "store")
_IGNORED = re.compile(
    "[\x00-\x20\x7f_#\u00a0\u00ad\u2000-\u200f\u2028-\u202f\u2060-\u2064\u3000\ufeff-]"
    "|[\u2010-\u2015]"
)


class FoundHeader(NamedTuple):
    lines_above: int
    line: bytes
    """Without marks and line end."""
    end: int
    """Offset of the byte after its line end."""
    delimiter: str
    columns: dict[str, int]
    fields: int


def find_header(data: bytes) -> FoundHeader | None:
    """The first of 21 lines that names all columns, if it names each of them once. Else None."""
    content = len(cut_end_mark(data)[0])
    end = 0
    for number, line in enumerate(data.split(b"\n")[:21]):
        start, end = end, min(len(data), end + len(line) + 1)
        text = strip_marks(strip_line_end(data[start : min(end, content)]))
        for delimiter in ",;\t|":
            names = _names(text, delimiter)
            fields = [_fields(names, column) for column in COLUMNS]
            if all(fields):
                if any(len(one) > 1 for one in fields):
                    return None
                columns = {column: one[0] for column, one in zip(COLUMNS, fields, strict=True)}
                return FoundHeader(number, text, end, delimiter, columns, len(names))
    return None


def _names(line: bytes, delimiter: str) -> list[str]:
    # The csv module takes a CR for a line end, and here it is data.
    text = line.decode(errors="replace").replace("\r", "\x01")
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _fields(names: list[str], column: str) -> list[int]:
    exact = [at for at, name in enumerate(names) if name.strip(" \t").lower() == column]
    plain = _IGNORED.sub("", column)
    return exact or [at for at, name in enumerate(names) if _IGNORED.sub("", name).lower() == plain]
