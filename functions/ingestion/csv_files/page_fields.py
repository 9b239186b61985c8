"""Splits a whole page into fields at once, escaped for JSON."""

import re

from ingestion.csv_files.encodings import is_utf8
from ingestion.csv_files.item_json import TO_ESCAPE, escape
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.multiline import split_quoted
from ingestion.csv_files.records import BYTE_ORDER_MARK, fields_of
from ingestion.csv_files.sections import Section
from ingestion.csv_files.values.outcomes import ABSENT


class FieldSplitter:
    """Splits the pages of one file."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._line_end = layout.delimiter + b"\n" + layout.delimiter
        # Bytes that a plain text must not contain. The exceptions are harmless: each LF ends a
        # record, no delimiter remains in a field, and quotes and backslashes are escaped before.
        self._to_escape = TO_ESCAPE.translate(None, b'\n"\\' + layout.delimiter)

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
        if quoted is None:
            if values := split_quoted(text, self._layout):
                return self._all_quoted(values)
            quoted = _quoted_records(text, self._layout)
            start = 0
            if quoted is None:
                return None
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

    def _all_quoted(self, values: list[bytes]) -> list[bytes] | None:
        """What ``split`` returns, for records that ``split_quoted`` has split."""
        joined = b"".join(values)
        if len(joined.translate(None, TO_ESCAPE)) < len(joined):
            values = list(map(escape, values))
        fields = [b"\n"] * (len(values) // self._layout.width * (self._layout.width + 1))
        for column in range(self._layout.width):
            fields[column :: self._layout.width + 1] = values[column :: self._layout.width]
        return fields

    def _without_quotes(self, text: bytes) -> list[bytes] | None:
        """What ``split`` returns, for records without quoted fields."""
        if self._layout.delimiter in (b'"', b"\\"):  # they are escaped below
            return None
        plain = self._layout.syntax.without_initial_spaces(text)
        plain = plain.replace(b"\r\n", b"\n")
        # Quotes are data here. They are escaped as ``escape`` does it.
        plain = plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        if len(plain.translate(None, self._to_escape)) < len(plain):
            plain = plain.replace(b"\r\n", b"\n")  # they were CR CR LF
            if len(plain.translate(None, self._to_escape)) < len(plain):
                return None
        records = plain.count(b"\n")
        width = self._layout.width
        # Where the first record has a delimiter at its end, usually all have one.
        trailing = plain.count(self._layout.delimiter, 0, plain.find(b"\n")) == width
        fields = plain.replace(b"\n", self._line_end).split(self._layout.delimiter)
        fields.pop()  # the empty field after the last LF
        null = self._layout.syntax.null_sequence
        if null is not None:
            null = escape(null)
            fields = [ABSENT if one == null else one for one in fields]
        if trailing:
            if any(fields[width :: width + 2]):
                return None
            del fields[width :: width + 2]
        # There is one LF per record, and none within a value. If each is where a record of the
        # right width has it, all records have that width.
        if fields[width :: width + 1] != [b"\n"] * records:
            return None
        return fields

    def _may_have_comments(self, text: bytes) -> bool:
        comment = self._layout.syntax.comment
        if comment is None:
            return False
        return text.startswith(comment) or b"\n" + comment in text


def _quoted_records(text: bytes, layout: Layout) -> list[re.Match[bytes]] | None:
    """``Layout.pattern``'s matches for all records with a quoted field.

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
