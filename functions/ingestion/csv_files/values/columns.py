"""Converts a column of values at once.

Values are UTF-8, escaped for JSON. Most of them repeat, so they are cached. New ones are converted
as a whole if they have the usual form, and otherwise one by one.
"""

import json
from collections.abc import Callable, Mapping, Sequence

from ingestion.csv_files.values.outcomes import ABSENT

Values = Sequence[bytes]
Whole = Callable[[Values], Values | None]
"""Converts a column as a whole. Returns None if a value is refused, or must be converted on its
own."""

_MAX_CACHED = 4096
_MAX_CACHED_BYTES = 64
_MIN_VALUES_TO_HALVE = 16
"""This many values or fewer are converted one by one rather than halved again."""


class Column:
    """Converts the values of one field in several rows.

    `one` converts one text and returns None if it is refused. `missing` maps missing values to
    what stands for them. `first` is tried on each column, `many` on values that are not cached.
    """

    def __init__(
        self,
        one: Callable[[str], bytes | None],
        missing: Mapping[bytes, bytes],
        first: Whole | None = None,
        many: Whole | None = None,
    ) -> None:
        self._one = one
        self._missing = missing
        self._first = first
        self._many = many
        self._cache = dict(missing)

    def convert(self, values: Values) -> Values | None:
        """The converted values, or None if one of them is refused."""
        if self._first and (converted := self._first(values)) is not None:
            return converted
        try:
            return list(map(self._cache.__getitem__, values))
        except KeyError:
            new = list(set(values).difference(self._cache))
        if ABSENT in new:
            return None
        is_of_little_use = len(self._cache) > len(values) and len(new) > len(values) // 2
        if self._many and is_of_little_use and ABSENT not in values:
            converted = self._many(values)
            if converted is not None:
                return converted
        if not self._add(new):
            return None
        converted = list(map(self._cache.__getitem__, values))
        if len(self._cache) > _MAX_CACHED or max(map(len, new)) > _MAX_CACHED_BYTES:
            self._cache = dict(self._missing)
        return converted

    def _add(self, new: Values) -> bool:
        """Converts values and caches them. Returns False if one of them is refused."""
        if self._many:
            converted = self._many(new)
            if converted is not None:
                self._cache.update(zip(new, converted, strict=True))
                return True
            if len(new) > _MIN_VALUES_TO_HALVE:
                ordered = sorted(new)  # like values are often of the same form
                middle = len(ordered) // 2
                return self._add(ordered[:middle]) and self._add(ordered[middle:])
        for value in new:
            outcome = self._one(decoded(value))
            if outcome is None:
                return False
            self._cache[value] = outcome
        return True


def decoded(value: bytes) -> str:
    """The text that is escaped for JSON."""
    return str(json.loads(b'"%b"' % value)) if b"\\" in value else value.decode()


def joined(values: Values) -> bytes:
    """The values, each with an LF after it, which no value contains."""
    return b"\n".join(values) + b"\n"


def parted(column: bytes) -> Values:
    """The values that were joined."""
    return column[:-1].split(b"\n")
