"""`tickets local`: runs the stack on this machine."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.command import Command
from tickets.cli.console import console, print_json
from tickets.cli.options import AsJson
from tickets.errors import CommandError
from tickets.local.deployment import local_stack
from tickets.local.prerequisites import check_prerequisites
from tickets.local.running import running_stack

local_app = typer.Typer(help="Run the stack on this machine.", no_args_is_help=True)

# Of another account or stack; they would be used together with the local stack's.
_UNSET = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
_VARIABLES = {
    "AWS_ENDPOINT_URL": "endpoint_url",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",  # boto3 does not read AWS_REGION
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "TICKETS_STACK_NAME": "stack_name",
}


@local_app.callback()
def _local() -> None:
    """Run the stack on this machine."""


@local_app.command("start", cls=Command)
def local_start(
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=1,
            max=65535,
            help="Port to listen on. Default: the port of the kept data, or else a free one.",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="FOLDER",
            help="Keep tables, buckets, queues and history in this folder for the next start.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the stack in the foreground until Ctrl-C or SIGTERM.

    With --json the first line is printed when everything is ready and says how to reach the stack.
    """
    check_prerequisites()
    out = console(quiet=as_json)
    with local_stack(port, on_step=lambda step: out.print(f"{step} ..."), keep=keep) as stack:
        description = stack.description()
        if as_json:
            print_json(description)
        else:
            _print_description(out, description, keep)
        code = stack.engine.wait()
    raise CommandError(f"The engine ended with code {code}: start it again.")


@local_app.command("env", cls=Command)
def local_env(
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Port of the stack, if several are running."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print settings that make this shell use the local stack that is running.

    Apply them with `eval "$(tickets local env)"`.
    """
    description = running_stack(port)
    if as_json:
        print_json(description)
        return
    print(f"unset {' '.join(_UNSET)}")
    for variable, name in _VARIABLES.items():
        print(f"export {variable}={shlex.quote(description[name])}")


def _print_description(out: Console, description: dict[str, str], keep: Path | None) -> None:
    """Prints what to paste into another terminal to use this stack there."""
    port = description["endpoint_url"].rpartition(":")[2]
    tickets = "tickets" if shutil.which("tickets") else shlex.quote(sys.argv[0])
    out.print(f"\n[green]The stack is ready.[/green] (port {port}) In another terminal:\n")
    for line in (
        f'eval "$({tickets} local env --port {port})"',
        f"{tickets} sample tickets.csv",
        f"{tickets} ingest tickets.csv --wait",
        f"{tickets} executions",
    ):
        out.print(Text(f"  {line}"), soft_wrap=True)
    ending = "deletes everything in it" if keep is None else f"saves everything in {keep}"
    out.print(Text(f"\nCtrl-C stops it and {ending}."), soft_wrap=True)
