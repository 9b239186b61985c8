"""Rows by the page: some whole records of a file, read at once and made ready to be sent.

What a row means is said in ``ingestion.rows``; this is a faster way to the same result. A page
without anything out of the ordinary is split whole and checked column by column. Records with
quoted fields are taken out of it first and read one by one. A page that fails the check is halved,
until the few rows that are really to be refused are read one by one as well, which also says why.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import repeat

from ingestion.bodies import put_request, put_request_template
from ingestion.records import Record, quoted_records, read_records
from ingestion.refused import RefusedRow, refused_row
from ingestion.rows import (
    COLUMNS,
    LARGEST_ITEM,
    LONGEST_KEY,
    MAY_BE_EMPTY,
    Refusal,
    Row,
    RowReader,
    is_date,
)
from ingestion.table import EncodedKey

PAGE_SIZE = 128 * 1024
"""Bytes to read at a time: few enough to stay in the processor's cache."""

_FEW_ROWS = 8
"""So few are read one by one rather than halved once more."""

# What JSON has to escape; LF ends the records, and a delimiter is taken out.
_TO_ESCAPE = bytes(byte for byte in range(32) if byte != ord("\n")) + b'"\\'

# As in ``ingestion.rows``, but for a plus sign, and for whole columns.
_QUANTITIES = re.compile(rb"(?:-?[0-9]{1,38}\n)*+")
_TIMESTAMPS = re.compile(
    rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
    rb"(?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?\n)*+"
)


class Page:
    """The rows of some whole records. Lines are counted from the page's start."""

    __slots__ = ("keys", "refused", "requests", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.keys: list[EncodedKey] = []
        self.requests: list[bytes] = []
        """To put the accepted rows' items, in the file's order, as ``keys``."""
        self.refused: list[RefusedRow] = []


class PageReader:
    """Reads the records of one file, by the page. The arguments are those of RowReader."""

    def __init__(
        self, columns: Mapping[str, int], width: int, delimiter: bytes, key: Sequence[str]
    ) -> None:
        self._rows = RowReader(columns, width, delimiter, key)
        self._delimiter = delimiter
        self._width = width
        self._to_escape = _TO_ESCAPE.replace(delimiter, b"")
        self._key = [columns[name] for name in key]
        self._longest_key = dict(zip(self._key, LONGEST_KEY, strict=False))
        self._required = [columns[name] for name in COLUMNS if name not in MAY_BE_EMPTY]
        self._quantity = columns["quantity"]
        self._timestamp = columns["timestamp"]
        names: list[str | None] = [None] * (width + 1)  # the last field is the LF
        for name, index in columns.items():
            names[index] = name
        self._template = put_request_template(names, numbers=("quantity",))

    def read(self, text: bytes) -> Page:
        """``text`` starts at a record's start and ends where one ends."""
        page = Page(text)
        self._read_into(page, text, 0)
        return page

    def outcome(self, record: Record) -> Row | Refusal:
        """A single row, see RowReader."""
        return self._rows.read(record)

    def _read_into(self, page: Page, text: bytes, line: int) -> None:
        quoted = list(quoted_records(text, self._delimiter)) if b'"' in text else []
        if self._read_whole(page, text, line, quoted):
            return
        middle = _record_end(text, len(text) // 2, quoted)
        if middle == len(text) or text.count(b"\n") <= _FEW_ROWS:
            for record in read_records([text], self._delimiter):
                self._read_record(page, record, line)
        else:
            first, second = text[:middle], text[middle:]
            self._read_into(page, first, line)
            self._read_into(page, second, line + first.count(b"\n"))

    def _read_record(self, page: Page, record: Record, line: int) -> None:
        if not record.raw:
            return  # a blank line is no row
        outcome = self._rows.read(record)
        if isinstance(outcome, Row):
            page.keys.append(tuple([value.encode() for value in outcome.key]))
            page.requests.append(put_request(outcome.item))
        else:
            page.refused.append(
                refused_row(line + record.line, outcome.column, outcome.reason, record.raw)
            )

    def _read_whole(
        self, page: Page, text: bytes, line: int, quoted: Sequence[tuple[int, int]]
    ) -> bool:
        """Read a text whose records without quoted fields are all good; False, and nothing done,
        for any other."""
        rows = []  # of the records with quoted fields, and how many records stand between them
        plain = text
        if quoted:
            pieces = []
            done = 0
            for start, end in quoted:
                pieces.append(text[done:start])
                rows.append((pieces[-1].count(b"\n"), start, end))
                done = end
            plain = b"".join([*pieces, text[done:]])
        columns = self._split(plain)
        if columns is None:
            return False
        keys, requests = columns
        first = 0
        for records, start, end in rows:
            page.keys += keys[first : first + records]
            page.requests += requests[first : first + records]
            first += records
            for record in read_records([text[start:end]], self._delimiter):
                self._read_record(page, record, line + text.count(b"\n", 0, start))
        page.keys += keys[first:]
        page.requests += requests[first:]
        return True

    def _split(self, text: bytes) -> tuple[list[EncodedKey], list[bytes]] | None:
        """Keys and requests of records without quoted fields, if all are good."""
        text = text.replace(b"\r\n", b"\n")
        if not text:
            return [], []
        if not self._is_plain(text):
            return None
        # With each LF a field of its own, every record must have ``step`` fields, the last an LF.
        delimiter, step = self._delimiter, self._width + 1
        records = text.count(b"\n")
        fields = text.replace(b"\n", delimiter + b"\n" + delimiter).split(delimiter)
        line_ends = fields[self._width :: step]
        if len(fields) != records * step + 1 or line_ends != list(repeat(b"\n", records)):
            return None
        fields.pop()  # what follows the last LF, nothing
        if not self._are_good(fields, step):
            return None
        keys = list(zip(*[fields[field::step] for field in self._key], strict=True))
        row = [iter(fields)] * step
        return keys, [self._template % values for values in zip(*row, strict=True)]

    def _is_plain(self, text: bytes) -> bool:
        """Whether every byte may go into JSON as it is, and no item can be too large."""
        if not text.endswith(b"\n") or len(text) > LARGEST_ITEM - 100:
            return False
        if len(text.translate(None, self._to_escape)) < len(text):
            return False
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                return False
        return True

    def _are_good(self, fields: list[bytes], step: int) -> bool:
        """Whether all values are what RowReader takes."""
        for field in self._required:
            if b"" in fields[field::step]:
                return False
        for field, longest in self._longest_key.items():
            if max(map(len, fields[field::step])) > longest:
                return False
        quantities = fields[self._quantity :: step]
        if not _QUANTITIES.fullmatch(b"\n".join(quantities) + b"\n"):
            return False
        timestamps = fields[self._timestamp :: step]
        if not _TIMESTAMPS.fullmatch(b"\n".join(timestamps) + b"\n"):
            return False
        return all(is_date(day.decode()) for day in {time[:10] for time in timestamps})


def _record_end(text: bytes, position: int, quoted: Sequence[tuple[int, int]]) -> int:
    """Where a record ends, at or after ``position``."""
    newline = text.find(b"\n", position)
    if newline < 0:
        return len(text)
    for start, end in quoted:
        if start <= newline < end:
            return end
    return newline + 1
