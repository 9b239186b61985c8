"""Every `tickets` command line that another command prints can be pasted.

`tests.support.command_line.tickets` checks the output of every command that a test runs; here is
that it would find one that can't.
"""

import pytest

from tests.support.printed_commands import assert_pasteable, parse, printed_commands


def test_printed_commands_are_found_in_sentences_and_as_next_steps() -> None:
    output = "Failed: `tickets show a` says why.\nnext: tickets replay 'a b' --region x\nnothing\n"
    assert printed_commands(output) == ["tickets show a", "tickets replay 'a b' --region x"]
    assert_pasteable(output)


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("tickets --version", None),
        ("tickets show a --stack-name mine --config-env staging", None),
        ("tickets sources draft a.csv --force", None),
        ("tickets local env --port 4566", None),
        ("tickets fly", "No such command"),
        ("tickets local fly", "No such command"),
        ("tickets show", "MissingParameter"),
        ("tickets show a --redrive", "No such option"),
        ("tickets ingest --force", "MissingParameter"),
    ],
)
def test_commands_are_parsed_as_the_command_does(command: str, problem: str | None) -> None:
    found = parse(command)
    assert found is None if problem is None else problem in str(found)
