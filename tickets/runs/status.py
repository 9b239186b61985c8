"""The state of a stack at this moment, read in parallel with few calls."""

import json
import re
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import botocore.exceptions

from ingestion.executions.history import ending_of_output
from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.loads import Loads
from ingestion.tasks.reconcile import rows_per_second
from tickets.runs.causes import group_by_cause
from tickets.runs.dead_letters import glance
from tickets.runs.executions import Execution, recorded_chunks
from tickets.runs.replay_names import stem_of
from tickets.runs.stack import Stack

MAX_RUNNING = 5
"""Running loads whose progress is looked up: those that started first."""
MAX_LAST = 5
"""Executions that have ended that are listed, the newest first."""
MAX_LETTERS = 200
"""Dead letters that are read for their causes."""
MAX_QUEUED_SECONDS = 600
"""How long an upload may wait for the start of its load, as for the alarm UploadsWaiting."""

_MAX_CHUNKS = 1_000  # whose entries one call of Query returns
_MAX_LISTED = 1_000  # that one call of ListExecutions returns
_MAX_NEWEST = 100  # looked through for executions that have ended
_GLANCE_SECONDS = 0.5
_AGE_MINUTES = 5
_THREADS = 8


@dataclass(frozen=True)
class Uploads:
    """Uploads whose loads have not been started yet. `oldest_seconds` is how long the oldest one
    has waited, by a metric of CloudWatch; None if there is no such metric."""

    queued: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class Progress:
    """A running load. What it has not recorded yet is None."""

    execution: str
    execution_arn: str
    started_at: datetime
    seconds: float
    chunks: int | None = None
    chunks_done: int | None = None
    rows_read: int | None = None
    rows_per_second: int | None = None


@dataclass(frozen=True)
class Running:
    """The running loads: `loads` is their number, or the least number if there are `more`."""

    loads: int = 0
    more: bool = False
    listed: tuple[Progress, ...] = ()


@dataclass(frozen=True)
class Cause:
    """Failures with the same reason: the names of executions, or addresses of uploads."""

    reason: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Waiting:
    """What waits in the dead-letter queues. `messages` counts all messages; the others leave out
    failures that could not be read in time."""

    messages: int = 0
    failed_loads: tuple[Cause, ...] = ()
    unstarted_uploads: tuple[Cause, ...] = ()


@dataclass(frozen=True)
class Alarm:
    """An alarm in state ALARM."""

    name: str
    since: datetime
    description: str


@dataclass(frozen=True)
class Ended:
    """An execution that has ended."""

    execution: str
    execution_arn: str
    status: str
    ending: str | None
    started_at: datetime
    stopped_at: datetime
    seconds: float
    rows_written: int | None


@dataclass(frozen=True)
class Status:
    """The state of a stack. A part that could not be read is None, and `unknown` has a sentence
    about it."""

    uploads: Uploads | None
    running: Running | None
    waiting: Waiting | None
    alarms: tuple[Alarm, ...] | None
    last: tuple[Ended, ...] | None
    unknown: tuple[str, ...]

    @property
    def needs_a_person(self) -> bool:
        waited = (self.uploads and self.uploads.oldest_seconds) or 0
        failures = self.waiting and self.waiting.messages
        return bool(failures or self.alarms or waited > MAX_QUEUED_SECONDS)


def read_status(stack: Stack) -> Status:
    """Reads all parts in parallel. A part that the caller may not read is left out."""
    with ThreadPoolExecutor(_THREADS) as pool:
        uploads, waiting = pool.submit(_uploads, stack), pool.submit(_waiting, stack)
        running, last = pool.submit(_running, stack), pool.submit(_last, stack)
        alarms = pool.submit(_alarms, stack)
    unknown: list[str] = []
    return Status(
        _result(uploads, "the uploads that wait", unknown),
        _result(running, "the running loads", unknown),
        _result(waiting, "the dead letters", unknown),
        _result(alarms, "the alarms", unknown),
        _result(last, "the last loads", unknown),
        tuple(unknown),
    )


T = TypeVar("T")


def _result(part: Future[T], what: str, unknown: list[str]) -> T | None:
    try:
        return part.result()
    except botocore.exceptions.ClientError as error:
        unknown.append(f"{what}: {error.response['Error']['Code']} ({error.operation_name})")
        return None


def _uploads(stack: Stack) -> Uploads:
    names = [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    ]
    answer = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.upload_queue_url, AttributeNames=names
    )
    queued = sum(int(answer["Attributes"].get(name, 0)) for name in names)
    return Uploads(queued, _oldest_seconds(stack) if queued else None)


def _oldest_seconds(stack: Stack) -> float | None:
    now = datetime.now(UTC)
    answer = stack.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": stack.upload_queue_url.rpartition("/")[2]}],
        StartTime=now - timedelta(minutes=_AGE_MINUTES),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    newest = max(answer["Datapoints"], key=lambda one: one["Timestamp"], default=None)
    return float(newest["Maximum"]) if newest else None


def _waiting(stack: Stack) -> Waiting:
    letters = glance(stack, _GLANCE_SECONDS, MAX_LETTERS)
    failed = [(letter.reason, [letter.name]) for letter in letters.executions]
    unreadable = [("It is not about an execution.", [one.id]) for one in letters.unreadable]
    uploads = [(one.reason, one.objects or [one.message.id]) for one in letters.uploads]
    messages = sum(len(letter.messages) for letter in letters.executions) + letters.unseen
    return Waiting(
        messages + len(uploads) + len(unreadable),
        _causes([*failed, *unreadable]),
        _causes(uploads),
    )


def _causes(failures: Iterable[tuple[str, list[str]]]) -> tuple[Cause, ...]:
    """Groups failures, given as reason and names, by their reasons, the most frequent first."""
    groups = group_by_cause(failures, lambda one: one[0], lambda one: one[1])
    causes = [
        Cause(group.text, tuple(name for _, names in group.failed for name in names))
        for group in groups
    ]
    return tuple(sorted(causes, key=lambda cause: -len(cause.names)))


def _alarms(stack: Stack) -> tuple[Alarm, ...]:
    pages = (
        stack.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=f"{stack.name}-", StateValue="ALARM", AlarmTypes=["MetricAlarm"])
    )
    # CloudFormation's names are the stack's, the resource's and a random part.
    own = re.compile(re.escape(stack.name) + r"-([A-Za-z0-9]+)-[A-Za-z0-9]+")
    return tuple(
        Alarm(match[1], alarm["StateUpdatedTimestamp"], alarm.get("AlarmDescription", ""))
        for page in pages
        for alarm in page["MetricAlarms"]
        if (match := own.fullmatch(alarm["AlarmName"])) and alarm["StateValue"] == "ALARM"
    )


def _running(stack: Stack) -> Running:
    answer = stack.client("stepfunctions").list_executions(
        stateMachineArn=stack.state_machine_arn, statusFilter="RUNNING", maxResults=_MAX_LISTED
    )
    found = sorted(answer["executions"], key=lambda one: one["startDate"])
    with ThreadPoolExecutor(MAX_RUNNING) as pool:
        listed = tuple(pool.map(lambda one: _progress(stack, one), found[:MAX_RUNNING]))
    return Running(len(found), "nextToken" in answer, listed)


def _progress(stack: Stack, listed: dict[str, Any]) -> Progress:
    started = listed["startDate"]
    begun = Progress(
        listed["name"],
        listed["executionArn"],
        started,
        round((datetime.now(UTC) - started).total_seconds(), 1),
    )
    loads = Loads(stack.client("dynamodb"), stack.ledger_table)
    # If an upload started the execution, its name is the load's id. Otherwise its history has it.
    load = loads.load(stem_of(begun.execution)) or Execution(stack, begun.execution_arn).load
    plan = load.get("plan")
    if not plan:
        return begun
    if plan["chunks"] > _MAX_CHUNKS:
        map_run = Execution(stack, begun.execution_arn).map_run
        done = map_run["itemCounts"]["succeeded"] if map_run else 0
        return replace(begun, chunks=plan["chunks"], chunks_done=done)
    chunks = recorded_chunks(stack, load)
    own = [chunk for chunk in chunks if _is_written_since(chunk, started)]
    return replace(
        begun,
        chunks=plan["chunks"],
        chunks_done=sum(chunk.finished for chunk in chunks),
        rows_read=sum(chunk.rows_read for chunk in chunks),
        rows_per_second=rows_per_second(own),
    )


def _is_written_since(chunk: ChunkProgress, moment: datetime) -> bool:
    return bool(chunk.rounds) and datetime.fromisoformat(chunk.rounds[-1][0]) >= moment


def _last(stack: Stack) -> tuple[Ended, ...]:
    answer = stack.client("stepfunctions").list_executions(
        stateMachineArn=stack.state_machine_arn, maxResults=_MAX_NEWEST
    )
    ended = [one for one in answer["executions"] if one["status"] != "RUNNING"]
    ended.sort(key=lambda one: one["startDate"], reverse=True)
    with ThreadPoolExecutor(MAX_LAST) as pool:
        return tuple(pool.map(lambda one: _ended(stack, one), ended[:MAX_LAST]))


def _ended(stack: Stack, listed: dict[str, Any]) -> Ended:
    described = stack.client("stepfunctions").describe_execution(
        executionArn=listed["executionArn"]
    )
    output = described.get("output")
    result = (json.loads(output) if output else {}).get("result") or {}
    started, stopped = listed["startDate"], listed["stopDate"]
    return Ended(
        listed["name"],
        listed["executionArn"],
        listed["status"],
        ending_of_output(output) if listed["status"] == "SUCCEEDED" else None,
        started,
        stopped,
        round((stopped - started).total_seconds(), 1),
        result.get("rows_written"),
    )
