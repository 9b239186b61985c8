"""Restores the digests of finished chunks that a lifecycle rule has removed."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ingestion.contracts import Plan
from ingestion.csv_files.key_digests import KeyDigests, key_digest
from ingestion.csv_files.sorted_numbers import SortedNumbers
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress
from ingestion.names import digests_key, digests_prefix
from ingestion.s3.refused_rows import read_parts
from ingestion.s3.work_bucket import list_keys
from ingestion.tasks.accounting import chunk_series
from ingestion.tasks.chunk_rows import ChunkPages
from ingestion.tasks.digest_files import write_digests

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def restore_digests(
    s3: "S3Client",
    bucket: str,
    load_id: str,
    plan: Plan,
    chunks: Sequence[ChunkProgress],
    pages: Callable[[int], ChunkPages],
) -> Iterator[int]:
    """Writes the missing digests of finished chunks, by reading these chunks again.

    `pages` returns the pages of a chunk, given its index. Yields the index of each chunk after
    its digests are written, so the caller can stop between chunks. Raises AccountingError if a
    chunk has another number of distinct keys than the ledger says.
    """
    present = list_keys(s3, bucket, digests_prefix(load_id, plan.generation))
    for progress in chunks:
        key = digests_key(load_id, plan.generation, progress.index)
        if key in present or not progress.distinct_keys:
            continue
        by_table = chunk_series(load_id, plan.generation, progress).refused_by_table
        refused_lines = SortedNumbers(row.line for row in read_parts(s3, bucket, by_table.keys()))
        digests = KeyDigests(key_digest(plan.digest_key))
        for keys in pages(progress.index).keys(progress.start, progress.end, refused_lines):
            digests.add(keys)
        written = write_digests(s3, bucket, key, digests)
        if written.distinct != progress.distinct_keys:
            raise AccountingError(
                f"Chunk {progress.index} of load {load_id} has {written.distinct:,} distinct keys, "
                f"but had {progress.distinct_keys:,} when it was written."
            )
        yield progress.index
