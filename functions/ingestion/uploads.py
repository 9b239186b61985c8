"""Uploaded objects: read from S3 event notifications, named for executions and loads."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from ingestion.errors import UnreadableNotification

# Step Functions allows 80 characters; 74 leave room for the "-rN" of a replay.
_LONGEST_NAME = 74


@dataclass(frozen=True)
class Upload:
    """One created object, as far as the notification tells. ``sequencer`` orders the events of a
    key and tells deliveries apart where there are no versions."""

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    size: int | None
    uploader: str | None
    sequencer: str | None

    @property
    def execution_name(self) -> str:
        return execution_name(
            self.bucket, self.key, self.version_id, etag=self.etag, sequencer=self.sequencer
        )

    @property
    def execution_input(self) -> dict[str, Any]:
        """The execution's input. Nothing of the delivery itself is in it, so that a second
        delivery starts the same execution with the same input, which Step Functions forgives."""
        return {name: value for name, value in asdict(self).items() if name != "sequencer"}


def read_notification(body: str) -> Iterator[Upload]:
    """The created objects of one S3 event notification (several records are possible; the test
    event that S3 sends when notifications are set up has none).

    Keys are URL-encoded with ``+`` for a blank, see "Event message structure" in the S3 User Guide.

    Raises UnreadableNotification for anything else.
    """
    try:
        message = json.loads(body)
        if message.get("Event") == "s3:TestEvent":
            return
        for record in message["Records"]:
            if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
                yield _upload(record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnreadableNotification(
            f"The message is not an S3 event notification ({type(error).__name__})."
        ) from error


def _upload(record: dict[str, Any]) -> Upload:
    stored = record["s3"]["object"]
    version = stored.get("versionId")
    return Upload(
        bucket=record["s3"]["bucket"]["name"],
        key=unquote_plus(stored["key"]),
        version_id=None if version == "null" else version,
        etag=stored.get("eTag"),
        size=stored.get("size"),
        uploader=(record.get("userIdentity") or {}).get("principalId"),
        sequencer=stored.get("sequencer"),
    )


def execution_name(
    bucket: str,
    key: str,
    version_id: str | None,
    etag: str | None = None,
    sequencer: str | None = None,
) -> str:
    """The name of the execution that an upload starts: at most 74 of ``[0-9A-Za-z_-]``.

    Made of the readable tail of the key and a hash of what tells this object version from every
    other; in an unversioned bucket that is the ETag with the event's sequencer.
    """
    return _name(bucket, key, [version_id] if version_id else [etag, sequencer])


def load_id(bucket: str, key: str, identity: str) -> str:
    """The ledger's key for one object version: equal to its upload's execution name in a
    versioned bucket, where ``identity`` is the version, and the same however often and by whom its
    load is started."""
    return _name(bucket, key, [identity])


def forced_load_id(load: str, execution_name: str) -> str:
    """The ledger's key for an object version that is loaded again on demand: another one for each
    execution that was told to, the same for its replays."""
    original = re.sub(r"(-r[0-9]+)+$", "", execution_name)
    return f"{load}-{hashlib.sha256(original.encode()).hexdigest()[:8]}"


def manual_execution_name(bucket: str, key: str, now: datetime) -> str:
    """A name for an execution that is started by hand: readable, and new each second."""
    digest = hashlib.sha256(json.dumps([bucket, key]).encode()).hexdigest()[:4]
    suffix = f"-{digest}-{now:%Y%m%dT%H%M%SZ}"
    return _readable_tail(key, _LONGEST_NAME - len(suffix)) + suffix


def _name(bucket: str, key: str, identity: list[str | None]) -> str:
    digest = hashlib.sha256(json.dumps([bucket, key, *identity]).encode()).hexdigest()[:16]
    return f"{_readable_tail(key, _LONGEST_NAME - 17)}-{digest}"


def _readable_tail(key: str, longest: int) -> str:
    return re.sub(r"[^0-9A-Za-z_]+", "-", key)[-longest:].strip("-") or "object"
