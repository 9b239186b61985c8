"""`tickets local`: runs the stack on this machine."""

import shutil
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import console, print_json
from tickets.cli.options import AsJson
from tickets.errors import CommandError
from tickets.local.deployment import local_stack
from tickets.local.prerequisites import check_prerequisites

local_app = typer.Typer(help="Run the stack on this machine.", no_args_is_help=True)


@local_app.callback()
def _local() -> None:
    """Run the stack on this machine."""


@local_app.command("start")
def local_start(
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Port to listen on. Default: a free one."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the stack in the foreground until Ctrl-C or SIGTERM.

    With --json the first line is printed when everything is ready and says how to reach the stack.
    """
    check_prerequisites()
    out = console(quiet=as_json)
    with local_stack(port, on_step=lambda step: out.print(f"{step} ...")) as stack:
        description = stack.description()
        if as_json:
            print_json(description)
        else:
            _print_description(out, description)
        code = stack.engine.wait()
    raise CommandError(f"The engine ended with code {code}: start it again.")


def _print_description(out: Console, description: dict[str, str]) -> None:
    """Prints what to paste into another terminal to use this stack there."""
    out.print("\n[green]The stack is ready.[/green] In another terminal:\n")
    for variable, name in (
        ("AWS_ENDPOINT_URL", "endpoint_url"),
        ("AWS_REGION", "region"),
        ("AWS_DEFAULT_REGION", "region"),  # boto3 does not read AWS_REGION
        ("AWS_ACCESS_KEY_ID", "access_key_id"),
        ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
    ):
        out.print(Text(f"  export {variable}={description[name]}"), soft_wrap=True)
    tickets = "tickets" if shutil.which("tickets") else sys.argv[0]
    out.print(f"\n  {tickets} ingest tickets.csv --wait\n  {tickets} executions\n", soft_wrap=True)
    out.print("Ctrl-C stops it and deletes everything in it.")
