"""Reads rows a page at a time: faster than `ingestion.csv_files.rows`, with the same result.

A page is split as a whole and converted column by column. Rows that need a closer look are read one
by one, which also yields the reasons for refusing them. A page that can't be split is halved until
only few rows are left.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

from ingestion.contracts import RefusedRow
from ingestion.csv_files.item_json import EncodedKey, escape, put_request
from ingestion.csv_files.key_rules import NO_RULES, KeyRules
from ingestion.csv_files.layout import HeaderLine
from ingestion.csv_files.multiline import Kind
from ingestion.csv_files.page_fields import FieldSplitter
from ingestion.csv_files.page_items import ItemMaker, PageItems
from ingestion.csv_files.records import Record, without_marks
from ingestion.csv_files.refused_rows import refused_row
from ingestion.csv_files.row_warnings import (
    Warned,
    is_suspicious,
    row_warnings,
    suspects,
)
from ingestion.csv_files.rows import Key, NoRow, Refusal, Row, RowReader
from ingestion.csv_files.sections import Section
from ingestion.csv_files.source_columns import NO_ORIGIN, Origin, text_fields
from ingestion.csv_files.values.columns import decoded
from ingestion.csv_files.values.outcomes import ABSENT
from ingestion.sources.model import Source

PAGE_SIZE = 128 * 1024
"""Bytes to read at a time: few enough to fit into the processor's cache."""

_MIN_ROWS_TO_HALVE = 8
"""This many rows or fewer are read one by one rather than halved again."""


class Page:
    """The rows of a section. Lines are counted from the section's start.

    Every line belongs to a row, a blank record, a comment, a repeated header or the end mark.
    """

    __slots__ = (
        "blank_lines",
        "comment_lines",
        "keys",
        "lines_before",
        "refused",
        "repeated_headers",
        "requests",
        "row_lines",
        "section",
        "warnings",
    )

    def __init__(self, section: Section, lines_before: int = 0) -> None:
        self.section = section
        self.lines_before = lines_before
        """Lines of the chunk before the section."""
        self.keys: list[EncodedKey] = []
        self.requests: list[bytes] = []
        """The requests that put the accepted rows' items; like `keys`, in the file's order."""
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
        """Counts `rows` rows, the first of them at `line`."""
        known = self.warnings.get(kind)
        self.warnings[kind] = (
            Warned(known.rows + rows, min(known.line, line)) if known else Warned(rows, line)
        )


class _Part:
    """Whole records of a section, without those that have to be read by themselves.

    `lines_before` are the lines of the section before the part.
    """

    def __init__(self, section: Section, start: int, end: int, lines_before: int) -> None:
        self._section = section
        self._start = start
        self._end = end
        self._lines_before = lines_before
        self.text = section.text[start:end]
        self._has_long_records = bool(section.special_between(start, end))

    @property
    def lines(self) -> int:
        # Replacing a byte is several times faster than counting it.
        line_ends = len(self.text) - len(self.text.replace(b"\n", b""))
        return line_ends + (not self.text.endswith(b"\n"))

    @property
    def record_lines(self) -> Sequence[int]:
        """The line in the section of each record."""
        if self._has_long_records:
            return [line for line, _ in self.records]
        first = self._lines_before + 1
        return range(first, first + self.lines)

    @cached_property
    def records(self) -> Sequence[tuple[int, bytes]]:
        """The line in the section and the text of each record."""
        first = self._lines_before + 1
        if self._has_long_records:
            records = self._section.records(self._start, self._end)
            return [(self._lines_before + record.line, record.raw) for record in records]
        *lines, last = self.text.split(b"\n")
        texts = list(map(_without_carriage_returns, lines))
        if last:
            texts.append(last)  # it has no line end, so a CR at its end is data
        return list(enumerate(texts, first))


class PageReader:
    """Reads the records of one file page by page. Takes the arguments of RowReader."""

    def __init__(
        self,
        source: Source,
        columns: Mapping[str, int],
        width: int,
        delimiter: bytes,
        key: Sequence[str],
        header: HeaderLine | None = None,
        rules: KeyRules = NO_RULES,
        origin: Origin = NO_ORIGIN,
    ) -> None:
        self._rows = RowReader(source, columns, width, delimiter, key, header, rules, origin)
        self.layout = self._rows.layout
        self._splitter = FieldSplitter(self.layout)
        self._items = ItemMaker(source, columns, width, key, rules, origin)
        self._may_repeat_header = header is not None and self._items.admits_header
        self._texts = [
            columns[field.name] for field in text_fields(source) if field.name in columns
        ]

    def read_keys(self, section: Section, lines_before: int = 0) -> Page:
        """Reads a section as `read` does, but faster, because requests are left empty."""
        return self._read(Page(section, lines_before), keys_only=True)

    def read(self, section: Section, lines_before: int = 0) -> Page:
        """Reads a section. `lines_before` are the lines of the text before it."""
        return self._read(Page(section, lines_before), keys_only=False)

    def _read(self, page: Page, *, keys_only: bool) -> Page:
        section = page.section
        if section.too_long:
            self._read_records(page, section.records(), 0)
            return page
        start = line = 0
        for one in section.special:
            if one.doubtful:
                kind = "unchecked_line_ends" if one.kind is Kind.ROW else "split_record"
                page.warn(kind, 1, section.text.count(b"\n", 0, one.start) + 1)
            if one.kind is not Kind.ROW:
                self._read_into(page, start, one.start, line, keys_only)
                line += section.text.count(b"\n", start, one.start)
                self._read_records(page, section.records(one.start, one.end), line)
                line += max(1, section.text.count(b"\n", one.start, one.end))
                start = one.end
        self._read_into(page, start, len(section.text), line, keys_only)
        return page

    def accepted(self, page: Page) -> Iterator[tuple[Record, EncodedKey]]:
        """The accepted rows' records and keys."""
        for record in page.section.records():
            outcome = self._rows.read(record, page.lines_before)
            if isinstance(outcome, Row):
                yield record, _encoded(outcome.key)

    def part(self, page: Page, accepted: int) -> Page:
        """The page up to and including its `accepted`-th accepted row."""
        if not accepted:
            return Page(Section(b"", 0), page.lines_before)
        record, _ = next(islice(self.accepted(page), accepted - 1, None))
        return self.read(page.section.before(record.end), page.lines_before)

    def _read_into(self, page: Page, start: int, end: int, line: int, keys_only: bool) -> None:
        """Reads a part of the page's text. `line` lines of the page come before it."""
        if start == end:
            return
        section = page.section
        part = _Part(section, start, end, line)
        fields = self._splitter.split(section, start, end)
        if fields:
            self._add_rows(page, part, fields, set(), keys_only)
            return
        some = self._splitter.split_ordinary([raw for _, raw in part.records])
        if some:
            self._add_rows(page, part, *some, keys_only)
            return
        middle = self._record_end(section, start + len(part.text) // 2, start, end)
        if middle == end or part.lines <= _MIN_ROWS_TO_HALVE:
            self._read_records(page, section.records(start, end), line)
        else:
            self._read_into(page, start, middle, line, keys_only)
            line += section.text.count(b"\n", start, middle)
            self._read_into(page, middle, end, line, keys_only)

    def _add_rows(
        self, page: Page, part: _Part, fields: list[bytes], odd: set[int], keys_only: bool
    ) -> None:
        """Adds the rows of a part whose fields are split, except for those of `odd` records."""
        if self._may_repeat_header:
            odd = odd | self._repeated_headers(part)
        made = self._items.make(
            fields, part.text, odd, lambda: self._lines(page, part), keys_only=keys_only
        )
        first = len(page.requests)
        page.keys += made.keys
        page.requests += made.requests
        page.row_lines += part.lines
        left_out = 0
        for number in sorted(made.odd):
            line, raw = part.records[number]
            page.row_lines -= raw.count(b"\n") + 1
            row = self._read_row(page, line, raw)
            if row:
                page.keys.insert(first + number - left_out, _encoded(row.key))
                page.requests.insert(first + number - left_out, put_request(row.item))
            else:
                left_out += 1
        if is_suspicious(part.text, made.key_texts):
            self._warn(page, part, fields, made)

    def _repeated_headers(self, part: _Part) -> set[int]:
        """The numbers of the records that repeat the header."""
        return {
            number
            for number, (_, raw) in enumerate(part.records)
            if self.layout.is_header(without_marks(raw))
        }

    def _lines(self, page: Page, part: _Part) -> Sequence[int]:
        """The line in the file of each record of a part."""
        before = self._rows.lines_before + page.lines_before
        return [before + line for line in part.record_lines]

    def _warn(self, page: Page, part: _Part, fields: list[bytes], made: PageItems) -> None:
        """Warns about the rows of a part that need it, except for odd ones."""
        step = self.layout.width + 1
        keys = [text[1:-1].split(b"\n") for text in made.key_texts]
        texts = [fields[at::step] for at in self._texts]
        for number in sorted(suspects(keys, texts) - made.odd):
            line, _ = part.records[number]
            key_values, values = (
                [decoded(column[number]) for column in columns if column[number] != ABSENT]
                for columns in (keys, texts)
            )
            for kind in row_warnings(key_values, values):
                page.warn(kind, 1, line)

    def _read_records(self, page: Page, records: Iterator[Record], line: int) -> None:
        """Reads records one by one. `line` lines of the page come before them."""
        for record in records:
            row = self._read_row(page, line + record.line, record.raw, record.problem)
            if row:
                page.keys.append(_encoded(row.key))
                page.requests.append(put_request(row.item))

    def _read_row(
        self, page: Page, line: int, raw: bytes, problem: str | None = None
    ) -> Row | None:
        """Reads a record and counts it, whatever it is. Returns its row, if it is accepted."""
        outcome = self._rows.read(Record(raw, line, 0, problem), page.lines_before)
        lines = raw.count(b"\n") + 1
        if outcome is NoRow.BLANK:
            page.blank_lines += lines
        elif outcome is NoRow.COMMENT:
            page.comment_lines += lines
        elif outcome is NoRow.REPEATED_HEADER:
            page.repeated_headers += lines
        else:
            page.row_lines += lines
        if isinstance(outcome, Refusal):
            page.refused.append(refused_row(line, outcome.column, outcome.reason, raw))
        if not isinstance(outcome, Row):
            return None
        for kind in row_warnings(outcome.key, self._rows.texts(outcome)):
            page.warn(kind, 1, line)
        return outcome

    @staticmethod
    def _record_end(section: Section, position: int, start: int, end: int) -> int:
        """The first end of a record of a part, at or after `position`."""
        newline = section.text.find(b"\n", position, end)
        if newline < 0:
            return end
        for one in section.special_between(start, newline + 1):
            if newline < one.end:
                return one.end
        return newline + 1


def _encoded(key: Key) -> EncodedKey:
    return tuple([escape(value.encode()) for value in key])


def _without_carriage_returns(line: bytes) -> bytes:
    return line.removesuffix(b"\r").removesuffix(b"\r")
