"""Replays: a new execution `<name>-rN` with the input of one that failed.

The ledger makes it skip every chunk that is done. Nothing is started twice: a load that is running
or has succeeded is left alone.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from ingestion.ledger.loads import Loads
from ingestion.names import forced_load_id
from tickets.errors import CommandError
from tickets.runs.dead_letters import (
    DeadLetters,
    FailedExecution,
    UnstartedUpload,
    can_be_redriven,
    delete,
)
from tickets.runs.executions import Execution, execution_arn, find_execution
from tickets.runs.history import OVERTAKEN, ending_of_output
from tickets.runs.loads import load_of_execution
from tickets.runs.stack import Stack

STARTED, REDRIVEN = "started", "redriven"
WOULD_START, WOULD_REDRIVE = "would_start", "would_redrive"
IS_RUNNING, IS_LOADED, IS_OVERTAKEN = "running", "loaded", "overtaken"

_LONGEST_STEM = 74  # of the 80 characters of a name; the rest is for "-rN"
_REPLAY = re.compile(r"(-r[0-9]+)+$")

Described = dict[str, Any]


@dataclass(frozen=True)
class Replay:
    """What became of replaying an execution. `execution` is the one that works on the load now, or
    has ended it, `redrivable` whether Step Functions itself could go on with the failed one."""

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
) -> Replay:
    """Start the next replay of an execution, unless its load is running or loaded, and delete its
    dead letters once that is so. With `may_redrive` Step Functions continues the execution itself
    where it can.

    Raises CommandError if neither queue, Step Functions nor the ledger know its input.
    """
    name = name_or_arn.rpartition(":")[2]
    stem = stem_of(name)
    mine = [letter for letter in letters.executions if stem_of(letter.name) == stem]
    known = _executions(stack, stem, {name, *(letter.name for letter in mine)})
    load = _load(stack, stem, mine, known.values())
    # The load may have been worked on under other names too, such as "New execution" gives.
    for other in {arn.rpartition(":")[2] for arn in (load or {}).get("executions", ())} - {*known}:
        if found := _describe(stack, other):
            known[other] = found
    newest = max(known.values(), key=lambda one: one["startDate"], default=None)
    redrivable = _redrivable(newest, mine)
    if settled := _settled(known.values(), load, name):
        if not dry_run:
            # A dead letter is sent a moment before its execution ends: that one stays.
            running = {one["name"] for one in known.values() if one["status"] == "RUNNING"}
            _delete(stack, [letter for letter in mine if letter.name not in running])
        return Replay(name, *settled, redrivable=False)
    if may_redrive and redrivable and newest is not None:
        if not dry_run:
            _redrive(stack, newest)
            _delete(stack, mine)
        outcome = WOULD_REDRIVE if dry_run else REDRIVEN
        return Replay(name, newest["name"], outcome, redrivable)
    given = _input(stack, name, known, mine, load)
    last = max(_number(one) for one in {name, *known} if stem_of(one) == stem)
    next_name = _replay_name(stem, last + 1)
    if dry_run:
        return Replay(name, next_name, WOULD_START, redrivable)
    started = _start(stack, next_name, given)
    _delete(stack, mine)
    return Replay(name, next_name, STARTED if started else IS_RUNNING, redrivable)


def send_uploads_again(
    stack: Stack, letters: DeadLetters, *, dry_run: bool = False
) -> Iterator[UnstartedUpload]:
    """Put the upload queue's dead letters back into it, the oldest first."""
    for upload in reversed(letters.uploads):
        if not dry_run:
            stack.client("sqs").send_message(
                QueueUrl=stack.upload_queue_url, MessageBody=upload.message.body
            )
            delete(stack, [upload.message])
        yield upload


def stop(stack: Stack, name_or_arn: str) -> str:
    """End a running execution as ABORTED; its name. A chunk's function may go on to the end of its
    chunk, which then is in the ledger.

    Raises CommandError if it is not running.
    """
    execution = find_execution(stack, name_or_arn)
    if execution.status != "RUNNING":
        raise CommandError(
            f"Execution {execution.name} is {execution.status}: there is nothing to stop."
        )
    stack.client("stepfunctions").stop_execution(
        executionArn=execution.arn, error="Stopped", cause="`tickets stop`."
    )
    return execution.name


def stem_of(name: str) -> str:
    """What all replays of an execution begin with: its name, which is made shorter if it leaves no
    room for `-rN`."""
    original = _REPLAY.sub("", name)
    if len(original) <= _LONGEST_STEM:
        return original
    digest = hashlib.sha256(original.encode()).hexdigest()[:8]
    return f"{original[: _LONGEST_STEM - 9]}-{digest}"


def _replay_name(stem: str, number: int) -> str:
    return f"{stem}-r{number}"


def _number(name: str) -> int:
    """N of `<stem>-rN`; 0 for an execution that is no replay."""
    match = _REPLAY.search(name)
    return int(match[0].rpartition("r")[2]) if match else 0


def _executions(stack: Stack, stem: str, names: set[str]) -> dict[str, Described]:
    """Those that Step Functions knows of `names`, and the replays that follow them."""
    described = {name: _describe(stack, name) for name in {stem, *names}}
    number = 1 + max(_number(name) for name in described if stem_of(name) == stem)
    while found := _describe(stack, next_name := _replay_name(stem, number)):
        described[next_name] = found
        number += 1
    return {name: one for name, one in described.items() if one is not None}


def _describe(stack: Stack, name: str) -> Described | None:
    client = stack.client("stepfunctions")
    try:
        answer: Described = client.describe_execution(executionArn=execution_arn(stack, name))
    except client.exceptions.ExecutionDoesNotExist:
        return None
    return answer


def _load(
    stack: Stack, stem: str, letters: list[FailedExecution], known: Iterable[Described]
) -> dict[str, Any] | None:
    """The ledger's entry of the load, found in the cheapest way that knows it: from the dead
    letter, by the name (an upload's execution is named as its load), or from the history."""
    loads = Loads(stack.client("dynamodb"), stack.ledger_table)
    for load_id in [*filter(None, (letter.load_id for letter in letters)), stem]:
        if load := loads.load(load_id):
            return load
    for one in known:
        told = Execution(stack, one["executionArn"]).load_id
        if told is not None and (load := loads.load(told)):
            return load
    return None


def _settled(
    known: Iterable[Described], load: dict[str, Any] | None, name: str
) -> tuple[str, str] | None:
    """The execution that works on the load or has ended it well, and which of the two it is."""
    for one in known:
        if one["status"] == "RUNNING":
            return one["name"], IS_RUNNING
    for one in known:
        if one["status"] == "SUCCEEDED":
            overtaken = ending_of_output(one.get("output")) == OVERTAKEN
            return one["name"], IS_OVERTAKEN if overtaken else IS_LOADED
    outcome = {"SUCCEEDED": IS_LOADED, "OVERTAKEN": IS_OVERTAKEN}.get(
        (load or {}).get("status", "")
    )
    return (name, outcome) if outcome else None


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
    # Step Functions forgets an execution after 90 days.
    load = load or load_of_execution(stack, execution_arn(stack, name))
    if load is None:
        raise CommandError(
            f"Nothing is known of an execution {name}: `tickets executions` and `tickets loads` "
            "list what is."
        )
    given = {field: load.get(field) for field in ("bucket", "key", "version_id", "etag")}
    if load["load_id"] == forced_load_id(load["load_id"][:-9], name):
        given["force"] = True
    return json.dumps(given, ensure_ascii=False)


def _start(stack: Stack, name: str, execution_input: str) -> bool:
    """False if somebody else has just started the same replay."""
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
            f"{where} can't redrive {failed['name']}: leave out --redrive, and a replay does its "
            "unfinished work."
        ) from error


def _delete(stack: Stack, letters: list[FailedExecution]) -> None:
    for letter in letters:
        delete(stack, letter.messages)
