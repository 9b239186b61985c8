"""Measures what it costs Settle Equal Keys to find the digests that several chunks have.

The digests are generated into a folder, and a stand-in for S3 reads them and counts the requests.
The product's own search runs in a process of its own, so that its peak memory is its own. The
charges of S3 and Lambda are calculated.
"""

import argparse
import resource
import sys
import tempfile
import time
from array import array
from multiprocessing import get_context
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, NamedTuple, cast

from ingestion.ledger.chunks import ChunkProgress
from ingestion.names import digests_key
from ingestion.tasks.suspect_search import SuspectSearch

LOAD, GENERATION = "benchmark", "0123456789abcdef"
ROWS_OF_A_CHUNK = 258_000
"""The rows of 65 bytes in 16 MiB."""
SEED = 7

GET_DOLLARS = 0.4 / 1e6
PUT_DOLLARS = 5 / 1e6
GB_SECOND_DOLLARS = 0.0000133334
FUNCTION_GB = 1769 / 1024
ROW_DOLLARS = 0.625 / 1e6
"""Prices in US East of S3 requests, Lambda on Arm, and a write of up to 1 KB to an on-demand
table."""


class Found(NamedTuple):
    seconds: float
    cpu_seconds: float
    peak_mib: float
    gets: int
    puts: int
    bytes_read: int
    suspects: int


class FolderS3:
    """Stands in for S3: GetObject with a range, and PutObject, on files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self.gets = self.puts = self.bytes_read = 0

    def get_object(self, *, Bucket: str, Key: str, Range: str) -> dict[str, Any]:
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        with (self._folder / Key).open("rb") as file:
            file.seek(first)
            body = file.read(last + 1 - first)
        with self._lock:
            self.gets += 1
            self.bytes_read += len(body)
        return {"Body": _Body(body), "ResponseMetadata": {"HTTPStatusCode": 206}}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        path = self._folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)
        self.puts += 1


class _Body(NamedTuple):
    data: bytes

    def read(self) -> bytes:
        return self.data


def generate(folder: Path, digests: int, rows: int, repeated: float) -> list[ChunkProgress]:
    """Writes the sorted digests of each chunk of ``rows`` rows. The share ``repeated`` of them is
    taken from the previous chunk."""
    random = Random(SEED)
    chunks = []
    before: array[int] = array("Q")
    for index in range(-(-digests // rows)):
        size = min(rows, digests - index * rows)
        values = array("Q", [value >> 2 for value in array("Q", random.randbytes(8 * size))])
        shared = int(size * repeated) if before else 0
        values[:shared] = array("Q", random.sample(before, shared))
        values = array("Q", sorted(set(values)))
        path = folder / digests_key(LOAD, GENERATION, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(values.tobytes())
        chunks.append(ChunkProgress(index, 0, 1, 1, finished=True, distinct_keys=len(values)))
        before = values
    return chunks


def search(folder: Path, chunks: list[ChunkProgress]) -> Found:
    s3 = FolderS3(folder)
    found = SuspectSearch(cast("Any", s3), "work", LOAD, GENERATION, chunks, [])
    began = time.perf_counter()
    suspects = sum(found.search(slab) for slab in range(found.slabs))
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Found(
        seconds,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024),
        s3.gets,
        s3.puts,
        s3.bytes_read,
        suspects,
    )


def dollars(found: Found) -> float:
    return (
        found.gets * GET_DOLLARS
        + found.puts * PUT_DOLLARS
        + found.cpu_seconds * FUNCTION_GB * GB_SECOND_DOLLARS
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--digests", type=int, default=100_000_000)
    parser.add_argument("--rows", type=int, default=ROWS_OF_A_CHUNK, help="rows of a chunk")
    parser.add_argument(
        "--repeated", type=float, default=0.001, help="share that the chunk before has, too"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        chunks = generate(Path(name), options.digests, options.rows, options.repeated)
        with get_context("spawn").Pool(1) as process:
            found = process.apply(search, (Path(name), chunks))
    total = sum(chunk.distinct_keys for chunk in chunks)
    share = dollars(found) / (total * ROW_DOLLARS)
    print(
        f"{total:,} digests of {len(chunks):,} chunks, {found.suspects:,} suspects: "
        f"{found.seconds:.0f} s, {found.cpu_seconds:.0f} s of CPU, {found.peak_mib:.0f} MiB, "
        f"{found.gets:,} GETs of {found.bytes_read / found.gets / 1000:,.0f} kB, "
        f"{found.puts:,} PUTs"
    )
    print(f"At AWS's prices ${dollars(found):.4f}, {share:.4%} of what writing the rows costs.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
