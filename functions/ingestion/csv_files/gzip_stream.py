"""Unpacks gzip (RFC 1952) as a stream, in flat memory, and within bounds."""

import zlib
from collections.abc import Iterable, Iterator

GZIP_MAGIC = b"\x1f\x8b"

MAX_FILE_BYTES = 50 * 10**9
"""Bytes of the largest file that is accepted, packed or not. Split File must read it whole within
15 minutes if it is compressed, or if no plain rows are found in it."""

_MAX_STEP_BYTES = 1024 * 1024
_FREE_SIZE = 64 * 1024 * 1024
_MAX_RATIO = 200


class Unpacker:
    """Iterates over the unpacked blocks of a stream of packed ones; several members may follow one
    another. Data that can't be unpacked ends the iteration: ``problem`` says why, else it is None.

    A file may unpack to 200 times its size at most (and to 64 MiB in any case). Tickets pack some
    10 times, gzip can pack 1,032 times: more than 200 is made to do harm, or no file of tickets.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self._packed = 0
        self._unpacked = 0
        self.problem: str | None = None

    @staticmethod
    def largest(packed_size: int) -> int:
        """To how many bytes a file of this size may unpack."""
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
    """What comes of the bytes before the one that zlib refuses; with its error it tells nothing."""
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
