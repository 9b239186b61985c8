"""Loads corrected rows of a load, under a key that names the execution they belong to.

They are stored in the upload bucket as `resubmitted/EXECUTION/rows`. This key doesn't end in
`.csv`, so S3 sends no event for it. A load that an event started would have no record of what its
rows belong to.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.contracts import LoadRequest, Original
from ingestion.executions.history import OVERTAKEN
from ingestion.ledger.actions import Actions
from ingestion.ledger.claims import Claim, Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.names import execution_name
from ingestion.tasks.quality_limits import is_about_refused_rows
from tickets.errors import CommandError
from tickets.runs.dead_letters import DeadLetters, delete
from tickets.runs.executions import Execution
from tickets.runs.identity import caller
from tickets.runs.loaded_file import recorded_source_of
from tickets.runs.stack import Stack
from tickets.runs.written_keys import lines_with_written_keys

_MAX_LINES = 10
_KEY = "resubmitted/{execution}/rows"


@dataclass(frozen=True)
class Resubmission:
    """Corrected rows that are being loaded."""

    uri: str
    execution_arn: str
    original: Original
    keys_checked: bool
    """Whether it is known that they don't replace rows of the same file by accident."""

    @property
    def execution(self) -> str:
        return self.execution_arn.rpartition(":")[2]


def resubmit(
    stack: Stack,
    execution: Execution,
    path: Path,
    reason: str | None = None,
    *,
    replace_rows: bool = False,
) -> Resubmission:
    """Uploads a file with corrected rows of a load, starts its load, and records that in the ledger
    entries of the original load.

    execution: an execution of the load whose rows were refused.
    reason: why the rows are loaded, in the words of the caller.
    replace_rows: whether they may replace rows of the same file that have been written.
    Raises CommandError if they can't be loaded.
    """
    if not path.is_file():
        raise CommandError(f"The file {path} does not exist: name the file of corrected rows.")
    original = _original(execution)
    _check_versions(stack, original)
    are_checked = replace_rows or _check_keys(stack, execution.load, path)
    key = _KEY.format(execution=execution.name)
    with path.open("rb") as body:
        answer = stack.client("s3").put_object(Bucket=stack.upload_bucket, Key=key, Body=body)
    version_id, etag = answer.get("VersionId"), answer["ETag"].strip('"')
    now = datetime.now(UTC).isoformat()
    name = execution_name(stack.upload_bucket, key, version_id, etag, now)
    request = LoadRequest(
        bucket=stack.upload_bucket,
        key=key,
        version_id=version_id,
        etag=etag,
        why="resubmit",
        started_by=caller(stack),
        reason=reason,
        resubmits=original,
    )
    given = {field: value for field, value in request.to_json().items() if value}
    answer = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.state_machine_arn,
        name=name,
        input=json.dumps(given, ensure_ascii=False),
    )
    _record(stack, original.load_id, "resubmit", reason, name)
    uri = f"s3://{stack.upload_bucket}/{key}"
    return Resubmission(uri, answer["executionArn"], original, are_checked)


def dismiss(stack: Stack, resubmission: Resubmission, letters: DeadLetters) -> list[str]:
    """Deletes the dead letters of a load whose corrected rows are loaded, and those of earlier
    attempts to load corrected rows of it. Records that in the ledger. Returns the names of the
    executions that failed.

    The dead letter of a load stays if the load failed for another reason than its data.
    """
    original = resubmission.original.load_id
    loads = Loads(stack.client("dynamodb"), stack.ledger_table)
    arns = (loads.load(original) or {}).get("executions", ())
    dismissed = []
    for letter in letters.executions:
        load_id = original if letter.execution_arn in arns else letter.load_id
        load = (load_id and loads.load(load_id)) or {}
        belongs_to = load.get("resubmits") or {"load_id": load_id}
        if belongs_to["load_id"] == original and _is_about_data(load):
            reason = f"The corrected rows are loaded by {resubmission.execution}."
            _record(stack, load["load_id"], "dismiss", reason, letter.name)
            delete(stack, letter.messages)
            dismissed.append(letter.name)
    return dismissed


def _is_about_data(load: Mapping[str, Any]) -> bool:
    """Whether a load has failed because of its rows, or its file was refused."""
    return bool(load.get("reasons")) or is_about_refused_rows(str(load.get("summary")))


def _record(stack: Stack, load_id: str, action: str, reason: str | None, execution: str) -> None:
    actions = Actions(stack.client("dynamodb"), stack.ledger_table)
    actions.record(load_id, action, caller(stack), reason, execution=execution)


def _original(execution: Execution) -> Original:
    """What corrected rows of an execution's load belong to. If that load itself resubmitted rows,
    they belong to the same object as its rows."""
    load, name = execution.load, execution.name
    if execution.status == "RUNNING":
        raise CommandError(f"{name} is still running: resubmit its refused rows when it has ended.")
    if execution.ending == OVERTAKEN:
        raise CommandError(
            f"{name} was overtaken: a later version of the object is loaded, and its rows stay."
        )
    if not load.get("rows_refused"):
        raise CommandError(f"No rows of {name} were refused: there is nothing to resubmit.")
    if load["chunks_finished"] < load["chunks"] or load.get("unread"):
        raise CommandError(
            f"{name} has not read all of its file, so not all of its refused rows are known: run "
            f"`tickets replay {name}` first."
        )
    if recorded_source_of(load).equal_keys == "sum":
        raise CommandError(
            "The source of the file adds up rows with equal keys, and corrected rows would replace "
            "the totals: correct the rows in the whole file, and upload it again."
        )
    return _belongs_to(load, name)


def _belongs_to(load: Mapping[str, Any], name: str) -> Original:
    earlier = load.get("resubmits")
    if earlier:
        return Original.from_json({**earlier, "execution": name})
    return Original(load["bucket"], load["key"], load.get("version_id"), load["load_id"], name)


def _check_versions(stack: Stack, original: Original) -> None:
    turns = Turns(stack.client("s3"), Claims(stack.client("dynamodb"), stack.ledger_table))
    claim = Claim(
        original.bucket, original.key, original.version_id, "", resubmits=original.load_id
    )
    if turns.is_overtaken(claim):
        newest = turns.newest(claim.object_url)
        raise CommandError(
            f"A later version of {original.object_url} has been loaded since, as "
            f"{newest.load_id if newest else 'another load'}: its rows must stay. Correct that "
            "version, if its rows are wrong too."
        )


def _check_keys(stack: Stack, load: Mapping[str, Any], path: Path) -> bool:
    """Raises CommandError if rows have the key of a row that the load has written. The later of the
    two should win, but the place of the corrected row in the original file is no longer known.
    Returns whether this could be checked."""
    lines = lines_with_written_keys(stack, load, path)
    if not lines:
        return lines is not None
    named = ", ".join(f"{line:,}" for line in lines[:_MAX_LINES])
    if len(lines) > _MAX_LINES:
        named += f" and {len(lines) - _MAX_LINES:,} more"
    raise CommandError(
        f"Lines of {path} have the key of a row that the load has written: {named}. They would "
        "replace that row: take them out, or pass --replace."
    )
