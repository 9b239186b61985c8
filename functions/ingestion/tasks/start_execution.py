"""Starts one execution per uploaded object, however often the upload is announced."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.s3.notifications import Upload, read_notification
from ingestion.telemetry import log_step

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

REASON, SENT_AT = "Reason", "SentAt"
"""Message attributes of a dead letter: why the upload was not started, and when its message was
first sent, in milliseconds since the epoch."""
MAX_RECEIVES = 20
"""The upload queue's `maxReceiveCount`."""
_MAX_REASON = 2000


@dataclass(frozen=True)
class QueuedMessage:
    """A message of the upload queue."""

    id: str
    body: str
    attributes: Mapping[str, str]
    """SQS's attributes. SentTimestamp and ApproximateReceiveCount are read."""


class UploadStarter:
    """Starts executions of one state machine.

    A message that can't be started and has been received MAX_RECEIVES times is moved to the
    dead-letter queue with the reason. SQS would move it without one.
    """

    def __init__(
        self,
        step_functions: "SFNClient",
        sqs: Callable[[], "SQSClient"],
        *,
        state_machine_arn: str,
        dead_letter_queue_url: str,
    ) -> None:
        self._step_functions = step_functions
        self._sqs = sqs  # a client that most invocations don't need takes long to create
        self._state_machine_arn = state_machine_arn
        self._dead_letter_queue_url = dead_letter_queue_url

    def start(self, message: QueuedMessage) -> list[str]:
        """Starts an execution for each upload that a queue message announces.

        Returns a sentence for each one that could not be read or started. The message must then be
        delivered again; executions that have been started are not started twice.
        """
        notification = read_notification(message.body)
        problems = list(notification.problems)
        for upload in notification.uploads:
            try:
                start_execution(self._step_functions, self._state_machine_arn, upload)
            except (BotoCoreError, ClientError) as error:
                problems.append(str(error))
            else:
                log_step("Start Execution", upload.execution_name, None, message_id=message.id)
        return problems

    def set_aside(self, message: QueuedMessage, problems: Sequence[str]) -> bool:
        """Sends a message to the dead-letter queue with its problems if it was received for the
        last time. Returns whether it was sent, and can be deleted from the upload queue."""
        if int(message.attributes["ApproximateReceiveCount"]) < MAX_RECEIVES:
            return False
        reason, sent_at = " ".join(problems), message.attributes["SentTimestamp"]
        try:
            self._sqs().send_message(
                QueueUrl=self._dead_letter_queue_url,
                MessageBody=message.body,
                MessageAttributes={
                    REASON: {"DataType": "String", "StringValue": reason[:_MAX_REASON]},
                    SENT_AT: {"DataType": "Number", "StringValue": sent_at},
                },
            )
        except (BotoCoreError, ClientError):
            return False  # SQS moves it
        return True


def start_execution(client: "SFNClient", state_machine_arn: str, upload: Upload) -> None:
    """Starts the execution named after the upload; one that exists already is a success.

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
