"""Replays a failed execution: starts a new execution `<name>-rN` with the same input.

A replay does not write chunks again that are finished according to the ledger. A load that is
running or has succeeded is not replayed, so that nothing is loaded twice.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from ingestion.executions.history import OVERTAKEN, ending_of_output
from ingestion.ledger.actions import Actions
from ingestion.ledger.loads import Loads
from ingestion.ledger.undo import UNDONE
from ingestion.names import forced_load_id
from tickets.errors import CommandError
from tickets.runs.attempts import record_end, record_ends
from tickets.runs.dead_letters import (
    DeadLetters,
    FailedExecution,
    UnstartedUpload,
    can_be_redriven,
    delete,
)
from tickets.runs.dismiss import dismiss_executions
from tickets.runs.executions import Execution, find_execution
from tickets.runs.identity import caller
from tickets.runs.later_versions import file_of, loaded_since
from tickets.runs.loads import load_of_execution
from tickets.runs.replay_names import replay_name, replay_number, stem_of
from tickets.runs.stack import Stack

STARTED, REDRIVEN = "started", "redriven"
WOULD_START, WOULD_REDRIVE = "would_start", "would_redrive"
IS_RUNNING, IS_LOADED, IS_OVERTAKEN = "running", "loaded", "overtaken"
IS_LOADED_SINCE, IS_REFUSED = "later_version_loaded", "refused"
_IN_WORDS = {
    STARTED: "Started {execution}.",
    IS_RUNNING: "{execution} is running: nothing to start.",
    IS_LOADED: "Already loaded by {execution}: nothing to start.",
    IS_OVERTAKEN: "{execution} was overtaken by a later version of the file: nothing to start.",
    IS_LOADED_SINCE: "A later version of the file is loaded, as {execution}: nothing to start.",
    IS_REFUSED: "Left alone: the file is refused, and a replay would read the same bytes.",
    REDRIVEN: "Redriven: {execution} continues.",
    WOULD_START: "Would start {execution}.",
    WOULD_REDRIVE: "Would redrive {execution}.",
}
MAX_CAUSE_CHARACTERS = 32_768
"""The longest cause that StopExecution takes."""

Described = dict[str, Any]
"""A response of DescribeExecution."""


@dataclass(frozen=True)
class Replay:
    """The result of replaying an execution.

    replayed: the failed execution.
    execution: the execution that works on the load now (or would, in a dry run), or that ended it;
    for IS_LOADED_SINCE the load of the later version.
    outcome: one of the constants above.
    redrivable: whether RedriveExecution could continue the failed execution.
    """

    replayed: str
    execution: str
    outcome: str
    redrivable: bool


def replay(
    stack: Stack,
    name_or_arn: str,
    letters: DeadLetters,
    *,
    dry_run: bool = False,
    may_redrive: bool = False,
    reason: str | None = None,
    leave_refused: bool = False,
) -> Replay:
    """Starts the next replay of an execution, unless its load is running or loaded, and then
    deletes the load's dead letters. If a later version of the object is loaded, only deletes them.

    may_redrive: redrive the execution instead if Step Functions can continue it.
    reason: why, for the ledger.
    leave_refused: leave the execution and its dead letters alone if the file was refused.
    Raises CommandError if its input is in none of the queues, Step Functions and the ledger.
    """
    name = name_or_arn.rpartition(":")[2]
    stem = stem_of(name)
    own_letters = [letter for letter in letters.executions if stem_of(letter.name) == stem]
    known = _executions(stack, stem, {name, *(letter.name for letter in own_letters)})
    load = _load(stack, stem, own_letters, known.values())
    # Executions started by hand work on the same load under other names.
    for other in {arn.rpartition(":")[2] for arn in (load or {}).get("executions", ())} - {*known}:
        if found := _describe(stack, other):
            known[other] = found
    newest = max(known.values(), key=lambda one: one["startDate"], default=None)
    redrivable = _redrivable(newest, own_letters)
    if settled := _settled(known.values(), load, name):
        if not dry_run:
            # An execution sends its dead letter just before it fails, so a running execution's dead
            # letter must stay.
            running = {one["name"] for one in known.values() if one["status"] == "RUNNING"}
            _delete(stack, [letter for letter in own_letters if letter.name not in running])
        return Replay(name, *settled, redrivable=False)
    if later := _loaded_since(stack, known.values(), own_letters, load):
        if not dry_run:
            why = f"A later version of the object is loaded, as {later}."
            dismiss_executions(stack, own_letters, f"{why} {reason or ''}".strip())
        return Replay(name, later, IS_LOADED_SINCE, redrivable=False)
    if leave_refused and own_letters and own_letters[0].is_refused:  # the newest one
        return Replay(name, name, IS_REFUSED, redrivable=False)
    if may_redrive and redrivable and newest is not None:
        if not dry_run:
            _redrive(stack, newest)
            load_id = (load or {}).get("load_id", stem)
            _record(stack, load_id, "redrive", caller(stack), reason, newest["name"])
            _delete(stack, own_letters)
        outcome = WOULD_REDRIVE if dry_run else REDRIVEN
        return Replay(name, newest["name"], outcome, redrivable)
    execution_input = _input(stack, name, known, own_letters, load)
    # The ledger may have replays that Step Functions has deleted.
    names = {name, *known, *(arn.rpartition(":")[2] for arn in (load or {}).get("executions", ()))}
    last = max(replay_number(one) for one in names if stem_of(one) == stem)
    next_name = replay_name(stem, last + 1)
    if dry_run:
        return Replay(name, next_name, WOULD_START, redrivable)
    if load:
        record_ends(stack, load)
    started = _start(stack, next_name, _replay_input(stack, execution_input, reason))
    _delete(stack, own_letters)
    return Replay(name, next_name, STARTED if started else IS_RUNNING, redrivable)


def in_words(done: Replay) -> str:
    """The outcome of a replay as a sentence."""
    return _IN_WORDS[done.outcome].format(execution=done.execution)


def send_uploads_again(
    stack: Stack, letters: DeadLetters, *, dry_run: bool = False
) -> Iterator[UnstartedUpload]:
    """Moves the upload queue's dead letters back into it, the oldest first."""
    for upload in reversed(letters.uploads):
        if not dry_run:
            stack.client("sqs").send_message(
                QueueUrl=stack.upload_queue_url, MessageBody=upload.message.body
            )
            delete(stack, [upload.message])
        yield upload


def stop(stack: Stack, name_or_arn: str, reason: str | None = None) -> str:
    """Stops a running execution and returns its name. Functions that are already running finish
    their chunks and record them in the ledger.

    reason: why, for the ledger.
    Raises CommandError if it is not running.
    """
    execution = find_execution(stack, name_or_arn)
    if execution.status != "RUNNING":
        raise CommandError(
            f"Execution {execution.name} is {execution.status}: there is nothing to stop."
        )
    by = caller(stack)
    cause = f"`tickets stop` by {by}" + (f": {reason}" if reason else ".")
    stack.client("stepfunctions").stop_execution(
        executionArn=execution.arn, error="Stopped", cause=cause[:MAX_CAUSE_CHARACTERS]
    )
    load_id = execution.load_id or stem_of(execution.name)
    _record(stack, load_id, "stop", by, reason, execution.name)
    record_end(stack, execution.name)
    return execution.name


def _executions(stack: Stack, stem: str, names: set[str]) -> dict[str, Described]:
    """Those of `names` that Step Functions has, and the replays with higher numbers."""
    described = {name: _describe(stack, name) for name in {stem, *names}}
    number = 1 + max(replay_number(name) for name in described if stem_of(name) == stem)
    while found := _describe(stack, next_name := replay_name(stem, number)):
        described[next_name] = found
        number += 1
    return {name: one for name, one in described.items() if one is not None}


def _describe(stack: Stack, name: str) -> Described | None:
    client = stack.client("stepfunctions")
    try:
        answer: Described = client.describe_execution(executionArn=stack.execution_arn(name))
    except client.exceptions.ExecutionDoesNotExist:
        return None
    return answer


def _load(
    stack: Stack, stem: str, letters: list[FailedExecution], known: Iterable[Described]
) -> dict[str, Any] | None:
    """The load's entry in the ledger. Looks for the load's id in the cheapest place first: in the
    dead letters, in the name (the name of an upload's execution is the load's id), then in the
    executions' histories."""
    loads = Loads(stack.client("dynamodb"), stack.ledger_table)
    for load_id in [*filter(None, (letter.load_id for letter in letters)), stem]:
        if load := loads.load(load_id):
            return load
    for one in known:
        recorded = Execution(stack, one["executionArn"]).load_id
        if recorded is not None and (load := loads.load(recorded)):
            return load
    return None


def _settled(
    known: Iterable[Described], load: dict[str, Any] | None, name: str
) -> tuple[str, str] | None:
    """The execution that works on the load or has loaded it, and IS_RUNNING, IS_LOADED or
    IS_OVERTAKEN; None if the load has to be replayed."""
    for one in known:
        if one["status"] == "RUNNING":
            return one["name"], IS_RUNNING
    if load and load["status"] == UNDONE:
        return None
    for one in known:
        if one["status"] == "SUCCEEDED":
            overtaken = ending_of_output(one.get("output")) == OVERTAKEN
            return one["name"], IS_OVERTAKEN if overtaken else IS_LOADED
    outcome = {"SUCCEEDED": IS_LOADED, "OVERTAKEN": IS_OVERTAKEN}.get(
        (load or {}).get("status", "")
    )
    return (name, outcome) if outcome else None


def _loaded_since(
    stack: Stack,
    known: Iterable[Described],
    letters: list[FailedExecution],
    load: dict[str, Any] | None,
) -> str | None:
    """The load of a later version of the object, if it is loaded."""
    inputs = [one.get("input") for one in known] + [letter.input for letter in letters]
    given: Any = next((json.loads(one) for one in inputs if one), None)
    return loaded_since(stack, file_of(given, load or {}))


def _redrivable(newest: Described | None, letters: list[FailedExecution]) -> bool:
    if newest is None or newest.get("redriveStatus") == "NOT_REDRIVABLE":
        return False
    for letter in letters:
        if letter.name == newest["name"]:
            return letter.redrivable
    return can_be_redriven(newest["status"], newest.get("error"))


def _input(
    stack: Stack,
    name: str,
    known: dict[str, Described],
    letters: list[FailedExecution],
    load: dict[str, Any] | None,
) -> str:
    """The execution's input as JSON."""
    for one in [*filter(None, [known.get(name)]), *known.values()]:
        if one.get("input"):
            return str(one["input"])
    for letter in letters:
        if letter.input:
            return letter.input
    # Step Functions deletes executions after 90 days; the ledger keeps what the input is made of.
    load = load or load_of_execution(stack, stack.execution_arn(name))
    if load is None:
        raise CommandError(
            f"Execution {name} is unknown: `tickets executions` and `tickets loads` list what can "
            "be replayed."
        )
    values = {field: load.get(field) for field in ("bucket", "key", "version_id", "etag")}
    if load["load_id"] == forced_load_id(load["load_id"][:-9], name):
        values["force"] = True
    if load.get("resubmits"):
        values["resubmits"] = load["resubmits"]
    return json.dumps(values, ensure_ascii=False)


def _replay_input(stack: Stack, execution_input: str, reason: str | None) -> str:
    """The input of a replay: the execution's input, with who replays it and why."""
    given = json.loads(execution_input)
    if not isinstance(given, dict):
        return execution_input
    given.pop("reason", None)
    given |= {"why": "replay", "started_by": caller(stack)}
    if reason is not None:
        given["reason"] = reason
    return json.dumps(given, ensure_ascii=False)


def _record(
    stack: Stack, load_id: str, action: str, by: str, reason: str | None, execution: str
) -> None:
    actions = Actions(stack.client("dynamodb"), stack.ledger_table)
    actions.record(load_id, action, by, reason, execution=execution)


def _start(stack: Stack, name: str, execution_input: str) -> bool:
    """Starts an execution. Returns False if another process has just started the same replay."""
    client = stack.client("stepfunctions")
    try:
        client.start_execution(
            stateMachineArn=stack.state_machine_arn, name=name, input=execution_input
        )
    except client.exceptions.ExecutionAlreadyExists:
        return False
    return True


def _redrive(stack: Stack, failed: Described) -> None:
    try:
        stack.client("stepfunctions").redrive_execution(executionArn=failed["executionArn"])
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("InvalidAction", "ExecutionNotRedrivable"):
            raise
        where = "The local stack" if stack.endpoint_url else "Step Functions"
        raise CommandError(
            f"{where} can't redrive {failed['name']}: leave out --redrive to replay it in a new "
            "execution."
        ) from error


def _delete(stack: Stack, letters: list[FailedExecution]) -> None:
    for letter in letters:
        delete(stack, letter.messages)
