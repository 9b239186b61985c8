"""Starts an execution for an uploaded object, once, however often the upload is announced."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from ingestion.s3.notifications import Upload

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


def start_execution(client: "SFNClient", state_machine_arn: str, upload: Upload) -> None:
    """Start the execution named after the upload; one that exists already is a success.

    On AWS a running execution of the same name and input is answered as if it had just started,
    and an ended one with ExecutionAlreadyExists (StartExecution, API Reference).
    """
    with suppress(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(
            stateMachineArn=state_machine_arn,
            name=upload.execution_name,
            input=json.dumps(upload.execution_input),
        )
