"""Starts loads: by uploading files, or by starting an execution for an object in S3."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.exceptions

from ingestion.ledger.actions import Actions
from ingestion.names import execution_name, manual_execution_name
from tickets.errors import CommandError
from tickets.runs.follow import await_verdict
from tickets.runs.identity import caller
from tickets.runs.stack import Stack

NOTIFIED_ENDINGS = (".csv", ".CSV", ".csv.gz")
"""The upload bucket sends events for keys with these endings; see UploadBucket in template.yaml."""
_VERSION = "?versionId="


@dataclass(frozen=True)
class Start:
    """A load that was requested. `status` is None if the upload's event has yet to start it.
    `version_id` is the uploaded version, or the requested one; None means the latest."""

    uri: str
    execution_arn: str
    status: str | None
    version_id: str | None = None


@dataclass(frozen=True)
class LocalFile:
    """A file to upload under `key`; the upload's event starts its load."""

    path: Path
    key: str

    @property
    def renamed(self) -> bool:
        """Whether `.csv` was appended to its name."""
        return self.key.rpartition("/")[2] == f"{self.path.name}.csv"


@dataclass(frozen=True)
class StoredObject:
    """An object in S3 whose load is started by hand. Without a `version_id`, its latest version."""

    bucket: str
    key: str
    version_id: str | None = None


Source = LocalFile | StoredObject


def read_sources(
    arguments: Sequence[str],
    key: str | None = None,
    prefix: str | None = None,
    keep_path: bool = False,
) -> list[Source]:
    """Reads paths and `s3://bucket/key[?versionId=...]` addresses from the command line.

    A file's key in the upload bucket is its name. `.csv` is appended if its upload would not start
    a load otherwise. See `local_file` for the options.
    Raises CommandError for a source that can't be loaded, and if two files have the same key.
    """
    if key is not None and len(arguments) > 1:
        raise CommandError("--key names one file: leave it out, or ingest the files one by one.")
    if key is not None and (prefix is not None or keep_path):
        raise CommandError("--key is the whole key: leave out --prefix and --keep-path.")
    sources: list[Source] = []
    for argument in arguments:
        if not argument.startswith("s3:"):
            sources.append(local_file(Path(argument), key, prefix, keep_path))
        elif key is not None or prefix is not None or keep_path:
            raise CommandError(
                "--key, --prefix and --keep-path are for uploads: an s3:// object has its key."
            )
        else:
            sources.append(stored_object(argument))
    _check_keys(source for source in sources if isinstance(source, LocalFile))
    return sources


def stored_object(address: str) -> StoredObject:
    """Reads `s3://bucket/key` or `s3://bucket/key?versionId=ID`.

    A key may contain "?versionId=" itself. The text after the last "?versionId=" belongs to the key
    if it contains a slash or ends in one of NOTIFIED_ENDINGS; otherwise it is the version. An
    address that ends in "?versionId=" has no version.
    Raises CommandError for anything else.
    """
    location, _, version_id = address.rpartition(_VERSION)
    if not location or "/" in version_id or version_id.endswith(NOTIFIED_ENDINGS):
        location, version_id = address, ""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not location.startswith("s3://") or not bucket or not key:
        raise CommandError(f"{address} is not an S3 address: write it like s3://bucket/key.csv.")
    return StoredObject(bucket, key, version_id or None)


def local_file(
    path: Path, key: str | None = None, prefix: str | None = None, keep_path: bool = False
) -> LocalFile:
    """Determines the key that a file gets in the upload bucket.

    key: the whole key.
    prefix: a folder in the bucket that the key is placed in.
    keep_path: use the whole relative path instead of the file's name.
    Raises CommandError if the file can't be uploaded, or if its upload would not start a load.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise CommandError(f"The file {path} {problem}: name a CSV file, or s3://bucket/key.")
    if key is None and not _is_utf8(str(path)):
        raise CommandError(
            f"The name {str(path)!a} is not UTF-8, as keys in S3 must be: pass --key, or rename "
            "the file."
        )
    if key is not None:
        if not key.endswith(NOTIFIED_ENDINGS):
            raise CommandError(
                f"An upload named {key} would not start a load: let --key end in .csv, .CSV or "
                ".csv.gz."
            )
        return LocalFile(path, key)
    if keep_path and (path.is_absolute() or ".." in path.parts):
        raise CommandError(
            f"--keep-path needs a path below the current folder, and {path} is not: change to the "
            "folder that the key should start from."
        )
    key = path.as_posix() if keep_path else path.name
    if not key.endswith(NOTIFIED_ENDINGS):
        key += ".csv"
    if prefix is not None:
        folder = prefix.strip("/")
        if not folder:
            raise CommandError("--prefix is empty: write it like --prefix shops/lyon.")
        key = f"{folder}/{key}"
    return LocalFile(path, key)


def _is_utf8(name: str) -> bool:
    """Whether a name is UTF-8. Python keeps other bytes as surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def start_load(
    stack: Stack, source: Source, *, force: bool = False, reason: str | None = None
) -> Start:
    """Uploads a file, or starts an execution for an object.

    force: load an object again even if it is already loaded. For a file, see `force_uploaded`.
    reason: why, for the ledger.
    """
    if isinstance(source, StoredObject):
        return _start_by_hand(stack, source, force, reason)
    start = _upload(stack, source)
    if reason is not None:  # the upload's event has no place for it
        name = start.execution_arn.rpartition(":")[2]
        actions = Actions(stack.client("dynamodb"), stack.ledger_table)
        actions.record(name, "ingest", caller(stack), reason, execution=name)
    return start


def force_uploaded(
    stack: Stack, source: LocalFile, start: Start, reason: str | None = None
) -> Start:
    """Loads an uploaded file again if its execution finds that the same bytes are already loaded;
    otherwise returns `start` itself.

    Waits for that execution's verdict first: if two executions wrote the same version, one of them
    would be overtaken. Raises CommandError if the execution does not appear.
    """
    if await_verdict(stack, start.execution_arn) != "already_loaded":
        return start
    stored = StoredObject(stack.upload_bucket, source.key, start.version_id)
    return _start_by_hand(stack, stored, force=True, reason=reason)


def _check_keys(files: Iterable[LocalFile]) -> None:
    """Raises CommandError if two files have the same key. Their uploads would be two versions of
    one object, and the later version might overtake the load of the earlier one."""
    paths: dict[str, Path] = {}
    for file in files:
        if file.path == paths.get(file.key):
            raise CommandError(f"{file.path} is named twice: name it once.")
        if file.key in paths:
            raise CommandError(
                f"{paths[file.key]} and {file.path} have the same key, {file.key}: pass "
                "--keep-path, or ingest them one by one with --key or --prefix."
            )
        paths[file.key] = file.path


def _upload(stack: Stack, source: LocalFile) -> Start:
    stored: dict[str, Any] = {}

    def note(parsed: dict[str, Any], **_: Any) -> None:
        stored.update(parsed)

    client = stack.client("s3")
    # upload_file sends large files in parts, but does not return the version that it created. The
    # response of the last call has it.
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
            f"{uri} is uploaded, but the name of its execution is not known, because the bucket "
            "keeps no versions: look for it with `tickets executions`."
        )
    name = execution_name(stack.upload_bucket, source.key, stored["VersionId"])
    return Start(uri, stack.execution_arn(name), None, stored["VersionId"])


def _check_bucket(stack: Stack, bucket: str) -> None:
    """Raises CommandError if the bucket does not exist: an execution could only fail. Whether the
    stack may read it is not known here, because the caller's permissions differ from the stack's.
    """
    try:
        stack.client("s3").head_bucket(Bucket=bucket)
    except botocore.exceptions.ParamValidationError as error:
        raise CommandError(f"{bucket} is not the name of a bucket: correct the address.") from error
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] == "404":
            raise CommandError(
                f"There is no bucket {bucket}: correct the address; `aws s3 ls` lists your buckets."
            ) from error


def _start_by_hand(stack: Stack, source: StoredObject, force: bool, reason: str | None) -> Start:
    document: dict[str, Any] = {"bucket": source.bucket, "key": source.key}
    if source.version_id is not None:
        document["version_id"] = source.version_id
    if force:
        document["force"] = True
    document |= {"why": "force" if force else "ingest", "started_by": caller(stack)}
    if reason is not None:
        document["reason"] = reason
    client = stack.client("stepfunctions")
    now = datetime.now(UTC)
    _check_bucket(stack, source.bucket)
    while True:
        name = manual_execution_name(source.bucket, source.key, now)
        try:
            answer = client.start_execution(
                stateMachineArn=stack.state_machine_arn, name=name, input=json.dumps(document)
            )
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            now += timedelta(seconds=1)  # the name ends in the time in seconds, and is taken
            continue
        uri = f"s3://{source.bucket}/{source.key}"
        return Start(uri, answer["executionArn"], "RUNNING", source.version_id)
