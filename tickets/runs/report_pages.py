"""The report pages of executions: those in the work bucket, and those made with the caller's own
permissions."""

from collections.abc import Iterator
from datetime import datetime

import botocore.exceptions

from ingestion.ledger.actions import Actions
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.loads import Loads
from ingestion.s3.work_bucket import list_keys
from ingestion.tasks.write_report_page import Pages, page_key
from tickets.errors import CommandError
from tickets.runs.attempts import attempts_of
from tickets.runs.executions import list_executions
from tickets.runs.filters import Wanted
from tickets.runs.stack import Stack

PRESIGNED_SECONDS = 3600


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
        stack={"Stack": stack.name, "Region": stack.region, "Table": stack.table},
    )


def report_page(stack: Stack, execution: str) -> tuple[str, bytes]:
    """The S3 address of an execution's page, and the page.

    An execution that is running has a new page made; that of one that has ended is made if it is
    missing. Raises CommandError if there is neither a page nor such an execution.
    """
    name = execution.rpartition(":")[2]
    arn = stack.execution_arn(name)
    status = _status(stack, arn)
    stored = None if status == "RUNNING" else _stored(stack, name)
    if stored is None:
        if status is None:
            raise CommandError(
                f"Stack {stack.name} has no execution {name}, and no page of it: "
                "`tickets executions` and `tickets loads` list what there is."
            )
        pages_of(stack).write(arn)
        stored = _stored(stack, name)
        assert stored is not None
    return f"s3://{stack.work_bucket}/{page_key(name)}", stored


def make_missing_pages(stack: Stack, since: datetime) -> Iterator[str]:
    """Makes the page of each execution that has ended and has none, and yields its address."""
    made = list_keys(stack.client("s3"), stack.work_bucket, "reports/")
    for one in list_executions(stack, Wanted(since=since)).executions:
        if one.status != "RUNNING" and page_key(one.execution) not in made:
            yield pages_of(stack).write(one.execution_arn)


def presigned(stack: Stack, address: str) -> str:
    """A URL that a browser can open for an hour."""
    bucket, _, key = address.removeprefix("s3://").partition("/")
    return str(
        stack.client("s3").generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=PRESIGNED_SECONDS
        )
    )


def _status(stack: Stack, arn: str) -> str | None:
    client = stack.client("stepfunctions")
    try:
        return str(client.describe_execution(executionArn=arn)["status"])
    except client.exceptions.ExecutionDoesNotExist:
        return None


def _stored(stack: Stack, name: str) -> bytes | None:
    try:
        answer = stack.client("s3").get_object(Bucket=stack.work_bucket, Key=page_key(name))
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        return None
    return bytes(answer["Body"].read())
