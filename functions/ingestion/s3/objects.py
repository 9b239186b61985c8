"""S3 objects, pinned: every read is of one version and refuses any other content."""

import re
import threading
from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)

from ingestion.contracts import Chunk, File
from ingestion.errors import ObjectChanged, ObjectGone

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

BLOCK_SIZE = 1024 * 1024
_BROKEN_STREAM = (
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    OSError,
)
_MAX_BREAKS = 5  # in a row without a byte read; the SDK has retried each request by then


@dataclass(frozen=True)
class PinnedObject:
    """One object's content: a version, or in an unversioned bucket what has this ETag."""

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    """None for what the pipeline itself has made and nobody overwrites."""
    size: int


@dataclass(frozen=True)
class ObjectState:
    """A pinned object and what else S3 says of it."""

    pinned: PinnedObject
    identity: str
    """What tells this content of the key from every other: its version, or its ETag and the time
    it was stored at."""
    fingerprint: str | None
    """Equal for equal content: a checksum of the full object, or the ETag where it is an MD5."""


def pin(
    client: "S3Client", bucket: str, key: str, version_id: str | None, etag: str | None
) -> ObjectState:
    """The version asked for, else the newest one.

    Raises ObjectGone, and ObjectChanged if the newest one has not the ETag asked for.
    """
    arguments: dict[str, Any] = {"VersionId": version_id} if version_id else {}
    try:
        answer = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **arguments)
    except ClientError as error:
        _raise_gone(error, bucket, key)
    # An unversioned bucket says nothing of versions, a suspended one "null": neither pins content.
    version = answer.get("VersionId")
    pinned = PinnedObject(
        bucket,
        key,
        None if version == "null" else version,
        answer["ETag"].strip('"'),
        answer["ContentLength"],
    )
    if etag and not version_id and pinned.etag != etag:
        raise ObjectChanged(f"The object was overwritten before it was read: {bucket}/{key}.")
    identity = pinned.version_id or f"{pinned.etag} {answer['LastModified'].isoformat()}"
    return ObjectState(pinned, identity, _fingerprint(answer))


def _fingerprint(answer: "HeadObjectOutputTypeDef") -> str | None:
    size, etag = answer["ContentLength"], answer["ETag"].strip('"')
    # An ETag is the content's MD5 for single-part uploads that S3 encrypts with its own keys or not
    # at all ("Checking object integrity", S3 User Guide).
    own_keys = answer.get("ServerSideEncryption", "AES256") == "AES256"
    if own_keys and not answer.get("SSECustomerAlgorithm") and re.fullmatch("[0-9a-f]{32}", etag):
        return f"{size}:md5:{etag}"
    if answer.get("ChecksumType") == "FULL_OBJECT":
        for name, value in sorted(answer.items()):
            if name.startswith("Checksum") and name != "ChecksumType":
                return f"{size}:{name.removeprefix('Checksum').lower()}:{value}"
    return None


class RangeIgnored(Exception):
    """The server answers a request for a range with the whole object."""


def read_blocks(
    client: "S3Client",
    source: PinnedObject,
    start: int,
    end: int,
    block_size: int = BLOCK_SIZE,
    *,
    only_the_range: bool = False,
) -> Generator[bytes, None, None]:
    """The bytes of the half-open range in blocks of at most ``block_size``.

    The SDK does not retry a body once it streams, so a broken one is continued from the last
    offset. Raises ObjectGone, ObjectChanged, or botocore's error when S3 stays unreachable; with
    ``only_the_range`` also RangeIgnored, where bytes before the range are skipped otherwise.
    """
    offset = start
    breaks = 0
    while offset < end:
        body, skip = _open_range(client, source, offset, end)
        if skip and only_the_range:
            body.close()
            raise RangeIgnored
        try:
            for block in body.iter_chunks(block_size):
                wanted = block[skip : skip + end - offset]
                skip = max(0, skip - len(block))
                if wanted:
                    offset += len(wanted)
                    breaks = 0
                    yield wanted
                if offset == end:
                    return
            # Without a Content-Length a body that ends early looks like a whole one.
            raise IncompleteReadError(actual_bytes=offset - start, expected_bytes=end - start)
        except _BROKEN_STREAM:
            breaks += 1
            if breaks > _MAX_BREAKS:
                raise
        finally:
            body.close()


def read_range(client: "S3Client", source: PinnedObject, start: int, end: int) -> bytes:
    """The bytes of a half-open range that fits into memory.

    Raises RangeIgnored, and what ``read_blocks`` raises.
    """
    return b"".join(read_blocks(client, source, start, end, only_the_range=True))


def read_ahead(
    client: "S3Client",
    source: PinnedObject,
    start: int,
    end: int,
    *,
    range_size: int,
    ranges: int,
) -> Generator[bytes, None, None]:
    """What ``read_blocks`` yields, by ``ranges`` ranged GETs at a time, each in its own thread.

    The blocks come in order, and so does an error of ``read_blocks``: after the blocks of the
    ranges before it. Memory: ``ranges`` times ``range_size`` bytes. No thread is left when the
    iteration ends; a consumer that may end early must close it. What fits into one range is read
    by one request, without a thread.
    """
    offset = start
    if end - start > range_size:
        try:
            with closing(_in_parallel(client, source, start, end, range_size, ranges)) as blocks:
                for block in blocks:
                    offset += len(block)
                    yield block
        except RangeIgnored:
            pass  # Each range would cost as much as all that is left: one request is better.
    yield from read_blocks(client, source, offset, end)


def _in_parallel(
    client: "S3Client", source: PinnedObject, start: int, end: int, range_size: int, ranges: int
) -> Generator[bytes, None, None]:
    stopped = threading.Event()

    def read(first: int, buffer: bytearray) -> tuple[bytearray, int]:
        """Fills the buffer with the range that begins there. Answers it, and how many bytes."""
        filled = 0
        last = min(first + range_size, end)
        with closing(read_blocks(client, source, first, last, only_the_range=True)) as blocks:
            for block in blocks:
                if stopped.is_set():
                    break
                buffer[filled : filled + len(block)] = block
                filled += len(block)
        return buffer, filled

    # The buffers are used again and again: blocks that one thread makes and another drops leave
    # holes in the heap, so that memory grows with the file.
    firsts = iter(range(start, end, range_size))
    threads = ThreadPoolExecutor(ranges, "read-ahead")
    try:
        ahead = deque(
            threads.submit(read, first, bytearray(range_size)) for first in islice(firsts, ranges)
        )
        while ahead:
            buffer, filled = ahead.popleft().result()
            for at in range(0, filled, BLOCK_SIZE):
                yield bytes(memoryview(buffer)[at : min(at + BLOCK_SIZE, filled)])
            ahead.extend(threads.submit(read, first, buffer) for first in islice(firsts, 1))
    finally:
        stopped.set()
        threads.shutdown(cancel_futures=True)


def _open_range(
    client: "S3Client", source: PinnedObject, start: int, end: int
) -> tuple["StreamingBody", int]:
    """The body of a ranged GET and how many bytes of it come before ``start``."""
    arguments: dict[str, Any] = {}
    if source.version_id:
        arguments["VersionId"] = source.version_id
    if source.etag:
        arguments["IfMatch"] = f'"{source.etag}"'
    try:
        answer = client.get_object(
            Bucket=source.bucket,
            Key=source.key,
            Range=f"bytes={start}-{end - 1}",
            **arguments,
        )
    except ClientError as error:
        _raise_gone(error, source.bucket, source.key)
    # A server may ignore Range and send everything (RFC 9110, 14.2). S3 does not, MiniStack does
    # for a read by version.
    partial = answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    return answer["Body"], 0 if partial else start


def _raise_gone(error: ClientError, bucket: str, key: str) -> NoReturn:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 412:
        raise ObjectChanged(f"The object was overwritten since: {bucket}/{key}.") from error
    # 405 is the answer for a version that is a delete marker.
    if status in (404, 405):
        raise ObjectGone(f"The object does not exist (any more): {bucket}/{key}.") from error
    raise error


def pinned_object(file: File) -> PinnedObject:
    """The object of an accepted file."""
    return PinnedObject(file.bucket, file.key, file.version_id, file.etag, file.size)


def chunk_source(file: File, chunk: Chunk) -> PinnedObject:
    """The object that a chunk is a range of: the file's, or what it was unpacked into."""
    if (chunk.bucket, chunk.key) == (file.bucket, file.key):
        return pinned_object(file)
    return PinnedObject(chunk.bucket, chunk.key, None, None, chunk.end)
