"""Executions of a stack's state machine: one in detail, or a list of them."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import botocore.exceptions

from ingestion.executions.history import (
    ALREADY_LOADED,
    SMALL_FILE,
    StateRun,
    ending,
    ending_of_output,
    error_in_words,
    failure_in_words,
    last_value,
    read_states,
    results,
)
from ingestion.ledger.attempts import Attempt, Attempts
from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from tickets.errors import CommandError
from tickets.runs.filters import Wanted
from tickets.runs.stack import Stack

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
UNKNOWN = "UNKNOWN"
"""The status of an execution that recorded no end and that Step Functions has deleted."""
MAX_LOOKED_UP = 100
"""How many listed executions without a ledger entry are looked up. They have none if an earlier
release ran them, or if Validate File was never called. Each needs a call of DescribeExecution, and
AWS allows a burst of 300 such calls and then 15 per second."""
_CONCURRENT_CALLS = 8
_PAGE_SIZE = 1000  # the largest that ListExecutions allows; its default is 100
_MAX_FAILED_CHUNKS = 10


@dataclass(frozen=True)
class ExecutionSummary:
    """An execution in a list. Times are timezone-aware; `stopped_at` and `seconds` are None while
    it runs. The fields after them come from the ledger, or are None. Of executions that it has no
    entry of, `ending`, `bucket` and `key` are known for the newest MAX_LOOKED_UP."""

    execution: str
    execution_arn: str
    status: str
    started_at: datetime
    stopped_at: datetime | None
    seconds: float | None
    ending: str | None = None
    load_id: str | None = None
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    uploader: str | None = None
    started_by: str | None = None
    why: str | None = None
    reason: str | None = None
    rows_read: int | None = None
    rows_written: int | None = None
    rows_superseded: int | None = None
    rows_combined: int | None = None
    rows_refused: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class ExecutionList:
    """Executions, the newest first. `older_exist` says whether the list leaves out older ones."""

    executions: list[ExecutionSummary]
    older_exist: bool


@dataclass(frozen=True)
class Outcome:
    """The result of a load. `ending` is the state in which the execution ended, `rows_per_second`
    counts the rows that it wrote over the time in which it wrote, `refused_rows` and `report` are
    S3 addresses. Values that are not known, or not known yet, are None."""

    execution_arn: str
    status: str | None
    ending: str | None = None
    load_id: str | None = None
    rows_read: int | None = None
    rows_written: int | None = None
    rows_superseded: int | None = None
    rows_combined: int | None = None
    rows_refused: int | None = None
    chunks: int | None = None
    seconds: float | None = None
    refused_rows: str | None = None
    report: str | None = None
    rows_per_second: int | None = None

    @property
    def loaded(self) -> bool:
        return self.status == "SUCCEEDED"


@dataclass(frozen=True)
class FailedChunk:
    """`index` is None if the chunk's input does not have it."""

    index: int | None
    error: str


class Execution:
    """One execution. Each property calls AWS when it is first read, and keeps the answer."""

    def __init__(self, stack: Stack, arn: str) -> None:
        self.stack = stack
        self.arn = arn

    @cached_property
    def described(self) -> dict[str, Any]:
        """The response of DescribeExecution."""
        answer: dict[str, Any] = self.stack.client("stepfunctions").describe_execution(
            executionArn=self.arn
        )
        return answer

    @cached_property
    def states(self) -> list[StateRun]:
        """The states it has visited, in order."""
        pages = self.stack.client("stepfunctions").get_paginator("get_execution_history")
        answers = pages.paginate(executionArn=self.arn)
        return list(read_states(event for answer in answers for event in answer["events"]))

    @cached_property
    def map_run(self) -> dict[str, Any] | None:
        """The response of DescribeMapRun for the latest run of Write Chunks; None if there is
        none."""
        client = self.stack.client("stepfunctions")
        runs = client.list_map_runs(executionArn=self.arn)["mapRuns"]
        if not runs:
            return None
        newest = max(runs, key=lambda run: run["startDate"])
        answer: dict[str, Any] = client.describe_map_run(mapRunArn=newest["mapRunArn"])
        return answer

    @property
    def load_id(self) -> str | None:
        """The load that it works on. If it ended as Already Loaded: the earlier load that it
        found."""
        load_id = last_value(self.states, "load_id")
        if load_id is None and self.attempt is not None:
            return self.attempt.load_id
        return None if load_id is None else str(load_id)

    @cached_property
    def attempt(self) -> Attempt | None:
        """What the ledger has recorded about the execution; None if it has no entry of it."""
        return Attempts(self.stack.client("dynamodb"), self.stack.ledger_table).get(self.name)

    @cached_property
    def load(self) -> dict[str, Any]:
        """The load's entry in the ledger; empty if there is none."""
        if self.load_id is None:
            return {}
        loads = Loads(self.stack.client("dynamodb"), self.stack.ledger_table)
        return loads.load(self.load_id) or {}

    @property
    def source(self) -> dict[str, str] | None:
        """Name and SHA-256 of the declaration by which the load's file was last read. None if the
        ledger doesn't have them."""
        source: dict[str, str] | None = self.load.get("source")
        return source

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
        """The result of each of the `states` in a few words."""
        return results(self.states, self.map_run["itemCounts"] if self.map_run else None)

    @property
    def failure(self) -> str | None:
        """Why it failed, as a sentence; None if it is running or SUCCEEDED."""
        if self.status in ("RUNNING", "SUCCEEDED"):
            return None
        in_words = failure_in_words(self.states)
        if in_words is not None:
            return in_words
        error, cause = self.described.get("error"), self.described.get("cause")
        if self.status == "FAILED":
            return error_in_words(error or self.status, cause)
        return f"{self.status}: {error_in_words(error, cause)}"  # stopped, or timed out

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """Why the file was refused; empty if it was not."""
        letter = last_value(self.states, "dead_letter") or {}
        return list(letter.get("reasons") or [])

    @property
    def ending(self) -> str | None:
        """The state in which it ended; see `history.ending`."""
        return ending(self.states)

    def failed_chunks(self) -> list[FailedChunk]:
        """The first ten failed chunks with their errors."""
        for run in self.states:
            if run.state == SMALL_FILE and run.error:
                return [FailedChunk(0, error_in_words(run.error, run.cause))]
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
            error = error_in_words(answer.get("error"), answer.get("cause"))
            chunks.append(FailedChunk(chunk.get("index"), error))
        return sorted(chunks, key=lambda chunk: chunk.index or 0)

    def outcome(self) -> Outcome:
        """The load's totals at the end of the execution: from Reconcile, or else from the
        ledger."""
        result = last_value(self.states, "result")
        if result is None and self.ending == ALREADY_LOADED:
            result = self.load
        elif result is None and self.load_id is not None and self.status != "RUNNING":
            result = self._rows_without_result()
        names = (
            "rows_read",
            "rows_written",
            "rows_superseded",
            "rows_combined",
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
            rows_per_second=self._rows_per_second(),
            **known,
        )

    def _rows_per_second(self) -> int | None:
        if self.attempt is not None:
            return self.attempt.rows_per_second
        added_up = last_value(self.states, "result") is not None
        return self.load.get("rows_per_second") if added_up else None

    def _rows_without_result(self) -> dict[str, Any]:
        """The counts if Reconcile did not run: the ones that a replay recorded before it began, or
        the present ones if no later execution worked on the load."""
        if self.attempt is not None and self.attempt.rows_read is not None:
            return vars(self.attempt)
        plan = last_value(self.states, "plan") or {}
        ledger = Attempts(self.stack.client("dynamodb"), self.stack.ledger_table)
        names = [arn.rpartition(":")[2] for arn in self.load.get("executions", ())]
        started = self.attempt.started_at if self.attempt is not None else ""
        later = [one for one in ledger.get_all(names) if one.started_at > started]
        if self.attempt is not None and later:
            return {"chunks": plan.get("chunks")}
        return {**rows_recorded(self.stack, self.load), "chunks": plan.get("chunks")}


def find_execution(stack: Stack, name_or_arn: str) -> Execution:
    """Raises CommandError if the stack has no such execution."""
    execution = known_execution(
        stack,
        name_or_arn if name_or_arn.startswith("arn:") else stack.execution_arn(name_or_arn),
    )
    if execution is None:
        raise CommandError(
            f"Stack {stack.name} has no execution {name_or_arn}: `tickets executions` lists them."
        )
    return execution


def known_execution(stack: Stack, arn: str) -> Execution | None:
    """The execution; None if Step Functions does not have it. AWS deletes executions 90 days after
    they have ended."""
    execution = Execution(stack, arn)
    try:
        _ = execution.described
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        return None
    return execution


def list_executions(stack: Stack, wanted: Wanted) -> ExecutionList:
    """Lists executions. `wanted.since` must be given."""
    assert wanted.since is not None
    filters: dict[str, Any] = {"statusFilter": wanted.status} if wanted.status else {}
    pages = (
        stack.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(
            stateMachineArn=stack.state_machine_arn,
            PaginationConfig={"PageSize": _PAGE_SIZE},
            **filters,
        )
    )
    listed: list[ExecutionSummary] = []
    looked_up, older_exist = 0, False
    for page in pages:
        found = [
            ExecutionSummary(
                execution=one["name"],
                execution_arn=one["executionArn"],
                status=one["status"],
                started_at=one["startDate"],
                stopped_at=one.get("stopDate"),
                seconds=_seconds(one["startDate"], one.get("stopDate")),
            )
            for one in page["executions"]
            if one["startDate"] >= wanted.since
            and (wanted.until is None or one["startDate"] <= wanted.until)
        ]
        known, unknown = _with_attempts(stack, found)
        some = unknown[: MAX_LOOKED_UP - looked_up]
        looked_up += len(some)
        described = known + _looked_up(stack, some) + unknown[len(some) :]
        listed += [
            one
            for one in described
            if wanted.key is None
            or (one.key and wanted.matches_object(stack, f"s3://{one.bucket}/{one.key}"))
        ]
        recent = [one for one in page["executions"] if one["startDate"] >= wanted.since]
        older_exist = older_exist or len(recent) < len(page["executions"])
        if not recent or (wanted.limit is not None and len(listed) > wanted.limit):
            break  # later pages hold older executions
    listed.sort(key=lambda execution: execution.started_at, reverse=True)
    limited = listed[: wanted.limit]
    return ExecutionList(limited, older_exist or len(limited) < len(listed))


def _with_attempts(
    stack: Stack, listed: list[ExecutionSummary]
) -> tuple[list[ExecutionSummary], list[ExecutionSummary]]:
    """Adds the ledger's entries to the executions. Returns those with an entry, and the others."""
    ledger = Attempts(stack.client("dynamodb"), stack.ledger_table)
    attempts = {one.execution: one for one in ledger.get_all(one.execution for one in listed)}
    names = [field.name for field in fields(ExecutionSummary)][6:]
    known, unknown = [], []
    for one in listed:
        attempt = attempts.get(one.execution)
        if attempt is None:
            unknown.append(one)
        else:
            known.append(replace(one, **{name: getattr(attempt, name) for name in names}))
    return known, unknown


def _looked_up(stack: Stack, listed: list[ExecutionSummary]) -> list[ExecutionSummary]:
    """Adds the ending and the object of executions that the ledger has no entry of."""
    client = stack.client("stepfunctions")

    def look_up(one: ExecutionSummary) -> ExecutionSummary:
        described = client.describe_execution(executionArn=one.execution_arn)
        with suppress(ValueError, TypeError, AttributeError):
            given = json.loads(described.get("input") or "{}")
            one = replace(one, bucket=given.get("bucket"), key=given.get("key"))
        return replace(one, ending=ending_of_output(described.get("output")))

    with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
        return list(pool.map(look_up, listed))


def recorded_chunks(stack: Stack, load: Mapping[str, Any]) -> list[ChunkProgress]:
    """The chunks that a load has recorded so far. `load` is the load's entry in the ledger."""
    if not load:
        return []
    chunks = Chunks(stack.client("dynamodb"), stack.ledger_table)
    return list(chunks.all(load["load_id"], load.get("generation", "")))


def rows_recorded(stack: Stack, load: Mapping[str, Any]) -> dict[str, int]:
    """The sums of the row counts of a load's chunks; empty if no chunk has recorded any."""
    chunks = recorded_chunks(stack, load)
    names = ("rows_read", "rows_written", "rows_superseded", "rows_refused")
    return {name: sum(getattr(chunk, name) for chunk in chunks) for name in names if chunks}


def _seconds(start: datetime, stop: datetime | None) -> float | None:
    return round((stop - start).total_seconds(), 3) if stop is not None else None
