"""Reads rows a page at a time: faster than ``ingestion.csv_files.rows``, with the same result.

A page of ordinary rows is split as a whole and checked column by column. Records with quoted fields
are taken out of it first and read one by one. A page that fails the check is halved until only the
rows that will be refused are left; those are read one by one, which also gives their reasons.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from ingestion.csv_files.item_json import (
    TO_ESCAPE,
    EncodedKey,
    escape,
    put_request,
    put_request_template,
)
from ingestion.csv_files.records import (
    MalformedField,
    Record,
    quoted_records,
    read_records,
    split_fields,
)
from ingestion.csv_files.refused_rows import RefusedRow, refused_row
from ingestion.csv_files.rows import (
    MAX_ITEM_BYTES,
    MAX_KEY_BYTES,
    MAY_BE_EMPTY,
    Key,
    Row,
    RowReader,
    is_date,
)

PAGE_SIZE = 64 * 1024
"""Bytes to read at a time: few enough to stay in the processor's cache."""

_MIN_ROWS_TO_HALVE = 8
"""So few are read one by one rather than halved once more."""

# As in ``ingestion.csv_files.rows``, but for a plus sign, and for whole columns.
_QUANTITIES = re.compile(rb"(?:-?[0-9]{1,38}\n)*+")
_TIMESTAMPS = re.compile(
    rb"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]"
    rb"(?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?\n)*+"
)


class Page:
    """The rows of some whole records. Lines are counted from the page's start."""

    __slots__ = ("blank_lines", "keys", "refused", "requests", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.blank_lines = 0
        self.keys: list[EncodedKey] = []
        self.requests: list[bytes] = []
        """To put the accepted rows' items, in the file's order, as ``keys``."""
        self.refused: list[RefusedRow] = []

    @property
    def lines(self) -> int:
        """Those that the text has; the last one of a file may have no end."""
        return self.text.count(b"\n") + (self.text[-1:] not in (b"", b"\n"))


class PageReader:
    """Reads the records of one file, by the page. The arguments are those of RowReader."""

    def __init__(
        self, columns: Mapping[str, int], width: int, delimiter: bytes, key: Sequence[str]
    ) -> None:
        self._rows = RowReader(columns, width, delimiter, key)
        self._delimiter = delimiter
        self._width = width
        self._step = width + 1  # fields a record, with the LF at its end as one
        self._line_end = delimiter + b"\n" + delimiter
        # What a plain text must be free of. Each LF in it ends a record, no delimiter is left in a
        # field, and quotes and backslashes are escaped beforehand.
        self._to_escape = TO_ESCAPE.translate(None, b'\n"\\' + delimiter)
        self._key = [columns[name] for name in key]
        self._longest_key = dict(zip(self._key, MAX_KEY_BYTES, strict=False))
        # Those of numbers and times can't be empty: what they must look like says so.
        texts = ("ticket_id", "product", "basket_id", "category", "store")
        self._required = [columns[name] for name in texts if name not in MAY_BE_EMPTY]
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

    def accepted(self, page: Page) -> Iterator[tuple[Record, EncodedKey]]:
        """The accepted rows' records and keys."""
        for record in read_records([page.text], self._delimiter):
            if record.raw:
                outcome = self._rows.read(record)
                if isinstance(outcome, Row):
                    yield record, _encoded(outcome.key)

    def part(self, page: Page, accepted: int) -> Page:
        """The page up to the last of its first so many accepted rows."""
        if not accepted:
            return Page(b"")
        record, _ = next(islice(self.accepted(page), accepted - 1, None))
        return self.read(page.text[: record.end])

    def _read_into(self, page: Page, text: bytes, line: int) -> None:
        quoted = list(quoted_records(text, self._delimiter)) if b'"' in text else []
        fields = self._fields(text, quoted)
        if fields and self._are_good(fields):
            step = self._step
            page.keys += zip(*[fields[field::step] for field in self._key], strict=True)
            rows = zip(*[iter(fields)] * step, strict=True)
            page.requests += [self._template % row for row in rows]
            return
        middle = _record_end(text, len(text) // 2, quoted)
        if middle == len(text) or text.count(b"\n") <= _MIN_ROWS_TO_HALVE:
            for record in read_records([text], self._delimiter):
                self._read_record(page, record, line)
        else:
            first, second = text[:middle], text[middle:]
            self._read_into(page, first, line)
            self._read_into(page, second, line + first.count(b"\n"))

    def _read_record(self, page: Page, record: Record, line: int) -> None:
        if not record.raw:
            page.blank_lines += 1
            return
        outcome = self._rows.read(record)
        if isinstance(outcome, Row):
            page.keys.append(_encoded(outcome.key))
            page.requests.append(put_request(outcome.item))
        else:
            page.refused.append(
                refused_row(line + record.line, outcome.column, outcome.reason, record.raw)
            )

    def _fields(self, text: bytes, quoted: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """The fields of all records, one after the other and as they go into JSON, behind each
        record's an LF. None if a record has not the header's number of fields, or anything else
        asks for a closer look."""
        if not text.endswith(b"\n") or len(text) > MAX_ITEM_BYTES - 100 or not _is_utf8(text):
            return None
        fields: list[bytes] = []
        records = len(quoted)
        done = 0
        for start, end in [*quoted, (len(text), len(text))]:
            plain = text[done:start].replace(b"\r\n", b"\n")
            # No field is quoted here, so a quote is data, and escaped as ``escape`` would.
            plain = plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            if len(plain.translate(None, self._to_escape)) < len(plain):
                return None
            records += plain.count(b"\n")
            fields += plain.replace(b"\n", self._line_end).split(self._delimiter)
            fields.pop()  # what follows the last LF, nothing
            if start < end:
                raw = text[start : end - 1].removesuffix(b"\r")
                values = split_fields(raw, self._delimiter)
                if isinstance(values, MalformedField):
                    return None
                fields += map(escape, values)
                fields.append(b"\n")
            done = end
        # There is one LF for each record, and none in a value, where it would be escaped. If each
        # is where a record of the right width has it, then all records are of that width.
        if fields[self._width :: self._step] != [b"\n"] * records:
            return None
        return fields

    def _are_good(self, fields: list[bytes]) -> bool:
        """Whether all values are what RowReader takes."""
        step = self._step
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


def _encoded(key: Key) -> EncodedKey:
    return tuple([escape(value.encode()) for value in key])


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _record_end(text: bytes, position: int, quoted: Sequence[tuple[int, int]]) -> int:
    """Where a record ends, at or after ``position``."""
    newline = text.find(b"\n", position)
    if newline < 0:
        return len(text)
    for start, end in quoted:
        if start <= newline < end:
            return end
    return newline + 1
