"""Builds the names of executions and loads, and the keys of objects in the work bucket."""

import hashlib
import json
import re
from datetime import datetime

# Step Functions allows 80 characters. 6 are reserved for the "-rN" of a replay.
_MAX_NAME = 74


def execution_name(
    bucket: str,
    key: str,
    version_id: str | None,
    etag: str | None = None,
    sequencer: str | None = None,
) -> str:
    """Returns the name of the execution that an upload starts: at most 74 of `[0-9A-Za-z_-]`.

    It consists of the end of the key, in readable form, and a hash. The hash is of the bucket, the
    key and the version. In an unversioned bucket, the ETag and the event's sequencer replace the
    version.
    """
    return _name(bucket, key, [version_id] if version_id else [etag, sequencer])


def load_id(bucket: str, key: str, identity: str) -> str:
    """Returns the id of the load of one object version. It is the same for all its executions.

    `identity` distinguishes the object's content from others of its key, see
    `ObjectState.identity`. In a versioned bucket it is the version, so the id equals the name of
    the execution that the upload starts.
    """
    return _name(bucket, key, [identity])


def forced_load_id(load: str, execution_name: str) -> str:
    """Returns the id of a load that is forced to load an object version again.

    Each forced execution has its own id, which its replays share. `load` is the id of the load
    without force.
    """
    original = re.sub(r"(-r[0-9]+)+$", "", execution_name)
    return f"{load}-{hashlib.sha256(original.encode()).hexdigest()[:8]}"


def manual_execution_name(bucket: str, key: str, now: datetime) -> str:
    """Returns a readable name for an execution that is started by hand. It changes every second."""
    digest = hashlib.sha256(json.dumps([bucket, key]).encode()).hexdigest()[:4]
    suffix = f"-{digest}-{now:%Y%m%dT%H%M%SZ}"
    return _readable_tail(key, _MAX_NAME - len(suffix)) + suffix


def _name(bucket: str, key: str, identity: list[str | None]) -> str:
    digest = hashlib.sha256(json.dumps([bucket, key, *identity]).encode()).hexdigest()[:16]
    return f"{_readable_tail(key, _MAX_NAME - 17)}-{digest}"


def _readable_tail(key: str, longest: int) -> str:
    return re.sub(r"[^0-9A-Za-z_]+", "-", key)[-longest:].strip("-") or "object"


def digests_prefix(load_id: str, generation: str) -> str:
    """Returns the prefix of the objects with a load's digests."""
    return f"digests/{load_id}/{generation}/"


def digests_key(load_id: str, generation: str, index: int) -> str:
    """Returns the key of the object with the digests of a chunk."""
    return f"{digests_prefix(load_id, generation)}{index:06d}"


def suspects_key(load_id: str, generation: str, slab: int) -> str:
    """Returns the key of the object with the suspects of a slab, see
    `tasks.settle_equal_keys`."""
    return f"{digests_prefix(load_id, generation)}suspects/{slab:06d}"


def refused_rows_prefix(load_id: str, generation: str, index: int) -> str:
    """Returns the prefix of the objects that list a chunk's refused and superseded rows."""
    return f"refused-rows/{load_id}/{generation or 'parts'}/{index:06d}-"


def joined_rows_folder(load_id: str, execution: str | None) -> str:
    """Returns the folder of the file with all refused and superseded rows, which each execution of
    a load writes. `execution` is None for an execution of an earlier release."""
    return f"refused-rows/{execution or load_id}"


def report_key(load_id: str, execution: str | None) -> str:
    """Returns the key of the report, which each execution of a load writes. `execution` is None
    for an execution of an earlier release."""
    return f"reports/{execution or load_id}.json"


def equal_keys_folder(load_id: str, generation: str) -> str:
    """Returns the folder in which Settle Equal Keys stores its results."""
    return f"equal-keys/{load_id}/{generation}"
