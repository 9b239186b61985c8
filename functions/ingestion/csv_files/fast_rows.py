"""Reads rows a page at a time: faster than ``ingestion.csv_files.rows``, with the same result.

A page of ordinary rows is split as a whole and checked column by column. Records with quoted fields
are taken out first and read one by one. A page that fails the check is halved until only the rows
to refuse are left. Those are read one by one, which also yields the reasons.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from ingestion.contracts import RefusedRow
from ingestion.csv_files.item_json import (
    EncodedKey,
    escape,
    put_request,
    put_request_template,
)
from ingestion.csv_files.key_rules import NO_RULES, KeyRules, canonical_number
from ingestion.csv_files.layout import HeaderLine
from ingestion.csv_files.multiline import Kind
from ingestion.csv_files.page_fields import FieldSplitter
from ingestion.csv_files.records import Record
from ingestion.csv_files.refused_rows import refused_row
from ingestion.csv_files.row_warnings import BLANKS, Warned, row_warnings
from ingestion.csv_files.rows import (
    MAX_ITEM_BYTES,
    MAX_KEY_BYTES,
    QUANTITY,
    TEXT_COLUMNS,
    TIMESTAMP,
    Key,
    NoRow,
    Refusal,
    Row,
    RowReader,
    is_date,
)
from ingestion.csv_files.sections import Section

PAGE_SIZE = 64 * 1024
"""Bytes to read at a time: few enough to fit into the processor's cache."""

_MIN_ROWS_TO_HALVE = 8
"""This many rows or fewer are read one by one rather than halved again."""

_BLANKS = tuple(blank.encode() for blank in BLANKS)
_NO_BREAK_SPACES = re.compile("\n\u00a0|\u00a0\n".encode())

_EXPECTED_ESCAPES = re.compile(rb'\\(?:[\\"n]|r\\n)')
"""Of quotes, backslashes and line ends."""

# For whole columns, with an LF after each value.
_STORED_QUANTITIES = re.compile(rb"(?:-?[0-9]{1,38}\n)*+")
_QUANTITIES = re.compile(rb"^ *+%b *+$" % QUANTITY, re.MULTILINE)
_TIMESTAMPS = re.compile(rb"(?:%b\n)*+" % TIMESTAMP)
_CANONICAL_INTEGERS = re.compile(rb"(?:(?:-?[1-9][0-9]{0,37}|0)\n)*+")
"""As ``canonical_number`` gives them."""


class Page:
    """The rows of a section. Lines are counted from the section's start.

    Every line belongs to a row, a blank record, a comment, a repeated header or the end mark.
    """

    __slots__ = (
        "blank_lines",
        "comment_lines",
        "keys",
        "refused",
        "repeated_headers",
        "requests",
        "row_lines",
        "section",
        "warnings",
    )

    def __init__(self, section: Section) -> None:
        self.section = section
        self.keys: list[EncodedKey] = []
        self.requests: list[bytes] = []
        """The requests that put the accepted rows' items; like ``keys``, in the file's order."""
        self.refused: list[RefusedRow] = []
        self.row_lines = 0
        """Lines of accepted and refused rows."""
        self.blank_lines = 0
        self.comment_lines = 0
        self.repeated_headers = 0
        self.warnings: dict[str, Warned] = {}
        """About accepted rows, except those about line ends."""

    @property
    def lines(self) -> int:
        return (
            self.row_lines
            + self.blank_lines
            + self.comment_lines
            + self.repeated_headers
            + self.section.end_mark_lines
        )

    def warn(self, kind: str, rows: int, line: int) -> None:
        """Count ``rows`` rows, the first of them at ``line``. Call it in the order of lines."""
        before = self.warnings.get(kind)
        self.warnings[kind] = (
            Warned(before.rows + rows, before.line) if before else Warned(rows, line)
        )


class PageReader:
    """Reads the records of one file page by page. The arguments are those of RowReader."""

    def __init__(
        self,
        columns: Mapping[str, int],
        width: int,
        delimiter: bytes,
        key: Sequence[str],
        header: HeaderLine | None = None,
        rules: KeyRules = NO_RULES,
    ) -> None:
        self._rows = RowReader(columns, width, delimiter, key, header, rules)
        self.layout = self._rows.layout
        self._width = width
        self._splitter = FieldSplitter(self.layout)
        self._key = [columns[name] for name in key]
        self._key_numbers = [columns[name] for name in key if name in rules.numbers]
        self._max_bytes = [(columns[name], longest) for name, longest in rules.max_bytes.items()]
        # The key's columns are checked together. The columns of numbers and times need no check:
        # their patterns match no empty value.
        self._required = [
            columns[name] for name in ("ticket_id", "product", "basket_id") if name not in key
        ]
        self._texts = [columns[name] for name in TEXT_COLUMNS]
        self._quantity = columns["quantity"]
        self._timestamp = columns["timestamp"]
        self._names: list[str | None] = [None] * (width + 1)  # the last field is the LF
        for name, index in columns.items():
            self._names[index] = name
        self._numbers = ("quantity", *rules.numbers)
        self._template = put_request_template(self._names, self._numbers)
        self._left_out_if_empty = [columns[name] for name in rules.left_out_if_empty]
        self._templates_without: dict[tuple[int, ...], bytes] = {}

    def read(self, section: Section) -> Page:
        page = Page(section)
        if section.too_long:
            self._read_records(page, section.records(), 0)
            return page
        start = line = 0
        for one in section.special:
            if one.doubtful:
                kind = "unchecked_line_ends" if one.kind is Kind.ROW else "split_record"
                page.warn(kind, 1, section.text.count(b"\n", 0, one.start) + 1)
            if one.kind is not Kind.ROW:
                self._read_into(page, start, one.start, line)
                line += section.text.count(b"\n", start, one.start)
                self._read_records(page, section.records(one.start, one.end), line)
                line += max(1, section.text.count(b"\n", one.start, one.end))
                start = one.end
        self._read_into(page, start, len(section.text), line)
        return page

    def accepted(self, page: Page) -> Iterator[tuple[Record, EncodedKey]]:
        """The accepted rows' records and keys."""
        for record in page.section.records():
            outcome = self._rows.read(record)
            if isinstance(outcome, Row):
                yield record, _encoded(outcome.key)

    def part(self, page: Page, accepted: int) -> Page:
        """The page up to and including its ``accepted``-th accepted row."""
        if not accepted:
            return Page(Section(b"", 0))
        record, _ = next(islice(self.accepted(page), accepted - 1, None))
        return self.read(page.section.before(record.end))

    def _read_into(self, page: Page, start: int, end: int, line: int) -> None:
        """Read a part of the page's text. ``line`` lines of the page come before it."""
        if start == end:
            return
        section = page.section
        text = section.text[start:end]
        step = self._width + 1
        # A longer text may hold an item over DynamoDB's size limit.
        short = len(text) <= MAX_ITEM_BYTES - 100
        fields = self._splitter.split(section, start, end) if short else None
        if fields and self._convert(fields):
            key_columns = [fields[column::step] for column in self._key]
            keys = [b"\n%b\n" % b"\n".join(column) for column in key_columns]
            if self._are_good(fields, keys):
                page.keys += zip(*key_columns, strict=True)
                rows = zip(*[iter(fields)] * step, strict=True)
                if any(b"" in fields[column::step] for column in self._left_out_if_empty):
                    page.requests += [self._template_for(row) % row for row in rows]
                else:
                    page.requests += [self._template % row for row in rows]
                page.row_lines += len(fields) // step + self._lines_within(page, start, end)
                if self._is_suspicious(text, keys):
                    self._warn(page, section.records(start, end), fields, line)
                return
        middle = self._record_end(section, start + len(text) // 2, start, end)
        if middle == end or text.count(b"\n") <= _MIN_ROWS_TO_HALVE:
            self._read_records(page, section.records(start, end), line)
        else:
            self._read_into(page, start, middle, line)
            self._read_into(page, middle, end, line + text.count(b"\n", 0, middle - start))

    def _template_for(self, row: Sequence[bytes]) -> bytes:
        """The template for this row, without the attributes that it leaves out."""
        left_out = tuple([field for field in self._left_out_if_empty if not row[field]])
        template = self._templates_without.get(left_out)
        if template is None:
            names = [None if at in left_out else name for at, name in enumerate(self._names)]
            template = put_request_template(names, self._numbers)
            self._templates_without[left_out] = template
        return template

    def _read_records(self, page: Page, records: Iterator[Record], line: int) -> None:
        for record in records:
            outcome = self._rows.read(record)
            if outcome is NoRow.BLANK:
                page.blank_lines += record.lines
            elif outcome is NoRow.COMMENT:
                page.comment_lines += record.lines
            elif outcome is NoRow.REPEATED_HEADER:
                page.repeated_headers += record.lines
            else:
                page.row_lines += record.lines
            if isinstance(outcome, Row):
                page.keys.append(_encoded(outcome.key))
                page.requests.append(put_request(outcome.item))
                values = [value.get("S", "") for value in outcome.item.values()]
                for kind in row_warnings(outcome.key, values):
                    page.warn(kind, 1, line + record.line)
            elif isinstance(outcome, Refusal):
                page.refused.append(
                    refused_row(line + record.line, outcome.column, outcome.reason, record.raw)
                )

    @staticmethod
    def _is_suspicious(text: bytes, keys: list[bytes]) -> bool:
        """Whether a row may need a warning. ``keys`` are as ``_are_good`` takes them."""
        if b"=" in text and b'="' in text:
            return True
        # Searching for one byte is much faster than for two, and it is usually absent.
        for column in keys:
            if b" " in column and (b" \n" in column or b"\n " in column):
                return True
            if b"\x7f" in column:
                return True
            if b"\\" in column and b"\\" in _EXPECTED_ESCAPES.sub(b"", column):
                return True
            if b"\xc2" in column and _NO_BREAK_SPACES.search(column):
                return True
        return False

    def _warn(self, page: Page, records: Iterator[Record], fields: list[bytes], line: int) -> None:
        """Warn about the rows that need it. ``fields`` are theirs, as they go into JSON."""
        step = self._width + 1
        suspects = set()
        for key in self._key:
            for number, value in enumerate(fields[key::step]):
                if (
                    value.startswith(_BLANKS)
                    or value.endswith(_BLANKS)
                    or b"\\" in value
                    or b"\x7f" in value
                ):
                    suspects.add(number)
        for column in self._texts:
            for number, value in enumerate(fields[column::step]):
                if value.startswith(b'=\\"'):
                    suspects.add(number)
        if not suspects:
            return
        rest = sorted(suspects, reverse=True)
        for number, record in enumerate(records):
            if number == rest[-1]:
                at = number * step
                key_values = [_decoded(fields[at + key]) for key in self._key]
                values = [_decoded(fields[at + column]) for column in self._texts]
                for kind in row_warnings(key_values, values):
                    page.warn(kind, 1, line + record.line)
                rest.pop()
                if not rest:
                    return

    def _are_good(self, fields: list[bytes], keys: list[bytes]) -> bool:
        """Whether RowReader would accept all values.

        ``keys`` are the columns of the key, with an LF before each value and after the last one.
        """
        step = self._width + 1
        for column, longest in zip(keys, MAX_KEY_BYTES, strict=False):
            if b"\n\n" in column or _has_longer(column, longest):
                return False
        for field in self._required:
            if b"" in fields[field::step]:
                return False
        for field, longest in self._max_bytes:
            if max(map(len, fields[field::step])) > longest:
                return False
        return True

    def _convert(self, fields: list[bytes]) -> bool:
        """Convert quantities, timestamps and the key's numbers to what is stored. Returns False if
        RowReader would refuse one of them."""
        return (
            self._convert_quantities(fields)
            and self._convert_timestamps(fields)
            and all(self._make_canonical(fields, column) for column in self._key_numbers)
        )

    def _convert_quantities(self, fields: list[bytes]) -> bool:
        step = self._width + 1
        quantities = fields[self._quantity :: step]
        column = b"\n".join(quantities) + b"\n"
        if not _STORED_QUANTITIES.fullmatch(column):
            stored = _QUANTITIES.findall(column)
            if len(stored) < len(quantities):
                return False
            fields[self._quantity :: step] = stored
        return True

    def _convert_timestamps(self, fields: list[bytes]) -> bool:
        step = self._width + 1
        times = fields[self._timestamp :: step]
        if not _TIMESTAMPS.fullmatch(b"\n".join(times) + b"\n"):
            times = [time.strip(b" ") for time in times]
            if not _TIMESTAMPS.fullmatch(b"\n".join(times) + b"\n"):
                return False
            fields[self._timestamp :: step] = times
        return all(map(is_date, {time[:10] for time in times}))

    def _make_canonical(self, fields: list[bytes], field: int) -> bool:
        """Make one column's numbers canonical. Returns False if one of them is no number."""
        step = self._width + 1
        column = fields[field::step]
        if not _CANONICAL_INTEGERS.fullmatch(b"\n".join(column) + b"\n"):
            numbers = [canonical_number(value.decode()) for value in column]
            if None in numbers:
                return False
            fields[field::step] = [number.encode() for number in numbers if number]
        return True

    @staticmethod
    def _lines_within(page: Page, start: int, end: int) -> int:
        """Lines of the records of a part, not counting the first line of each."""
        text = page.section.text
        return sum(
            text.count(b"\n", one.start, one.end - 1)
            for one in page.section.special_between(start, end)
        )

    @staticmethod
    def _record_end(section: Section, position: int, start: int, end: int) -> int:
        """The first end of a record of a part, at or after ``position``."""
        newline = section.text.find(b"\n", position, end)
        if newline < 0:
            return end
        for one in section.special_between(start, newline + 1):
            if newline < one.end:
                return one.end
        return newline + 1


def _encoded(key: Key) -> EncodedKey:
    return tuple([escape(value.encode()) for value in key])


def _has_longer(column: bytes, longest: int) -> bool:
    """Whether a value is longer, in a column with an LF before each value and after the last."""
    at = 0
    while at + longest + 1 < len(column):
        at = column.rfind(b"\n", at + 1, at + longest + 2)
        if at < 0:
            return True
    return False


def _decoded(field: bytes) -> str:
    """The value of a field that is given as it goes into JSON."""
    return str(json.loads(b'"%b"' % field))
