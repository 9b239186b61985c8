"""What a load tells about itself: a line in the log for each step, and its measures at the end.

Counts, line numbers, names and S3 keys only, never a row's values.
"""

import logging
from datetime import UTC, datetime

from ingestion.contracts import ChunkResult, File, LoadResult

_log = logging.getLogger(__name__)

MEASURES = {
    "rows_read": "RowsRead",
    "rows_written": "RowsWritten",
    "rows_superseded": "RowsSuperseded",
    "rows_refused": "RowsRefused",
    "throttles": "Throttles",
}
"""Numbers in the answer of Reconcile, and the metrics that they become."""

UNITS = {"Bytes": "Bytes", "Duration": "Seconds"}
"""Of the metrics that are no counts."""


def log_step(
    step: str, execution: str | None, load_id: str | None, **facts: float | str | bool | None
) -> None:
    """Log that a step is done, at INFO.

    ``execution`` (its name) and ``load_id`` tell lines of different loads apart; an execution that
    began before an update of the stack may not say its name. The facts become fields of their own.
    Lambda's JSON format writes fields of ``extra`` beside the message, see "Using structured JSON
    logs with Python" in the Lambda Developer Guide.
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
"""Of the answer of Write Chunk, what its line says."""


def log_chunk(execution: str | None, load_id: str, result: ChunkResult) -> None:
    """Log that a round of Write Chunk is done, with the chunk's index and its numbers so far."""
    facts = {name: getattr(result, name) for name in CHUNK_FACTS}
    log_step("Write Chunk", execution, load_id, chunk=result.index, **facts)


def outcome(result: LoadResult) -> str:
    """What became of a load: ``Succeeded``, ``Failed`` or ``Overtaken``; ``Unsettled`` if Reconcile
    will be called again."""
    if result.equal_keys == "unsettled":
        return "Unsettled"
    if result.overtaken:
        return "Overtaken"
    return "Succeeded" if result.complete else "Failed"


def measures(file: File, result: LoadResult, started_at: str | None) -> dict[str, float]:
    """The metrics of a reconciled load by their names, in the units of UNITS or else counts.

    ``started_at`` is when this execution began, so a replay does not count the time before it. An
    execution that began before an update of the stack may not say it, and has no Duration.
    """
    rows = {metric: getattr(result, name) for name, metric in MEASURES.items()}
    measured = {**rows, "Bytes": file.size}
    if started_at:
        took = datetime.now(UTC) - datetime.fromisoformat(started_at)
        measured["Duration"] = took.total_seconds()
    return measured
