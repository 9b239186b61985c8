"""Runs the `tickets` command in the tests' own process."""

import json
from collections.abc import Sequence
from typing import Any

from typer.testing import CliRunner, Result

from tests.support.json_output import problems
from tests.support.printed_commands import assert_pasteable
from tickets.cli.app import app

OUTCOME_KEYS = [
    "execution_arn",
    "status",
    "ending",
    "load_id",
    "rows_read",
    "rows_written",
    "rows_superseded",
    "rows_combined",
    "rows_refused",
    "chunks",
    "seconds",
    "refused_rows",
    "report",
    "rows_per_second",
]
REFUSED_ROWS = [
    (7, "quantity", "bad_quantity", "T1,a,B1,,,two,"),
    (9, "", "superseded", 'T2,"x\r\ny"'),
]


def tickets(*arguments: str) -> Result:
    """Runs the command. Every line of JSON that it prints must be as docs/json.md says, and every
    `tickets` command line in its other output must be one that can be pasted."""
    result = CliRunner().invoke(app, arguments)
    if "--json" not in arguments:
        assert_pasteable(result.output)
        return result
    for line in result.stdout.splitlines():
        assert not problems(command_of(arguments), line)
    return result


def command_of(arguments: Sequence[str]) -> str:
    """`dead-letters`, `local-start` and so on."""
    return "-".join(arguments[:2]) if arguments[0] == "local" else arguments[0]


def lines(result: Result) -> list[dict[str, Any]]:
    """Parses standard output, in which every line must be JSON."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def assert_sentence(result: Result, words: str, exit_code: int = 2) -> None:
    assert result.exit_code == exit_code, result.output
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
