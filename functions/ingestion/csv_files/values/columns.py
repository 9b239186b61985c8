"""Converts a column of values at once. The values of most columns repeat, so they are cached."""

import json
from collections.abc import Callable, Sequence
from typing import Protocol

from ingestion.csv_files.values.outcomes import ABSENT, MISSING, Missing, Refused, Stored

_MAX_CACHED = 4096
_MAX_CACHED_BYTES = 64


class Converter(Protocol):
    required: bool

    def convert(self, text: str | None) -> Stored | Missing | Refused: ...


class Column:
    """Converts the values of one field in several rows.

    ``encoded`` makes the JSON of an outcome, ``missing`` stands for a missing value.
    """

    def __init__(
        self, converter: Converter, encoded: Callable[[Stored], bytes], missing: bytes
    ) -> None:
        self._converter = converter
        self._encoded = encoded
        self._missing = missing
        self._cache: dict[bytes, bytes] = {}

    def convert(self, values: Sequence[bytes]) -> Sequence[bytes] | None:
        """The converted values, or None if one of them is refused."""
        cache = self._cache
        new = set(values).difference(cache)
        for value in new:
            outcome = self._one(value)
            if outcome is None:
                return None
            cache[value] = outcome
        converted = [cache[value] for value in values]
        if new and (len(cache) > _MAX_CACHED or max(map(len, new)) > _MAX_CACHED_BYTES):
            cache.clear()
        return converted

    def _one(self, value: bytes) -> bytes | None:
        outcome = self._converter.convert(None if value == ABSENT else decoded(value))
        if isinstance(outcome, Refused):
            return None
        if outcome is MISSING:
            return None if self._converter.required else self._missing
        return self._encoded(outcome)


def decoded(value: bytes) -> str:
    """The text that is escaped for JSON."""
    return str(json.loads(b'"%b"' % value)) if b"\\" in value else value.decode()
