"""Lambda handler that starts an execution for each upload announced in a batch of SQS messages."""

import logging
import os
from functools import cache
from typing import Any

import boto3

from ingestion.tasks.start_execution import QueuedMessage, UploadStarter

log = logging.getLogger()


@cache
def _starter() -> UploadStarter:
    return UploadStarter(
        boto3.client("stepfunctions"),
        lambda: boto3.client("sqs"),
        state_machine_arn=os.environ["STATE_MACHINE_ARN"],
        dead_letter_queue_url=os.environ["UPLOAD_DEAD_LETTER_QUEUE_URL"],
    )


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Starts the executions. Returns the messages to deliver again, as a partial batch response."""
    failures = []
    for record in event["Records"]:
        message = QueuedMessage(record["messageId"], record["body"], record["attributes"])
        if problems := _starter().start(message):
            log.error(
                "Message %s was not started: %s If this goes on, `tickets dead-letters` lists it. "
                "See docs/operations.md#upload-not-started",
                *(message.id, " ".join(problems)),
            )
            if not _starter().set_aside(message, problems):
                failures.append({"itemIdentifier": message.id})
    return {"batchItemFailures": failures}
