"""What the rows of one file look like, as far as the file alone can tell."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from ingestion.csv_files.records import record_pattern

Check = Callable[[bytes], bool]
"""Tells whether a value, as UTF-8 and without its quotes, fits a column's type and constraints."""

MAX_COLUMNS = 2_000
"""Fields of a row. Reading ahead for a closing quote stops after as many fields as a row has, so
the number of fields bounds how often a line is read."""


@dataclass(frozen=True)
class HeaderLine:
    """Recognises a file's header where it is repeated, without keeping its text."""

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
    """The delimiter, the number of fields and the column checks of one file.

    ``checks`` gives the check of each zero-based field that has one; other fields take any text.
    ``header`` is the header's line, if the file has one. ``judges_line_ends`` says whether a record
    of several lines must also pass the tests that need columns with a form (see ``multiline``).
    Switch it off where no column has a form, or where the source's line ends are trusted.
    """

    def __init__(
        self,
        delimiter: bytes,
        width: int,
        checks: Mapping[int, Check],
        header: HeaderLine | None = None,
        *,
        judges_line_ends: bool = True,
    ) -> None:
        self.delimiter = delimiter
        self.width = width
        self.judges_line_ends = judges_line_ends
        self._header = header
        self._checks = sorted(checks.items())

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """Matches a record with the right number of fields, whose line end is in the text."""
        return record_pattern(self.delimiter, self.width)

    def fits(self, fields: Sequence[bytes], first: int = 0) -> bool:
        """Whether each field fits its column; ``first`` is the column of the first one."""
        end = first + len(fields)
        for column, check in self._checks:
            if first <= column < end and not check(fields[column - first]):
                return False
        return True

    def is_header(self, line: bytes) -> bool:
        """Whether the line, without marks and line end, is the header again."""
        return self._header is not None and self._header.equals(line)
