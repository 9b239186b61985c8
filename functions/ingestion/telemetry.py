"""Logs each step of a load, and computes the metrics of a reconciled load.

Logs and metrics contain counts, line numbers, names and S3 keys, but never the values of a row.
"""

import logging
from datetime import UTC, datetime

from ingestion.contracts import ChunkResult, File, LoadResult

_log = logging.getLogger(__name__)

MEASURES = {
    "rows_read": "RowsRead",
    "rows_written": "RowsWritten",
    "rows_superseded": "RowsSuperseded",
    "rows_combined": "RowsCombined",
    "rows_refused": "RowsRefused",
    "throttles": "Throttles",
}
"""The numbers in Reconcile's result that become metrics, and the names of the metrics."""

UNSETTLED = "Unsettled"
"""The outcome of a call of Reconcile after which equal keys have to be settled."""

UNITS = {"Bytes": "Bytes", "Duration": "Seconds"}
"""CloudWatch units of the metrics that are not counts."""


def log_step(
    step: str, execution: str | None, load_id: str | None, **facts: float | str | bool | None
) -> None:
    """Logs at level INFO that a step is done.

    `execution` is the name of the execution, or None for an execution that began before a stack
    update and does not pass it. Each of `facts` becomes a field of the log entry: Lambda's JSON
    log format writes the fields of `extra` next to the message ("Using structured JSON logs with
    Python", Lambda Developer Guide).
    """
    _log.info(step, extra={"execution": execution, "load_id": load_id, **facts})


CHUNK_FACTS = (
    "finished",
    "overtaken",
    "table_replaced",
    "rows_read",
    "rows_written",
    "rows_superseded",
    "rows_refused",
    "throttles",
)
"""The fields of Write Chunk's result that are logged."""


def log_chunk(execution: str | None, load_id: str, result: ChunkResult) -> None:
    """Logs that a call of Write Chunk is done, with the chunk's index and its counts so far."""
    facts = {name: getattr(result, name) for name in CHUNK_FACTS}
    log_step("Write Chunk", execution, load_id, chunk=result.index, **facts)


def outcome(result: LoadResult) -> str:
    """Returns the outcome of a load: `Succeeded`, `Failed` or `Overtaken`. `Unsettled`
    means that Reconcile will be called again."""
    if result.equal_keys == "unsettled":
        return UNSETTLED
    if result.overtaken:
        return "Overtaken"
    return "Succeeded" if result.complete else "Failed"


def measures(file: File, result: LoadResult, started_at: str | None) -> dict[str, float]:
    """Returns the metrics of a reconciled load by name. Those without an entry in UNITS are counts.

    `started_at` is the time at which this execution began, in ISO 8601. So the Duration of a
    replay does not include earlier executions. An execution that began before a stack update may
    not pass `started_at`, and then has no Duration.
    """
    rows = {metric: getattr(result, name) for name, metric in MEASURES.items()}
    measured = {**rows, "Bytes": file.size}
    if started_at:
        took = datetime.now(UTC) - datetime.fromisoformat(started_at)
        measured["Duration"] = took.total_seconds()
    return measured
