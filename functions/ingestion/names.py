"""Names of executions, loads, and objects in the work bucket."""

import hashlib
import json
import re
from datetime import datetime

# Step Functions allows 80 characters; 74 leave room for the "-rN" of a replay.
_MAX_NAME = 74


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
    return _readable_tail(key, _MAX_NAME - len(suffix)) + suffix


def _name(bucket: str, key: str, identity: list[str | None]) -> str:
    digest = hashlib.sha256(json.dumps([bucket, key, *identity]).encode()).hexdigest()[:16]
    return f"{_readable_tail(key, _MAX_NAME - 17)}-{digest}"


def _readable_tail(key: str, longest: int) -> str:
    return re.sub(r"[^0-9A-Za-z_]+", "-", key)[-longest:].strip("-") or "object"


def digests_prefix(load_id: str, generation: str) -> str:
    """What the objects with a load's digests begin with."""
    return f"digests/{load_id}/{generation}/"


def digests_key(load_id: str, generation: str, index: int) -> str:
    """The object with the digests of a chunk's keys."""
    return f"{digests_prefix(load_id, generation)}{index:06d}"


def suspects_key(load_id: str, generation: str, slab: int) -> str:
    """The object with the digests of a range of values that several chunks have."""
    return f"{digests_prefix(load_id, generation)}suspects/{slab:06d}"


def refused_rows_prefix(load_id: str, generation: str, index: int) -> str:
    """What the objects with a chunk's refused and superseded rows begin with."""
    return f"refused-rows/{load_id}/{generation or 'parts'}/{index:06d}-"


def equal_keys_folder(load_id: str, generation: str) -> str:
    """The folder of what Settle Equal Keys finds superseded."""
    return f"equal-keys/{load_id}/{generation}"
