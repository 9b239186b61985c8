"""Unpacks gzip (RFC 1952) as a stream, in constant memory and up to a maximum size."""

import zlib
from collections.abc import Iterable, Iterator

GZIP_MAGIC = b"\x1f\x8b"

MAX_FILE_BYTES = 50 * 10**9
"""Bytes of the largest file that is accepted, packed or not. Split File must read all of it within
15 minutes if it is compressed or if no plain rows are found in it."""

_MAX_STEP_BYTES = 1024 * 1024
_FREE_SIZE = 64 * 1024 * 1024
_MAX_RATIO = 200


class Unpacker:
    """Iterates over the unpacked blocks of a gzip stream, which may have several members.

    Data that can't be unpacked ends the iteration. ``problem`` then says why; otherwise it is None.

    A file may unpack to at most 200 times its size, and to 64 MiB in any case. Tickets compress to
    about a tenth. gzip can reach 1,032, so a file over 200 is an attack, or no file of tickets.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self._packed = 0
        self._unpacked = 0
        self.problem: str | None = None

    @staticmethod
    def largest(packed_size: int) -> int:
        """The most bytes that a file of ``packed_size`` bytes may unpack to."""
        return min(MAX_FILE_BYTES, max(_FREE_SIZE, packed_size * _MAX_RATIO))

    def __iter__(self) -> Iterator[bytes]:
        member = None
        for packed in self._blocks:
            self._packed += len(packed)
            left = packed
            while left:
                if member is None:
                    if self._unpacked and not left.strip(b"\x00"):
                        break  # padding after the last member
                    member = zlib.decompressobj(wbits=31)
                before = member.copy()
                try:
                    block = member.decompress(left, _MAX_STEP_BYTES)
                except zlib.error:
                    self.problem = "corrupt_gzip"
                    yield from _before_the_damage(before, left)
                    return
                self._unpacked += len(block)
                if self._unpacked > self.largest(self._packed):
                    self.problem = "unpacks_too_large"
                    return
                if block:
                    yield block
                left = member.unused_data if member.eof else member.unconsumed_tail
                if member.eof:
                    member = None
        if member is not None:
            self.problem = "corrupt_gzip"  # it ends within a member


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
