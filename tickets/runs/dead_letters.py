"""Dead letters: what waits in the two dead-letter queues, read without taking anything away.

Messages are received for a short while and handed back at the end, so whoever looks next sees the
same ones; after a crash they are back within a minute.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from ingestion.s3.notifications import read_notification
from tickets.runs.history import error_in_words
from tickets.runs.stack import Stack

_HIDDEN_SECONDS = 60
_WAIT_SECONDS = 1  # long polling asks every server of the queue
_MOST_MESSAGES = 10  # SQS hands out no more in one answer
# What SQS says of a message that is deleted already, or that has come back by itself.
_NOT_HELD = ("InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid")
UNREPORTED = "LoadFailureNotReported"
"""The error of an execution that could not send its own dead letter."""


@dataclass(frozen=True)
class Message:
    """One message as received; the receipt deletes it or hands it back. `sent_at` is when it first
    came into a queue, for an upload that is the time of the upload."""

    id: str
    queue_url: str
    receipt_handle: str
    body: str
    sent_at: datetime


@dataclass
class FailedExecution:
    """One failed execution, with all messages about it: from its graph, from EventBridge, or both.

    `reason` says in words why it failed, `error` in Step Functions' own. `state`, `load_id` and
    `input` are None where the message does not know them.
    """

    execution_arn: str
    name: str
    status: str
    state: str | None
    error: str
    reason: str
    failed_at: str
    input: str | None
    load_id: str | None
    messages: list[Message] = field(default_factory=list)
    from_graph: bool = False

    @property
    def redrivable(self) -> bool:
        """Whether Step Functions itself can go on with it: nothing has caught its error."""
        return not self.from_graph and can_be_redriven(self.status, self.error)


@dataclass(frozen=True)
class UnstartedUpload:
    """A message of the upload queue that start_execution gave up. `objects` are the addresses of
    the objects that it is about; none if it is no S3 event."""

    objects: list[str]
    reason: str
    message: Message


@dataclass(frozen=True)
class DeadLetters:
    """What waits, the newest first. `unreadable` are messages about no execution in the queue of
    the failed executions: somebody else's. `hidden` counts messages that another reader holds; SQS
    counts approximately."""

    executions: list[FailedExecution]
    uploads: list[UnstartedUpload]
    unreadable: list[Message]
    hidden: int


def can_be_redriven(status: str, error: str | None) -> bool:
    """Whether an ending is one of those that no Catch sees. A state whose error was caught has
    exited, so Redrive would enter nothing but the Fail state."""
    return status in ("TIMED_OUT", "ABORTED") or (error or "").startswith("States.")


@contextmanager
def held_dead_letters(stack: Stack) -> Iterator[DeadLetters]:
    """All dead letters. Those not deleted within the block are handed back."""
    held: dict[str, Message] = {}
    try:
        _receive_all(stack, stack.failed_executions_queue_url, held)
        failures = _by_time(held.values())
        _receive_all(stack, stack.upload_dead_letter_queue_url, held)
        uploads = [one for one in _by_time(held.values()) if one not in failures]
        read = [(message, _read(message)) for message in failures]
        yield DeadLetters(
            _by_execution([failure for _, failure in read if failure is not None]),
            [_unstarted(message) for message in uploads],
            [message for message, failure in read if failure is None],
            _hidden(stack, len(held)),
        )
    finally:
        _hand_back(stack, held.values())


def delete(stack: Stack, messages: Sequence[Message]) -> None:
    """Take messages out of their queues for good."""
    for message in messages:
        stack.client("sqs").delete_message(
            QueueUrl=message.queue_url, ReceiptHandle=message.receipt_handle
        )


def _receive_all(stack: Stack, queue_url: str, held: dict[str, Message]) -> None:
    """Adds the queue's messages to `held` as they come, so that an interruption knows of them."""
    while True:
        answer = stack.client("sqs").receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=_MOST_MESSAGES,
            VisibilityTimeout=_HIDDEN_SECONDS,
            WaitTimeSeconds=_WAIT_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        received = answer.get("Messages", [])
        news = any(one["MessageId"] not in held for one in received)
        for one in received:
            sent = datetime.fromtimestamp(int(one["Attributes"]["SentTimestamp"]) / 1000, UTC)
            # Of a message that came twice only the last receipt counts.
            held[one["MessageId"]] = Message(
                one["MessageId"], queue_url, one["ReceiptHandle"], one["Body"], sent
            )
        if not news:
            return


def _hidden(stack: Stack, held: int) -> int:
    name = "ApproximateNumberOfMessagesNotVisible"
    counts = [
        stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        for url in (stack.failed_executions_queue_url, stack.upload_dead_letter_queue_url)
    ]
    return max(0, sum(int(count["Attributes"][name]) for count in counts) - held)


def _hand_back(stack: Stack, messages: Iterable[Message]) -> None:
    for message in messages:
        try:
            stack.client("sqs").change_message_visibility(
                QueueUrl=message.queue_url,
                ReceiptHandle=message.receipt_handle,
                VisibilityTimeout=0,
            )
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"].rsplit(".", 1)[-1] not in _NOT_HELD:
                raise


def _by_time(messages: Iterable[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: message.sent_at, reverse=True)


def _by_execution(failures: list[FailedExecution]) -> list[FailedExecution]:
    """One failure for each execution: its graph knows more of it than EventBridge does."""
    found: dict[str, FailedExecution] = {}
    for failure in failures:
        known = found.setdefault(failure.execution_arn, failure)
        if known is failure:
            continue
        messages = known.messages + failure.messages
        if failure.from_graph and not known.from_graph:
            found[failure.execution_arn] = known = failure
        known.messages = messages
    return list(found.values())


def _read(message: Message) -> FailedExecution | None:
    """None for a message that is about no execution."""
    try:
        body = json.loads(message.body)
        return _from_event(body["detail"], message) if "detail" in body else _told(body, message)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _told(body: dict[str, Any], message: Message) -> FailedExecution:
    """What the state machine itself has sent."""
    failed = body.get("failed") or {}
    state, error, reason = body.get("state"), body["error"], body["cause"]
    if failed:
        name, caught = next(iter(failed.items()))
        state, error = name.replace("_", " ").title(), caught["Error"]
        reason = f"{state} kept failing with {error_in_words(error, caught.get('Cause'))}"
    return FailedExecution(
        execution_arn=body["execution_arn"],
        name=body["execution_name"],
        status="FAILED",
        state=state,
        error=error,
        reason=reason,
        failed_at=body.get("failed_at") or message.sent_at.isoformat(),
        input=json.dumps(body["input"], ensure_ascii=False),
        load_id=body.get("load_id"),
        messages=[message],
        from_graph=True,
    )


def _from_event(detail: dict[str, Any], message: Message) -> FailedExecution:
    """What EventBridge has told of an ending that the state machine could not report."""
    stopped, status = detail.get("stopDate"), detail["status"]
    error, cause = detail.get("error"), detail.get("cause")
    match status:
        case "ABORTED":
            reason = "It was stopped before its end" + (f": {cause}" if cause else ".")
        case "TIMED_OUT":
            reason = "It had not ended within its time."
        case _ if error == UNREPORTED:
            reason = f"{cause} (The state machine could not send this dead letter itself.)"
        case _:
            reason = error_in_words(error or status, cause)
    return FailedExecution(
        execution_arn=detail["executionArn"],
        name=detail["name"],
        status=status,
        state=None,
        error=error or status,
        reason=reason,
        failed_at=(
            datetime.fromtimestamp(stopped / 1000, UTC) if stopped else message.sent_at
        ).isoformat(timespec="milliseconds"),
        input=detail.get("input"),
        load_id=None,
        messages=[message],
    )


def _unstarted(message: Message) -> UnstartedUpload:
    notification = read_notification(message.body)
    objects = [f"s3://{upload.bucket}/{upload.key}" for upload in notification.uploads]
    reason = "start_execution could not start it; its log says why."
    return UnstartedUpload(objects, " ".join(notification.problems) or reason, message)
