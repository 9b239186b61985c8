"""Runs the `tickets` command as if its output were a terminal, in the tests' own process."""

import io
import re
import sys
from collections.abc import Mapping

import pytest
from typer.main import get_command

from tickets.cli.app import app

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(*arguments: str, columns: int, environment: Mapping[str, str] | None = None) -> str:
    """What the command writes to a terminal of this width, with the control sequences in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm-256color")
        patch.delenv("NO_COLOR", raising=False)
        for name, value in (environment or {}).items():
            patch.setenv(name, value)
        screen = _Terminal()
        patch.setattr(sys, "stdout", screen)
        get_command(app).main(list(arguments), "tickets", standalone_mode=False)
    return screen.getvalue()


def without_controls(text: str) -> str:
    return CONTROLS.sub("", text)


def shown_by(*arguments: str, columns: int = 100) -> str:
    """What the command writes to a terminal, without control sequences."""
    return without_controls(on_terminal(*arguments, columns=columns))
