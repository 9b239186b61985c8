"""Ledger entries of attempts: one for each execution, with who started it, why, and how it ended.

The entry of an execution is written by that execution only, so later attempts leave it as it is.
An execution that is stopped, times out or fails in one of its states can't record its end. Write
Report Page does that later, and leaves `ending` None. Until then, the entry stays RUNNING, and
readers complete it from Step Functions (`tickets.runs`).

The entries are in both indexes of the ledger: in `loads` by the object's URL and the start, and
in `days` by the day (UTC) and the start.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from ingestion.contracts import LoadRequest
from ingestion.ledger.store import Entries, Entry, now, seconds, timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOADED, ALREADY_LOADED, OVERTAKEN = "Loaded", "Already Loaded", "Overtaken"
FAILED = "Load Failed"
"""The states in which an execution that records its end ends."""

LOADS_INDEX, DAYS_INDEX = "loads", "days"
_OWNER, _ENTRY = "execution#", "attempt"
_FIRST = ("attempts", "first")


@dataclass(frozen=True)
class Attempt:
    """One execution of a load. Its counts are the load's counts at the end of the execution."""

    execution: str
    """The execution's name."""
    execution_arn: str
    load_id: str | None
    """None if the execution ended before the object's version was known, for example because S3
    denied access. If it ended as Already Loaded, the earlier load that it found."""
    bucket: str
    key: str
    version_id: str | None
    """The version that was asked for, until Validate File has found which one it is."""
    status: str
    """The execution's status, as Step Functions spells it."""
    ending: str | None
    """The state in which the execution ended. None if it recorded no end."""
    started_at: str
    stopped_at: str | None = None
    """When the end was recorded."""
    started_by: str | None = None
    """The ARN of the caller that started it. None for an upload or a start without the command."""
    why: str | None = None
    """`upload`, or as in `LoadRequest`. None for a start without the command."""
    reason: str | None = None
    uploader: str | None = None
    rows_read: int | None = None
    rows_written: int | None = None
    rows_superseded: int | None = None
    rows_combined: int | None = None
    rows_refused: int | None = None
    rows_per_second: int | None = None
    chunks: int | None = None
    chunks_finished: int | None = None
    error: str | None = None
    """Why it failed or was overtaken, as a sentence."""
    refused_rows: str | None = None
    report: str | None = None

    @property
    def object_url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def seconds(self) -> float | None:
        """How long the execution took, until it recorded its end."""
        if self.stopped_at is None:
            return None
        return round(seconds(self.stopped_at) - seconds(self.started_at), 3)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": self.seconds}


_RECORDED = tuple(field.name for field in fields(Attempt) if field.name != "load_id")


class Attempts:
    """Reads and writes the entries of attempts in the ledger table `table`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._entries = Entries(client, table)
        self._has_first = False

    def open(
        self,
        execution_arn: str,
        request: LoadRequest,
        started_at: str | None,
        load_id: str | None = None,
        **facts: Any,
    ) -> None:
        """Records that an execution has begun, with the execution's input.

        `facts` are attributes of Attempt. `started_at` is None for an execution that began
        before the stack was updated; then it is the current time.
        """
        execution = execution_arn.rpartition(":")[2]
        at = timestamp(seconds(started_at)) if started_at else now()
        if not self._has_first:
            self._entries.put_if(*_FIRST, {"at": at}, "", {})
            self._has_first = True
        recorded = {
            "execution": execution,
            "execution_arn": execution_arn,
            "bucket": request.bucket,
            "key": request.key,
            "version_id": request.version_id,
            "uploader": request.uploader,
            "why": request.why or ("upload" if request.uploader else None),
            "started_by": request.started_by,
            "reason": request.reason,
            "started_at": at,
            "status": "RUNNING",
            "ending": None,
            "error": None,
            **facts,
        }
        indexed = {"object_url": f"s3://{request.bucket}/{request.key}", "day": at[:10]}
        # A second try that fails before the load is known must not erase what the first one found.
        of_load = {"of_load": load_id} if load_id is not None else {}
        self._entries.update(_owner(execution), _ENTRY, {**recorded, **indexed, **of_load})

    def close(self, execution: str, ending: str, facts: Mapping[str, Any]) -> None:
        """Records how an execution ended: the state that it ends in, and of `facts` the
        attributes of Attempt. The `summary` of an execution that did not load is its error."""
        known = {name: facts[name] for name in _RECORDED if name in facts}
        if ending != LOADED and "summary" in facts:
            known["error"] = facts["summary"]
        status = "FAILED" if ending == FAILED else "SUCCEEDED"
        end = {"status": status, "ending": ending, "stopped_at": now()}
        self._entries.update(_owner(execution), _ENTRY, known | end)

    def complete(self, attempt: Attempt) -> None:
        """Records the end of an execution that could not do so itself, unless it is recorded."""
        values = {name: getattr(attempt, name) for name in _RECORDED}
        indexed = {"object_url": attempt.object_url, "day": attempt.started_at[:10]}
        self._entries.put_if(
            _owner(attempt.execution),
            _ENTRY,
            {**values, **indexed, "of_load": attempt.load_id},
            "ending = :none",
            {":none": None},
        )

    def get(self, execution: str) -> Attempt | None:
        """Returns the attempt of the execution with this name, or None if it is not recorded."""
        entry = self._entries.get(_owner(execution), _ENTRY)
        return _attempt(entry) if entry else None

    def get_all(self, executions: Iterable[str]) -> list[Attempt]:
        """Returns the recorded attempts of the executions with these names, the oldest first."""
        entries = self._entries.get_all((_owner(name), _ENTRY) for name in executions)
        found = [attempt for entry in entries if (attempt := _attempt(entry))]
        return sorted(found, key=lambda attempt: attempt.started_at)

    def of_day(self, day: str, since: str, until: str) -> Iterator[Attempt]:
        """Yields the attempts that started on a day (UTC, `2025-11-26`) and between two times,
        the newest first."""
        return self._indexed(DAYS_INDEX, "day", day, since, until)

    def of_object(self, object_url: str, since: str = "", until: str = "~") -> Iterator[Attempt]:
        """Yields the attempts at any version of an object, the newest first."""
        return self._indexed(LOADS_INDEX, "object_url", object_url, since or "0", until)

    def recorded_since(self) -> str | None:
        """Returns the time since which attempts are recorded; None if none is. An earlier release
        recorded only loads, which the index `days` doesn't have."""
        entry = self._entries.get(*_FIRST)
        return str(entry["at"]) if entry else None

    def _indexed(
        self, index: str, name: str, value: str, since: str, until: str
    ) -> Iterator[Attempt]:
        for entry in self._entries.query_index(index, name, value, since, until):
            if entry["entry"] == _ENTRY and (attempt := _attempt(entry)):
                yield attempt


def _owner(execution: str) -> str:
    return f"{_OWNER}{execution}"


def _attempt(entry: Entry) -> Attempt | None:
    """The attempt of an entry. None for the entry of an execution that began before the stack was
    updated, and recorded only its end."""
    if "started_at" not in entry:
        return None
    known = {name: entry[name] for name in _RECORDED if name in entry}
    return Attempt(load_id=entry.get("of_load"), **known)
