"""Reading S3 objects: pinned, continued where a stream broke, and given up after several breaks."""

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ResponseStreamingError,
)
from botocore.response import StreamingBody
from urllib3.exceptions import ProtocolError

from ingestion.errors import ObjectChanged, ObjectGone, ObjectUnreadable
from ingestion.s3.objects import PinnedObject, pin, read_ahead, read_blocks

STORED_AT = datetime(2025, 11, 24, 9, 0, 7, tzinfo=UTC)
CONTENT = bytes(range(256)) * 40
SOURCE = PinnedObject("uploads", "a.csv", "v1", "etag-1", len(CONTENT))


def failure(status: Any, code: str = "Failed") -> Any:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item] # what is read of it
        "GetObject",
    )


class Raw(io.BytesIO):
    """A connection that breaks after `whole` bytes, as urllib3 reports it."""

    def __init__(self, content: Any, whole: Any = None) -> None:
        super().__init__(content)
        self._whole = len(content) if whole is None else whole

    def read(self, amount: int | None = -1) -> bytes:
        if self._whole <= 0 and self.tell() < len(self.getvalue()):
            raise ProtocolError("Connection broken")
        block = super().read(min(amount, self._whole) if amount and amount >= 0 else self._whole)
        self._whole -= len(block)
        return block


class S3:
    """An S3 client. `breaks` gives for each request in turn after how many bytes its body
    breaks; later ones are whole. An exception in it is raised by the request itself."""

    def __init__(self, *breaks: Any, ignore_range: bool = False) -> None:
        self.breaks = list(breaks)
        self.ignore_range = ignore_range
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[Raw] = []

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        self.requests.append(arguments)
        assert len(self.requests) < 50, "endless"
        whole = self.breaks.pop(0) if self.breaks else None
        if isinstance(whole, Exception):
            raise whole
        start, last = map(int, arguments["Range"].removeprefix("bytes=").split("-"))
        content = CONTENT if self.ignore_range else CONTENT[start : last + 1]
        raw = Raw(content, whole)
        self.bodies.append(raw)
        return {
            "Body": StreamingBody(raw, len(content)),
            "ResponseMetadata": {"HTTPStatusCode": 200 if self.ignore_range else 206},
        }

    @property
    def ranges(self) -> list[Any]:
        return [request["Range"] for request in self.requests]


def read(
    s3: Any, start: int = 0, end: Any = SOURCE.size, source: Any = SOURCE, block_size: int = 1000
) -> list[Any]:
    return list(read_blocks(s3, source, start, end, block_size))


@pytest.mark.parametrize("ignore_range", [False, True])
@pytest.mark.parametrize(
    ("start", "end"), [(0, len(CONTENT)), (0, 1), (999, 1001), (3000, 3000), (5000, 9999)]
)
def test_a_half_open_range_is_read_in_blocks(start: int, end: int, ignore_range: bool) -> None:
    blocks = read(S3(ignore_range=ignore_range), start, end)
    assert b"".join(blocks) == CONTENT[start:end]
    assert all(0 < len(block) <= 1000 for block in blocks)


def test_nothing_is_asked_for_an_empty_range() -> None:
    s3 = S3()
    assert read(s3, 5, 5) == []
    assert s3.requests == []


@pytest.mark.parametrize("version", ["v1", None])
def test_every_request_is_pinned(version: str | None) -> None:
    s3 = S3(500)
    source = PinnedObject("uploads", "a.csv", version, "etag-1", len(CONTENT))
    read(s3, 100, 2000, source)
    assert len(s3.requests) == 2
    for request in s3.requests:
        assert (request["Bucket"], request["Key"]) == ("uploads", "a.csv")
        assert request["IfMatch"] == '"etag-1"'
        assert request.get("VersionId") == version


def test_the_range_asked_for_is_half_open() -> None:
    s3 = S3()
    read(s3, 100, 200)
    assert s3.ranges == ["bytes=100-199"]


def test_a_broken_stream_is_continued_at_its_offset() -> None:
    s3 = S3(2500, 700)
    assert b"".join(read(s3, 100, 9000)) == CONTENT[100:9000]
    assert s3.ranges == ["bytes=100-8999", "bytes=2600-8999", "bytes=3300-8999"]


def test_a_broken_stream_is_continued_though_the_server_ignores_range() -> None:
    s3 = S3(2500, 3000, ignore_range=True)
    assert b"".join(read(s3, 100, 9000)) == CONTENT[100:9000]
    assert s3.ranges == ["bytes=100-8999", "bytes=2500-8999", "bytes=3000-8999"]


def test_every_body_is_closed() -> None:
    s3 = S3(2500, ignore_range=True)
    read(s3, 100, 5000)
    assert [body.closed for body in s3.bodies] == [True, True]


def test_a_reader_that_stops_early_closes_the_body() -> None:
    s3 = S3()
    blocks = read_blocks(cast(Any, s3), SOURCE, 0, len(CONTENT), 1000)
    next(blocks)
    blocks.close()
    assert s3.bodies[0].closed


def test_it_gives_up_after_breaks_in_a_row_without_a_byte() -> None:
    s3 = S3(*[0] * 49)
    with pytest.raises(ResponseStreamingError):
        read(s3)
    assert len(s3.requests) == 6


def test_breaks_between_which_bytes_came_are_not_in_a_row() -> None:
    s3 = S3(*[0, 0, 0, 0, 500] * 4)
    assert b"".join(read(s3)) == CONTENT


def test_bodies_that_end_early_without_an_error_are_breaks_too() -> None:
    """Otherwise the reader would ask for ever."""
    s3 = S3()
    original = s3.get_object

    def without_length(**arguments: Any) -> Any:
        return original(**arguments) | {"Body": StreamingBody(io.BytesIO(b""), cast(Any, None))}

    s3.get_object = without_length  # type: ignore[method-assign] # for this test only
    with pytest.raises(BotoCoreError):
        read(s3)
    assert len(s3.requests) == 6


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        (failure(412), ObjectChanged),
        (failure(404), ObjectGone),
        (failure(405), ObjectGone),
        (failure(403, "InvalidObjectState"), ObjectUnreadable),
        (failure(403, "AccessDenied"), ObjectUnreadable),
    ],
    ids=["changed", "gone", "delete marker", "archived", "denied"],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_object_that_can_no_longer_be_read_is_told(
    failed: Any, error: Any, at_once: bool
) -> None:
    s3 = S3(failed) if at_once else S3(500, failed)
    with pytest.raises(error, match=r"uploads/a\.csv"):
        read(s3)


@pytest.mark.parametrize(
    "error",
    [
        failure(503, "SlowDown"),
        EndpointConnectionError(endpoint_url="x"),
    ],
    ids=["slow down", "unreachable"],
)
def test_what_the_sdk_could_not_cure_is_raised(error: Any) -> None:
    s3 = S3(error)
    with pytest.raises(type(error)):
        read(s3)
    assert len(s3.requests) == 1


class ManyRanges:
    """An S3 client for several threads.

    failures: by the first byte of a range, the error that the request for it raises.
    broken: by the first byte of a range, the number of bytes after which its body breaks once.
    together: this number of first requests is answered only after all of them have arrived.
    """

    def __init__(
        self,
        failures: Any = None,
        broken: Any = None,
        together: int = 1,
        ignore_range: bool = False,
    ) -> None:
        self.failures = failures or {}
        self.broken = broken or {}
        self.ignore_range = ignore_range
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[Raw] = []
        self._together = together
        self._lock = threading.Lock()
        self._gate = threading.Barrier(together)

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        with self._lock:
            self.requests.append(arguments)
            early = len(self.requests) <= self._together
        if early:
            self._gate.wait(timeout=10)
        start, last = map(int, arguments["Range"].removeprefix("bytes=").split("-"))
        if start in self.failures:
            raise self.failures[start]
        content = CONTENT if self.ignore_range else CONTENT[start : last + 1]
        raw = Raw(content, self.broken.pop(start, None))
        self.bodies.append(raw)
        return {
            "Body": StreamingBody(raw, len(content)),
            "ResponseMetadata": {"HTTPStatusCode": 200 if self.ignore_range else 206},
        }


def read_many(
    s3: Any, start: int = 0, end: Any = SOURCE.size, range_size: int = 1000, ranges: int = 4
) -> Any:
    return read_ahead(s3, SOURCE, start, end, range_size=range_size, ranges=ranges)


def threads_left() -> list[Any]:
    return [one.name for one in threading.enumerate() if one.name.startswith("read-ahead")]


@pytest.mark.parametrize("end", [5000, 5001, 5999, len(CONTENT)])
def test_ranges_read_ahead_are_the_whole_in_order(end: int) -> None:
    s3 = ManyRanges()
    assert b"".join(read_many(s3, 10, end)) == CONTENT[10:end]
    assert threads_left() == []
    assert all(body.closed for body in s3.bodies)
    firsts = range(10, end, 1000)
    assert sorted(request["Range"] for request in s3.requests) == sorted(
        f"bytes={first}-{min(first + 1000, end) - 1}" for first in firsts
    )
    for request in s3.requests:
        assert (request["VersionId"], request["IfMatch"]) == ("v1", '"etag-1"')


@pytest.mark.parametrize("start", [0, 10])
def test_a_server_that_ignores_range_is_asked_once_more_for_all_that_is_left(start: int) -> None:
    """MiniStack is such a server, and would send the whole file for each range."""
    s3 = ManyRanges(ignore_range=True)
    assert b"".join(read_many(s3, start, 9000)) == CONTENT[start:9000]
    assert s3.requests[-1]["Range"] == f"bytes={start or 1000}-8999"
    assert len(s3.requests) <= 6
    assert threads_left() == []
    assert all(body.closed for body in s3.bodies)


def test_ranges_are_read_at_the_same_time() -> None:
    """None of the first four is answered before all four are asked for."""
    assert b"".join(read_many(ManyRanges(together=4))) == CONTENT


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_what_fits_into_one_range_is_read_by_one_request_without_a_thread(size: int) -> None:
    s3 = ManyRanges()
    blocks = []
    for block in read_many(s3, 5, 5 + size):
        assert threads_left() == []
        blocks.append(block)
    assert b"".join(blocks) == CONTENT[5 : 5 + size]
    assert len(s3.requests) == min(size, 1)


def test_no_more_is_read_ahead_than_was_asked_for() -> None:
    s3 = ManyRanges()
    taken = 0
    for block in read_many(s3, ranges=3):
        assert len(s3.requests) <= 3 + taken // 1000
        taken += len(block)
    assert taken == len(CONTENT)


def test_a_range_that_breaks_is_continued_at_its_offset() -> None:
    s3 = ManyRanges(broken={0: 300, 3000: 999})
    assert b"".join(read_many(s3)) == CONTENT
    asked = [request["Range"] for request in s3.requests]
    assert {"bytes=300-999", "bytes=3999-3999"} <= set(asked)


@pytest.mark.parametrize(
    ("failed", "error"),
    [
        ({0: failure(412)}, ObjectChanged),
        ({2000: failure(404)}, ObjectGone),
        ({2000: failure(412), 3000: failure(403)}, ObjectChanged),
        ({10_000: failure(503, "SlowDown")}, ClientError),
    ],
)
def test_an_error_comes_in_its_turn_and_leaves_no_thread(
    failed: dict[int, Any], error: Any
) -> None:
    s3 = ManyRanges(failures=failed, together=4)
    got = []
    with pytest.raises(error):
        got.extend(read_many(s3))
    assert b"".join(got) == CONTENT[: min(failed)]
    assert threads_left() == []
    assert all(body.closed for body in s3.bodies)


def test_a_consumer_that_stops_early_leaves_no_thread() -> None:
    s3 = ManyRanges(together=4)
    blocks = read_many(s3)
    next(blocks)
    assert threads_left() != []
    blocks.close()
    assert threads_left() == []
    assert all(body.closed for body in s3.bodies)
    assert len(s3.requests) == 4


def test_ranges_still_being_read_are_given_up_when_an_earlier_one_fails() -> None:
    size = 2_000_000
    underway = threading.Event()
    served = 0

    class Slow:
        def iter_chunks(self, _: Any) -> Iterator[Any]:
            nonlocal served
            while served < size:
                served += 1
                yield b"x"
                underway.set()

        def close(self) -> None:
            pass

    class OneFails:
        def get_object(self, **arguments: Any) -> dict[str, Any]:
            if arguments["Range"].startswith("bytes=0-"):
                assert underway.wait(timeout=10)
                raise failure(404)
            return {"Body": Slow(), "ResponseMetadata": {"HTTPStatusCode": 206}}

    with pytest.raises(ObjectGone):
        list(read_many(OneFails(), 0, 2 * size, range_size=size))
    assert 0 < served < size


class Heads:
    """An S3 client that answers HeadObject."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []

    def head_object(self, **arguments: Any) -> Any:
        self.requests.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def pinned(s3: Any, *arguments: Any) -> Any:
    """`pin` with a client that only resembles boto3's."""
    return pin(s3, *arguments)


def head(**more: Any) -> Any:
    return {"ETag": '"etag-1"', "ContentLength": 7, "LastModified": STORED_AT} | more


def test_without_a_version_the_newest_one_is_pinned() -> None:
    s3 = Heads(head(VersionId="v9"))
    assert pinned(s3, "uploads", "a.csv", None, None).pinned == PinnedObject(
        "uploads", "a.csv", "v9", "etag-1", 7
    )
    assert s3.requests == [{"Bucket": "uploads", "Key": "a.csv", "ChecksumMode": "ENABLED"}]


def test_the_version_asked_for_is_pinned() -> None:
    s3 = Heads(head(VersionId="v1"))
    assert pinned(s3, "uploads", "a.csv", "v1", "etag-1").pinned.version_id == "v1"
    assert s3.requests[0]["VersionId"] == "v1"


@pytest.mark.parametrize("more", [{}, {"VersionId": "null"}], ids=["unversioned", "suspended"])
def test_a_bucket_without_versions_pins_by_etag_alone(more: dict[str, Any]) -> None:
    assert pinned(Heads(head(**more)), "uploads", "a.csv", None, "etag-1").pinned.version_id is None


def test_another_etag_than_asked_for_is_a_change() -> None:
    with pytest.raises(ObjectChanged, match=r"uploads/a\.csv"):
        pinned(Heads(head()), "uploads", "a.csv", None, "etag-0")


@pytest.mark.parametrize("status", [404, 405])
def test_no_object_or_a_delete_marker_is_gone(status: int) -> None:
    with pytest.raises(ObjectGone, match=r"uploads/a\.csv"):
        pinned(Heads(failure(status)), "uploads", "a.csv", "v1", None)


def test_a_version_is_its_own_identity() -> None:
    answers = (head(VersionId="v1"), head(VersionId="v1", LastModified=STORED_AT + timedelta(1)))
    states = [pinned(Heads(one), "uploads", "a.csv", None, None) for one in answers]
    assert [state.identity for state in states] == ["v1", "v1"]


@pytest.mark.parametrize("more", [{}, {"VersionId": "null"}], ids=["unversioned", "suspended"])
def test_without_versions_the_same_bytes_stored_again_are_another_object(
    more: dict[str, Any],
) -> None:
    """Other content may have been loaded in between."""
    answers = (
        head(**more),
        head(**more),
        head(**more, LastModified=STORED_AT + timedelta(seconds=1)),
        head(**more, ETag='"etag-2"'),
    )
    first, same, later, other = (
        pinned(Heads(one), "uploads", "a.csv", None, None).identity for one in answers
    )
    assert first == same
    assert len({first, later, other}) == 3


MD5 = "9b2cf535f27731c974343645a3985328"
CRC = {"ChecksumCRC64NVME": "AAAAAAAAAAA=", "ChecksumType": "FULL_OBJECT"}
PARTS = {"ChecksumSHA256": "AAAA-2", "ChecksumType": "COMPOSITE"}


@pytest.mark.parametrize(
    ("answer", "fingerprint"),
    [
        ({"ETag": f'"{MD5}"'}, f"7:md5:{MD5}"),
        ({"ETag": f'"{MD5}"', "ServerSideEncryption": "AES256"}, f"7:md5:{MD5}"),
        ({"ETag": f'"{MD5}"', **CRC}, f"7:md5:{MD5}"),
        # Under KMS or the customer's own key an ETag of the same form is no MD5.
        ({"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms"}, None),
        ({"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms:dsse"}, None),
        ({"ETag": f'"{MD5}"', "SSECustomerAlgorithm": "AES256"}, None),
        (
            {"ETag": f'"{MD5}"', "ServerSideEncryption": "aws:kms", **CRC},
            "7:crc64nvme:AAAAAAAAAAA=",
        ),
        # A multipart upload's ETag, and a checksum of checksums, depend on the parts.
        ({"ETag": f'"{MD5}-2"'}, None),
        ({"ETag": f'"{MD5}-2"', **CRC}, "7:crc64nvme:AAAAAAAAAAA="),
        ({"ETag": f'"{MD5}-2"', **PARTS}, None),
    ],
)
def test_only_what_is_the_same_for_the_same_bytes_is_a_fingerprint(
    answer: dict[str, Any], fingerprint: str | None
) -> None:
    assert pinned(Heads(head(**answer)), "uploads", "a.csv", None, None).fingerprint == fingerprint
