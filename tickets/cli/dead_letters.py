"""`tickets dead-letters` and `dismiss`: what failed and why, and what needs no replay."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ingestion.executions.history import count
from ingestion.executions.remedies import DISMISS, LIST_REFUSED, remedy
from tickets.cli.console import console, print_error, print_json
from tickets.cli.next_step import command_line, next_step
from tickets.cli.options import (
    AsJson,
    EndpointUrl,
    Profile,
    ReasonText,
    Region,
    StackName,
)
from tickets.cli.text import local_time, status_text
from tickets.errors import FAILED, CommandError
from tickets.runs import connect
from tickets.runs.causes import Cause, chunks_in_words, group_by_cause
from tickets.runs.dead_letters import CRASHED, DeadLetters, held_dead_letters
from tickets.runs.dismiss import Dismissible, dead_letters_of, refused_files
from tickets.runs.dismiss import dismiss as dismiss_letters
from tickets.runs.failures import (
    Failure,
    LoadFailure,
    UnreadableMessage,
    UploadFailure,
    list_failures,
)
from tickets.runs.stack import Stack

_MAX_LISTED = 20
"""Failures that are listed per cause. --json lists all."""
_MAX_NAMED = 10
"""Executions that a next step names. Beyond that, it replays or dismisses all."""
_SETTLED = "The file has been loaded since: a replay starts nothing and deletes the message."


def dead_letters(
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the failures in the two dead-letter queues, grouped by cause, the newest first.

    These are failed loads, with their progress, and uploads whose load could not be started. The
    messages stay in the queues. If another process is reading them, the command waits for up to 30
    seconds. The exit code is 1 if the list is still incomplete then.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    with held_dead_letters(stack, print_busy) as letters:
        failures = list_failures(stack, letters)
    out = console()
    if as_json:
        for failure in failures:
            print_json(failure)
    elif failures:
        causes = group_by_cause(failures, _cause, _names)
        for cause in causes:
            _print_cause(cause, _next_words(cause.failed, failures), stack, out)
    elif not letters.unseen:
        out.print(f"Stack {stack.name} has no dead letters.")
    exit_if_incomplete(letters)


def dismiss(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="EXECUTION",
            help="Names or ARNs of failed executions, s3:// addresses of uploads that were not "
            "started, or ids of messages.",
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="With --refused: the failures of all refused files.")
    ] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Goes with --all.")] = False,
    reason: ReasonText = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deleted, but delete nothing.")
    ] = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Delete the messages of failures that need no replay, permanently.

    An example is a refused file: a replay would read the same bytes. The ledger records who did it,
    when and why.
    """
    if all_ != refused:
        raise CommandError("--all and --refused go together: they mean all refused files.")
    if bool(names) == all_:
        raise CommandError("Name an execution, or pass --all --refused.")
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    exit_code = 0
    with held_dead_letters(stack, print_busy) as letters:
        found = {one.name: one for one in refused_files(letters)} if all_ else {}
        for name in names or []:
            try:
                found |= {one.name: one for one in dead_letters_of(letters, name)}
            except CommandError as error:  # dismiss the others nevertheless
                print_error(str(error))
                exit_code = error.exit_code
        if found and not dry_run:
            dismiss_letters(stack, list(found.values()), reason)
    for one in found.values():
        _print_dismissed(one, dry_run, as_json)
    if all_ and not found and not letters.unseen and not as_json:
        console().print("There are no dead letters of refused files.")
    if exit_code:
        raise typer.Exit(exit_code)
    if all_:
        exit_if_incomplete(letters)


def print_busy() -> None:
    print_error("Another process is reading the dead-letter queues: waiting for it to finish ...")


def exit_if_incomplete(letters: DeadLetters) -> None:
    if letters.unseen:
        print_error(f"Another process holds about {letters.unseen} more: try again in a minute.")
        raise typer.Exit(FAILED)


def _cause(failure: Failure) -> str:
    match failure:
        case LoadFailure():
            return _SETTLED if failure.is_settled else failure.why
        case UploadFailure():
            return failure.cause
        case UnreadableMessage():
            return "The message is not about an execution, so it is not from this stack."


def _names(failure: Failure) -> Sequence[str | None]:
    match failure:
        case LoadFailure():
            return failure.names
        case UploadFailure():
            return failure.objects
        case UnreadableMessage():
            return ()


def _print_cause(cause: Cause[Failure], words: Sequence[str], stack: Stack, out: Console) -> None:
    first = cause.failed[0]
    out.print(
        Text.assemble((count(len(cause.failed), _thing(first)), "bold"), f": {cause.text}"),
        soft_wrap=True,
    )
    for failure in cause.failed[:_MAX_LISTED]:
        out.print(Text.assemble("  ", *_line(failure)), soft_wrap=True)
    if len(cause.failed) > _MAX_LISTED:
        out.print(f"  and {len(cause.failed) - _MAX_LISTED:,} more, which --json lists")
    if isinstance(first, UploadFailure) and first.cause == CRASHED:
        out.print(f"  `{command_line(stack, 'doctor')}` checks it.", soft_wrap=True)
    if isinstance(first, LoadFailure) and _needs_dismissal(first):
        out.print("  A replay would read the same bytes. Correct the file and upload it again.")
    out.print(Text(next_step(stack, *words)), soft_wrap=True)


def _thing(failure: Failure) -> str:
    if isinstance(failure, LoadFailure):
        return "load"
    return "upload" if isinstance(failure, UploadFailure) and failure.objects else "message"


def _line(failure: Failure) -> Iterator[str | Text | tuple[str, str]]:
    """One failure in one line: name, status, time, and what is known of it."""
    match failure:
        case LoadFailure():
            name, status = failure.execution, failure.status
        case UploadFailure():
            name = ", ".join(failure.objects) or f"message {failure.message_id}"
            status = "NOT STARTED"
        case UnreadableMessage():
            name, status = f"message {failure.message_id}", "UNKNOWN"
    yield name
    yield "  "
    yield status_text(status)
    yield f"  {local_time(failure.failed_at)}", "dim"
    if isinstance(failure, LoadFailure):
        for fact in _facts(failure):
            yield f"  {fact}"


def _facts(failure: LoadFailure) -> Iterator[str]:
    if failure.bucket and failure.key:
        yield f"s3://{failure.bucket}/{failure.key}"
    if failure.loaded_since:
        yield f"a later version is loaded, as {failure.loaded_since}"
    elif failure.is_refused:
        return
    elif failure.chunks is None:
        yield "nothing written; there is no plan yet"
    else:
        yield f"{failure.chunks_done:,} of {count(failure.chunks, 'chunk')} written"
    if failure.errors and not failure.is_settled:
        yield f"failed: {chunks_in_words(failure.errors[0])}"
        if others := len(failure.errors) - 1:
            yield f"and {count(others, 'other error')}"


def _next_words(failed: Sequence[Failure], all_failures: Sequence[Failure]) -> list[str]:
    """The command that deals with failures of the same cause."""
    match failed[0]:
        case UploadFailure(objects=[_, *_]):
            return ["replay", "--uploads"]
        case UploadFailure() | UnreadableMessage():
            ids = [one.message_id for one in failed if not isinstance(one, LoadFailure)]
            return ["dismiss", *ids[:_MAX_NAMED]]
        case LoadFailure() as first:
            pass
    loads = [one for one in failed if isinstance(one, LoadFailure)]
    others = [one for one in all_failures if isinstance(one, LoadFailure) and one not in loads]
    names = [one.execution for one in reversed(loads)]
    verb = _remedy(first)
    if verb == DISMISS:
        are_all = not any(map(_needs_dismissal, others)) and len(names) > 1
        every = ["--all", "--refused"]
        return [verb, *(every if are_all or len(names) > _MAX_NAMED else names)]
    if verb == LIST_REFUSED:
        return [verb, first.execution]
    are_all = all(map(_needs_dismissal, others)) and len(names) > 1
    return [verb, *(["--all"] if are_all or len(names) > _MAX_NAMED else names)]


def _remedy(failure: LoadFailure) -> str:
    return remedy(
        refused=failure.is_refused,
        rows_refused=failure.rows_refused,
        all_chunks_done=failure.chunks_done == failure.chunks,
        settled=failure.is_settled,
    )


def _needs_dismissal(failure: LoadFailure) -> bool:
    return _remedy(failure) == DISMISS


def _print_dismissed(one: Dismissible, dry_run: bool, as_json: bool) -> None:
    if as_json:
        outcome = "would_dismiss" if dry_run else "dismissed"
        facts = {"load_ids": one.load_ids, "messages": len(one.messages), "outcome": outcome}
        print_json({"kind": "dead_letter", "name": one.name, **facts})
        return
    outcome = "Would be dismissed." if dry_run else "Dismissed."
    console().print(Text(f"{one.name}: {outcome}"), soft_wrap=True)
