"""Finds the report pages of executions in the work bucket, or makes them with the caller's own
permissions."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config

from ingestion.ledger.actions import Actions
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.loads import Loads
from ingestion.tasks.write_report_page import Pages, page_key
from tickets.errors import CommandError
from tickets.runs.attempts import attempts_of
from tickets.runs.executions import list_executions
from tickets.runs.filters import Wanted
from tickets.runs.stack import Stack

PRESIGNED_SECONDS = 3600
SHOWN_PARAMETERS = (
    *("MaxRefusedPercent", "MaxSupersededPercent", "ChunkSizeBytes"),
    *("MapConcurrency", "BatchesInFlight", "LoadsAtATime"),
)
"""The stack's parameters that a page shows."""


def pages_of(stack: Stack) -> Pages:
    dynamodb, ledger = stack.client("dynamodb"), stack.ledger_table
    return Pages(
        stack.client("stepfunctions"),
        stack.client("s3"),
        Loads(dynamodb, ledger),
        Chunks(dynamodb, ledger),
        attempts_of(stack),
        Actions(dynamodb, ledger),
        work_bucket=stack.work_bucket,
        stack=stack_facts(stack),
    )


def stack_facts(stack: Stack) -> dict[str, str]:
    """What a page shows of the stack: the same as the variable STACK of write_report_page, and the
    address of a local stack."""
    facts = {
        "Stack": stack.name,
        "Code version": stack.outputs.get("Version"),
        "Region": stack.region,
        "Endpoint": stack.endpoint_url,
        "Table": stack.table,
        **{name: stack.parameters.get(name) for name in SHOWN_PARAMETERS},
    }
    return {name: value for name, value in facts.items() if value is not None}


def report_page(stack: Stack, execution: str) -> tuple[str, bytes]:
    """The S3 address of an execution's page, and the page.

    A page is made if there is none, if the execution is running, and if it has ended since the page
    was made: after a redrive, or because the page showed it running. Raises CommandError if there
    is neither a page nor such an execution.
    """
    name = execution.rpartition(":")[2]
    arn = stack.execution_arn(name)
    described, stored = _described(stack, arn), _stored(stack, name)
    if described is None and stored is None:
        raise CommandError(
            f"Stack {stack.name} has no execution {name}, and no page of it: "
            "`tickets executions` and `tickets loads` list what there is."
        )
    if described is not None and (
        stored is None
        or described["status"] == "RUNNING"
        or _is_older(stored, described["stopDate"])
    ):
        pages_of(stack).write(arn)
        stored = _stored(stack, name)
    assert stored is not None
    return f"s3://{stack.work_bucket}/{page_key(name)}", bytes(stored["Body"].read())


def make_missing_pages(stack: Stack, since: datetime) -> Iterator[str]:
    """Makes the page of each execution that has ended and has none, or one that was made before it
    ended, and yields its address."""
    pages = stack.client("s3").get_paginator("list_objects_v2")
    answers = pages.paginate(Bucket=stack.work_bucket, Prefix="reports/")
    stored = {one["Key"]: one for answer in answers for one in answer.get("Contents", [])}
    for one in list_executions(stack, Wanted(since=since)).executions:
        if one.stopped_at is None:
            continue
        page = stored.get(page_key(one.execution))
        if page is None or _is_older(page, one.stopped_at):
            yield pages_of(stack).write(one.execution_arn)


def presigned(stack: Stack, address: str) -> str:
    """A URL that a browser can open for an hour.

    It has signature version 4, which S3 requires for objects that are encrypted with a KMS key, and
    names the bucket's region, because a redirection would make the signature invalid.
    """
    create: Any = stack.session.client
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    client = create("s3", region_name=stack.region, config=config)
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return str(
        client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=PRESIGNED_SECONDS
        )
    )


def _is_older(page: Mapping[str, Any], stopped_at: datetime) -> bool:
    """Whether a page was made before the execution ended. S3 returns whole seconds."""
    return bool(page["LastModified"] < stopped_at.astimezone(UTC).replace(microsecond=0))


def _described(stack: Stack, arn: str) -> Mapping[str, Any] | None:
    client = stack.client("stepfunctions")
    try:
        found: Mapping[str, Any] = client.describe_execution(executionArn=arn)
    except client.exceptions.ExecutionDoesNotExist:
        return None
    return found


def _stored(stack: Stack, name: str) -> Mapping[str, Any] | None:
    client = stack.client("s3")
    try:
        found: Mapping[str, Any] = client.get_object(Bucket=stack.work_bucket, Key=page_key(name))
    except client.exceptions.NoSuchKey:
        return None
    return found
