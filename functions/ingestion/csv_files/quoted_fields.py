"""Splits many lines at their quotes in one pass."""

from collections.abc import Iterator
from typing import NamedTuple

from ingestion.csv_files.layout import Layout
from ingestion.csv_files.records import LINE_END

_QUOTE = b'"'


class QuotedFields(NamedTuple):
    """A text that is split at its quoted fields."""

    values: list[bytes]
    """Of the quoted fields, without quotes."""
    outside: list[bytes]
    """What precedes each of the quoted fields, and what follows the last one."""

    def with_line_ends(self) -> Iterator[int]:
        """The positions of the quoted fields that span lines."""
        if b"\n" not in b"".join(self.values):
            return
        position = 0
        for before, value in zip(self.outside, self.values, strict=False):
            position += len(before)
            if b"\n" in value:
                yield position
            position += len(value) + value.count(_QUOTE) + 2


def split_quoted(text: bytes, layout: Layout) -> list[bytes]:
    """The fields of whole lines, if every field is quoted, every line has the right number of
    fields, and no field contains a quote or a line end. Otherwise empty. Either all lines or none
    may have a delimiter at their end."""
    syntax = layout.syntax
    if not syntax.quote or not text.startswith(syntax.quote):
        return []
    if syntax.escape is not None and syntax.escape in text:
        return []
    if syntax.null_sequence is not None and syntax.opening in syntax.null_sequence:
        return []
    pieces = text.split(syntax.quote)
    values, between = pieces[1::2], pieces[2::2]
    rows = text.count(b"\n")
    if not between or len(values) != rows * layout.width:
        return []
    line_end = between[-1]
    if not LINE_END.fullmatch(line_end.removeprefix(layout.delimiter)):
        return []
    if between != ([layout.delimiter] * (layout.width - 1) + [line_end]) * rows:
        return []
    return values


def find_quoted(text: bytes, layout: Layout) -> QuotedFields | None:
    """Splits whole lines at their quoted fields.

    None if a quote is data in an unquoted field, if a quoted field is not closed or is followed by
    text, or if the syntax is not the usual one.
    """
    syntax = layout.syntax
    if not syntax.is_simple or syntax.opening != _QUOTE or not text.endswith(b"\n"):
        return None
    if syntax.null_sequence is not None and _QUOTE in syntax.null_sequence:
        return None
    pieces = text.split(_QUOTE)
    if len(pieces) % 2 == 0:
        return None
    values = []
    outside = pieces[:1]
    first = 1  # the piece with which a quoted field begins
    around = (layout.delimiter, b"\n")
    for at in range(2, len(pieces), 2):
        after = pieces[at]
        if not after:  # two quotes within the field
            continue
        if not after.startswith(around) and not LINE_END.match(after):
            return None
        if at == first + 1:
            values.append(pieces[first])
        else:
            values.append(_QUOTE.join(pieces[first:at]).replace(b'""', _QUOTE))
        outside.append(after)
        first = at + 1
    if any(before and not before.endswith(around) for before in outside):
        return None
    return QuotedFields(values, outside)
