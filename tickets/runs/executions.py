"""Executions of a stack's state machine: found, listed, followed and summed up."""

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import botocore.exceptions

from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from tickets.errors import LOAD_FAILED, CommandError
from tickets.runs.history import (
    ALREADY_LOADED,
    StateRun,
    ending,
    ending_of_output,
    error_in_words,
    failure_in_words,
    last_value,
    read_states,
    results,
)
from tickets.runs.stack import Stack
from tickets.runs.waiting import polls

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE")
FIRST_SIGN_SECONDS = 120.0
"""How long S3, SQS and the starting function may take to start an upload's execution."""

_POLL_SECONDS = 0.5
# AWS refills ListMapRuns and DescribeMapRun by one call a second only.
_SHORT_LOAD_SECONDS = 30.0
_LONG_LOAD_PAUSE = 2.0
# Asking for the progress of a large load reads as many ledger entries as it has chunks.
_MANY_CHUNKS = 500
_LARGE_LOAD_PAUSE = 5.0
_MAX_FAILED_CHUNKS = 10
# Each ending in a list takes a call, of which AWS allows 300 at once and then 15 a second.
MAX_ENDINGS = 100
_ENDINGS_AT_A_TIME = 8


@dataclass(frozen=True)
class Listed:
    """One line of `tickets executions`. Times are aware; `seconds` is None while it runs.
    `ending` is known of the newest 100 that SUCCEEDED: Loaded, Already Loaded or Overtaken."""

    name: str
    execution_arn: str
    status: str
    ending: str | None
    started_at: datetime
    stopped_at: datetime | None
    seconds: float | None


@dataclass(frozen=True)
class Outcome:
    """What came of a load, as `demo` and `ingest --wait` print it; None is what is not known.
    `ending` is the state that ended the execution."""

    execution_arn: str
    status: str | None
    ending: str | None = None
    load_id: str | None = None
    rows_read: int | None = None
    rows_written: int | None = None
    rows_superseded: int | None = None
    rows_refused: int | None = None
    chunks: int | None = None
    seconds: float | None = None
    refused_rows: str | None = None
    report: str | None = None

    @property
    def loaded(self) -> bool:
        return self.status == "SUCCEEDED"


@dataclass(frozen=True)
class Progress:
    """How far a running load has got. `verdict` is Validate File's, None until it is known;
    `state` the one that it is in, None once chunks are written; `chunks` is None until then."""

    status: str
    verdict: str | None
    state: str | None
    chunks: int | None
    chunks_done: int
    chunks_failed: int
    rows: int


@dataclass(frozen=True)
class FailedChunk:
    index: int | None
    error: str


class Execution:
    """One execution as it stands at the time of the questions; each is asked for only once."""

    def __init__(self, stack: Stack, arn: str) -> None:
        self.stack = stack
        self.arn = arn

    @cached_property
    def described(self) -> dict[str, Any]:
        """The answer of DescribeExecution."""
        answer: dict[str, Any] = self.stack.client("stepfunctions").describe_execution(
            executionArn=self.arn
        )
        return answer

    @cached_property
    def states(self) -> list[StateRun]:
        pages = self.stack.client("stepfunctions").get_paginator("get_execution_history")
        answers = pages.paginate(executionArn=self.arn)
        return list(read_states(event for answer in answers for event in answer["events"]))

    @cached_property
    def map_run(self) -> dict[str, Any] | None:
        """The answer of DescribeMapRun for the last run of Write Chunks, None if there is none."""
        client = self.stack.client("stepfunctions")
        runs = client.list_map_runs(executionArn=self.arn)["mapRuns"]
        if not runs:
            return None
        newest = max(runs, key=lambda run: run["startDate"])
        answer: dict[str, Any] = client.describe_map_run(mapRunArn=newest["mapRunArn"])
        return answer

    @property
    def load_id(self) -> str | None:
        """The load it works on, or the one that it found loaded already."""
        load_id = last_value(self.states, "load_id")
        return None if load_id is None else str(load_id)

    @cached_property
    def load(self) -> dict[str, Any]:
        """The ledger's entry of that load; empty if it has none."""
        if self.load_id is None:
            return {}
        return (
            Loads(self.stack.client("dynamodb"), self.stack.ledger_table).load(self.load_id) or {}
        )

    @property
    def name(self) -> str:
        return self.arn.rsplit(":", 1)[-1]

    @property
    def status(self) -> str:
        return str(self.described["status"])

    @property
    def seconds(self) -> float | None:
        return _seconds(self.described["startDate"], self.described.get("stopDate"))

    @property
    def results(self) -> list[str]:
        """What came of each of the `states`, in a few words."""
        return results(self.states, self.map_run["itemCounts"] if self.map_run else None)

    @property
    def failure(self) -> str | None:
        """Why it failed, as a sentence; None if it did not."""
        if self.status in ("RUNNING", "SUCCEEDED"):
            return None
        in_words = failure_in_words(self.states)
        if in_words is not None:
            return in_words
        error, cause = self.described.get("error"), self.described.get("cause")
        if self.status == "FAILED":
            return error_in_words(error or self.status, cause)
        return f"{self.status}: {error_in_words(error, cause)}"  # ended from outside

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """Why the file was refused; empty if it was not."""
        return list(last_value(self.states, "reasons") or [])

    @property
    def ending(self) -> str | None:
        """The state that ended it, None if there is none (yet)."""
        return ending(self.states)

    def failed_chunks(self) -> list[FailedChunk]:
        """The first chunks that failed, with their errors."""
        if self.map_run is None or not self.map_run["itemCounts"]["failed"]:
            return []
        client = self.stack.client("stepfunctions")
        children = client.list_executions(
            mapRunArn=self.map_run["mapRunArn"],
            statusFilter="FAILED",
            maxResults=_MAX_FAILED_CHUNKS,
        )["executions"]
        chunks = []
        for child in children:
            answer = client.describe_execution(executionArn=child["executionArn"])
            chunk = json.loads(answer.get("input") or "{}").get("chunk") or {}
            words = error_in_words(answer.get("error"), answer.get("cause"))
            chunks.append(FailedChunk(chunk.get("index"), words))
        return sorted(chunks, key=lambda chunk: chunk.index or 0)

    def outcome(self) -> Outcome:
        """The numbers of the load: Reconcile's, or the ledger's where it did not come to that."""
        result = last_value(self.states, "result")
        if result is None and self.ending == ALREADY_LOADED:
            result = self.load
        elif result is None and self.load_id is not None and self.status != "RUNNING":
            plan = last_value(self.states, "plan") or {}
            result = {**rows_recorded(self.stack, self.load), "chunks": plan.get("chunks")}
        names = (
            "rows_read",
            "rows_written",
            "rows_superseded",
            "rows_refused",
            "chunks",
            "refused_rows",
            "report",
        )
        known = {name: (result or {}).get(name) for name in names}
        return Outcome(
            self.arn,
            self.status,
            ending=self.ending,
            load_id=self.load_id,
            seconds=self.seconds,
            **known,
        )


def find_execution(stack: Stack, name_or_arn: str) -> Execution:
    """The execution of that name or ARN. Raises CommandError if the stack has none."""
    arn = name_or_arn if name_or_arn.startswith("arn:") else execution_arn(stack, name_or_arn)
    execution = Execution(stack, arn)
    try:
        _ = execution.described  # asked for here, so that its absence is noticed here
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        raise CommandError(
            f"Stack {stack.name} has no execution {name_or_arn}: `tickets executions` lists them."
        ) from error
    return execution


def execution_arn(stack: Stack, name: str) -> str:
    """The ARN of an execution of this stack's state machine, whether it exists or not."""
    return stack.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{name}"


def list_executions(stack: Stack, status: str | None, since: timedelta | None) -> list[Listed]:
    """Executions that started within `since`, the newest first."""
    earliest = datetime.now(UTC) - since if since is not None else None
    filters = {"statusFilter": status} if status else {}
    pages = stack.client("stepfunctions").get_paginator("list_executions")
    listed: list[Listed] = []
    for page in pages.paginate(stateMachineArn=stack.state_machine_arn, **filters):
        recent = [
            Listed(
                name=found["name"],
                execution_arn=found["executionArn"],
                status=found["status"],
                ending=None,
                started_at=found["startDate"],
                stopped_at=found.get("stopDate"),
                seconds=_seconds(found["startDate"], found.get("stopDate")),
            )
            for found in page["executions"]
            if earliest is None or found["startDate"] >= earliest
        ]
        if not recent:
            break  # pages go back in time
        listed += recent
    listed.sort(key=lambda execution: execution.started_at, reverse=True)
    return _with_endings(stack, listed)


def _with_endings(stack: Stack, listed: list[Listed]) -> list[Listed]:
    client = stack.client("stepfunctions")

    def asked(arn: str) -> str | None:
        return ending_of_output(client.describe_execution(executionArn=arn).get("output"))

    succeeded = [one.execution_arn for one in listed if one.status == "SUCCEEDED"][:MAX_ENDINGS]
    with ThreadPoolExecutor(_ENDINGS_AT_A_TIME) as pool:
        endings = dict(zip(succeeded, pool.map(asked, succeeded), strict=True))
    return [replace(one, ending=endings.get(one.execution_arn)) for one in listed]


def parse_since(text: str) -> timedelta:
    """`90m`, `24h` or `7d`. Raises CommandError for anything else."""
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text.strip().lower())
    if match is None:
        raise CommandError(f"--since {text} is no period: write it like 90m, 24h or 7d.")
    number, unit = int(match[1]), match[2]
    return timedelta(minutes=number * {"m": 1, "h": 60, "d": 24 * 60}[unit])


def follow(stack: Stack, arn: str, timeout: float | None = None) -> Iterator[Progress]:
    """Yields the load's progress until it has ended; the last one has its final status.

    Raises CommandError if the execution does not appear within two minutes, and DeadlinePassed
    if it has not ended within `timeout` seconds.
    """
    first_sign = min(FIRST_SIGN_SECONDS, timeout or FIRST_SIGN_SECONDS)
    appeared = False
    load_id: str | None = None
    next_at = 0.0
    for elapsed in polls(_POLL_SECONDS, timeout):
        if elapsed < next_at:
            continue
        execution = Execution(stack, arn)
        try:
            status = execution.status
        except botocore.exceptions.ClientError as error:
            if appeared or error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            if elapsed >= first_sign:
                raise CommandError(
                    f"No execution {execution.name} appeared within {first_sign:.0f} s: look for "
                    f"its message in the upload queue {stack.upload_queue_url} and its "
                    "dead-letter queue.",
                    LOAD_FAILED,
                ) from error
            continue
        appeared = True
        if load_id is None:
            load_id = last_value(execution.states, "load_id")
        progress = _progress(execution, status, load_id)
        yield progress
        if status != "RUNNING":
            return
        if (progress.chunks or 0) > _MANY_CHUNKS:
            next_at = elapsed + _LARGE_LOAD_PAUSE
        elif elapsed > _SHORT_LOAD_SECONDS:
            next_at = elapsed + _LONG_LOAD_PAUSE


def recorded_chunks(stack: Stack, load: Mapping[str, Any]) -> list[ChunkProgress]:
    """The chunks that a load has recorded so far. ``load`` is the load's entry of the ledger."""
    if not load:
        return []
    chunks = Chunks(stack.client("dynamodb"), stack.ledger_table)
    return list(chunks.all(load["load_id"], load.get("generation", "")))


def rows_recorded(stack: Stack, load: Mapping[str, Any]) -> dict[str, int]:
    """What a load's chunks have recorded so far, added up; empty if there is no chunk yet."""
    chunks = recorded_chunks(stack, load)
    names = ("rows_read", "rows_written", "rows_superseded", "rows_refused")
    return {name: sum(getattr(chunk, name) for chunk in chunks) for name in names if chunks}


def await_verdict(stack: Stack, arn: str) -> str | None:
    """Validate File's verdict as soon as it is known; None if the execution ended without one.

    Raises CommandError if the execution does not appear within two minutes.
    """
    return next((one.verdict for one in follow(stack, arn) if one.verdict is not None), None)


def as_json(value: "DataclassInstance") -> dict[str, Any]:
    """The fields by name, times in ISO 8601."""
    return {
        name: field.isoformat() if isinstance(field, datetime) else field
        for name, field in asdict(value).items()
    }


def _progress(execution: Execution, status: str, load_id: str | None) -> Progress:
    if load_id is None or execution.map_run is None:
        verdict = last_value(execution.states, "verdict")
        state = execution.states[-1].state if execution.states else None
        return Progress(status, verdict, state, None, 0, 0, 0)
    counts = execution.map_run["itemCounts"]
    return Progress(
        status,
        "accepted",
        None,
        chunks=counts["total"],
        chunks_done=counts["succeeded"],
        chunks_failed=counts["failed"] + counts["timedOut"] + counts["aborted"],
        rows=sum(chunk.rows_read for chunk in recorded_chunks(execution.stack, execution.load)),
    )


def _seconds(start: datetime, stop: datetime | None) -> float | None:
    return round((stop - start).total_seconds(), 3) if stop is not None else None
