"""Deletes dead letters for good, and records in the ledger who did it and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingestion.ledger.actions import Actions
from ingestion.s3.notifications import read_notification
from tickets.errors import CommandError
from tickets.runs.dead_letters import (
    DeadLetters,
    FailedExecution,
    Message,
    UnstartedUpload,
    delete,
)
from tickets.runs.identity import caller
from tickets.runs.replay_names import stem_of
from tickets.runs.stack import Stack


@dataclass(frozen=True)
class Dismissible:
    """Dead letters to delete together.

    name: the name of the execution, the address of the object, or the id of the message.
    load_ids: the loads in whose ledger entries it is recorded.
    """

    name: str
    messages: list[Message]
    load_ids: list[str]


def refused_files(letters: DeadLetters) -> list[Dismissible]:
    """The dead letters of all refused files, the oldest first."""
    return [_of_execution(one) for one in reversed(letters.executions) if one.is_refused]


def dead_letters_of(letters: DeadLetters, name: str) -> list[Dismissible]:
    """The dead letters that a name stands for: all of a load for one of its executions (name or
    ARN), those of an object's upload for its S3 address, or the message with this id.

    Raises CommandError if there are none.
    """
    stem = stem_of(name.rpartition(":")[2])
    found = [_of_execution(one) for one in letters.executions if stem_of(one.name) == stem]
    found += [_of_upload(one) for one in letters.uploads if name in (one.message.id, *one.objects)]
    found += [Dismissible(one.id, [one], []) for one in letters.unreadable if one.id == name]
    if not found:
        raise CommandError(f"There is no dead letter of {name}: `tickets dead-letters` lists all.")
    return found


def dismiss(stack: Stack, found: Sequence[Dismissible], reason: str | None) -> None:
    """Deletes dead letters. Records it first, so that none disappears without a record."""
    by = caller(stack)
    actions = Actions(stack.client("dynamodb"), stack.ledger_table)
    for one in found:
        for load_id in one.load_ids:
            actions.record(load_id, "dismiss", by, reason, execution=one.name)
        delete(stack, one.messages)


def dismiss_executions(stack: Stack, letters: Iterable[FailedExecution], reason: str) -> None:
    """Deletes the dead letters of executions."""
    dismiss(stack, [_of_execution(letter) for letter in letters], reason)


def _of_execution(letter: FailedExecution) -> Dismissible:
    # An execution that failed before it had a load is recorded under the name that its replays
    # share. If an upload started it, that is the id that the load would have had.
    return Dismissible(letter.name, letter.messages, [letter.load_id or stem_of(letter.name)])


def _of_upload(upload: UnstartedUpload) -> Dismissible:
    uploads = read_notification(upload.message.body).uploads
    name = ", ".join(upload.objects) or upload.message.id
    return Dismissible(name, [upload.message], [one.execution_name for one in uploads])
