"""Starts loads: by uploading a file, or by hand on an object that is already in a bucket."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.exceptions

from ingestion.names import execution_name, manual_execution_name
from tickets.errors import CommandError
from tickets.runs.executions import await_verdict, execution_arn
from tickets.runs.stack import Stack

# The upload bucket notifies the queue for these endings only, see UploadBucket in template.yaml.
NOTIFIED_ENDINGS = (".csv", ".CSV", ".csv.gz")


@dataclass(frozen=True)
class Start:
    """A load that was asked for. `status` is None where the upload's own event starts it.
    `version_id` is the uploaded version, or the one that was asked for."""

    uri: str
    execution_arn: str
    status: str | None
    version_id: str | None = None


@dataclass(frozen=True)
class LocalFile:
    """A file to be uploaded under `key`; the upload's event starts its load."""

    path: Path
    key: str


@dataclass(frozen=True)
class StoredObject:
    """An object whose load is started by hand; its latest version unless one is given."""

    bucket: str
    key: str
    version_id: str | None = None


def read_source(text: str, key: str | None = None) -> LocalFile | StoredObject:
    """A source from the command line: a path, or `s3://bucket/key[?versionId=...]`.

    key: where in the upload bucket a file goes, by default under its own name.
    Raises CommandError for what cannot be loaded.
    """
    if text.startswith("s3:"):
        if key is not None:
            raise CommandError("--key names an uploaded file; an s3:// object has its key already.")
        address, _, version_id = text.partition("?versionId=")
        bucket, _, key = address.removeprefix("s3://").partition("/")
        if not address.startswith("s3://") or not bucket or not key:
            raise CommandError(f"{text} is no S3 address: write it like s3://bucket/key.csv.")
        return StoredObject(bucket, key, version_id or None)
    return local_file(Path(text), key)


def local_file(path: Path, key: str | None = None) -> LocalFile:
    """A file on its way to the upload bucket. Raises CommandError if it could start no load."""
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise CommandError(f"The file {path} {problem}: name a CSV file, or s3://bucket/key.")
    if key is None:
        # Under any other name the upload would start nothing.
        key = path.name if path.name.endswith(NOTIFIED_ENDINGS) else f"{path.name}.csv"
    elif not key.endswith(NOTIFIED_ENDINGS):
        raise CommandError(
            f"An upload named {key} would start nothing: let --key end in .csv, .CSV or .csv.gz."
        )
    return LocalFile(path, key)


def start_load(stack: Stack, source: LocalFile | StoredObject, *, force: bool = False) -> Start:
    """Uploads the file, or starts an execution on the object.

    force: for an object, load again what is loaded already; for a file see `force_uploaded`.
    """
    if isinstance(source, LocalFile):
        return _upload(stack, source)
    return _start_by_hand(stack, source, force)


def force_uploaded(stack: Stack, source: LocalFile, start: Start) -> Start:
    """Loads an uploaded file again if its own execution has found the same bytes loaded already;
    without that need the answer is `start` itself.

    Waits for that execution's verdict, because two executions that write one version would only
    overtake each other. Raises CommandError if it does not appear.
    """
    if await_verdict(stack, start.execution_arn) != "already_loaded":
        return start
    stored = StoredObject(stack.upload_bucket, source.key, start.version_id)
    return _start_by_hand(stack, stored, force=True)


def _upload(stack: Stack, source: LocalFile) -> Start:
    stored: dict[str, Any] = {}

    def note(parsed: dict[str, Any], **_: Any) -> None:
        stored.update(parsed)

    client = stack.client("s3")
    # upload_file sends large files in parts, but does not say which version it made; the answer
    # of the call that made it does.
    calls = ("after-call.s3.PutObject", "after-call.s3.CompleteMultipartUpload")
    for call in calls:
        client.meta.events.register(call, note)
    try:
        client.upload_file(str(source.path), stack.upload_bucket, source.key)
    finally:
        for call in calls:
            client.meta.events.unregister(call, note)
    uri = f"s3://{stack.upload_bucket}/{source.key}"
    if not stored.get("VersionId"):
        raise CommandError(
            f"{uri} is uploaded, but the bucket keeps no versions, so "
            "its execution's name is not known: look for it with `tickets executions`."
        )
    name = execution_name(stack.upload_bucket, source.key, stored["VersionId"])
    return Start(uri, execution_arn(stack, name), None, stored["VersionId"])


def _start_by_hand(stack: Stack, source: StoredObject, force: bool) -> Start:
    document: dict[str, Any] = {"bucket": source.bucket, "key": source.key}
    if source.version_id is not None:
        document["version_id"] = source.version_id
    if force:
        document["force"] = True
    client = stack.client("stepfunctions")
    now = datetime.now(UTC)
    while True:
        name = manual_execution_name(source.bucket, source.key, now)
        try:
            answer = client.start_execution(
                stateMachineArn=stack.state_machine_arn, name=name, input=json.dumps(document)
            )
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            now += timedelta(seconds=1)  # the name has seconds only, and this one is taken
            continue
        uri = f"s3://{source.bucket}/{source.key}"
        return Start(uri, answer["executionArn"], "RUNNING", source.version_id)
