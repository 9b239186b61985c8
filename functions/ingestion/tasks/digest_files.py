"""The digests of chunks' keys in the work bucket: one object per chunk, read by ranges of values.

An object holds the chunk's distinct digests as 64-bit integers, ascending, followed by those
that occur more than once.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from math import ceil, sqrt
from typing import TYPE_CHECKING, NamedTuple

from ingestion.csv_files.key_digests import DIGEST_BITS, KeyDigests
from ingestion.s3.streams import file_object
from ingestion.s3.work_bucket import read_range

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SIZE = 8
_MAX_DEVIATIONS = 6
"""Standard deviations by which a digest's place may differ from where even digests would have it.
Where they differ by more, the whole section is read."""


class Written(NamedTuple):
    distinct: int
    repeated: "array[int]"


def write_digests(client: "S3Client", bucket: str, key: str, digests: KeyDigests) -> Written:
    """Writes a chunk's digests. Returns the number of distinct ones, and the repeated ones."""
    distinct = 0
    repeated: array[int] = array("Q")

    def sections() -> Iterator[bytes]:
        nonlocal distinct
        for part in digests.ranges():
            distinct += len(part.distinct)
            repeated.extend(part.repeated)
            yield part.distinct.tobytes()
        yield repeated.tobytes()

    client.upload_fileobj(file_object(sections()), bucket, key)
    return Written(distinct, repeated)


class DigestSection(NamedTuple):
    """Ascending digests within an object: `size` of them, from the `first`-th on."""

    bucket: str
    key: str
    first: int
    size: int

    def read(self, client: "S3Client", low: int, high: int) -> "array[int]":
        """The digests in `[low, high)`, by one ranged GET unless they are spread unevenly."""
        start, end = self._guess(low, high)
        if start == end:
            return array("Q")
        values = self._get(client, start, end)
        if (start and values[0] >= low) or (end < self.size and values[-1] < high):
            values = self._get(client, 0, self.size)
        return values[bisect_left(values, low) : bisect_left(values, high)]

    def _guess(self, low: int, high: int) -> tuple[int, int]:
        if self.size == 0:
            return 0, 0
        margin = ceil(_MAX_DEVIATIONS * sqrt(self.size) / 2) + 1
        start = (low * self.size >> DIGEST_BITS) - margin if low else 0
        end = (high * self.size >> DIGEST_BITS) + margin
        return max(0, start), min(self.size, end)

    def _get(self, client: "S3Client", start: int, end: int) -> "array[int]":
        first, last = (self.first + start) * _SIZE, (self.first + end) * _SIZE
        return array("Q", read_range(client, self.bucket, self.key, first, last))


def write_lines(client: "S3Client", bucket: str, key: str, lines: Iterable[bytes]) -> None:
    """Stores what has been found so far for a batch of equal keys. Line ends within lines are
    escaped."""
    client.put_object(Bucket=bucket, Key=key, Body=b"\n".join(lines))


def read_lines(client: "S3Client", bucket: str, key: str) -> list[bytes]:
    return client.get_object(Bucket=bucket, Key=key)["Body"].read().split(b"\n")
