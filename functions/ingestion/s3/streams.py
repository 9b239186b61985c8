"""A file object over an iterator of bytes, so that boto3 uploads what is just being made."""

import io
from collections.abc import Iterable
from typing import Any


class IteratorStream(io.RawIOBase):
    """Readable, not seekable; keeps no more than one item of the iterator."""

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
    """``source`` as what ``upload_fileobj`` takes."""
    return io.BufferedReader(IteratorStream(source), 1024 * 1024)
