"""The task Split File: one object becomes a plan of chunks in the work bucket.

A compressed object can't be read by ranges: it is unpacked into the work bucket on the way, and the
chunks are ranges of the unpacked object.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ingestion.contracts import Chunk, File, Plan, Unread
from ingestion.csv_files.chunks import Cutter
from ingestion.csv_files.gzip_stream import Unpacker
from ingestion.generation import generation
from ingestion.ledger.loads import Loads
from ingestion.s3.objects import pinned_object, read_ahead, read_blocks
from ingestion.s3.streams import file_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_CHUNKS = 10_000
"""As many children as a Map Run may have at a time by default; 2 MB of plan."""

DIGEST_KEY_BYTES = 16

RANGE_SIZE = 16 * 1024 * 1024
"""Bytes that Split asks S3 for at a time; 8 or 16 MB are usual ("Use byte-range fetches", S3 User
Guide). A file that is not larger is read by one request."""

RANGES_AHEAD = 4
"""Ranges that are read at a time, or wait to be scanned: 64 MiB of memory. The scan is
faster than one stream from S3."""


class Planner:
    """Plans loads. ``chunk_size`` (bytes) holds for loads that have not been planned yet."""

    def __init__(self, s3: "S3Client", loads: Loads, work_bucket: str, chunk_size: int) -> None:
        self._s3 = s3
        self._loads = loads
        self._work_bucket = work_bucket
        self._chunk_size = chunk_size

    def plan(self, load_id: str, file: File) -> Plan:
        """Write the plan of a file that Validate File accepted, a JSON array of chunks.

        Planning a load again gives the same plan, because the ledger keeps the chunk size of the
        generation's first one.
        """
        made_for = generation(None)
        recorded = self._loads.fix_plan(
            load_id, made_for, self._size_for(file), secrets.token_hex(DIGEST_KEY_BYTES)
        )
        chunk_size = recorded["chunk_size"]
        key = f"plans/{load_id}/{made_for}/{chunk_size}.json"
        plan = recorded.get("plan")
        if plan and self._exists(key) and self._is_unpacked(load_id, file):
            self._loads.note_plan(load_id, made_for, plan)
            return Plan.from_json(plan)
        if file.compression:
            chunks, data_end, unread = self._unpack(load_id, file, chunk_size)
        else:
            chunks, data_end, unread = self._cut(file, chunk_size), file.size, None
        self._s3.put_object(
            Bucket=self._work_bucket,
            Key=key,
            Body=json.dumps([chunk.to_json() for chunk in chunks]).encode(),
            ContentType="application/json",
        )
        answer = Plan(
            self._work_bucket,
            key,
            len(chunks),
            data_end,
            unread,
            made_for,
            recorded["digest_key"],
        )
        self._loads.note_plan(load_id, made_for, answer.to_json())
        return answer

    def _size_for(self, file: File) -> int:
        """Chunks grow with the file rather than become too many."""
        largest = file.size if not file.compression else Unpacker.largest(file.size)
        return max(self._chunk_size, -(-largest // MAX_CHUNKS))

    def _cut(self, file: File, chunk_size: int) -> list[Chunk]:
        source = pinned_object(file)
        cutter = Cutter(file.data_start, chunk_size, file.delimiter.encode())
        ranges = []
        with closing(
            read_ahead(
                self._s3,
                source,
                file.data_start,
                source.size,
                range_size=RANGE_SIZE,
                ranges=RANGES_AHEAD,
            )
        ) as blocks:
            for block in blocks:
                ranges += cutter.feed(block)
        ranges += cutter.finish()
        return [
            Chunk(index, source.bucket, source.key, source.version_id, start, end)
            for index, (start, end) in enumerate(ranges)
        ]

    def _unpack(
        self, load_id: str, file: File, chunk_size: int
    ) -> tuple[list[Chunk], int, Unread | None]:
        source = pinned_object(file)
        cutter = Cutter(file.data_start, chunk_size, file.delimiter.encode())
        unpacker = Unpacker(read_blocks(self._s3, source, 0, source.size))
        ranges: list[tuple[int, int]] = []
        unpacked_size = 0

        def cut_on_the_way() -> Iterator[bytes]:
            nonlocal unpacked_size
            for block in unpacker:
                header = max(0, file.data_start - unpacked_size)
                ranges.extend(cutter.feed(block[header:]))
                unpacked_size += len(block)
                yield block

        key = _unpacked_key(load_id)
        self._s3.upload_fileobj(file_object(cut_on_the_way()), self._work_bucket, key)
        ranges += cutter.finish(broken=unpacker.problem is not None)
        data_end = ranges[-1][1] if ranges else file.data_start
        unread = None
        if unpacker.problem:
            # Neither a line nor how much is lost can be told of what could not be unpacked.
            unread = Unread(unpacker.problem, line=None, bytes=None)
        chunks = [
            Chunk(index, self._work_bucket, key, None, start, end)
            for index, (start, end) in enumerate(ranges)
        ]
        return chunks, data_end, unread

    def _is_unpacked(self, load_id: str, file: File) -> bool:
        return not file.compression or self._exists(_unpacked_key(load_id))

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self._work_bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:  # expired
                return False
            raise
        return True


def _unpacked_key(load_id: str) -> str:
    return f"unpacked/{load_id}.csv"
