"""The `tickets` command as the tests call it, in this process."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from ops.commands import app


def tickets(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def lines(result: Result) -> list[dict[str, Any]]:
    """Standard output, of which every line must be JSON."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def assert_sentence(result: Result, words: str, exit_code: int = 2) -> None:
    assert result.exit_code == exit_code, result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
