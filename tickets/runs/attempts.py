"""The attempts of loads: what the ledger has recorded about executions, completed from Step
Functions for executions that could not record their end."""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from ingestion.ledger.actions import Actions
from ingestion.ledger.attempts import ALREADY_LOADED, LOADED, Attempt, Attempts
from ingestion.ledger.loads import Loads
from ingestion.ledger.store import timestamp
from tickets.errors import CommandError
from tickets.runs.executions import UNKNOWN, Execution, known_execution, rows_recorded
from tickets.runs.filters import object_url
from tickets.runs.stack import Stack

_CONCURRENT_CALLS = 8
_NAME = re.compile(r"[^\s/?]{1,80}")
"""What the name of an execution looks like. The name of a file may look the same."""
_VERSION = "?versionId="


@dataclass(frozen=True)
class LoadHistory:
    """The attempts of a load, the oldest first, and what people did to it, as the ledger's
    `Actions` record it."""

    attempts: list[Attempt]
    actions: list[dict[str, Any]]

    @property
    def finished_by(self) -> str | None:
        """The execution that loaded the file; None if none did."""
        return next((one.execution for one in self.attempts if one.ending == LOADED), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "finished_by": self.finished_by,
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "actions": self.actions,
        }


def attempts_of(stack: Stack) -> Attempts:
    """The attempts in the stack's ledger."""
    return Attempts(stack.client("dynamodb"), stack.ledger_table)


def completed(stack: Stack, attempts: Iterable[Attempt]) -> list[Attempt]:
    """The attempts, with the status and end of those that have recorded none from Step Functions.

    If Step Functions has deleted the execution too, the status is UNKNOWN.
    """
    given = list(attempts)
    if all(attempt.ending is not None for attempt in given):
        return given
    with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
        return list(pool.map(lambda attempt: _completed(stack, attempt), given))


def _completed(stack: Stack, attempt: Attempt) -> Attempt:
    if attempt.ending is not None:
        return attempt
    execution = known_execution(stack, attempt.execution_arn)
    if execution is None:
        return replace(attempt, status=UNKNOWN) if attempt.status == "RUNNING" else attempt
    if execution.status == "RUNNING":
        return replace(attempt, status="RUNNING", stopped_at=None)
    # The index lags behind the table: the execution may have recorded its end already.
    now = attempts_of(stack).get(attempt.execution) or attempt
    if now.ending is not None:
        return now
    return replace(
        now,
        status=execution.status,
        ending=execution.ending,
        stopped_at=timestamp(execution.described["stopDate"].timestamp()),
        error=execution.failure or now.error,
    )


def record_ends(stack: Stack, load: dict[str, Any]) -> None:
    """Records the ends of a load's executions that were stopped, timed out or failed before they
    could do so, with the rows that the ledger has counted until now.

    Called before a replay, because its rows can't be distinguished from theirs later, and Step
    Functions deletes executions after 90 days.
    """
    ledger = attempts_of(stack)
    names = [arn.rpartition(":")[2] for arn in load.get("executions", ())]
    unended = [one for one in ledger.get_all(names) if one.ending is None and one.rows_read is None]
    for attempt in completed(stack, unended):
        if attempt.stopped_at is not None and attempt.rows_read is None:
            rows: dict[str, Any] = rows_recorded(stack, load)
            ledger.complete(replace(attempt, **rows))


def record_end(stack: Stack, execution: str) -> None:
    """Records the end of an execution that was stopped. `record_ends` adds the rows later, because
    functions that are already running finish their chunks."""
    ledger = attempts_of(stack)
    attempt = ledger.get(execution)
    if attempt is not None:
        ledger.complete(*completed(stack, [attempt]))


def main_attempt(attempts: Sequence[Attempt]) -> Attempt | None:
    """The newest of a load's attempts that did not end as Already Loaded."""
    worked = [one for one in attempts if one.ending != ALREADY_LOADED]
    return max(worked or attempts, key=lambda one: one.started_at, default=None)


def find(stack: Stack, text: str) -> tuple[Attempt | None, Execution | None]:
    """Finds the execution that a text names, in the ledger and in Step Functions.

    text: an execution's name or ARN. Or `s3://bucket/key[?versionId=ID]`, a key in the upload
    bucket, or the path of a file that was uploaded under its name; then the newest execution.
    Raises CommandError if neither of the two has one.
    """
    name = text.rpartition(":")[2] if text.startswith("arn:") else text
    if _NAME.fullmatch(name):
        attempt = attempts_of(stack).get(name)
        arn = text if text.startswith("arn:") else stack.execution_arn(name)
        execution = known_execution(stack, arn)
        if attempt is not None or execution is not None:
            return attempt, execution
    newest = _newest_execution(stack, text)
    if newest is None:
        raise CommandError(
            f"Stack {stack.name} has no execution {text}, and no load of a file of that name: "
            "`tickets executions` and `tickets loads` list them."
        )
    return attempts_of(stack).get(newest.rpartition(":")[2]), known_execution(stack, newest)


def history_of_load(
    stack: Stack, attempt: Attempt | None, execution: Execution | None
) -> LoadHistory:
    """The history of the load that an execution worked on."""
    load_id = execution.load_id if execution is not None else None
    load_id = load_id or (attempt.load_id if attempt is not None else None)
    client = stack.client("dynamodb")
    load = Loads(client, stack.ledger_table).load(load_id) if load_id else None
    names = {attempt.execution} if attempt is not None else set()
    if load is not None:
        names |= {arn.rpartition(":")[2] for arn in load["executions"]}
        # The load's executions that ended as Already Loaded are only in the index.
        url = f"s3://{load.get('bucket')}/{load.get('key')}"
        of_object = attempts_of(stack).of_object(url)
        names |= {one.execution for one in of_object if one.load_id == load_id}
    found = attempts_of(stack).get_all(names)
    owner = load_id or (attempt.execution if attempt is not None else None)
    actions = list(Actions(client, stack.ledger_table).all(owner)) if owner else []
    for action in actions:
        del action["entry"]
    return LoadHistory(completed(stack, found), actions)


def _newest_execution(stack: Stack, file_or_key: str) -> str | None:
    """The ARN of the newest execution for an object, or for the object that a local file is
    uploaded as."""
    address, _, version = file_or_key.partition(_VERSION)
    for name in dict.fromkeys((address, PurePath(address).name)):
        if not name or (name.startswith("s3:") and "/" not in name.removeprefix("s3://")):
            continue
        url = object_url(stack, name)
        for attempt in attempts_of(stack).of_object(url):
            if not version or attempt.version_id == version:
                return attempt.execution_arn
    return None
