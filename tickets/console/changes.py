"""Replays and dismisses the failures that were chosen on a page.

One change happens at a time: a second click finds what the first one has done.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingestion.executions.history import count
from tickets.console.guard import Form
from tickets.errors import CommandError
from tickets.runs.dead_letters import DeadLetters, held_dead_letters
from tickets.runs.dismiss import dead_letters_of, dismiss
from tickets.runs.replay import (
    IS_LOADED_SINCE,
    IS_REFUSED,
    WOULD_START,
    in_words,
    replay,
    send_uploads_again,
)
from tickets.runs.replay_names import stem_of
from tickets.runs.stack import Stack

_one_at_a_time = threading.Lock()
_NO_LETTER = "It has no dead letter any more: nothing to delete."


@dataclass(frozen=True)
class Chosen:
    """What was chosen: names of executions, and ids of messages that are about no execution.

    expected: the execution that a replay would start, by the chosen one, as the dry run said it.
    with_refused: whether files are replayed that were refused for what they contain.
    """

    executions: list[str]
    messages: list[str]
    expected: dict[str, str]
    with_refused: bool = False

    @classmethod
    def of_form(cls, form: Form) -> "Chosen":
        # The box of a cause has the names of all its executions.
        names = " ".join(form.get("execution", [])).split()
        pairs = [text.partition(" ") for text in form.get("expected", [])]
        return cls(
            list({stem_of(name): name for name in names}.values()),  # one per load
            list(dict.fromkeys(form.get("message", []))),
            {name: expected for name, _, expected in pairs},
            form.get("refused") == ["yes"],
        )

    def __bool__(self) -> bool:
        return bool(self.executions or self.messages)


@dataclass(frozen=True)
class Done:
    """What happened to one of the chosen failures, or would happen.

    execution: the one that works on the load; None if there is none to look at.
    expected: the one that a replay would start.
    starts: whether the change would do anything.
    is_refused: whether it was left alone because its file was refused.
    """

    name: str
    text: str
    execution: str | None = None
    expected: str = ""
    starts: bool = False
    is_refused: bool = False


def show_replay(stack: Stack, chosen: Chosen) -> list[Done]:
    """Says what `replay_chosen` would do. Files that were refused are left alone."""
    with held_dead_letters(stack) as letters:
        uploads = _uploads(stack, letters, chosen, dry_run=True)
        return [*_replays(stack, letters, chosen, dry_run=True), *uploads]


def replay_chosen(stack: Stack, chosen: Chosen, reason: str | None) -> list[Done]:
    """Replays executions, and sends uploads again whose load could not be started."""
    with _one_at_a_time, held_dead_letters(stack) as letters:
        return [*_replays(stack, letters, chosen, reason), *_uploads(stack, letters, chosen)]


def show_dismissal(stack: Stack, chosen: Chosen) -> list[Done]:
    """Says what `dismiss_chosen` would do."""
    done = []
    with held_dead_letters(stack) as letters:
        for name in [*chosen.executions, *chosen.messages]:
            try:
                messages = sum(len(one.messages) for one in dead_letters_of(letters, name))
            except CommandError:
                done.append(Done(name, _NO_LETTER))
            else:
                text = f"{count(messages, 'dead letter')} would be deleted."
                done.append(Done(name, text, starts=True))
    return done


def dismiss_chosen(stack: Stack, chosen: Chosen, reason: str | None) -> list[Done]:
    """Deletes the dead letters of executions and of uploads."""
    done = []
    with _one_at_a_time, held_dead_letters(stack) as letters:
        for name in [*chosen.executions, *chosen.messages]:
            try:
                own = dead_letters_of(letters, name)
            except CommandError:
                done.append(Done(name, _NO_LETTER))
                continue
            dismiss(stack, own, reason)
            done.append(Done(name, "Dismissed. The ledger says who did it and why."))
    return done


def _replays(
    stack: Stack,
    letters: DeadLetters,
    chosen: Chosen,
    reason: str | None = None,
    *,
    dry_run: bool = False,
) -> Iterator[Done]:
    for name in chosen.executions:
        try:
            yield _replay(stack, letters, name, chosen, reason, dry_run=dry_run)
        except CommandError as error:  # replay the others nevertheless
            yield Done(name, str(error))


def _replay(
    stack: Stack,
    letters: DeadLetters,
    name: str,
    chosen: Chosen,
    reason: str | None,
    *,
    dry_run: bool,
) -> Done:
    leave_refused = not chosen.with_refused
    found = replay(stack, name, letters, dry_run=True, leave_refused=leave_refused)
    expected = chosen.expected.get(name, found.execution)
    if not dry_run and found.outcome == WOULD_START and found.execution != expected:
        text = f"It was replayed already, as {expected}: nothing was started."
        return Done(name, text, expected)
    if not dry_run:
        found = replay(stack, name, letters, reason=reason, leave_refused=leave_refused)
    return Done(
        name,
        in_words(found),
        # A dry run names an execution that doesn't exist yet.
        None if found.outcome in (WOULD_START, IS_LOADED_SINCE) else found.execution,
        starts=found.outcome == WOULD_START,
        is_refused=found.outcome == IS_REFUSED,
        expected=found.execution if found.outcome == WOULD_START else "",
    )


def _uploads(
    stack: Stack, letters: DeadLetters, chosen: Chosen, *, dry_run: bool = False
) -> Iterator[Done]:
    uploads = [one for one in letters.uploads if one.message.id in chosen.messages]
    text = "Would be sent again." if dry_run else "Sent again."
    for one in send_uploads_again(stack, replace(letters, uploads=uploads), dry_run=dry_run):
        yield Done(", ".join(one.objects) or one.message.id, text, starts=dry_run)
    found = {one.message.id for one in uploads}
    for message in chosen.messages:
        if message not in found:
            yield Done(message, "It isn't an upload, or it is no longer waiting: nothing to send.")
