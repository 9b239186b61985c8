"""Reads the two dead-letter queues without taking messages out of them.

Messages are received, which hides them from other readers, and made visible again at the end. If
the command is killed, they become visible again within a minute.

Two readers that start together can each receive a part of the messages. A reader therefore compares
what it holds with the queues' counts. If another reader holds messages, it makes its own visible
again, pauses for a random time and starts over. So one of the two soon gets all messages, and the
other one gets them after that.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ingestion.contracts import ErrorGroup
from ingestion.executions.history import ending_in_words, error_in_words
from ingestion.executions.remedies import is_refused
from ingestion.s3.notifications import read_notification
from ingestion.tasks.start_execution import MAX_RECEIVES, REASON, SENT_AT
from tickets.errors import CommandError
from tickets.runs.stack import Stack
from tickets.runs.waiting import polls

_HIDDEN_SECONDS = 60
_WAIT_SECONDS = 1  # with long polling SQS asks all of its servers
_MAX_MESSAGES = 10  # per ReceiveMessage and ChangeMessageVisibilityBatch
_BUSY_SECONDS = 30.0
"""How long a reader tries to get the messages that another reader holds."""
_BUSY_PAUSE_SECONDS = 1.0
_GLANCE_PAUSE_SECONDS = 0.1
# SQS's errors for a message that has been deleted, or has become visible again by itself.
_NOT_HELD = ("InvalidParameterValue", "MessageNotInflight", "ReceiptHandleIsInvalid")
CRASHED = (
    f"start_execution received it {MAX_RECEIVES} times and gave no reason: it crashed, ran out of "
    "time or was throttled."
)
UNREPORTED = "LoadFailureNotReported"
"""The error of an execution that could not send its own dead letter."""


@dataclass(frozen=True)
class Message:
    """A received message. The receipt handle deletes it or makes it visible again. `sent_at` is
    when it was first sent: for an upload, the time of the upload."""

    id: str
    queue_url: str
    receipt_handle: str
    body: str
    sent_at: datetime
    reason: str | None = None
    """Why start_execution could not start the upload; None if it gave no reason."""


@dataclass
class FailedExecution:
    """A failed execution and all messages about it, from the state machine and from EventBridge.

    `reason` is a sentence, `error` is Step Functions' error name, and `errors` are the chunks'
    errors, if the load is incomplete. `state`, `load_id` and `input` are None if no message has
    them.
    """

    execution_arn: str
    name: str
    status: str
    state: str | None
    error: str
    reason: str
    failed_at: datetime
    input: str | None
    load_id: str | None
    messages: list[Message] = field(default_factory=list)
    from_state_machine: bool = False
    errors: list[ErrorGroup] = field(default_factory=list)
    rows_refused: int | None = None
    reason_codes: frozenset[str] = frozenset()

    @property
    def is_refused(self) -> bool:
        """Whether the file was refused for what it contains, so that a replay would refuse the same
        bytes again."""
        return is_refused(self.error, self.reason_codes)

    @property
    def redrivable(self) -> bool:
        """Whether RedriveExecution can continue it: possible only if no Catch handled its error."""
        return not self.from_state_machine and can_be_redriven(self.status, self.error)


@dataclass(frozen=True)
class UnstartedUpload:
    """A message of the upload queue that start_execution failed to process. `objects` has the S3
    addresses of the uploaded objects; it is empty if the message is not an S3 event."""

    objects: list[str]
    reason: str
    message: Message


@dataclass(frozen=True)
class DeadLetters:
    """The contents of both queues, newest first.

    unreadable: messages in the queue of failed executions that are not about an execution.
    unseen: the approximate number of messages in the queues that could not be received, because
    another reader holds them.
    """

    executions: list[FailedExecution]
    uploads: list[UnstartedUpload]
    unreadable: list[Message]
    unseen: int


def can_be_redriven(status: str, error: str | None) -> bool:
    """Whether RedriveExecution can continue an execution that ended with this status and error. If
    a Catch handled the error, the state that failed has exited, and a redrive would only enter the
    Fail state."""
    return status in ("TIMED_OUT", "ABORTED") or (error or "").startswith("States.")


@contextmanager
def held_dead_letters(
    stack: Stack, on_busy: Callable[[], None] = lambda: None
) -> Iterator[DeadLetters]:
    """Receives all dead letters. At the end of the block, makes those that were not deleted visible
    again.

    Waits up to 30 seconds for messages that another reader holds; `unseen` counts those that the
    other reader still holds after that time.
    on_busy: called once if it has to wait.
    """
    held: dict[str, Message] = {}
    try:
        unseen = _receive_consistently(stack, held, on_busy)
        yield _dead_letters(stack, held, unseen)
    finally:
        _make_visible(stack, held.values())


def glance(stack: Stack, seconds: float, max_messages: int) -> DeadLetters:
    """Returns the dead letters that can be received at once, without waiting for other readers.

    Receives messages until it has all or `max_messages` of a queue, or until `seconds` have passed.
    `unseen` counts the others.
    """
    held: dict[str, Message] = {}
    try:
        for elapsed in polls(_GLANCE_PAUSE_SECONDS):
            for queue_url in _queues(stack):
                _receive_all(stack, queue_url, held, wait_seconds=0, max_messages=max_messages)
            missing = sum(_missing(stack, queue_url, held) for queue_url in _queues(stack))
            if not missing or elapsed >= seconds or len(held) >= max_messages:
                break
        return _dead_letters(stack, held, missing)
    finally:
        _make_visible(stack, held.values())


def count_messages(stack: Stack) -> int:
    """Returns how many messages are in both queues, by SQS's approximate counts."""
    return sum(_missing(stack, queue_url, {}) for queue_url in _queues(stack))


def delete(stack: Stack, messages: Sequence[Message]) -> None:
    """Deletes messages from their queues."""
    for message in messages:
        stack.client("sqs").delete_message(
            QueueUrl=message.queue_url, ReceiptHandle=message.receipt_handle
        )


def _receive_consistently(
    stack: Stack, held: dict[str, Message], on_busy: Callable[[], None]
) -> int:
    """Receives messages until `held` has as many as the queues count, or _BUSY_SECONDS have passed.
    Returns how many are missing."""
    busy = False
    for elapsed in polls(_BUSY_PAUSE_SECONDS, jitter=0.9):
        for _ in range(2):  # because SQS's counts lag behind
            for queue_url in _queues(stack):
                _receive_all(stack, queue_url, held)
            missing = sum(_missing(stack, queue_url, held) for queue_url in _queues(stack))
            if not missing:
                return 0
        if elapsed >= _BUSY_SECONDS:
            return missing
        if not busy:
            busy = True
            on_busy()
        _make_visible(stack, held.values())
        held.clear()
    raise AssertionError("unreachable")


def _dead_letters(stack: Stack, held: dict[str, Message], unseen: int) -> DeadLetters:
    failed = _newest_first(held, stack.failed_executions_queue_url)
    uploads = _newest_first(held, stack.upload_dead_letter_queue_url)
    read = [(message, _read(message)) for message in failed]
    return DeadLetters(
        _by_execution([failure for _, failure in read if failure is not None]),
        [_unstarted(message) for message in uploads],
        [message for message, failure in read if failure is None],
        unseen,
    )


def _queues(stack: Stack) -> tuple[str, str]:
    return stack.failed_executions_queue_url, stack.upload_dead_letter_queue_url


def _missing(stack: Stack, queue_url: str, held: dict[str, Message]) -> int:
    """How many messages of a queue are not in `held`, by SQS's approximate counts."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
    counted = sum(int(answer["Attributes"][name]) for name in names)
    return max(0, counted - len(_newest_first(held, queue_url)))


def _receive_all(
    stack: Stack,
    queue_url: str,
    held: dict[str, Message],
    *,
    wait_seconds: int | None = None,
    max_messages: int | None = None,
) -> None:
    """Adds a queue's messages to `held` one by one, so that an interruption loses none. Stops when
    `held` has about `max_messages`."""
    while max_messages is None or len(held) < max_messages:
        answer = stack.client("sqs").receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=_MAX_MESSAGES,
            VisibilityTimeout=_HIDDEN_SECONDS,
            WaitTimeSeconds=_WAIT_SECONDS if wait_seconds is None else wait_seconds,
            MessageSystemAttributeNames=["SentTimestamp"],
            MessageAttributeNames=[REASON, SENT_AT],
        )
        received = answer.get("Messages", [])
        anything_new = any(one["MessageId"] not in held for one in received)
        for one in received:
            added = {
                name: value["StringValue"]
                for name, value in one.get("MessageAttributes", {}).items()
            }
            sent_at = int(added.get(SENT_AT) or one["Attributes"]["SentTimestamp"])
            # If a message is received twice, only the latest receipt handle is valid.
            held[one["MessageId"]] = Message(
                one["MessageId"],
                queue_url,
                one["ReceiptHandle"],
                one["Body"],
                datetime.fromtimestamp(sent_at / 1000, UTC),
                added.get(REASON),
            )
        if not anything_new:
            return


def _make_visible(stack: Stack, messages: Iterable[Message]) -> None:
    handles = defaultdict(list)
    for message in messages:
        handles[message.queue_url].append(message.receipt_handle)
    for queue_url, own in handles.items():
        for at in range(0, len(own), _MAX_MESSAGES):
            batch = own[at : at + _MAX_MESSAGES]
            answer = stack.client("sqs").change_message_visibility_batch(
                QueueUrl=queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(batch)
                ],
            )
            for failed in answer.get("Failed", []):
                if failed["Code"].rsplit(".", 1)[-1] not in _NOT_HELD:
                    raise CommandError(
                        "A dead letter can't be made visible again, and becomes so within a "
                        f"minute ({failed['Code']}: {failed.get('Message', '')})."
                    )


def _newest_first(held: dict[str, Message], queue_url: str) -> list[Message]:
    """The messages of one queue in `held`, newest first."""
    mine = [message for message in held.values() if message.queue_url == queue_url]
    return sorted(mine, key=lambda message: message.sent_at, reverse=True)


def _by_execution(failures: list[FailedExecution]) -> list[FailedExecution]:
    """Merges failures of the same execution. The state machine's message has more details than
    EventBridge's."""
    found: dict[str, FailedExecution] = {}
    for failure in failures:
        known = found.setdefault(failure.execution_arn, failure)
        if known is failure:
            continue
        messages = known.messages + failure.messages
        if failure.from_state_machine and not known.from_state_machine:
            found[failure.execution_arn] = known = failure
        known.messages = messages
    return list(found.values())


def _read(message: Message) -> FailedExecution | None:
    """Reads a message of the queue of failed executions; None if it is not about an execution."""
    try:
        body = json.loads(message.body)
        if "detail" in body:
            return _from_eventbridge(body["detail"], message)
        return _from_state_machine(body, message)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _from_state_machine(body: dict[str, Any], message: Message) -> FailedExecution:
    failed, result = body.get("failed") or {}, body.get("result") or {}
    state, error, reason = body.get("state"), body["error"], body["cause"]
    if failed:
        name, caught = next(iter(failed.items()))
        state, error = name.replace("_", " ").title(), caught["Error"]
        reason = f"{state} failed with {error_in_words(error, caught.get('Cause'))}"
    return FailedExecution(
        execution_arn=body["execution_arn"],
        name=body["execution_name"],
        status="FAILED",
        state=state,
        error=error,
        reason=reason,
        failed_at=(
            datetime.fromisoformat(body["failed_at"]) if body.get("failed_at") else message.sent_at
        ),
        input=json.dumps(body["input"], ensure_ascii=False),
        load_id=body.get("load_id"),
        messages=[message],
        from_state_machine=True,
        errors=[ErrorGroup.from_json(one) for one in result.get("errors", ())],
        rows_refused=result.get("rows_refused"),
        reason_codes=frozenset(one["reason"] for one in body.get("reasons") or ()),
    )


def _from_eventbridge(detail: dict[str, Any], message: Message) -> FailedExecution:
    """Reads an event of the EventBridge rule, which reports the executions that end without a dead
    letter from the state machine."""
    stopped, status = detail.get("stopDate"), detail["status"]
    error, cause = detail.get("error"), detail.get("cause")
    reason = ending_in_words(status, error, cause)
    if error == UNREPORTED:
        reason = f"{cause} (The state machine could not send this dead letter itself.)"
    return FailedExecution(
        execution_arn=detail["executionArn"],
        name=detail["name"],
        status=status,
        state=None,
        error=error or status,
        reason=reason,
        failed_at=datetime.fromtimestamp(stopped / 1000, UTC) if stopped else message.sent_at,
        input=detail.get("input"),
        load_id=None,
        messages=[message],
    )


def _unstarted(message: Message) -> UnstartedUpload:
    notification = read_notification(message.body)
    objects = [f"s3://{upload.bucket}/{upload.key}" for upload in notification.uploads]
    reason = message.reason or " ".join(notification.problems) or CRASHED
    return UnstartedUpload(objects, reason, message)
