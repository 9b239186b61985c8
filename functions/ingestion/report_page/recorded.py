"""What is known of an execution, from Step Functions, the ledger and the work bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingestion.executions.history import ALREADY_LOADED, StateRun, ending, last_value
from ingestion.ledger.attempts import Attempt
from ingestion.ledger.chunks import ChunkProgress


@dataclass(frozen=True)
class CountedReason:
    """Rows that are not in the table for one reason: how many, the first lines, and what the reason
    means."""

    column: str
    reason: str
    rows: int
    lines: Sequence[int]
    meaning: str = ""


@dataclass(frozen=True)
class Recorded:
    """An execution and its load. `load` is the load's ledger entry, and empty if there is none.

    `execution_input` is empty and `states` has only a few if Step Functions has deleted the
    execution.
    """

    execution: str
    execution_arn: str
    status: str
    started_at: datetime
    stopped_at: datetime | None
    execution_input: Mapping[str, Any]
    error: str | None = None
    cause: str | None = None
    states: Sequence[StateRun] = ()
    load: Mapping[str, Any] = field(default_factory=dict)
    chunks: Sequence[ChunkProgress] = ()
    attempts: Sequence[Attempt] = ()
    """The executions of the load, the oldest first."""
    actions: Sequence[Mapping[str, Any]] = ()
    earlier: Sequence[Mapping[str, Any]] = ()
    """The ledger entries of earlier versions of the same object, the newest first."""
    report: bytes = b""
    reasons: Sequence[CountedReason] = ()
    reasons_read: int | None = None
    """How many of the listed rows `reasons` counts; None if it counts them all."""
    stack: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the stack, and the version of its code."""

    @property
    def result(self) -> Mapping[str, Any]:
        """What Reconcile returned; empty if it was not reached."""
        return dict(self._last("result"))

    @property
    def listed_rows(self) -> str:
        """The S3 address of the list of refused and superseded rows; empty if there is none. If the
        file was found loaded, it is the list of the earlier load."""
        of_load = self.load if ending(self.states) == ALREADY_LOADED else {}
        return str(self.result.get("refused_rows") or of_load.get("refused_rows") or "")

    @property
    def dead_letter(self) -> Mapping[str, Any]:
        """The dead letter that the execution wrote; empty if it wrote none."""
        return dict(self._last("dead_letter"))

    @property
    def file(self) -> Mapping[str, Any]:
        """What Validate File recorded of the file; empty if it was not accepted."""
        return dict(self._last("file"))

    @property
    def planned_chunks(self) -> int:
        plan, result = self._last("plan"), self.result
        return int(plan.get("chunks") or result.get("chunks") or len(self.chunks))

    @property
    def has_map(self) -> bool:
        """Whether the execution got as far as writing chunks in child executions."""
        return any(run.type == "Map" for run in self.states)

    def rounds(self, chunk: ChunkProgress) -> Iterator[tuple[datetime, datetime, int]]:
        """The calls of this execution that wrote rows of a chunk: start, end, and how many rows.
        Earlier and later executions of the load may have written others."""
        for one in chunk.rounds_written():
            began = datetime.fromisoformat(one.began)
            if self.started_at <= began and (self.stopped_at is None or began <= self.stopped_at):
                yield began, datetime.fromisoformat(one.ended), one.rows

    def _last(self, name: str) -> Mapping[str, Any]:
        value = last_value(self.states, name)
        return value if isinstance(value, Mapping) else {}
