"""Starts one execution per uploaded object, however often the upload is announced."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.s3.notifications import Upload, read_notification
from ingestion.telemetry import log_step

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


def start_executions(
    client: "SFNClient", state_machine_arn: str, message_id: str, body: str
) -> list[str]:
    """Start an execution for each upload that a queue message announces.

    Returns a sentence for each one that could not be read or started. The message must then be
    delivered again; executions that have been started are not started twice.
    """
    notification = read_notification(body)
    problems = list(notification.problems)
    for upload in notification.uploads:
        try:
            start_execution(client, state_machine_arn, upload)
        except (BotoCoreError, ClientError) as error:
            problems.append(str(error))
        else:
            log_step("Start Execution", upload.execution_name, None, message_id=message_id)
    return problems


def start_execution(client: "SFNClient", state_machine_arn: str, upload: Upload) -> None:
    """Start the execution named after the upload; one that exists already is a success.

    If an execution of the same name and input is running, AWS returns success; if it has ended, AWS
    raises ExecutionAlreadyExists (StartExecution, API Reference). AWS also raises it if the input
    differs, which happens because S3 and EventBridge name the uploader differently.
    """
    with suppress(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(
            stateMachineArn=state_machine_arn,
            name=upload.execution_name,
            input=json.dumps(upload.execution_input),
        )
