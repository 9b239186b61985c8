"""The history of loads. It comes from the ledger, because Step Functions keeps executions for only
90 days."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeSerializer

from ingestion.ledger.loads import Loads
from ingestion.ledger.store import deserialize
from tickets.errors import CommandError
from tickets.runs.executions import known_execution, rows_recorded
from tickets.runs.stack import Stack

INDEX = "loads"
UNKNOWN = "UNKNOWN"
"""The status of a load that recorded no end and whose executions Step Functions no longer has."""

Load = dict[str, Any]
"""A load's entry in the ledger, with all FIELDS. `recorded_status` is the status in the ledger,
`status` the actual one: they differ if the execution was stopped or timed out, because it could not
record its end. `failure` says why such an execution ended."""

FIELDS = (
    "load_id",
    "bucket",
    "key",
    "version_id",
    "etag",
    "size",
    "uploader",
    "source",
    "status",
    "recorded_status",
    "started_at",
    "finished_at",
    "executions",
    "rows_read",
    "rows_written",
    "rows_superseded",
    "rows_combined",
    "rows_refused",
    "blank_lines",
    "rows_per_second",
    "throttles",
    "chunks",
    "chunks_finished",
    "summary",
    "failure",
    "first_error",
    "unread",
    "replaces",
    "stays",
    "unknown_columns",
    "refused_rows",
    "report",
)


def list_loads(stack: Stack, key: str | None, since: datetime | None) -> list[Load]:
    """Lists loads, the newest first.

    key: only loads of this key in the upload bucket, or of this `s3://bucket/key`.
    since: only loads that started at this time or later.
    Raises CommandError for an invalid address.
    """
    conditions = {}
    if key is not None:
        conditions["object_url = :url"] = (":url", object_url(stack, key))
    if since is not None:
        earliest = since.astimezone(UTC).isoformat(timespec="milliseconds")
        # In the ledger's own format, so that times compare as text.
        conditions["started_at >= :since"] = (":since", earliest.replace("+00:00", "Z"))
    loads = list(_entries(stack, "query" if key is not None else "scan", conditions))
    loads.sort(key=lambda load: str(load["started_at"]), reverse=True)
    return [_with_actual_status(stack, load) for load in loads]


def load_of_execution(stack: Stack, arn: str) -> Load | None:
    """The ledger entry of the load that an execution worked on; None if there is none."""
    return next((load for load in _entries(stack, "scan", {}) if arn in load["executions"]), None)


def object_url(stack: Stack, key: str) -> str:
    """Returns the `s3://bucket/key` of a key in the upload bucket. Returns an address that already
    has this form unchanged.

    Raises CommandError for an invalid address.
    """
    if not key.startswith("s3://"):
        return f"s3://{stack.upload_bucket}/{key}"
    bucket, _, rest = key.removeprefix("s3://").partition("/")
    if not bucket or not rest:
        raise CommandError(f"{key} is not an S3 address: write it like s3://bucket/key.csv.")
    return key


def _entries(
    stack: Stack, operation: str, conditions: Mapping[str, tuple[str, str]]
) -> Iterator[Load]:
    expression = "KeyConditionExpression" if operation == "query" else "FilterExpression"
    arguments: dict[str, Any] = {}
    if conditions:
        serialize = TypeSerializer().serialize
        arguments = {
            expression: " AND ".join(conditions),
            "ExpressionAttributeValues": {
                name: serialize(value) for name, value in conditions.values()
            },
        }
    pages = (
        stack.client("dynamodb")
        .get_paginator(operation)
        .paginate(TableName=stack.ledger_table, IndexName=INDEX, **arguments)
    )
    for page in pages:
        for item in page["Items"]:
            yield _with_all_fields(deserialize(item))


def _with_all_fields(load: Load) -> Load:
    """The load with FIELDS first (None if the entry lacks one), then the entry's other attributes
    except the key `entry`."""
    return {name: load.get(name) for name in FIELDS} | {
        name: value for name, value in load.items() if name != "entry"
    }


def _with_actual_status(stack: Stack, load: Load) -> Load:
    found = {**load, "recorded_status": load["status"]}
    if load["status"] != "RUNNING":
        return found
    known = [known_execution(stack, arn) for arn in load["executions"]]
    executions = [execution for execution in known if execution is not None]
    if any(execution.status == "RUNNING" for execution in executions):
        return found
    # The index lags behind the table: the load may have recorded its end already.
    now = Loads(stack.client("dynamodb"), stack.ledger_table).load(load["load_id"]) or load
    if now["status"] != "RUNNING":
        return _with_all_fields({**now, "recorded_status": now["status"]})
    rows = rows_recorded(stack, now)
    if not executions:
        return {**found, **rows, "status": UNKNOWN}
    newest = max(executions, key=lambda execution: execution.described["startDate"])
    return {**found, **rows, "status": newest.status, "failure": newest.failure}
