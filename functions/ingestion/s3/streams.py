"""Wraps an iterator of bytes in a file object, so that boto3 uploads data while it is made."""

import io
from collections.abc import Iterable
from typing import Any


class IteratorStream(io.RawIOBase):
    """A raw stream: readable, not seekable. Keeps at most one item of the iterator in memory."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._left:
            item = next(self._source, None)
            if item is None:
                return 0
            self._left = memoryview(item)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def file_object(source: Iterable[bytes]) -> io.BufferedReader:
    """Makes `source` a file object that `upload_fileobj` accepts."""
    return io.BufferedReader(IteratorStream(source), 1024 * 1024)
