"""Lambda handler that starts an execution for each upload announced in a batch of SQS messages."""

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from ingestion.tasks.start_execution import start_executions

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

log = logging.getLogger()


@cache
def _step_functions() -> "SFNClient":
    return boto3.client("stepfunctions")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start the executions. Returns the messages to deliver again, as a partial batch response."""
    failures = []
    for record in event["Records"]:
        message_id = record["messageId"]
        problems = start_executions(
            _step_functions(), os.environ["STATE_MACHINE_ARN"], message_id, record["body"]
        )
        if problems:
            log.error("Message %s was not started: %s", message_id, " ".join(problems))
            failures.append({"itemIdentifier": message_id})
    return {"batchItemFailures": failures}
