"""What the rows of one file look like: syntax, number of fields, checks of columns."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from ingestion.csv_files.syntax import Syntax

Check = Callable[[bytes], bool]
"""Returns whether a value (UTF-8, without quotes) fits a column's type and constraints."""

MAX_COLUMNS = 2_000
"""The most fields of a row. The search for a closing quote stops after the number of fields of a
row, so this number limits how often a line is read."""


@dataclass(frozen=True)
class HeaderLine:
    """Recognizes repetitions of a file's header without keeping its text."""

    size: int
    """In bytes, without the line end."""
    digest: str
    """SHA-256 of the line, in hexadecimal."""

    @classmethod
    def of(cls, line: bytes) -> "HeaderLine":
        return cls(len(line), sha256(line).hexdigest())

    def equals(self, line: bytes) -> bool:
        return len(line) == self.size and sha256(line).hexdigest() == self.digest


class Layout:
    """The syntax, the number of fields and the column checks of one file.

    A delimiter at the end of a row, after its last field, adds no field.

    `checks` maps zero-based fields to their checks; other fields take any text. `header` is the
    header's line, if the file has one. `judges_line_ends` says whether a record of several lines
    must also pass the tests (b) and (c) of `multiline`, which need columns with checks. Switch it
    off if no column has a check, or if the source's line ends are trusted.
    """

    def __init__(
        self,
        syntax: Syntax,
        width: int,
        checks: Mapping[int, Check],
        header: HeaderLine | None = None,
        *,
        judges_line_ends: bool = True,
    ) -> None:
        self.syntax = syntax
        self.delimiter = syntax.delimiter
        self.width = width
        self.judges_line_ends = judges_line_ends
        self._header = header
        self._checks = sorted(checks.items())

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Matches a record with the right number of fields and a line end."""
        return self.syntax.record_pattern(self.width)

    def without_trailing(self, raw_fields: list[bytes]) -> list[bytes]:
        """The fields of a record, given with their quotes, without the empty one that a delimiter
        at the record's end adds."""
        if len(raw_fields) == self.width + 1 and not raw_fields[-1]:
            return raw_fields[:-1]
        return raw_fields

    def fits(self, fields: Sequence[bytes], first: int = 0) -> bool:
        """Whether each field fits its column; `first` is the column of the first one."""
        end = first + len(fields)
        for column, check in self._checks:
            if first <= column < end and not check(fields[column - first]):
                return False
        return True

    def is_header(self, line: bytes) -> bool:
        """Whether the line, without marks and line end, repeats the header."""
        return self._header is not None and self._header.equals(line)
