"""The history of loads: the ledger's entries, which outlive Step Functions' 90 days."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.exceptions
from boto3.dynamodb.types import TypeSerializer
from rich.console import Console
from rich.text import Text

from ingestion.ledger.loads import Loads
from ingestion.ledger.store import deserialize
from tickets.cli.output import local_time, rows_text, size, status_text
from tickets.errors import CommandError
from tickets.runs.executions import Execution, rows_recorded
from tickets.runs.stack import Stack

INDEX = "loads"
UNKNOWN = "UNKNOWN"
"""The status of a load that the ledger calls RUNNING, but whose executions nobody remembers."""

Load = dict[str, Any]
"""A load's entry with all fields. `status` is checked, `recorded_status` is the ledger's own;
`failure` says how its execution ended, for a load that could not record its own end."""

FIELDS = (
    "load_id",
    "bucket",
    "key",
    "version_id",
    "etag",
    "size",
    "uploader",
    "status",
    "recorded_status",
    "started_at",
    "finished_at",
    "executions",
    "rows_read",
    "rows_written",
    "rows_superseded",
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
    "unknown_columns",
    "refused_rows",
    "report",
)


def list_loads(stack: Stack, key: str | None, since: timedelta | None) -> list[Load]:
    """Loads that started within `since`, the newest first.

    key: only those of this key of the upload bucket, or of this `s3://bucket/key`.
    Raises CommandError for an address that is none.
    """
    conditions = {}
    if key is not None:
        conditions["object_url = :url"] = (":url", object_url(stack, key))
    if since is not None:
        earliest = (datetime.now(UTC) - since).isoformat(timespec="milliseconds")
        # The ledger's own form, in which times can be compared as texts.
        conditions["started_at >= :since"] = (":since", earliest.replace("+00:00", "Z"))
    loads = list(_entries(stack, "query" if key is not None else "scan", conditions))
    loads.sort(key=lambda load: str(load["started_at"]), reverse=True)
    return [_checked(stack, load) for load in loads]


def load_of_execution(stack: Stack, arn: str) -> Load | None:
    """The load that an execution worked on, as recorded; None if the ledger knows of none."""
    return next((load for load in _entries(stack, "scan", {}) if arn in load["executions"]), None)


def print_loads(stack: Stack, loads: list[Load], out: Console) -> None:
    """A few lines a load, since nobody's terminal is as wide as all that is worth knowing."""
    for load in loads:
        name, load_id = Text(_name(stack, load), style="bold"), Text(load["load_id"], style="dim")
        out.print(name, status_text(load["status"]), load_id, sep="  ", soft_wrap=True)
        for line in _lines(load):
            out.print(Text(f"  {line}"), soft_wrap=True)


def _name(stack: Stack, load: Load) -> str:
    upload = load["bucket"] == stack.upload_bucket
    return str(load["key"] if upload else load["object_url"])


def _lines(load: Load) -> Iterator[str]:
    started, ended = _time(load["started_at"]), load.get("finished_at")
    yield f"started {started}, ended {_time(ended)}" if ended else f"started {started}"
    version = f"version {load['version_id'][:8]}" if load["version_id"] else "no version"
    yield f"{version}, {size(load['size'])}, by {load.get('uploader') or 'hand'}"
    if load.get("rows_read") is not None:
        yield rows_text(load)
    if load.get("rows_per_second"):
        yield f"{load['rows_per_second']:,} rows a second, throttled {load['throttles']:,} times"
    if load["status"] == UNKNOWN:
        yield "why: it never recorded its end, and Step Functions has forgotten its executions"
    elif load["status"] not in ("RUNNING", "SUCCEEDED"):
        yield f"why: {load['failure'] or load.get('summary')}"
    error = load.get("first_error")
    if error:
        line = f"line {error['line']:,}" if error["line"] else None
        place = ", ".join(filter(None, [line, error["column"]])) or "the whole file"
        yield f"first error: {place}: {error['reason']}"
    if load.get("replaces"):
        yield f"replaces: {load['replaces']} (rows that only that one had stay)"
    yield f"executions: {', '.join(arn.rpartition(':')[2] for arn in load['executions'])}"
    if load.get("report"):
        yield f"report: {load['report']}"


def _time(recorded: str) -> str:
    return local_time(datetime.fromisoformat(recorded))


def object_url(stack: Stack, key: str) -> str:
    """`s3://bucket/key` of what `--key` names."""
    if not key.startswith("s3://"):
        return f"s3://{stack.upload_bucket}/{key}"
    bucket, _, rest = key.removeprefix("s3://").partition("/")
    if not bucket or not rest:
        raise CommandError(f"{key} is no S3 address: write it like s3://bucket/key.csv.")
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
    """In a fixed order, null where a load has not come that far; whatever else there is, behind."""
    return {name: load.get(name) for name in FIELDS} | {
        name: value for name, value in load.items() if name != "entry"
    }


def _checked(stack: Stack, load: Load) -> Load:
    """The load with the status that is true: an execution that was stopped or that failed outside
    its tasks could not tell the ledger."""
    found = {**load, "recorded_status": load["status"]}
    if load["status"] != "RUNNING":
        return found
    executions = [one for arn in load["executions"] if (one := _known(stack, arn)) is not None]
    if any(one.status == "RUNNING" for one in executions):
        return found
    # One that ended just now has told the ledger before it ended, and the index lags behind.
    now = Loads(stack.client("dynamodb"), stack.ledger_table).load(load["load_id"]) or load
    if now["status"] != "RUNNING":
        return _with_all_fields({**now, "recorded_status": now["status"]})
    if not executions:
        return {**found, **rows_recorded(stack, now), "status": UNKNOWN}
    newest = max(executions, key=lambda one: one.described["startDate"])
    rows = rows_recorded(stack, now)
    return {**found, **rows, "status": newest.status, "failure": newest.failure}


def _known(stack: Stack, arn: str) -> Execution | None:
    """The execution, or None if Step Functions has forgotten it (AWS does after 90 days)."""
    execution = Execution(stack, arn)
    try:
        _ = execution.described
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        return None
    return execution
