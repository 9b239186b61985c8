"""Follows an execution from its start to its end."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import botocore.exceptions

from ingestion.executions.history import last_value
from tickets.errors import FAILED, TIMED_OUT, CommandError
from tickets.runs.executions import Execution, known_execution, recorded_chunks
from tickets.runs.stack import Stack
from tickets.runs.waiting import polls

START_TIMEOUT_SECONDS = 120.0
"""The longest that S3, SQS and start_execution may take to start an upload's execution."""

_POLL_SECONDS = 0.5
# After a burst, AWS allows one ListMapRuns and one DescribeMapRun per second.
_SHORT_LOAD_SECONDS = 30.0
_LONG_LOAD_POLL_SECONDS = 2.0
# Each poll reads one ledger entry per chunk.
_MANY_CHUNKS = 500
_LARGE_LOAD_POLL_SECONDS = 5.0
# AWS allows five ListExecutions per second.
_SEVERAL_POLL_SECONDS = 1.0
_DESCRIBED_PER_POLL = 5  # of 15 DescribeExecution per second
_CLOCK_DIFFERENCE = timedelta(minutes=5)
_PAGE_SIZE = 1000


@dataclass(frozen=True)
class Progress:
    """The progress of a load.

    verdict: the result of Validate File; None until it is known.
    state: the current state; None once chunks are being written.
    chunks: number of chunks; None until they are being written.
    rows: rows that the chunks have read so far.
    """

    status: str
    verdict: str | None
    state: str | None
    chunks: int | None
    chunks_done: int
    chunks_failed: int
    rows: int


@dataclass(frozen=True)
class Several:
    """The progress of several loads, as ARNs of their executions.

    ended: those that have ended since the last Several.
    lost: those that did not appear; they are not looked for any more.
    running, not_started: the others.
    """

    ended: list[str]
    lost: list[str]
    running: list[str]
    not_started: list[str]


def follow(stack: Stack, arn: str, timeout: float | None = None) -> Iterator[Progress]:
    """Yields the load's progress until its execution ends. The last Progress has the final status.

    Raises CommandError if the execution does not appear within two minutes, and DeadlinePassed if
    it has not ended within `timeout` seconds.
    """
    start_timeout = min(START_TIMEOUT_SECONDS, timeout or START_TIMEOUT_SECONDS)
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
            if elapsed >= start_timeout:
                raise CommandError(
                    f"No execution {execution.name} appeared within {start_timeout:.0f} s: look "
                    f"for its message in the upload queue {stack.upload_queue_url} and its "
                    "dead-letter queue.",
                    FAILED if start_timeout == START_TIMEOUT_SECONDS else TIMED_OUT,
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
            next_at = elapsed + _LARGE_LOAD_POLL_SECONDS
        elif elapsed > _SHORT_LOAD_SECONDS:
            next_at = elapsed + _LONG_LOAD_POLL_SECONDS


def follow_several(
    stack: Stack, arns: Sequence[str], timeout: float | None = None
) -> Iterator[Several]:
    """Yields the progress of loads until all executions have ended, with few calls of AWS however
    many there are.

    An execution is lost if it has not appeared, and no other one has for two minutes.
    Raises DeadlinePassed if they have not ended within `timeout` seconds.
    """
    since = datetime.now(UTC) - _CLOCK_DIFFERENCE
    pending = dict.fromkeys(arns)
    seen: set[str] = set()
    last_appeared = 0.0
    for elapsed in polls(_SEVERAL_POLL_SECONDS, timeout):
        statuses = _recent_statuses(stack, since, pending)
        # The list has neither the newest executions nor those that started long ago.
        for arn in [arn for arn in pending if arn not in statuses][:_DESCRIBED_PER_POLL]:
            pending[arn] = pending.pop(arn)  # the others come first next time
            if found := known_execution(stack, arn):
                statuses[arn] = found.status
        if statuses.keys() - seen:
            last_appeared = elapsed
        seen |= statuses.keys()
        ended = [arn for arn in pending if statuses.get(arn, "RUNNING") != "RUNNING"]
        # The list may be older than the redrive by which the execution runs again.
        ended = [arn for arn in ended if Execution(stack, arn).status != "RUNNING"]
        not_started = [arn for arn in pending if arn not in seen]
        waited = elapsed - last_appeared
        lost = not_started if waited >= START_TIMEOUT_SECONDS else []
        for arn in (*ended, *lost):
            del pending[arn]
        running = [arn for arn in pending if arn in seen]
        yield Several(ended, lost, running, [] if lost else not_started)
        if not pending:
            return


def _recent_statuses(stack: Stack, since: datetime, wanted: Collection[str]) -> dict[str, str]:
    """The statuses of those executions that started since then."""
    found: dict[str, str] = {}
    pages = (
        stack.client("stepfunctions")
        .get_paginator("list_executions")
        .paginate(
            stateMachineArn=stack.state_machine_arn, PaginationConfig={"PageSize": _PAGE_SIZE}
        )
    )
    for page in pages:
        listed = page["executions"]
        found |= {
            one["executionArn"]: one["status"] for one in listed if one["executionArn"] in wanted
        }
        if any(one["startDate"] < since for one in listed):
            break  # later pages have older ones
    return found


def await_verdict(stack: Stack, arn: str) -> str | None:
    """Waits for the result of Validate File; None if the execution ends without one.

    Raises CommandError if the execution does not appear within two minutes.
    """
    return next((one.verdict for one in follow(stack, arn) if one.verdict is not None), None)


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
