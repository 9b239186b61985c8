"""SQS records of S3 event notifications start executions; nothing else happens here."""

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ingestion.errors import UnreadableNotification
from ingestion.s3.notifications import read_notification
from ingestion.tasks.start_execution import start_execution
from ingestion.telemetry import log_step

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

log = logging.getLogger()


@cache
def _step_functions() -> "SFNClient":
    return boto3.client("stepfunctions")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer with the records that must come again (partial batch response)."""
    failures = []
    for record in event["Records"]:
        try:
            for upload in read_notification(record["body"]):
                start_execution(_step_functions(), os.environ["STATE_MACHINE_ARN"], upload)
                log_step(
                    "Start Execution", upload.execution_name, None, message_id=record["messageId"]
                )
        except (UnreadableNotification, BotoCoreError, ClientError) as error:
            log.error("Message %s was not started: %s", record["messageId"], error)
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
