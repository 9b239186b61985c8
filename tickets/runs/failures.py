"""Lists the failures in the dead-letter queues, with what the ledger has recorded about their
loads."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingestion.contracts import ErrorGroup
from ingestion.ledger.loads import Loads
from tickets.runs.causes import chunk_errors
from tickets.runs.dead_letters import DeadLetters, FailedExecution
from tickets.runs.executions import Execution, recorded_chunks
from tickets.runs.later_versions import file_of, loaded_since
from tickets.runs.replay_names import stem_of
from tickets.runs.stack import Stack

_CONCURRENT_CALLS = 8


@dataclass(frozen=True)
class LoadFailure:
    """A failed execution.

    error, cause: Step Functions' error name, and a sentence.
    errors: the errors of the unfinished chunks, the most frequent first.
    is_refused: whether the file was refused for what it contains; a replay would read the same.
    rows_refused: None if Reconcile did not count them.
    loaded_since: the load of a later version of the object, if it is loaded.
    load_status, chunks, chunks_done, plan, report: from the load's entry in the ledger; None if it
    does not have them. A small file has no plan in the work bucket.
    """

    kind: str = field(default="execution", init=False)
    execution: str
    execution_arn: str
    load_id: str | None
    bucket: str | None
    key: str | None
    version_id: str | None
    status: str
    state: str | None
    error: str
    cause: str
    errors: list[ErrorGroup]
    is_refused: bool
    rows_refused: int | None
    failed_at: datetime
    input: Any
    load_status: str | None
    loaded_since: str | None
    chunks: int | None
    chunks_done: int | None
    plan: str | None
    report: str | None
    redrivable: bool
    messages: int

    @property
    def why(self) -> str:
        """The first underlying error, or else the cause."""
        return f"{self.errors[0].error}: {self.errors[0].message}" if self.errors else self.cause

    @property
    def is_settled(self) -> bool:
        """Whether a replay would start nothing and only delete the message."""
        return self.load_status in ("SUCCEEDED", "OVERTAKEN") or self.loaded_since is not None

    @property
    def names(self) -> list[str | None]:
        """The names that the cause may mention and that differ from load to load."""
        return [self.execution, self.load_id, self.key]


@dataclass(frozen=True)
class UploadFailure:
    """An upload whose execution could not be started. `objects` has the S3 addresses; it is empty
    if the message is not an S3 event."""

    kind: str = field(default="upload", init=False)
    objects: list[str]
    cause: str
    failed_at: datetime
    message_id: str


@dataclass(frozen=True)
class UnreadableMessage:
    """A message in the queue of failed executions that is not about an execution."""

    kind: str = field(default="unreadable", init=False)
    failed_at: datetime
    message_id: str


Failure = LoadFailure | UploadFailure | UnreadableMessage


def list_failures(stack: Stack, letters: DeadLetters) -> list[Failure]:
    """All failures, the newest first."""
    with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
        loads = list(pool.map(lambda one: _load_failure(stack, one), letters.executions))
    found: list[tuple[datetime, Failure]] = [
        *(
            (one.messages[0].sent_at, load)
            for one, load in zip(letters.executions, loads, strict=True)
        ),
        *(
            (
                one.message.sent_at,
                UploadFailure(one.objects, one.reason, one.message.sent_at, one.message.id),
            )
            for one in letters.uploads
        ),
        *((one.sent_at, UnreadableMessage(one.sent_at, one.id)) for one in letters.unreadable),
    ]
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [failure for _, failure in found]


def _load_failure(stack: Stack, failure: FailedExecution) -> LoadFailure:
    loads = Loads(stack.client("dynamodb"), stack.ledger_table)
    execution = Execution(stack, failure.execution_arn)
    # If an upload started the execution, its name is the load's id. If an operator started it, the
    # id is in its history.
    load_id = failure.load_id or stem_of(failure.name)
    load = loads.load(load_id)
    if load is None and failure.load_id is None:
        with suppress(stack.client("stepfunctions").exceptions.ExecutionDoesNotExist):
            if found := execution.load_id:
                load_id, load = found, loads.load(found)
    entry = load or {}
    plan = entry.get("plan")
    chunks = recorded_chunks(stack, entry) if plan else []
    done = sum(chunk.finished for chunk in chunks) if plan else None
    errors = failure.errors
    if plan and not errors and failure.error == "LoadIncomplete" and done != plan["chunks"]:
        with suppress(stack.client("stepfunctions").exceptions.ExecutionDoesNotExist):
            errors = chunk_errors(execution)
    given = json.loads(failure.input) if failure.input else None
    file = file_of(given, entry)
    return LoadFailure(
        execution=failure.name,
        execution_arn=failure.execution_arn,
        load_id=load_id if load else failure.load_id,
        **file,
        status=failure.status,
        state=failure.state,
        error=failure.error,
        cause=failure.reason,
        errors=errors,
        is_refused=failure.is_refused,
        rows_refused=failure.rows_refused,
        failed_at=failure.failed_at,
        input=given,
        load_status=entry.get("status"),
        loaded_since=loaded_since(stack, file),
        chunks=plan["chunks"] if plan else None,
        chunks_done=done,
        plan=f"s3://{plan['bucket']}/{plan['key']}" if plan and plan["key"] else None,
        report=entry.get("report"),
        redrivable=failure.redrivable,
        messages=len(failure.messages),
    )
