"""Reads the messages that announce uploaded objects, and names an execution for each upload.

Three kinds of message announce an upload: S3's event notification, the same wrapped by SNS, and
EventBridge's event *Object Created*. The first two look alike if the SNS subscription delivers raw
messages.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus

from ingestion.names import execution_name


@dataclass(frozen=True)
class Upload:
    """One created object, as far as the message describes it.

    `sequencer` orders the events of a key. It distinguishes uploads in buckets without versions.
    """

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    size: int | None
    uploader: str | None
    """In an S3 notification the principal that made the request, in EventBridge its account."""
    sequencer: str | None

    @property
    def execution_name(self) -> str:
        return execution_name(
            self.bucket, self.key, self.version_id, etag=self.etag, sequencer=self.sequencer
        )

    @property
    def execution_input(self) -> dict[str, Any]:
        """The execution's input. It contains nothing about the delivery, so a second delivery
        starts the same execution with the same input, which Step Functions accepts."""
        return {name: value for name, value in asdict(self).items() if name != "sequencer"}


@dataclass(frozen=True)
class Notification:
    """What one message announces."""

    uploads: tuple[Upload, ...] = ()
    problems: tuple[str, ...] = ()
    """A sentence about each part of the message that can't be read."""


def read_notification(body: str) -> Notification:
    """Reads the message of one SQS record.

    A message may announce several objects. One that can't be read becomes a problem, and the others
    are still read. Deletions and S3's test event announce nothing.

    See "Event message structure" and "EventBridge event message structure" in the S3 User Guide,
    and "Amazon SNS message and JSON formats" in the SNS Developer Guide.
    """
    message = _parse(body)
    if isinstance(message, dict) and "TopicArn" in message and "Type" in message:
        if message["Type"] != "Notification":
            return Notification(
                problems=(
                    "The message is from SNS but not a notification: a subscription of this queue "
                    "waits to be confirmed, or has been removed.",
                )
            )
        message = _parse(message.get("Message"))
    if not isinstance(message, dict):
        return _UNKNOWN
    if "detail-type" in message:
        return _read_event(message)
    if message.get("Event") == "s3:TestEvent":
        return Notification()
    return _read_records(message)


_UNKNOWN = Notification(
    problems=(
        "The message is neither an S3 event notification, nor one that SNS has wrapped, nor an "
        "EventBridge event.",
    )
)


def _parse(text: Any) -> Any:
    """The value of a JSON text, or None."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def _read_records(message: dict[str, Any]) -> Notification:
    """Reads an S3 event notification."""
    records = message.get("Records")
    if not isinstance(records, list):
        return _UNKNOWN
    uploads: list[Upload] = []
    problems: list[str] = []
    for number, record in enumerate(records, start=1):
        try:
            uploads += _created(record)
        except (ValueError, TypeError, KeyError, AttributeError):
            problems.append(
                f"Record {number} of {len(records)} is not an S3 event with a bucket and a key."
            )
    return Notification(tuple(uploads), tuple(problems))


def _created(record: dict[str, Any]) -> Iterator[Upload]:
    """The object that a record of an S3 event notification announces as created, if any."""
    if not record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
        return
    stored = record["s3"]["object"]
    yield _upload(
        bucket=record["s3"]["bucket"]["name"],
        key=unquote_plus(stored["key"]),  # keys are URL-encoded, with "+" for a blank
        version_id=stored.get("versionId"),
        etag=stored.get("eTag"),
        size=stored.get("size"),
        uploader=(record.get("userIdentity") or {}).get("principalId"),
        sequencer=stored.get("sequencer"),
    )


def _read_event(event: dict[str, Any]) -> Notification:
    """Reads an EventBridge event."""
    if event.get("source") != "aws.s3":
        return Notification(problems=("The message is an EventBridge event, but not one of S3.",))
    if event["detail-type"] != "Object Created":
        return Notification()
    try:
        detail = event["detail"]
        stored = detail["object"]
        upload = _upload(
            bucket=detail["bucket"]["name"],
            key=stored["key"],  # unchanged: EventBridge's keys are not URL-encoded
            version_id=stored.get("version-id"),
            etag=stored.get("etag"),
            size=stored.get("size"),
            uploader=detail.get("requester"),
            sequencer=stored.get("sequencer"),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Notification(problems=("The EventBridge event names no bucket and key.",))
    return Notification((upload,))


def _upload(
    *,
    bucket: Any,
    key: Any,
    version_id: Any,
    etag: Any,
    size: Any,
    uploader: Any,
    sequencer: Any,
) -> Upload:
    """Makes an Upload. Raises ValueError without a bucket and a key."""
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise ValueError
    return Upload(
        bucket=bucket,
        key=key,
        version_id=version_id if version_id and version_id != "null" else None,
        etag=etag,
        size=size,
        uploader=uploader,
        sequencer=_same_however_sent(sequencer),
    )


def _same_however_sent(sequencer: str | None) -> str | None:
    """Normalizes a sequencer, which is a hexadecimal number.

    S3 writes it with 18 digits and in capitals. EventBridge's documentation shows it without
    leading zeros and in lower case.
    """
    return sequencer and sequencer.upper().lstrip("0").zfill(18)
