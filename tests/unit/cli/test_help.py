"""Help texts, the version and completion."""

import os
import subprocess
import sys

import pytest
import typer

from tests.support.command_line import tickets
from tickets.cli.app import app


def every_command() -> list[tuple[str, ...]]:
    group = typer.main.get_command(app)
    found: list[tuple[str, ...]] = [()]
    for name, command in vars(group)["commands"].items():
        found.append((name,))
        found += [(name, sub) for sub in vars(command).get("commands", {})]
    return found


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_help_fits_the_terminal_and_shows_what_to_write(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {}
    for width in (60, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        result = tickets(*command, "--help")
        assert result.exit_code == 0
        texts[width] = result.stdout
        assert max(map(len, result.stdout.splitlines())) <= width
        for internal in ("<bool>", "<str>", "<int", "<float", "<path>", "<list"):
            assert internal not in result.stdout
    assert texts[60].count("\n") > texts[140].count("\n")


def completed(words: str, number: int) -> list[str]:
    """The completions of a word of a command line, as bash asks for them."""
    environment = {
        **os.environ,
        "_TICKETS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(number),
    }
    code = "import sys; sys.argv[0] = 'tickets'; from tickets.cli.main import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.exhaustive
def test_bash_completes_commands_and_options() -> None:
    assert completed("tickets dea", 1) == ["dead-letters"]
    assert "--config-env" in completed("tickets show --c", 2)
    assert completed("tickets local e", 2) == ["env"]
