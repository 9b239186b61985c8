"""What is known of an execution, from Step Functions, the ledger and the work bucket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingestion.executions.history import StateRun
from ingestion.ledger.attempts import Attempt
from ingestion.ledger.chunks import ChunkProgress


@dataclass(frozen=True)
class UnlistedReason:
    """Rows that are not in the table for one reason: how many, and the first lines."""

    column: str
    reason: str
    rows: int
    lines: Sequence[int]


@dataclass(frozen=True)
class Recorded:
    """An execution and its load. ``load`` is the load's ledger entry, and empty if there is none.

    ``execution_input`` is empty and ``states`` are few if Step Functions has forgotten them.
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
    reasons: Sequence[UnlistedReason] = ()
    reasons_read: int | None = None
    """How many of the listed rows ``reasons`` counts; None if it counts them all."""
    stack: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the stack, and the version of its code."""
