"""Follows an execution from its start to its end."""

from collections.abc import Iterator
from dataclasses import dataclass

import botocore.exceptions

from tickets.errors import FAILED, CommandError
from tickets.runs.executions import Execution, recorded_chunks
from tickets.runs.history import last_value
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
                    FAILED,
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
