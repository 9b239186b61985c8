"""The task Split File: divides an object into chunks and writes the plan to the work bucket.

It reads the object only around the chunks' boundaries. An object that is compressed or isn't UTF-8
can't be read by ranges, so its text is written to the work bucket, unpacked and as UTF-8, and the
chunks are ranges of that copy. If the source stores line numbers, it counts the lines before each
chunk, which means to read all of the file before the last chunk.

It refuses a copy that becomes too large, and a file that it has too little time to read. All of a
file is read only if it is copied, has no plain rows or stores line numbers; another call would have
to begin again.
"""

import itertools
import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ingestion.contracts import Chunk, File, Plan, Reason, Unread
from ingestion.csv_files.chunks import (
    Boundary,
    BoundaryFinder,
    cut,
    find_boundary,
    next_multiple,
)
from ingestion.csv_files.gzip_stream import MAX_UNPACKED_BYTES, Unpacker
from ingestion.csv_files.key_digests import new_secret
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.line_counter import LineCounter
from ingestion.csv_files.sections import Section, read_sections
from ingestion.csv_files.transcoding import MAX_GROWTH, transcode
from ingestion.generation import generation
from ingestion.ledger.loads import Loads
from ingestion.s3.objects import (
    PinnedObject,
    RangeIgnored,
    pinned_object,
    read_ahead,
    read_blocks,
    read_range,
)
from ingestion.s3.streams import file_object
from ingestion.s3.work_bucket import read_range as read_work_bucket
from ingestion.tasks.chunk_rows import file_layout
from ingestion.tasks.file_source import source_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_CHUNKS = 10_000
"""The default limit of parallel child executions of a Map Run. The plan then has 2 MB."""

MAX_PARALLEL_READS = 32
"""Boundaries that are searched for in parallel. Each read spends some tens of milliseconds waiting
for S3."""

RANGE_SIZE = 16 * 1024 * 1024
"""Bytes that Split File asks S3 for at a time where it has to read all of a chunk; 8 or 16 MB are
usual ("Use byte-range fetches", S3 User Guide)."""

RANGES_AHEAD = 4
"""Ranges that are read in parallel in that case: 64 MiB of memory."""

MIN_SECONDS_LEFT = 120.0
"""Seconds of a call in which no more of a file is read: for a request that S3 doesn't answer, which
fails after 60 seconds, for the rest of the upload, and for the plan."""


LINES_STEP = 256 * 1024
"""Bytes of a copy after which the number of its lines so far is noted, if it is needed."""


class _FileRefused(Exception):
    """Ends the reading of a file that is refused, and the upload of its copy."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.reason)
        self.reason = reason


class Planner:
    """Plans loads. `chunk_size` (bytes) applies to loads that have not been planned yet."""

    def __init__(
        self,
        s3: "S3Client",
        loads: Loads,
        work_bucket: str,
        chunk_size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._s3 = s3
        self._loads = loads
        self._work_bucket = work_bucket
        self._chunk_size = chunk_size
        self._clock = clock

    def plan(self, load_id: str, file: File, seconds: float, execution: str | None = None) -> Plan:
        """Writes the plan of a file that Validate File accepted, a JSON array of chunks.

        Planning a load again gives the same plan, because the ledger keeps the chunk size of the
        generation's first one. If the file is refused, nothing is written, and the result has the
        reason. `seconds` is the time that the call has left. `execution` is the name of the
        execution, or None for one of an earlier release.
        """
        deadline = self._clock() + seconds - MIN_SECONDS_LEFT
        made_for = generation(file.table_id, file.declaration, file.lineage)
        recorded = self._loads.fix_plan(load_id, made_for, self._size_for(file), new_secret())
        chunk_size = recorded["chunk_size"]
        key = f"plans/{load_id}/{made_for}/{chunk_size}.json"
        plan = recorded.get("plan")
        if plan and self._exists(key) and self._is_rewritten(load_id, file):
            self._loads.note_plan(load_id, made_for, plan)
            return Plan.from_json(plan)
        try:
            if file.is_rewritten:
                chunks, data_end, unread = self._rewrite(load_id, file, chunk_size, deadline)
            else:
                chunks, data_end, unread = self._cut(file, chunk_size, deadline), file.size, None
        except _FileRefused as refused:
            self._loads.refuse_load(load_id, [refused.reason], execution)
            unread = Unread(refused.reason.reason, line=None, bytes=None)
            return Plan(self._work_bucket, key, 0, file.data_start, unread, refusal=refused.reason)
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
        """Returns the chunk size, larger for files that would have more than MAX_CHUNKS chunks."""
        largest = Unpacker.largest(file.size) if file.compression else file.size
        if file.encoding != "utf_8":
            largest = min(MAX_UNPACKED_BYTES, largest * MAX_GROWTH)
        return max(self._chunk_size, -(-largest // MAX_CHUNKS))

    def _cut(self, file: File, chunk_size: int, deadline: float) -> list[Chunk]:
        source, layout = pinned_object(file), file_layout(file)
        boundaries = self._boundaries(source, file.data_start, chunk_size, layout, deadline)
        chunks = self._chunks(source, file.data_start, source.size, boundaries, layout, deadline)
        return self._with_lines(file, chunks, deadline) if source_of(file).uses_line else chunks

    def _with_lines(self, file: File, chunks: list[Chunk], deadline: float) -> list[Chunk]:
        """Reads the file up to its last chunk, to count the lines before each one."""
        start, end = file.data_start, chunks[-1].start if chunks else file.data_start
        counter = LineCounter(start, (chunk.start for chunk in chunks))
        blocks = read_ahead(
            self._s3, pinned_object(file), start, end, range_size=RANGE_SIZE, ranges=RANGES_AHEAD
        )
        with closing(blocks):
            for block in self._in_time(blocks, deadline, start, end):
                counter.feed(block)
        return [
            replace(chunk, lines_before=file.lines_before_data + lines)
            for chunk, lines in zip(chunks, counter.counts, strict=True)
        ]

    def _boundaries(
        self, source: PinnedObject, start: int, chunk_size: int, layout: Layout, deadline: float
    ) -> list[Boundary]:
        end = source.size
        multiples = range(next_multiple(start, chunk_size), end, chunk_size)
        if not layout.judges_line_ends:
            return [Boundary(multiple, None) for multiple in multiples]

        def find(multiple: int) -> Boundary | None:
            read = partial(read_range, self._s3, source)
            return find_boundary(read, multiple, end, chunk_size, layout)

        try:
            # Find the first one alone, so that a server that ignores ranges gets only one request.
            found = [find(multiple) for multiple in multiples[:1]]
            threads = ThreadPoolExecutor(MAX_PARALLEL_READS, "split-file")
            try:
                found += threads.map(find, multiples[1:])
            finally:
                threads.shutdown(cancel_futures=True)
        except RangeIgnored:
            return self._boundaries_of_stream(source, start, chunk_size, layout, deadline)
        return [boundary for boundary in found if boundary]

    def _boundaries_of_stream(
        self, source: PinnedObject, start: int, chunk_size: int, layout: Layout, deadline: float
    ) -> list[Boundary]:
        """Finds all boundaries by reading the object with one request."""
        finder = BoundaryFinder(start, next_multiple(start, chunk_size), chunk_size, layout)
        blocks = read_blocks(self._s3, source, start, source.size)
        for block in self._in_time(blocks, deadline, start, source.size):
            finder.feed(block)
        finder.finish()
        return finder.boundaries

    def _chunks(
        self,
        source: PinnedObject,
        start: int,
        end: int,
        boundaries: Sequence[Boundary],
        layout: Layout,
        deadline: float,
    ) -> list[Chunk]:
        def sections_from(position: int) -> Generator[Section]:
            blocks = read_ahead(
                self._s3, source, position, end, range_size=RANGE_SIZE, ranges=RANGES_AHEAD
            )
            with closing(blocks):
                in_time = self._in_time(blocks, deadline, position, end)
                yield from read_sections(in_time, layout, ends_file=True)

        return [
            Chunk(index, source.bucket, source.key, source.version_id, first, last)
            for index, (first, last) in enumerate(cut(start, end, boundaries, sections_from))
        ]

    def _in_time(
        self, blocks: Iterator[bytes], deadline: float, start: int, end: int
    ) -> Iterator[bytes]:
        """Yields the blocks of the range from `start` to `end`. Raises _FileRefused at the
        deadline."""
        at = start
        for block in blocks:
            if self._clock() > deadline:
                detail = (
                    f"Split File had read {at:,} of {end:,} bytes when it ran out of time. Split"
                    " the file into smaller ones. If S3 was slow, replay the load."
                )
                raise _FileRefused(Reason("out_of_time", detail))
            at += len(block)
            yield block

    def _rewrite(
        self, load_id: str, file: File, chunk_size: int, deadline: float
    ) -> tuple[list[Chunk], int, Unread | None]:
        source, layout, start = pinned_object(file), file_layout(file), file.data_start
        finder = BoundaryFinder(0, next_multiple(start, chunk_size), chunk_size, layout)
        blocks = read_blocks(self._s3, source, 0, source.size)
        stored = self._in_time(blocks, deadline, 0, source.size)
        unpacker = Unpacker(stored, source.size) if file.compression else None
        counter = (
            LineCounter(0, itertools.count(0, LINES_STEP)) if source_of(file).uses_line else None
        )
        size = end_of_lines = 0

        def find_on_the_way() -> Iterator[bytes]:
            nonlocal size, end_of_lines
            for block in transcode(unpacker or stored, file.encoding):
                finder.feed(block)
                if counter:
                    counter.feed(block)
                newline = block.rfind(b"\n")
                if newline >= 0:
                    end_of_lines = size + newline + 1
                size += len(block)
                if size > MAX_UNPACKED_BYTES:
                    raise _FileRefused(_too_large())
                yield block
            if unpacker and unpacker.refusal:
                raise _FileRefused(unpacker.refusal)

        key = _copy_key(load_id, file)
        self._s3.upload_fileobj(file_object(find_on_the_way()), self._work_bucket, key)
        end, unread = size, None
        if unpacker and unpacker.damaged:
            # Half a line could be taken for a row. How much is lost is unknown.
            end = max(start, end_of_lines)
            unread = Unread("corrupt_gzip", line=None, bytes=None)
        else:
            finder.finish()
        copy = PinnedObject(self._work_bucket, key, None, None, size)
        chunks = self._chunks(copy, start, end, finder.boundaries, layout, deadline)
        if counter:
            chunks = self._with_noted_lines(chunks, counter.counts)
        return chunks, end, unread

    def _with_noted_lines(self, chunks: list[Chunk], noted: Sequence[int]) -> list[Chunk]:
        """Notes the lines before each chunk of a copy. `noted` has the lines before each multiple
        of LINES_STEP."""

        def with_lines(chunk: Chunk) -> Chunk:
            step, rest = divmod(chunk.start, LINES_STEP)
            lines = noted[step]
            if rest:
                start = step * LINES_STEP
                text = read_work_bucket(self._s3, chunk.bucket, chunk.key, start, chunk.start)
                lines += text.count(b"\n")
            return replace(chunk, lines_before=lines)

        with ThreadPoolExecutor(MAX_PARALLEL_READS, "split-file") as threads:
            return list(threads.map(with_lines, chunks))

    def _is_rewritten(self, load_id: str, file: File) -> bool:
        return not file.is_rewritten or self._exists(_copy_key(load_id, file))

    def _exists(self, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=self._work_bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:  # expired
                return False
            raise
        return True


def _copy_key(load_id: str, file: File) -> str:
    # The text depends on the declared encoding, and a declaration may be changed and changed back.
    encoding = "" if file.encoding == "utf_8" else f".{file.encoding}"
    return f"unpacked/{load_id}{encoding}.csv"


def _too_large() -> Reason:
    most = f"{MAX_UNPACKED_BYTES:,}"
    detail = f"The file has more than {most} bytes as UTF-8; split it into smaller files."
    return Reason("file_too_large", detail)
