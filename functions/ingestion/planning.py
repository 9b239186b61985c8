"""The task Split File: one object becomes a plan of chunks in the work bucket."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingestion.chunks import Chunk, cut_at_records
from ingestion.ledger import Ledger
from ingestion.objects import PinnedObject, read_blocks

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_CHUNKS = 10_000
"""The largest default-quota Map Run's parallel children, and 2 MB of plan."""


class Planner:
    """Plans loads. ``chunk_size`` (bytes) holds for loads that have not been planned yet."""

    def __init__(self, s3: "S3Client", ledger: Ledger, work_bucket: str, chunk_size: int) -> None:
        self._s3 = s3
        self._ledger = ledger
        self._work_bucket = work_bucket
        self._chunk_size = chunk_size

    def plan(self, load_id: str, file: Mapping[str, Any]) -> dict[str, Any]:
        """Write the plan of a file that Validate File accepted: ``{"bucket", "key", "chunks"}``.

        The plan is a JSON array of chunks. Planning a load again gives the same plan, because the
        first plan's chunk size is kept in the ledger.
        """
        chunk_size = self._ledger.fix_chunk_size(load_id, self._size_for(file["size"]))
        key = f"plans/{load_id}/{chunk_size}.json"
        recorded = self._ledger.load(load_id) or {}
        if recorded.get("plan_key") == key and self._exists(key):
            return self._answer(key, recorded["chunks"])
        chunks = [chunk.as_json() for chunk in self._chunks(file, chunk_size)]
        self._s3.put_object(
            Bucket=self._work_bucket,
            Key=key,
            Body=json.dumps(chunks).encode(),
            ContentType="application/json",
        )
        self._ledger.record_plan(load_id, key, len(chunks))
        return self._answer(key, len(chunks))

    def _size_for(self, file_size: int) -> int:
        """Chunks grow with the file rather than become too many."""
        return max(self._chunk_size, -(-file_size // MOST_CHUNKS))

    def _chunks(self, file: Mapping[str, Any], chunk_size: int) -> Iterator[Chunk]:
        source = pinned_object(file)
        blocks = read_blocks(self._s3, source, file["data_start"], source.size)
        ranges = cut_at_records(blocks, file["data_start"], chunk_size, file["delimiter"].encode())
        for index, (start, end) in enumerate(ranges):
            yield Chunk(index, source.bucket, source.key, source.version_id, start, end)

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self._work_bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:  # expired
                return False
            raise
        return True

    def _answer(self, key: str, chunks: int) -> dict[str, Any]:
        return {"bucket": self._work_bucket, "key": key, "chunks": chunks}


def pinned_object(file: Mapping[str, Any]) -> PinnedObject:
    """The object of the ``file`` that Validate File answered with."""
    return PinnedObject(file["bucket"], file["key"], file["version_id"], file["etag"], file["size"])
