"""Stand-ins for S3, the ledger and the table, so that tasks run on a local file."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from ingestion.contracts import Reason
from ingestion.ledger.attempts import Attempts
from ingestion.ledger.claims import Claim
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.sources.model import Source
from ingestion.tasks.target_table import TargetTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

UPLOADS = "uploads"
WORK = "work"
DEFAULT_KEY = ("ticket_id", "product")
"""The key of the table that the stack creates."""


class LocalObjects:
    """Does what the tasks ask of an S3 client. The bucket UPLOADS has one object, a local file
    under the key `key`. The objects of WORK are files in a folder."""

    def __init__(self, path: Path, key: str, work: Path) -> None:
        self._path = path
        self._key = key
        self._work = work

    @property
    def client(self) -> "S3Client":
        return cast("S3Client", self)

    def head_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        path = self._file(Bucket, Key)
        if Bucket == WORK and not path.exists():
            error: Any = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(error, "HeadObject")
        return {
            "ETag": '"local"',
            "ContentLength": path.stat().st_size,
            "LastModified": datetime.fromtimestamp(path.stat().st_mtime, UTC),
        }

    def get_object(self, Bucket: str, Key: str, Range: str, **_: Any) -> dict[str, Any]:
        first, last = map(int, Range.removeprefix("bytes=").split("-"))
        body = _Part(self._file(Bucket, Key), first, last + 1)
        return {"Body": body, "ResponseMetadata": {"HTTPStatusCode": 206}}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        self._new_file(Bucket, Key).write_bytes(Body)

    def upload_fileobj(self, body: IO[bytes], bucket: str, key: str) -> None:
        with self._new_file(bucket, key).open("wb") as file:
            while block := body.read(1 << 20):
                file.write(block)

    def read(self, bucket: str, key: str, size: int = -1) -> bytes:
        """The first `size` bytes of an object, or all of them."""
        with self._file(bucket, key).open("rb") as file:
            return file.read(size)

    def _new_file(self, bucket: str, key: str) -> Path:
        path = self._file(bucket, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _file(self, bucket: str, key: str) -> Path:
        return self._path if (bucket, key) == (UPLOADS, self._key) else self._work / key


class _Part:
    """The bytes `[start, end)` of a file, as the body of a response."""

    def __init__(self, path: Path, start: int, end: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._left = end - start

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while block := self._file.read(min(size, self._left)):
            self._left -= len(block)
            yield block

    def close(self) -> None:
        self._file.close()


class _NoAttempts(Attempts):
    """A ledger of no attempts."""

    def __init__(self) -> None:
        pass

    def open(self, *_: Any, **__: Any) -> None:
        pass


class LocalLoads(Loads):
    """A ledger of one load, which keeps the facts that Validate File records."""

    def __init__(self) -> None:
        self.facts: Mapping[str, Any] = {}
        self.attempts = _NoAttempts()

    def open_load(self, load_id: str, facts: Mapping[str, Any], execution_arn: str) -> None:
        self.facts = facts

    def load(self, load_id: str) -> None:
        return None

    def note(self, load_id: str, facts: Mapping[str, Any]) -> None:
        pass

    def fix_plan(
        self, load_id: str, generation: str, chunk_size: int, digest_key: str
    ) -> dict[str, Any]:
        return {"chunk_size": chunk_size, "digest_key": digest_key}

    def note_plan(self, load_id: str, generation: str, plan: Mapping[str, Any]) -> None:
        pass

    def refuse_load(
        self, load_id: str, reasons: Sequence[Reason], execution: str | None = None
    ) -> None:
        pass


class LocalTurns(Turns):
    """The claims on objects: there are none."""

    def __init__(self) -> None:
        pass

    def newest(self, object_url: str) -> None:
        return None

    def claim_alone(self, wanted: Claim) -> bool:
        """Always false, so that Split File makes the plan of a small file too."""
        return False


def local_table(source: Source) -> TargetTable:
    """The table that the source's primary key fits. Without one, the table that the stack
    creates."""
    key = source.primary_key or DEFAULT_KEY
    types = source.attribute_types if source.primary_key else {}
    description = {
        "KeySchema": [
            {"AttributeName": name, "KeyType": kind}
            for name, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": types.get(name, "S")} for name in key
        ],
    }
    return TargetTable(cast("DynamoDBClient", _DescribedTable(description)), "Tickets")


class _DescribedTable:
    """Does what TargetTable asks of a DynamoDB client."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._description = description

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": self._description}
