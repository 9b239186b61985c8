"""Splits a whole page into fields at once, escaped for JSON."""

import re
from collections.abc import Sequence

from ingestion.csv_files.encodings import is_utf8
from ingestion.csv_files.item_json import TO_ESCAPE, escape, escape_all
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.quoted_fields import QuotedFields, find_quoted, split_quoted
from ingestion.csv_files.records import BYTE_ORDER_MARK, fields_of, is_comment, marks_end
from ingestion.csv_files.sections import Section
from ingestion.csv_files.values.outcomes import ABSENT

_IN_ESCAPES = tuple(bytes([character]) for character in b'"\\/bfnrtu0123456789abcdefABCDEF')
"""Characters that JSON's escapes consist of. If one is the delimiter, the text can't be escaped
before it is split."""


class FieldSplitter:
    """Splits the pages of one file."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._line_end = layout.delimiter + b"\n" + layout.delimiter
        # Bytes that must be escaped in a plain text, except that each LF ends a record, no
        # delimiter remains in a field, and CRs, quotes and backslashes have code of their own.
        self._to_escape = TO_ESCAPE.translate(None, b'\r\n"\\' + layout.delimiter)
        self._harmless = bytes(range(256)).translate(None, self._to_escape)

    def split(self, section: Section, start: int, end: int) -> list[bytes] | None:
        """The fields of all records of a part in one list, escaped for JSON, with an LF as an extra
        field after each record. A null sequence is ABSENT.

        None if a record does not have the header's number of fields, or must be read on its own for
        another reason.
        """
        text = section.text[start:end]
        if not text.endswith(b"\n") or not is_utf8(text) or _has_marks(text):
            return None
        if self._may_have_comments(text):
            return None
        quoted = section.quoted_between(start, end)
        if quoted is not None:
            return self._split(text, quoted, start)
        if values := split_quoted(text, self._layout):
            return self._all_quoted(values)
        if found := find_quoted(text, self._layout):
            return self._with_quoted(found)
        quoted = _quoted_records(text, self._layout)
        return None if quoted is None else self._split(text, quoted, 0)

    def split_ordinary(self, records: Sequence[bytes]) -> tuple[list[bytes], set[int]] | None:
        """Splits the records that can be split. Records are given without line ends.

        Returns the fields as `split` does, and the numbers of the other records, whose fields are
        arbitrary. None if there are only others.
        """
        ordinary = list(map(self._ordinary, records))
        some = next((record for record in ordinary if record is not None), None)
        if some is None:
            return None
        odd = {number for number, record in enumerate(ordinary) if record is None}
        text = b"\n".join([some if record is None else record for record in ordinary]) + b"\n"
        quoted = _quoted_records(text, self._layout)
        fields = None if quoted is None else self._split(text, quoted, 0)
        return None if fields is None else (fields, odd)

    def _ordinary(self, record: bytes) -> bytes | None:
        """The record without a delimiter at its end, if it can be split. A CR at its end is
        data."""
        layout = self._layout
        if (
            not is_utf8(record)
            or record.endswith(b"\r")
            or marks_end(record)
            or is_comment(record, layout.syntax)
        ):
            return None
        if layout.syntax.has_special(record, len(record)):
            return record if layout.pattern.fullmatch(record + b"\n") else None
        delimiters = record.count(layout.delimiter)
        if delimiters == layout.width:
            return (
                record.removesuffix(layout.delimiter) if record.endswith(layout.delimiter) else None
            )
        return record if delimiters == layout.width - 1 else None

    def _split(
        self, text: bytes, quoted: Sequence[re.Match[bytes]], start: int
    ) -> list[bytes] | None:
        """What `split` returns. `quoted` has the records with quoted fields in a longer text,
        in which this one begins at `start`."""
        if not quoted:
            return self._without_quotes(text)
        stretches = []  # of records without quoted fields
        done = 0
        for match in quoted:
            first, last = match.span()
            stretches.append(text[done : first - start])
            done = last - start
        stretches.append(text[done:])
        values_of = self._layout.syntax.values_of
        plain_fields = self._without_quotes(b"".join(stretches))
        if plain_fields is None:
            return None
        step = self._layout.width + 1
        fields = []
        done = 0
        for stretch, match in zip(stretches, quoted, strict=False):
            if stretch:
                following = done + stretch.count(b"\n") * step
                fields += plain_fields[done:following]
                done = following
            raw_fields = self._layout.without_trailing(fields_of(match))
            fields += map(escape, values_of(raw_fields))
            fields.append(b"\n")
        fields += plain_fields[done:]
        return fields

    def _with_quoted(self, found: QuotedFields) -> list[bytes] | None:
        """What `split` returns, for a text in which `find_quoted` has found the fields."""
        fields = self._without_quotes(b"".join(found.outside))
        if fields is None:
            return None
        # In place of the quoted fields there are empty ones.
        delimiter, step = self._layout.delimiter, self._layout.width + 1
        record = column = 0
        for before, value in zip(found.outside, escape_all(found.values), strict=False):
            line_ends = before.count(b"\n")
            if line_ends:
                record += line_ends * step
                column = before.count(delimiter, before.rfind(b"\n"))
            else:
                column += before.count(delimiter)
            fields[record + column] = value
        return fields

    def _all_quoted(self, values: list[bytes]) -> list[bytes] | None:
        """What `split` returns, for records that `split_quoted` has split."""
        values = escape_all(values)
        fields = [b"\n"] * (len(values) // self._layout.width * (self._layout.width + 1))
        for column in range(self._layout.width):
            fields[column :: self._layout.width + 1] = values[column :: self._layout.width]
        return fields

    def _without_quotes(self, text: bytes) -> list[bytes] | None:
        """What `split` returns, for records without quoted fields."""
        delimiter = self._layout.delimiter
        if delimiter in _IN_ESCAPES:
            return None
        plain = self._layout.syntax.without_initial_spaces(text)
        # Quotes are data here. They are escaped as `escape` does it.
        plain = plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        if len(plain.translate(None, self._to_escape)) < len(plain):
            plain = self._with_escapes(plain)
        carriage_returns = len(plain) - len(plain.replace(b"\r", b""))
        if not carriage_returns:
            return self._split_lines(plain, None)
        fields = self._split_lines(plain, carriage_returns)
        if fields is None:
            # Perhaps some of them are data, or only some lines end with one.
            plain = plain.replace(b"\r\n", b"\n").replace(b"\r\n", b"\n")
            fields = self._split_lines(plain.replace(b"\r", b"\\r"), None)
        return fields

    def _split_lines(self, plain: bytes, carriage_returns: int | None) -> list[bytes] | None:
        """Splits lines that need no escapes. If `carriage_returns` are given, each line must end
        with CR LF, and there must be no other CR."""
        delimiter, width = self._layout.delimiter, self._layout.width
        # Replacing single characters is several times faster than replacing or counting others.
        separated = plain.replace(b"\n", self._line_end)
        records = (len(separated) - len(plain)) // (2 * len(delimiter))
        if carriage_returns not in (None, records):
            return None
        # Where the first record has a delimiter at its end, usually all have one.
        trailing = plain.count(delimiter, 0, plain.find(b"\n")) == width
        fields = separated.split(delimiter)
        fields.pop()  # the empty field after the last LF
        if trailing:
            end = b"\r" if carriage_returns else b""
            if fields[width :: width + 2] != [end] * records:
                return None
            del fields[width :: width + 2]
        # There is one LF per record, and none within a value. If each is where a record of the
        # right width has it, all records have that width.
        if fields[width :: width + 1] != [b"\n"] * records:
            return None
        if carriage_returns and not trailing:
            last = b"\n".join(fields[width - 1 :: width + 1]) + b"\n"
            without = last.replace(b"\r\n", b"\n")
            if len(last) - len(without) != carriage_returns:
                return None
            fields[width - 1 :: width + 1] = without[:-1].split(b"\n")
        null = self._layout.syntax.null_sequence
        if null is not None:
            null = escape(null)
            fields = [ABSENT if one == null else one for one in fields]
        return fields

    def _with_escapes(self, plain: bytes) -> bytes:
        """The text, with escapes for the control characters in it that are data."""
        for character in set(plain.translate(None, self._harmless)):
            data = bytes([character])
            plain = plain.replace(data, escape(data))
        return plain

    def _may_have_comments(self, text: bytes) -> bool:
        comment = self._layout.syntax.comment
        if comment is None:
            return False
        return text.startswith(comment) or b"\n" + comment in text


def _quoted_records(text: bytes, layout: Layout) -> list[re.Match[bytes]] | None:
    """`Layout.pattern`'s matches for all records with a quoted field.

    The text must consist of whole records without marks. None if one of them is malformed or has
    another number of fields, or if the syntax is not simple.
    """
    if not layout.syntax.is_simple:
        return None
    opens_after = layout.delimiter + b"\n"
    found = []
    position = 0
    while (quote := text.find(layout.syntax.opening, position)) >= 0:
        position = quote + 1
        if quote and text[quote - 1] not in opens_after:
            continue
        match = layout.pattern.match(text, text.rfind(b"\n", 0, quote) + 1)
        if not match:
            return None
        found.append(match)
        position = match.end()
    return found


def _has_marks(text: bytes) -> bool:
    """Whether a record may begin with a mark, which would have to be dropped."""
    return b"\f" in text or (
        # The first byte alone is rare, and faster to search for.
        b"\xef" in text and BYTE_ORDER_MARK in text
    )
