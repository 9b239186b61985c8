"""Finds out whether a later version of a failed load's object has been loaded since."""

from collections.abc import Mapping
from typing import Any

import botocore.exceptions

from ingestion.ledger.claims import Claim, Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from tickets.runs.stack import Stack


def file_of(given: Any, load: Mapping[str, Any]) -> dict[str, str | None]:
    """Bucket, key and version_id of an execution's object, from the load's entry in the ledger or,
    if there is none, from the execution's input. Unknown ones are None."""
    known = given if isinstance(given, dict) else {}
    return {name: load.get(name) or known.get(name) for name in ("bucket", "key", "version_id")}


def loaded_since(stack: Stack, file: Mapping[str, str | None]) -> str | None:
    """The id of the load of a later version, if that is loaded; otherwise None.

    file: bucket, key and version_id of the object. In a bucket without versions, and without the
    permission to list them, no version is known to be later.
    """
    bucket, key, version_id = (file.get(name) for name in ("bucket", "key", "version_id"))
    if not (bucket and key and version_id):
        return None
    dynamodb = stack.client("dynamodb")
    turns = Turns(stack.client("s3"), Claims(dynamodb, stack.ledger_table))
    wanted = Claim(bucket, key, version_id, "")
    newest = turns.newest(wanted.object_url)
    if newest is None or newest.version_id == version_id:
        return None
    load = Loads(dynamodb, stack.ledger_table).load(newest.load_id) or {}
    if load.get("status") != "SUCCEEDED":
        return None
    try:
        return newest.load_id if turns.is_overtaken(wanted) else None
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return None
