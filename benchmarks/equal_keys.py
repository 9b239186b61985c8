"""Measures what it costs Settle Equal Keys to find the digests that several chunks have.

The digests are generated into a folder. A stand-in for S3 reads them, answers each request after
`--latency` seconds, and counts the requests. With `--https`, boto3's client requests them from
a server in another process. The product's search runs in a separate process, so that its peak
memory can be measured. The charges of S3 and Lambda are calculated.

The search compares the digests slab by slab. With `--slabs`, only the first slabs are generated
and measured, for loads of more digests than a disk has room for.

Then the suspects that were found are divided into batches and read, as they are before the chunks
are read again.
"""

import argparse
import resource
import sys
import tempfile
import time
import warnings
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from math import ceil, sqrt
from multiprocessing import get_context
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any, NamedTuple, cast

import boto3
from botocore.config import Config

from benchmarks.object_server import object_server
from ingestion.csv_files.key_digests import DIGEST_BITS
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.writing_times import WritingTime
from ingestion.names import digests_key
from ingestion.tasks.equal_keys_batch import Batch
from ingestion.tasks.suspect_search import PARALLEL_READS, SLAB_DIGESTS, SuspectSearch

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
    slabs: int
    all_slabs: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    gets: int
    puts: int
    bytes_read: int
    suspects: int
    batches: int
    batch_seconds: float
    """The seconds of reading the suspects, after the search."""


class FolderS3:
    """Stands in for S3: GetObject with a range, and PutObject, on files in a folder.

    It answers each request after `latency` seconds."""

    def __init__(self, folder: Path, latency: float) -> None:
        self._folder = folder
        self._latency = latency
        self._lock = Lock()
        self.gets = self.puts = self.bytes_read = 0

    def get_object(self, *, Bucket: str, Key: str, Range: str) -> dict[str, Any]:
        time.sleep(self._latency)
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        with (self._folder / Key).open("rb") as file:
            file.seek(first)
            body = file.read(last + 1 - first)
        with self._lock:
            self.gets += 1
            self.bytes_read += len(body)
        return {"Body": _Body(body), "ResponseMetadata": {"HTTPStatusCode": 206}}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        time.sleep(self._latency)
        path = self._folder / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)
        self.puts += 1


class _Body(NamedTuple):
    data: bytes

    def read(self) -> bytes:
        return self.data


class HttpsS3(FolderS3):
    """Like FolderS3, but boto3's client gets the objects from the server at `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, 0.0)
        warnings.simplefilter("ignore")  # about the certificate that is not verified
        self._client = boto3.client(
            "s3",
            endpoint_url=url,
            verify=False,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106 - not a secret
            config=PARALLEL_READS.merge(Config(s3={"addressing_style": "path"})),
        )

    def get_object(self, *, Bucket: str, Key: str, Range: str) -> dict[str, Any]:
        answer = self._client.get_object(Bucket=Bucket, Key=Key, Range=Range)
        body = answer["Body"].read()
        with self._lock:
            self.gets += 1
            self.bytes_read += len(body)
        return {"Body": _Body(body), "ResponseMetadata": answer["ResponseMetadata"]}


class Objects(Mapping[str, bytes]):
    """The objects in a folder, by `/bucket/key`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, path: str) -> bytes:
        return (self._folder / path.split("/", 2)[2]).read_bytes()

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


def generate(
    folder: Path, sizes: Sequence[int], repeated: float, share: float
) -> list[ChunkProgress]:
    """Writes the lowest `share` of each chunk's sorted digests. The share `repeated` of them is
    taken from the previous chunk. `sizes` are the chunks' numbers of digests."""
    random = Random(SEED)
    chunks = []
    before: array[int] = array("Q")
    below = int(share * 2**DIGEST_BITS)
    for index, size in enumerate(sizes):
        count = round(size * share)
        values = array("Q", random.randbytes(8 * count))
        values = array("Q", [value * below >> 64 for value in values])
        shared = int(count * repeated) if before else 0
        values[:shared] = array("Q", random.sample(before, shared))
        values = array("Q", sorted(set(values)))
        path = folder / digests_key(LOAD, GENERATION, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(values.tobytes())
            file.truncate(8 * (size - count + len(values)))
        distinct = size - count + len(values)
        chunks.append(ChunkProgress(index, 0, 1, 1, finished=True, distinct_keys=distinct))
        before = values
    return chunks


def search(
    folder: Path, chunks: list[ChunkProgress], slabs: int, latency: float, url: str
) -> Found:
    s3 = HttpsS3(folder, url) if url else FolderS3(folder, latency)
    found = SuspectSearch(cast("Any", s3), "work", LOAD, GENERATION, chunks, [])
    began = time.perf_counter()
    counts = [found.search(slab) for slab in range(slabs)]
    seconds = time.perf_counter() - began
    # Written one after another: no chunk has to be put again.
    times = {chunk.index: WritingTime(60 * chunk.index, 0, False) for chunk in chunks}
    batches = found.batches([slab for slab in range(slabs) if counts[slab]])
    for pieces in batches:
        Batch(found.suspects(pieces), times)
    batch_seconds = time.perf_counter() - began - seconds
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Found(
        slabs,
        found.slabs,
        seconds,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024),
        s3.gets,
        s3.puts,
        s3.bytes_read,
        sum(counts),
        len(batches),
        batch_seconds,
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
    parser.add_argument("--slabs", type=int, default=0, help="slabs to measure; 0 for all")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per request to S3")
    parser.add_argument("--https", action="store_true", help="use boto3's client and HTTPS")
    options = parser.parse_args()
    sizes = [
        min(options.rows, options.digests - start)
        for start in range(0, options.digests, options.rows)
    ]
    all_slabs = ceil(options.digests / SLAB_DIGESTS)
    slabs = options.slabs or all_slabs
    share = 1.0
    if slabs < all_slabs:
        # A section is looked for with a margin of 3 times this root.
        share = min(1.0, slabs / all_slabs + 4 / sqrt(options.rows))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chunks = generate(folder, sizes, options.repeated, share)
        server = object_server(Objects(folder), cpu=1) if options.https else nullcontext("")
        with server as url, get_context("spawn").Pool(1) as process:
            found = process.apply(search, (folder, chunks, slabs, options.latency, url))
    searched = options.digests * found.slabs / found.all_slabs
    share = dollars(found) / (searched * ROW_DOLLARS)
    print(
        f"{options.digests:,} digests of {len(chunks):,} chunks, {found.slabs} of "
        f"{found.all_slabs} slabs, {found.suspects:,} suspects: {found.seconds:.0f} s, "
        f"{found.cpu_seconds:.0f} s of CPU, {found.peak_mib:.0f} MiB, "
        f"{found.gets:,} GETs of {found.bytes_read / found.gets / 1000:,.0f} kB, "
        f"{found.puts:,} PUTs; {found.batches} batches: {found.batch_seconds:.0f} s"
    )
    print(f"At AWS's prices ${dollars(found):.4f}, {share:.4%} of what writing the rows costs.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
