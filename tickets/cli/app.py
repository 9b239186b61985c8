"""The command `tickets`: its subcommands, in the order in which --help lists them.

Importing all of them takes longer than most of them run, so a subcommand that is named on the
command line is the only one that is imported.
"""

import os
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer

from tickets.cli.command import Command, Group, with_config_env

_MODULES = {
    "demo": "demo",
    "check": "check",
    "ingest": "ingest",
    "status": "status",
    "executions": "executions",
    "loads": "loads",
    "show": "show",
    "report": "report",
    "console": "console_server",
    "refused": "refused_rows",
    "resubmit": "resubmit",
    "audit": "audit",
    "query": "query",
    "trace": "trace",
    "undo": "undo",
    "dead-letters": "dead_letters",
    "replay": "failures",
    "dismiss": "dead_letters",
    "stop": "failures",
    "doctor": "doctor",
    "verify": "verify",
    "sample": "sample",
}
"""The module of each subcommand, which is a function of that name in it."""
_GROUPS = ("sources", "local")
"""Subcommands with subcommands of their own; each is the Typer app of its module."""

_HELP = "Loads CSV files of purchase tickets from S3 into DynamoDB and accounts for every row."
_EXIT_CODES = (
    "Exit codes: 0 success; 1 a load failed or would fail, the command found a problem (missing "
    "rows, no lineage, failed checks, waiting failures), or another process was reading the "
    "dead-letter queues; 2 the command was used wrongly or could not do its work; 3 --timeout ran "
    "out, and the load goes on."
)

app: typer.Typer
"""The command with all subcommands."""


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Returns the command, with the subcommand that the arguments begin with, or with all."""
    known = bool(arguments) and arguments[0] in (*_MODULES, *_GROUPS)
    completes = "_TICKETS_COMPLETE" in os.environ
    return _make(arguments[0] if known and not completes else None)


def __getattr__(name: str) -> Any:
    if name == "app":
        return _make(None)
    raise AttributeError(name)


@cache
def _make(only: str | None) -> typer.Typer:
    made = typer.Typer(
        rich_markup_mode="markdown",  # so that lines of a docstring are joined to paragraphs
        name="tickets",
        cls=Group,
        help=_HELP,
        epilog=_EXIT_CODES,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_main)
    for name, module in _MODULES.items():
        if only in (None, name):
            command = getattr(import_module(f"tickets.cli.{module}"), name.replace("-", "_"))
            made.command(name, cls=Command)(with_config_env(command))
    for name in _GROUPS:
        if only in (None, name):
            group = getattr(import_module(f"tickets.cli.{name}"), f"{name}_app")
            made.add_typer(group, name=name, cls=Group)
    return made


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tickets {version('tickets')}")
        raise typer.Exit


def _main(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None: ...
