"""`tickets dead-letters`: what is known of each failure that waits, the newest first."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from ingestion.ledger.loads import Loads
from tickets.cli.output import local_time, status_text
from tickets.runs.dead_letters import DeadLetters, FailedExecution, UnstartedUpload
from tickets.runs.executions import Execution, recorded_chunks
from tickets.runs.history import count
from tickets.runs.replay import stem_of
from tickets.runs.stack import Stack


@dataclass(frozen=True)
class _Progress:
    """How far the ledger says a load has come; None is what it does not know."""

    load_id: str | None = None
    load_status: str | None = None
    chunks: int | None = None
    chunks_done: int | None = None
    plan: str | None = None
    report: str | None = None


def list_failures(stack: Stack, letters: DeadLetters) -> list[dict[str, Any]]:
    """One object for each failure. `kind` is `execution`, `upload` or `unreadable`; times are in
    ISO 8601; null is what nobody knows."""
    found = [
        *((one.messages[0], _execution(stack, one)) for one in letters.executions),
        *((one.message, _upload(one)) for one in letters.uploads),
        *(
            (one, {"kind": "unreadable", "failed_at": one.sent_at, "message_id": one.id})
            for one in letters.unreadable
        ),
    ]
    found.sort(key=lambda pair: pair[0].sent_at, reverse=True)
    return [failure for _, failure in found]


def print_failures(failures: list[dict[str, Any]], out: Console) -> None:
    """A few lines a failure, since nobody's terminal is as wide as all that is worth knowing."""
    for failure in failures:
        match failure["kind"]:
            case "execution":
                name, status = failure["execution"], status_text(failure["status"])
            case "upload":
                objects = ", ".join(failure["objects"]) or f"message {failure['message_id']}"
                name, status = objects, Text("NOT STARTED", style="red")
            case _:
                name, status = f"message {failure['message_id']}", Text("UNKNOWN", style="red")
        out.print(Text(name, style="bold"), status, _moment(failure), sep="  ", soft_wrap=True)
        for line in _lines(failure):
            out.print(Text(f"  {line}"), soft_wrap=True)


def _execution(stack: Stack, failure: FailedExecution) -> dict[str, Any]:
    # An upload's execution is named as its load; of others the history knows the load.
    progress = _progress(stack, failure.load_id or stem_of(failure.name))
    if progress.load_id is None and failure.load_id is None:
        with suppress(stack.client("stepfunctions").exceptions.ExecutionDoesNotExist):
            progress = _progress(stack, Execution(stack, failure.execution_arn).load_id)
    return {
        "kind": "execution",
        "execution": failure.name,
        "execution_arn": failure.execution_arn,
        "status": failure.status,
        "state": failure.state,
        "error": failure.error,
        "reason": failure.reason,
        "failed_at": failure.failed_at,
        "input": json.loads(failure.input) if failure.input else None,
        **vars(progress),
        "load_id": progress.load_id or failure.load_id,
        "redrivable": failure.redrivable,
        "messages": len(failure.messages),
    }


def _upload(upload: UnstartedUpload) -> dict[str, Any]:
    return {
        "kind": "upload",
        "objects": upload.objects,
        "reason": upload.reason,
        "failed_at": upload.message.sent_at,
        "message_id": upload.message.id,
    }


def _progress(stack: Stack, load_id: str | None) -> _Progress:
    loads = Loads(stack.client("dynamodb"), stack.ledger_table)
    load = loads.load(load_id) if load_id else None
    if load is None or load_id is None:
        return _Progress()
    plan = load.get("plan")
    return _Progress(
        load_id=load_id,
        load_status=load["status"],
        chunks=plan["chunks"] if plan else None,
        chunks_done=sum(chunk.finished for chunk in recorded_chunks(stack, load)) if plan else None,
        plan=f"s3://{plan['bucket']}/{plan['key']}" if plan else None,
        report=load.get("report"),
    )


def _moment(failure: dict[str, Any]) -> Text:
    moment = failure["failed_at"]
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return Text(local_time(moment), style="dim")


def _lines(failure: dict[str, Any]) -> Iterator[str]:
    if failure["kind"] == "unreadable":
        yield "why: it is about no execution: nothing of this stack has sent it"
        return
    yield f"why: {failure['reason']}"
    if failure["kind"] == "upload":
        return
    if failure["load_status"] in ("SUCCEEDED", "OVERTAKEN"):
        yield "by now: loaded; a replay only takes this message away"
    if failure["chunks"] is None:
        yield "done: nothing; there is no plan yet"
    else:
        yield f"done: {failure['chunks_done']:,} of {count(failure['chunks'], 'chunk')}"
        yield f"plan: {failure['plan']}"
    if failure["report"]:
        yield f"report: {failure['report']}"
    if failure["redrivable"]:
        yield "Step Functions can also go on with this one itself: `tickets replay --redrive`"
