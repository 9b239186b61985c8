"""`tickets dead-letters`, `replay` and `stop`: see what failed, start it again, stop a load."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import console, print_error, print_json
from tickets.cli.options import (
    AsJson,
    EndpointUrl,
    ExecutionName,
    Profile,
    ReasonText,
    Region,
    StackName,
)
from tickets.cli.text import local_time, status_text
from tickets.errors import FAILED, CommandError
from tickets.runs import connect
from tickets.runs.dead_letters import DeadLetters, held_dead_letters
from tickets.runs.failures import (
    Failure,
    LoadFailure,
    UnreadableMessage,
    UploadFailure,
    list_failures,
)
from tickets.runs.history import count
from tickets.runs.replay import (
    IS_LOADED,
    IS_OVERTAKEN,
    IS_RUNNING,
    REDRIVEN,
    STARTED,
    WOULD_REDRIVE,
    WOULD_START,
    Replay,
    send_uploads_again,
)
from tickets.runs.replay import replay as replay_execution
from tickets.runs.replay import stop as stop_execution
from tickets.runs.replay_names import stem_of
from tickets.runs.stack import Stack

_OUTCOMES = {
    STARTED: "Started {execution}.",
    IS_RUNNING: "{execution} is running: nothing to start.",
    IS_LOADED: "Already loaded by {execution}: nothing to start.",
    IS_OVERTAKEN: "{execution} was overtaken by a later version of the file: nothing to start.",
    REDRIVEN: "Redriven: {execution} continues.",
    WOULD_START: "Would start {execution}.",
    WOULD_REDRIVE: "Would redrive {execution}.",
}


def dead_letters(
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the failures in the two dead-letter queues, the newest first.

    These are failed loads, with their progress, and uploads whose load could not be started. The
    messages stay in the queues. If another process is reading them, the command waits for up to 30
    seconds, and exits with 1 if the list is still incomplete.
    """
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    with held_dead_letters(stack, _print_busy) as letters:
        failures = list_failures(stack, letters)
    out = console()
    if as_json:
        for failure in failures:
            print_json(failure)
    elif failures:
        for failure in failures:
            _print_failure(failure, out)
    elif not letters.unseen:
        out.print(f"Stack {stack.name} has no dead letters.")
    _exit_if_incomplete(letters)


def replay(
    executions: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXECUTION", help="Names or ARNs of failed executions."),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Replay every failed load in the dead-letter queue.")
    ] = False,
    uploads: Annotated[
        bool,
        typer.Option("--uploads", help="Send uploads again whose load could not be started."),
    ] = False,
    redrive: Annotated[
        bool,
        typer.Option(
            "--redrive",
            help="Redrive the failed execution instead if Step Functions can continue it.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be started, but start nothing.")
    ] = False,
    reason: ReasonText = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Start failed loads again, each as a new execution NAME-rN with the same input.

    Finished chunks are not written again. A load that is running or loaded is left alone, so a
    second replay does nothing. A message is deleted as soon as its load's new execution exists.
    """
    named = executions or []
    if named and all_:
        raise CommandError("--all replays every failed load: leave it out, or name no execution.")
    if not (named or all_ or uploads):
        raise CommandError("Name an execution, or pass --all or --uploads.")
    if redrive and not (named or all_):
        raise CommandError("--redrive is for executions: name one, or pass --all.")
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    exit_code = 0
    with held_dead_letters(stack, _print_busy) as letters:
        oldest_first = [letter.execution_arn for letter in reversed(letters.executions)]
        # One execution per load.
        names = {
            stem_of(name.rpartition(":")[2]): name for name in (oldest_first if all_ else named)
        }
        for name in names.values():
            try:
                done = replay_execution(
                    stack, name, letters, dry_run=dry_run, may_redrive=redrive, reason=reason
                )
            except CommandError as error:  # replay the others all the same
                print_error(str(error))
                exit_code = error.exit_code
                continue
            _print_replay(done, as_json, redrive)
        if uploads:
            _send_uploads(stack, letters, dry_run, as_json)
    if all_ and not letters.executions and not letters.unseen and not as_json:
        console().print("There are no failed loads to replay.")
    if exit_code:
        raise typer.Exit(exit_code)
    if all_ or uploads:
        _exit_if_incomplete(letters)


def stop(
    execution: ExecutionName,
    reason: ReasonText = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Stop a running load. Rows that it has written stay, and `tickets replay` continues it."""
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    name = stop_execution(stack, execution, reason)
    if as_json:
        print_json({"execution": name, "status": "ABORTED"})
    else:
        console().print(
            Text(f"Stopped {name}: `tickets replay {name}` continues it."), soft_wrap=True
        )


def _print_failure(failure: Failure, out: Console) -> None:
    """Prints a few lines, because a table would be wider than most terminals."""
    match failure:
        case LoadFailure():
            name, status = failure.execution, status_text(failure.status)
        case UploadFailure():
            name = ", ".join(failure.objects) or f"message {failure.message_id}"
            status = status_text("NOT STARTED")
        case UnreadableMessage():
            name, status = f"message {failure.message_id}", status_text("UNKNOWN")
    moment = Text(local_time(failure.failed_at), style="dim")
    out.print(Text(name, style="bold"), status, moment, sep="  ", soft_wrap=True)
    for line in _lines(failure):
        out.print(Text(f"  {line}"), soft_wrap=True)


def _lines(failure: Failure) -> Iterator[str]:
    if isinstance(failure, UnreadableMessage):
        yield "why: it is not about an execution, so it is not from this stack"
        return
    yield f"why: {failure.reason}"
    if isinstance(failure, UploadFailure):
        return
    if failure.load_status in ("SUCCEEDED", "OVERTAKEN"):
        yield "loaded in the meantime: a replay only deletes this message"
    if failure.chunks is None:
        yield "done: nothing; there is no plan yet"
    else:
        yield f"done: {failure.chunks_done:,} of {count(failure.chunks, 'chunk')}"
        if failure.plan:
            yield f"plan: {failure.plan}"
    if failure.report:
        yield f"report: {failure.report}"
    if failure.redrivable:
        yield "Step Functions can continue this execution: `tickets replay --redrive`"


def _print_replay(done: Replay, as_json: bool, redrive: bool) -> None:
    if as_json:
        print_json({"kind": "execution", **vars(done)})
        return
    outcome = _OUTCOMES[done.outcome].format(execution=done.execution)
    console().print(Text(f"{done.replayed}: {outcome}"), soft_wrap=True)
    if done.outcome == WOULD_START and done.redrivable and not redrive:
        console().print(
            "  Step Functions can also continue the failed execution: --redrive.", soft_wrap=True
        )


def _send_uploads(stack: Stack, letters: DeadLetters, dry_run: bool, as_json: bool) -> None:
    outcome = "would_send" if dry_run else "sent"
    for upload in send_uploads_again(stack, letters, dry_run=dry_run):
        if as_json:
            print_json({"kind": "upload", "objects": upload.objects, "outcome": outcome})
            continue
        what = ", ".join(upload.objects) or f"message {upload.message.id}"
        text = "Would be sent again." if dry_run else "Sent again."
        console().print(Text(f"{what}: {text}"), soft_wrap=True)
    if not letters.uploads and not letters.unseen and not as_json:
        console().print("There are no uploads to send again.")


def _print_busy() -> None:
    print_error("Another process is reading the dead-letter queues: waiting for it to finish ...")


def _exit_if_incomplete(letters: DeadLetters) -> None:
    if letters.unseen:
        print_error(
            f"About {letters.unseen} more are held by another process: try again in a minute."
        )
        raise typer.Exit(FAILED)
