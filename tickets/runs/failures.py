"""Lists the failures in the dead-letter queues, with what the ledger has recorded about their
loads."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingestion.ledger.loads import Loads
from tickets.runs.dead_letters import DeadLetters, FailedExecution
from tickets.runs.executions import Execution, recorded_chunks
from tickets.runs.replay_names import stem_of
from tickets.runs.stack import Stack


@dataclass(frozen=True)
class LoadFailure:
    """A failed execution. `load_status`, `chunks`, `chunks_done`, `plan` and `report` come from the
    load's entry in the ledger and are None if it does not have them. A small file has no plan in
    the work bucket."""

    kind: str = field(default="execution", init=False)
    execution: str
    execution_arn: str
    status: str
    state: str | None
    error: str
    reason: str
    failed_at: datetime
    input: Any
    load_id: str | None
    load_status: str | None
    chunks: int | None
    chunks_done: int | None
    plan: str | None
    report: str | None
    redrivable: bool
    messages: int


@dataclass(frozen=True)
class UploadFailure:
    """An upload whose execution could not be started."""

    kind: str = field(default="upload", init=False)
    objects: list[str]
    reason: str
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
    found: list[tuple[datetime, Failure]] = [
        *((one.messages[0].sent_at, _load_failure(stack, one)) for one in letters.executions),
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
    # If an upload started the execution, its name is the load's id. If an operator started it, the
    # id is in its history.
    load_id = failure.load_id or stem_of(failure.name)
    load = loads.load(load_id)
    if load is None and failure.load_id is None:
        with suppress(stack.client("stepfunctions").exceptions.ExecutionDoesNotExist):
            if found := Execution(stack, failure.execution_arn).load_id:
                load_id, load = found, loads.load(found)
    entry = load or {}
    plan = entry.get("plan")
    return LoadFailure(
        execution=failure.name,
        execution_arn=failure.execution_arn,
        status=failure.status,
        state=failure.state,
        error=failure.error,
        reason=failure.reason,
        failed_at=failure.failed_at,
        input=json.loads(failure.input) if failure.input else None,
        load_id=load_id if load else failure.load_id,
        load_status=entry.get("status"),
        chunks=plan["chunks"] if plan else None,
        chunks_done=sum(chunk.finished for chunk in recorded_chunks(stack, entry))
        if plan
        else None,
        plan=f"s3://{plan['bucket']}/{plan['key']}" if plan and plan["key"] else None,
        report=entry.get("report"),
        redrivable=failure.redrivable,
        messages=len(failure.messages),
    )
