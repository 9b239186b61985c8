"""`tickets replay` and `stop`: start failed loads again, stop a load."""

from typing import Annotated

import typer
from rich.text import Text

from tickets.cli.console import console, print_error, print_json
from tickets.cli.dead_letters import exit_if_incomplete, print_busy
from tickets.cli.next_step import command_line, next_step
from tickets.cli.options import (
    AsJson,
    EndpointUrl,
    ExecutionName,
    Profile,
    ReasonText,
    Region,
    StackName,
    Timeout,
    Wait,
)
from tickets.cli.outcome import check_timeout
from tickets.cli.waiting import Awaited, wait_for
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.dead_letters import DeadLetters, held_dead_letters
from tickets.runs.replay import (
    IS_REFUSED,
    IS_RUNNING,
    REDRIVEN,
    STARTED,
    WOULD_START,
    Replay,
    in_words,
    send_uploads_again,
)
from tickets.runs.replay import replay as replay_execution
from tickets.runs.replay import stop as stop_execution
from tickets.runs.replay_names import stem_of
from tickets.runs.stack import Stack


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
        typer.Option("--uploads", help="Queue the uploads again whose load could not be started."),
    ] = False,
    redrive: Annotated[
        bool,
        typer.Option(
            "--redrive",
            help="Redrive the failed execution instead, if Step Functions can continue it.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be started, but start nothing.")
    ] = False,
    reason: ReasonText = None,
    wait: Wait = False,
    timeout: Timeout = None,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Start failed loads again, each as a new execution NAME-rN with the same input.

    Finished chunks are not written again. A load that is running or loaded is left alone, so a
    second replay does nothing. A message is deleted as soon as its load's new execution exists.

    If a later version of the file is loaded, only the message is deleted. --all leaves refused
    files alone, because a replay would read the same bytes. To replay one anyway, for example
    because a source has been declared for it, name its execution.

    With --wait the exit code is 1 if a load fails again, and 3 if --timeout ran out.
    """
    check_timeout(timeout, wait)
    named = executions or []
    if named and all_:
        raise CommandError("--all replays every failed load: leave it out, or name no execution.")
    if not (named or all_ or uploads):
        raise CommandError("Name an execution, or pass --all or --uploads.")
    if redrive and not (named or all_):
        raise CommandError("--redrive is for executions: name one, or pass --all.")
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    exit_code, refused = 0, False
    running: list[Awaited] = []
    with held_dead_letters(stack, print_busy) as letters:
        oldest_first = [letter.execution_arn for letter in reversed(letters.executions)]
        # One execution per load.
        names = {
            stem_of(name.rpartition(":")[2]): name for name in (oldest_first if all_ else named)
        }
        for name in names.values():
            try:
                done = replay_execution(
                    stack,
                    name,
                    letters,
                    dry_run=dry_run,
                    may_redrive=redrive,
                    leave_refused=all_,
                    reason=reason,
                )
            except CommandError as error:  # replay the others nevertheless
                print_error(str(error))
                exit_code = error.exit_code
                continue
            refused = refused or done.outcome == IS_REFUSED
            _print_replay(stack, done, as_json, redrive)
            if done.outcome in (STARTED, IS_RUNNING, REDRIVEN):
                running.append(_awaited(stack, done.execution))
        if uploads:
            _send_uploads(stack, letters, dry_run, as_json)
    if all_ and not letters.executions and not letters.unseen and not as_json:
        console().print("There are no failed loads to replay.")
    if refused and not as_json:
        console().print(Text(next_step(stack, "dismiss", "--all", "--refused")))
    if wait and running and not dry_run:
        out = console(quiet=as_json)
        ended = wait_for(stack, running, out, timeout=timeout, as_json=as_json)
        exit_code = exit_code or ended
    if exit_code:
        raise typer.Exit(exit_code)
    if all_ or uploads:
        exit_if_incomplete(letters)


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


def _print_replay(stack: Stack, done: Replay, as_json: bool, redrive: bool) -> None:
    if as_json:
        print_json({"kind": "execution", **vars(done)})
        return
    console().print(Text(f"{done.replayed}: {in_words(done)}"))
    if done.outcome == WOULD_START and done.redrivable and not redrive:
        command = command_line(stack, "replay", done.replayed, "--redrive")
        console().print(
            Text(f"  Step Functions can also continue the failed execution: `{command}`."),
            soft_wrap=True,
        )


def _awaited(stack: Stack, name: str) -> Awaited:
    return Awaited(stack.execution_arn(name), name, {"kind": "outcome"})


def _send_uploads(stack: Stack, letters: DeadLetters, dry_run: bool, as_json: bool) -> None:
    outcome = "would_send" if dry_run else "sent"
    for upload in send_uploads_again(stack, letters, dry_run=dry_run):
        if as_json:
            print_json({"kind": "upload", "objects": upload.objects, "outcome": outcome})
            continue
        what = ", ".join(upload.objects) or f"message {upload.message.id}"
        text = "Would be sent again." if dry_run else "Sent again."
        console().print(Text(f"{what}: {text}"))
    if not letters.uploads and not letters.unseen and not as_json:
        console().print("There are no uploads to send again.")
