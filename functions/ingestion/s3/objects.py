"""Reads pinned S3 objects: every read is of one version, and fails if the content has changed."""

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
from ingestion.s3.unreadable import raise_reason_of_head, unreadable

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
    """One object's content: a version, or in an unversioned bucket the content with this ETag."""

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    """None for objects that the loader has made, which are never overwritten."""
    size: int


@dataclass(frozen=True)
class ObjectState:
    """A pinned object and what else S3 reports about it."""

    pinned: PinnedObject
    identity: str
    """Distinguishes this content of the key from any other: its version, or its ETag and the time
    when it was stored."""
    fingerprint: str | None
    """Equal for equal content: a checksum of the full object, or the ETag if it is an MD5."""


def pin(
    client: "S3Client", bucket: str, key: str, version_id: str | None, etag: str | None
) -> ObjectState:
    """Pins the requested version, or the newest one if `version_id` is None.

    Raises ObjectGone, ObjectChanged if the newest version does not have the requested ETag, and
    ObjectUnreadable if S3 won't return the object. An archived object can be pinned, but not read.
    """
    arguments: dict[str, Any] = {"VersionId": version_id} if version_id else {}
    try:
        answer = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **arguments)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403):
            raise_reason_of_head(client, bucket, key, version_id, error)
        _raise_reason(error, bucket, key)
    # An unversioned bucket returns no version, a suspended one "null". Neither pins the content.
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
    """The server responds to a request for a range with the whole object."""


def read_blocks(
    client: "S3Client",
    source: PinnedObject,
    start: int,
    end: int,
    block_size: int = BLOCK_SIZE,
    *,
    only_the_range: bool = False,
) -> Generator[bytes, None, None]:
    """The bytes of the half-open range in blocks of at most `block_size`.

    The SDK does not retry a body once it streams, so a broken one is resumed at the last offset.
    Raises ObjectGone, ObjectChanged, ObjectUnreadable, or botocore's error if S3 stays unreachable.
    If the server ignores the range, bytes before it are skipped; with `only_the_range`,
    RangeIgnored is raised.
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
            # Without a Content-Length, a body that ends early looks complete.
            raise IncompleteReadError(actual_bytes=offset - start, expected_bytes=end - start)
        except _BROKEN_STREAM:
            breaks += 1
            if breaks > _MAX_BREAKS:
                raise
        finally:
            body.close()


def read_range(client: "S3Client", source: PinnedObject, start: int, end: int) -> bytes:
    """The bytes of a half-open range, which must fit into memory.

    Raises RangeIgnored, and what `read_blocks` raises.
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
    """Yields what `read_blocks` yields, with `ranges` ranged GETs at a time, each in a thread.

    The blocks come in order. An error of `read_blocks` is raised after the blocks of the ranges
    before it. Memory: `ranges` times `range_size` bytes. No thread is left when the iteration
    ends; a consumer that may stop early must close the generator. Anything that fits into one range
    is read by one request, without a thread.
    """
    offset = start
    if end - start > range_size:
        try:
            with closing(_in_parallel(client, source, start, end, range_size, ranges)) as blocks:
                for block in blocks:
                    offset += len(block)
                    yield block
        except RangeIgnored:
            pass  # Each range would cost as much as the whole rest, so one request is better.
    yield from read_blocks(client, source, offset, end)


def _in_parallel(
    client: "S3Client", source: PinnedObject, start: int, end: int, range_size: int, ranges: int
) -> Generator[bytes, None, None]:
    stopped = threading.Event()

    def read(first: int, buffer: bytearray) -> tuple[bytearray, int]:
        """Fills the buffer from `first` on. Returns it and the number of bytes in it."""
        filled = 0
        last = min(first + range_size, end)
        with closing(read_blocks(client, source, first, last, only_the_range=True)) as blocks:
            for block in blocks:
                if stopped.is_set():
                    break
                buffer[filled : filled + len(block)] = block
                filled += len(block)
        return buffer, filled

    # The buffers are reused: blocks that one thread allocates and another frees fragment the heap,
    # so that memory would grow with the file.
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
    """The body of a ranged GET, and the number of its bytes that come before `start`."""
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
        _raise_reason(error, source.bucket, source.key)
    # A server may ignore Range and send everything (RFC 9110, 14.2). S3 does not, but MiniStack
    # does when it reads a version.
    partial = answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    return answer["Body"], 0 if partial else start


def _raise_reason(error: ClientError, bucket: str, key: str) -> NoReturn:
    """Raises the error to report in place of S3's, or `error` if another try may succeed."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status == 412:
        raise ObjectChanged(f"The object was overwritten since: {bucket}/{key}.") from error
    # S3 returns 405 for a version that is a delete marker.
    if status in (404, 405):
        raise ObjectGone(f"The object does not exist (any more): {bucket}/{key}.") from error
    if cause := unreadable(error, bucket, key):
        raise cause from error
    raise error


def pinned_object(file: File) -> PinnedObject:
    """The object of an accepted file."""
    return PinnedObject(file.bucket, file.key, file.version_id, file.etag, file.size)


def chunk_source(file: File, chunk: Chunk) -> PinnedObject:
    """The object that a chunk is a byte range of: the file's, or its unpacked copy."""
    if (chunk.bucket, chunk.key) == (file.bucket, file.key):
        return pinned_object(file)
    return PinnedObject(chunk.bucket, chunk.key, None, None, chunk.end)
