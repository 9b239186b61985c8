"""Removes what a run has left in the table, in the upload bucket and in the dead-letter queues."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import botocore.exceptions

from ingestion.csv_files.rows import Key
from tickets.runs.dead_letters import delete, held_dead_letters
from tickets.runs.executions import known_execution
from tickets.runs.stack import Stack
from tickets.runs.waiting import DeadlinePassed, polls
from tickets.verify.plan import Plan
from tickets.verify.traffic import MAX_LETTER_SECONDS, Traffic, stop_if_running

MAX_ENDING_SECONDS = 60.0
"""How long the clean-up waits for loads to start and to end before it stops them."""

_POLL_SECONDS = 1.0
_CONCURRENT_CALLS = 8


@dataclass
class Removed:
    """What was removed, and what is left."""

    items: int = 0
    object_versions: int = 0
    dead_letters: int = 0
    executions: int = 0
    """Executions of the run, which stay, with their ledger entries and reports."""
    not_started: list[str] = field(default_factory=list)
    """The names of executions that have not appeared."""
    stopped: list[str] = field(default_factory=list)
    """The names of executions that had to be stopped."""
    problems: list[str] = field(default_factory=list)
    """Sentences about what could not be removed."""


def clean_up(stack: Stack, plan: Plan, traffic: Traffic, on_step: Callable[[str], None]) -> Removed:
    """Removes a run's items, object versions and dead letters. Carries on if a part of it fails."""
    removed = Removed()
    on_step("waiting until nothing is written any more")
    with _noted(removed, "The loads and their dead letters can't be ended and dismissed"):
        if not _all_succeeded(stack, traffic, removed):
            on_step("dismissing the dead letters")
            _dismiss(stack, plan, removed)
    on_step("removing items and files")
    with _noted(removed, f"Items whose ticket_id begins with {plan.run} can't be deleted"):
        removed.items = _delete_items(stack, plan)
    with _noted(removed, f"Files below {plan.prefix} can't be deleted"):
        removed.object_versions = _delete_versions(stack, plan.prefix, removed)
    return removed


@contextmanager
def _noted(removed: Removed, what: str) -> Iterator[None]:
    """Notes errors of AWS as problems, so that the other parts of the clean-up still run."""
    try:
        yield
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        removed.problems.append(f"{what}: {error}")


def _all_succeeded(stack: Stack, traffic: Traffic, removed: Removed) -> bool:
    """Waits until all executions have ended, and stops those that don't. Returns whether all have
    SUCCEEDED."""
    statuses: dict[str, str | None] = {}
    for arn in traffic.executions:
        patience = 0.0 if arn in traffic.given_up else MAX_ENDING_SECONDS
        status = _final_status(stack, arn, patience)
        if status == "RUNNING":
            removed.stopped.append(_name(arn))
            stop_if_running(stack, arn)
            status = _final_status(stack, arn, MAX_ENDING_SECONDS)
        if status is None:
            removed.not_started.append(_name(arn))
        else:
            removed.executions += 1
        statuses[arn] = status
    return all(status in ("SUCCEEDED", None) for status in statuses.values())


def _final_status(stack: Stack, arn: str, patience: float) -> str | None:
    """The status of an execution once it has ended, or after `patience` seconds. None if it doesn't
    exist."""
    status = None
    with suppress(DeadlinePassed):
        for _ in polls(_POLL_SECONDS, patience):
            execution = known_execution(stack, arn)
            status = execution.status if execution else None
            if status not in ("RUNNING", None):
                break
    return status


def _dismiss(stack: Stack, plan: Plan, removed: Removed) -> None:
    """Deletes the dead letters of the run, and waits for those that EventBridge has yet to send."""
    awaited = set(removed.stopped)
    with suppress(DeadlinePassed):
        for _ in polls(_POLL_SECONDS, MAX_LETTER_SECONDS):
            with held_dead_letters(stack) as letters:
                for failed in letters.executions:
                    if failed.name.startswith(plan.run):
                        delete(stack, failed.messages)
                        removed.dead_letters += len(failed.messages)
                        awaited.discard(failed.name)
                for upload in letters.uploads:
                    if any(f"/{plan.prefix}" in one for one in upload.objects):
                        delete(stack, [upload.message])
                        removed.dead_letters += 1
            if not awaited and not letters.unseen:
                return
    if awaited:
        removed.problems.append(
            f"The dead letter of {', '.join(sorted(awaited))} has not come yet: `tickets "
            "dead-letters` lists it when it does."
        )


def _delete_items(stack: Stack, plan: Plan) -> int:
    client = stack.client("dynamodb")
    attributes = plan.schema.key

    def delete_item(key: Key) -> None:
        named = {
            attribute.name: {attribute.type: value}
            for attribute, value in zip(attributes, key, strict=True)
        }
        client.delete_item(TableName=stack.table, Key=named)

    with ThreadPoolExecutor(_CONCURRENT_CALLS) as pool:
        return sum(1 for _ in pool.map(delete_item, plan.row_keys()))


def _delete_versions(stack: Stack, prefix: str, removed: Removed) -> int:
    """Deletes all versions of the objects below a prefix for good."""
    client = stack.client("s3")
    pages = client.get_paginator("list_object_versions").paginate(
        Bucket=stack.upload_bucket, Prefix=prefix
    )
    versions = [
        {"Key": one["Key"], "VersionId": one["VersionId"]}
        for page in pages
        for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    ]
    if not versions:
        return 0
    answer = client.delete_objects(
        Bucket=stack.upload_bucket, Delete={"Objects": versions, "Quiet": True}
    )
    errors = answer.get("Errors", ())
    removed.problems += [
        f"Version {one.get('VersionId')} of {one['Key']} can't be deleted: {one.get('Message')}"
        for one in errors
    ]
    return len(versions) - len(errors)


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]
