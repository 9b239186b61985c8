"""The characters that divide a file into records and fields, and patterns made of them.

The patterns are for bytes of UTF-8. No character's bytes are found within those of another one, so
a search finds nothing but the character, even if it takes several bytes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ingestion.csv_files.values.outcomes import ABSENT
from ingestion.sources.model import Dialect

_ESCAPED = rb"(?:\r{1,2}\n|[\s\S])"
"""What an escape character makes data: a whole line end, or a byte. If that is the first one of a
character, the others mean nothing by themselves."""


@dataclass(frozen=True)
class Syntax:
    """The syntax of one file. Each character is given in UTF-8. They differ from each other."""

    delimiter: bytes
    quote: bytes | None = b'"'
    """None: there are no quoted fields."""
    double_quote: bool = True
    """Whether two quotes within a quoted field are one quote."""
    escape: bytes | None = None
    """Makes the character or the line end after it data, inside and outside quotes."""
    skip_initial_space: bool = False
    """Whether spaces before a field are left out."""
    comment: bytes | None = None
    """A line that begins with it is a comment, unless it begins within a record."""
    null_sequence: bytes | None = None
    """A field that is written exactly so is missing. Its value is ABSENT."""

    @classmethod
    def of(cls, dialect: Dialect, delimiter: bytes) -> "Syntax":
        """The syntax of a file of this dialect that was found to have this delimiter."""
        return cls(
            delimiter,
            _encoded(dialect.quote_char),
            dialect.double_quote,
            _encoded(dialect.escape_char),
            dialect.skip_initial_space,
            _encoded(dialect.comment_char),
            _encoded(dialect.null_sequence),
        )

    @cached_property
    def is_simple(self) -> bool:
        """Whether delimiter and quote are one byte each, and no other character has a meaning.

        Faster functions read such files.
        """
        return (
            len(self.delimiter) == 1
            and self.quote is not None
            and len(self.quote) == 1
            and self.double_quote
            and not self.skip_initial_space
            and self.escape is None
            and self.comment is None
        )

    @cached_property
    def opening(self) -> bytes:
        """The quote, or nothing if there is none."""
        return self.quote or b""

    @cached_property
    def quote_byte(self) -> int:
        """The quote of a simple syntax."""
        return self.opening[0]

    @cached_property
    def special(self) -> re.Pattern[bytes] | None:
        """Matches the characters that a record must contain so that it can't simply be split at
        its delimiters. None if there are no such characters."""
        characters = [re.escape(one) for one in (self.quote, self.escape) if one]
        return re.compile(b"|".join(characters)) if characters else None

    def has_special(self, text: bytes, stop: int) -> bool:
        """Whether a text contains a quote or an escape character before `stop`."""
        if self.is_simple:
            return text.find(self.opening, 0, stop) >= 0
        return self.special is not None and self.special.search(text, 0, stop) is not None

    @cached_property
    def within_quotes(self) -> re.Pattern[bytes]:
        """Matches the rest of a quoted field, with the quote that closes it."""
        return re.compile(self._within_quotes)

    @cached_property
    def unquoted(self) -> re.Pattern[bytes]:
        """Matches the rest of an unquoted field, with the CRs of a line end after it. It always
        matches; an escape character with nothing after it is not part of the match."""
        return re.compile(self._unquoted)

    def record_pattern(self, width: int) -> re.Pattern[bytes]:
        """A pattern for a record of `width` fields, perhaps with a delimiter at its end, and its
        line end, as `take_record` reads it.

        One thing differs: an unquoted last field includes the CRs of the line end.
        """
        delimiter = re.escape(self.delimiter)
        blanks = b" *+" if self.skip_initial_space else b""
        if self.is_simple:
            quote = re.escape(self.opening)
            form = b"(%b%b|[^%b\\n%b][^\\n%b]*+|)"
            field = form % (quote, self._within_quotes, quote, delimiter, delimiter)
        elif self.quote:
            quote = re.escape(self.quote)
            field = b"%b(%b%b|(?!%b)%b)" % (
                *(blanks, quote, self._within_quotes),
                *(quote, self._unquoted),
            )
        else:
            field = b"%b(%b)" % (blanks, self._unquoted)
        fields = delimiter.join([field] * width)
        return re.compile(
            rb"(?:\xef\xbb\xbf|\f)*+%b(?:%b%b())?\r{0,2}\n" % (fields, delimiter, blanks)
        )

    def split(self, record: bytes) -> list[bytes]:
        """The fields of a record that has no quotes and no escape characters, as they are
        written."""
        return self.without_initial_spaces(record).split(self.delimiter)

    def without_initial_spaces(self, text: bytes) -> bytes:
        """Records without quotes and escape characters, and without the spaces that are left
        out."""
        if self.skip_initial_space:
            return self._initial_spaces.sub(rb"\1", text)
        return text

    @cached_property
    def values_of(self) -> Callable[[list[bytes]], list[bytes]]:
        """Returns the values of fields that are given as they are written."""
        if self.is_simple and self.quote == b'"' and self.null_sequence is None:
            return _usual_values  # without looking up the quote
        return self._values

    def _values(self, fields: list[bytes]) -> list[bytes]:
        null = self.null_sequence
        if null is not None:
            return [ABSENT if one == null else self._value(one) for one in fields]
        return list(map(self._value, fields))

    def with_nulls(self, fields: list[bytes]) -> list[bytes]:
        """Fields in which quotes and escape characters are data, with ABSENT for null sequences."""
        null = self.null_sequence
        if null is None or null not in fields:
            return fields
        return [ABSENT if one == null else one for one in fields]

    def _value(self, field: bytes) -> bytes:
        if self.quote and field.startswith(self.quote):
            size = len(self.quote)
            return self._escaped_or_quote.sub(rb"\1", field[size:-size])
        return self._escaped.sub(rb"\1", field) if self.escape is not None else field

    @cached_property
    def _escaped(self) -> re.Pattern[bytes]:
        return re.compile(re.escape(self.escape or b"") + rb"([\s\S])")

    @cached_property
    def _escaped_or_quote(self) -> re.Pattern[bytes]:
        """Of what is within quotes. A quote is always followed by another one there."""
        quote = re.escape(self.opening)
        either = b"|".join([re.escape(self.escape), quote] if self.escape else [quote])
        return re.compile(rb"(?:%b)(%b|[\s\S])" % (either, quote))

    @cached_property
    def _initial_spaces(self) -> re.Pattern[bytes]:
        return re.compile(rb"(\A|\n|%b) +" % re.escape(self.delimiter))

    @cached_property
    def _within_quotes(self) -> bytes:
        quote = re.escape(self.opening)
        parts = [_any_but(self.quote, self.escape)]
        if self.double_quote:
            parts.append(quote + quote)
        if self.escape:
            parts.append(re.escape(self.escape) + _ESCAPED)
        return b"(?:%b)*+%b" % (b"|".join(parts), quote)

    @cached_property
    def _unquoted(self) -> bytes:
        data = _any_but(self.delimiter, b"\n", self.escape)
        if not self.escape:
            return data.removesuffix(b"++") + b"*+"
        return b"(?:%b|%b%b)*+" % (data, re.escape(self.escape), _ESCAPED)


def _usual_values(fields: list[bytes]) -> list[bytes]:
    return [one[1:-1].replace(b'""', b'"') if one.startswith(b'"') else one for one in fields]


def _any_but(*characters: bytes | None) -> bytes:
    """A pattern for a stretch without certain characters."""
    others = [re.escape(one) for one in characters if one]
    if all(len(one) == 1 for one in characters if one):
        return b"[^%b]++" % b"".join(others)
    return rb"(?:(?!%b)[\s\S])++" % b"|".join(others)


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
