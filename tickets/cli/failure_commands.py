"""The commands for loads that failed: see what waits, start it again, stop what must not go on."""

import sys
from typing import Annotated

import typer
from rich.text import Text

from tickets.cli.options import AsJson, EndpointUrl, Name, Profile, Region, StackName
from tickets.cli.output import console, print_json
from tickets.cli.terminal import sanitize
from tickets.errors import CommandError
from tickets.runs.connect import find_stack
from tickets.runs.dead_letters import DeadLetters, held_dead_letters
from tickets.runs.executions import as_json
from tickets.runs.failures import list_failures, print_failures
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
    stem_of,
)
from tickets.runs.replay import replay as replay_one
from tickets.runs.replay import stop as stop_execution
from tickets.runs.stack import Stack

app = typer.Typer()

_WORDS = {
    STARTED: "Started {execution}.",
    IS_RUNNING: "{execution} is running: nothing to start.",
    IS_LOADED: "Loaded already by {execution}: nothing to start.",
    IS_OVERTAKEN: "Overtaken by a later version of its file, says {execution}: nothing to start.",
    REDRIVEN: "Redriven: {execution} goes on.",
    WOULD_START: "Would start {execution}.",
    WOULD_REDRIVE: "Would redrive {execution}.",
}


@app.command("dead-letters")
def dead_letters(
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """List the failures that wait in the two dead-letter queues, the newest first.

    Loads that failed, with how far they came, and uploads that could not be started. Looking takes
    nothing away.
    """
    stack = find_stack(stack_name, endpoint_url, region, profile)
    with held_dead_letters(stack) as letters:
        failures = list_failures(stack, letters)
    if as_json_:
        for failure in failures:
            print_json(failure)
    elif failures:
        print_failures(failures, console())
    else:
        console().print(f"Stack {stack.name} has no dead letters.")
    _tell_hidden(letters)


@app.command()
def replay(
    executions: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXECUTION", help="Names or ARNs of failed executions."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every failed load that waits.")] = False,
    uploads: Annotated[
        bool, typer.Option("--uploads", help="Send uploads that could not be started once more.")
    ] = False,
    redrive: Annotated[
        bool,
        typer.Option(
            "--redrive", help="Let Step Functions go on with the same execution where it can."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be started, and start nothing.")
    ] = False,
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Start failed loads again, each as a new execution NAME-rN with the same input.

    Finished chunks are not written again. A load that is running or loaded is left alone, so a
    second replay does nothing. Each message is deleted once its load's new execution exists.
    """
    named = executions or []
    if named and all_:
        raise CommandError("--all replays every failed load: leave it out, or name none.")
    if not (named or all_ or uploads):
        raise CommandError("Name an execution, or pass --all or --uploads.")
    if redrive and not (named or all_):
        raise CommandError("--redrive is for executions: name one, or pass --all.")
    stack = find_stack(stack_name, endpoint_url, region, profile)
    code = 0
    with held_dead_letters(stack) as letters:
        oldest_first = [letter.execution_arn for letter in reversed(letters.executions)]
        stems = {
            stem_of(name.rpartition(":")[2]): name for name in (oldest_first if all_ else named)
        }
        for name in stems.values():  # each load once
            try:
                done = replay_one(stack, name, letters, dry_run=dry_run, may_redrive=redrive)
            except CommandError as error:  # the others are replayed all the same
                print(sanitize(str(error)), file=sys.stderr)
                code = error.exit_code
                continue
            _print_replay(done, as_json_, redrive)
        if uploads:
            _send_uploads(stack, letters, dry_run, as_json_)
    if all_ and not letters.executions and not as_json_:
        console().print("No failed load waits: nothing to replay.")
    _tell_hidden(letters)
    if code:
        raise typer.Exit(code)


@app.command()
def stop(
    execution: Name,
    as_json_: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """End a running load. What it has written stays, and `tickets replay` goes on from there."""
    stack = find_stack(stack_name, endpoint_url, region, profile)
    name = stop_execution(stack, execution)
    if as_json_:
        print_json({"execution": name, "status": "ABORTED"})
    else:
        text = f"Stopped {name}: `tickets replay {name}` goes on with it."
        console().print(Text(text), soft_wrap=True)


def _print_replay(done: Replay, as_json_: bool, redrive: bool) -> None:
    if as_json_:
        print_json({"kind": "execution", **as_json(done)})
        return
    words = _WORDS[done.outcome].format(execution=done.execution)
    console().print(Text(f"{done.replayed}: {words}"), soft_wrap=True)
    if done.outcome == WOULD_START and done.redrivable and not redrive:
        console().print(
            "  Step Functions can also go on with the same execution: --redrive.", soft_wrap=True
        )


def _send_uploads(stack: Stack, letters: DeadLetters, dry_run: bool, as_json_: bool) -> None:
    outcome = "would_send" if dry_run else "sent"
    for upload in send_uploads_again(stack, letters, dry_run=dry_run):
        if as_json_:
            print_json({"kind": "upload", "objects": upload.objects, "outcome": outcome})
            continue
        what = ", ".join(upload.objects) or f"message {upload.message.id}"
        words = "Would be sent again." if dry_run else "Sent again."
        console().print(Text(f"{what}: {words}"), soft_wrap=True)
    if not letters.uploads and not as_json_:
        console().print("No upload waits: nothing to send.")


def _tell_hidden(letters: DeadLetters) -> None:
    """An empty answer must not look like an empty queue."""
    if letters.hidden:
        print(
            f"About {letters.hidden} more are being read by somebody else: look again in a minute.",
            file=sys.stderr,
        )
