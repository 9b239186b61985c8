"""What uploaders name and write reaches a terminal as text, never as a command to it."""

import pytest

from ingestion.ledger.loads import Loads
from tests.support.command_line import tickets
from tests.support.step_functions import EXECUTION, RESULT
from tickets.cli.console import sanitize
from tickets.runs.stack import Stack

KEY = "a\x1b[2J\x1b]0;owned\x07\x08\x9b31m[red]\r.csv"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("store-12/café 味.csv", "store-12/café 味.csv"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J", "\u241b[2J"),
        ("\x00\x07\x08\r\x7f", "\u2400\u2407\u2408\u240d\u2421"),
        ("\x9b31m", "\ufffd31m"),
    ],
)
def test_controls_are_shown_and_nothing_else_is_changed(text: str, shown: str) -> None:
    assert sanitize(text) == shown


def test_a_hostile_key_is_shown_by_tickets_loads(stack: Stack) -> None:
    loads = Loads(stack.client("dynamodb"), "ledger")
    facts = {"bucket": "uploads", "key": KEY, "object_url": f"s3://other/{KEY}", "etag": "e"}
    record = {**facts, "version_id": "v", "size": 1, "uploader": "u\x1b[1m"}
    loads.open_load("one", record, f"{EXECUTION}:one")
    loads.close_load("one", "SUCCEEDED", RESULT)
    printed = tickets("loads").stdout
    assert "\u241b[2J\u241b]0;owned" in printed
    assert "[red]" in printed  # no markup of ours
    assert not set(printed) & set(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))


def test_a_hostile_key_is_shown_by_an_error(stack: Stack) -> None:
    ran = tickets("loads", "--key", "s3://" + "\x1b[2J")
    assert "\x1b" not in ran.stderr
    assert "\u241b[2J" in ran.stderr
