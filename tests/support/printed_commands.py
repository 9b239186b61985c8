"""The command lines that `tickets` prints, parsed by `tickets` itself."""

import re
import shlex
from typing import Any

import typer

from tickets.cli.app import app

_PRINTED = re.compile(r"`(tickets [^`\n]*)`|next: (tickets .*)")


def printed_commands(output: str) -> list[str]:
    """The commands in backticks, and those after `next: `, in the order of the output."""
    return [quoted or after for quoted, after in _PRINTED.findall(output)]


def assert_pasteable(output: str) -> None:
    """Fails if a printed command would be refused for the way it is written."""
    for command in printed_commands(output):
        problem = parse(command)
        assert problem is None, f"{command}: {problem}"


def parse(command: str) -> str | None:
    """What is wrong with a command line; None if nothing is. Nothing is run."""
    program, *words = shlex.split(command)
    assert program == "tickets"
    group: Any = typer.main.get_command(app)
    context: Any = None
    try:
        while hasattr(group, "commands"):
            context = group.make_context(program, words, parent=context, help_option_names=["-h"])
            words = [*context._protected_args, *context.args]
            if not words:
                return None
            program, group, words = group.resolve_command(context, words)
        group.make_context(program, words, parent=context)
    except typer.Exit:
        return None  # --help or --version
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return None
