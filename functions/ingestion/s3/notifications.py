"""Uploaded objects: read from S3 event notifications, named for executions and loads."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus

from ingestion.errors import UnreadableNotification
from ingestion.names import execution_name


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
