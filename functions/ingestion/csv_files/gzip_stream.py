"""Unpacks gzip (RFC 1952) as a stream, in constant memory and up to a maximum size."""

import zlib
from collections.abc import Iterable, Iterator

from ingestion.contracts import Reason

GZIP_MAGIC = b"\x1f\x8b"

MAX_FILE_BYTES = 5 * 10**12
"""Bytes of the largest file that is accepted, if Split File reads only around the boundaries of its
chunks. Its 10,000 chunks have 500 MB each."""

MAX_UNPACKED_BYTES = 30 * 10**9
"""Bytes that a file may have if Split File has to read all of it: in the object, and in the copy,
which is unpacked and UTF-8. Split File makes the copy in 10 of its 15 minutes if it reaches 50 MB
per second (measured in docs/scale.md)."""

MAX_RATIO = 200
"""How many times its size a compressed file may unpack to, over the whole file. Tickets compress to
about a tenth. gzip can reach 1,032, so a file over 200 is an attack, or not a file of tickets."""

_MAX_STEP_BYTES = 1024 * 1024
_FREE_SIZE = 64 * 1024 * 1024


class Unpacker:
    """Iterates over the unpacked blocks of a gzip file, which may have several members.

    `size` is the file's size. The iteration ends early if data can't be unpacked (`damaged` is
    true then) or the file unpacks to more than it may (`refusal` says so).
    """

    def __init__(self, blocks: Iterable[bytes], size: int) -> None:
        self._blocks = blocks
        self._size = size
        self.damaged = False
        self.refusal: Reason | None = None

    @staticmethod
    def largest(size: int) -> int:
        """The most bytes that a file of `size` bytes may unpack to. MAX_RATIO doesn't apply to
        the first 64 MiB."""
        return min(MAX_UNPACKED_BYTES, max(_FREE_SIZE, size * MAX_RATIO))

    def __iter__(self) -> Iterator[bytes]:
        member = None
        unpacked, largest = 0, self.largest(self._size)
        for packed in self._blocks:
            left = packed
            while left:
                if member is None:
                    if unpacked and not left.strip(b"\x00"):
                        break  # padding after the last member
                    member = zlib.decompressobj(wbits=31)
                before = member.copy()
                try:
                    block = member.decompress(left, _MAX_STEP_BYTES)
                except zlib.error:
                    self.damaged = True
                    yield from _before_the_damage(before, left)
                    return
                unpacked += len(block)
                if unpacked > largest:
                    self.refusal = _too_large(self._size, largest)
                    return
                if block:
                    yield block
                left = member.unused_data if member.eof else member.unconsumed_tail
                if member.eof:
                    member = None
        self.damaged = member is not None  # it ends within a member


def _too_large(size: int, largest: int) -> Reason:
    if largest == MAX_UNPACKED_BYTES:
        detail = f"The file unpacks to more than {largest:,} bytes; split it into smaller files."
        return Reason("gzip_too_large", detail)
    return Reason(
        "gzip_ratio",
        f"The file has {size:,} bytes and unpacks to more than {largest:,}, which is more than"
        f" {MAX_RATIO} times as many. If the file is right, upload it uncompressed.",
    )


def _before_the_damage(member: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """Unpacks the bytes before the one that zlib refuses. zlib's error comes without output."""
    while len(packed) > 1:
        half = len(packed) // 2
        trial = member.copy()
        try:
            block = trial.decompress(packed[:half])
        except zlib.error:
            packed = packed[:half]
        else:
            yield block
            member, packed = trial, packed[half:]
