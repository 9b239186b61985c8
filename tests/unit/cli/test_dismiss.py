"""`tickets dismiss`: what needs no replay is deleted, and the ledger says who did it and why."""

import pytest

from ingestion.ledger.actions import Actions
from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.dead_letter_queue import (
    event,
    graph_letter,
    notification,
    refused_letter,
    send,
    send_upload,
    waiting,
)
from tests.support.step_functions import EXECUTION
from tickets.runs import dismiss
from tickets.runs.dead_letters import held_dead_letters
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")

ME = "arn:aws:sts::123456789012:assumed-role/on-call/me"


@pytest.fixture(autouse=True)
def _caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dismiss, "caller", lambda _: ME)


def recorded(stack: Stack, load_id: str) -> list[tuple[str, str, str | None, str]]:
    """The actions in a load's ledger entries: what, by whom, why, and of which execution."""
    actions = Actions(stack.client("dynamodb"), stack.ledger_table)
    names = ("action", "by", "reason", "execution")
    return [tuple(one[name] for name in names) for one in actions.all(load_id)]


def test_a_named_load_is_dismissed_with_all_its_messages_and_others_stay(stack: Stack) -> None:
    send(stack, graph_letter("one"))
    send(stack, graph_letter("one-r1", load_id="one"))
    send(stack, event("one-r1", "ABORTED"))
    send(stack, graph_letter("two"))
    result = tickets("dismiss", f"{EXECUTION}:one", "--reason", "A test file.")
    assert result.stdout.splitlines() == ["one-r1: Dismissed.", "one: Dismissed."]
    assert [one["execution"] for one in lines(tickets("dead-letters", "--json"))] == ["two"]
    assert recorded(stack, "one") == [
        ("dismiss", ME, "A test file.", "one-r1"),
        ("dismiss", ME, "A test file.", "one"),
    ]
    assert recorded(stack, "two") == []


def test_all_refused_files_are_dismissed_and_no_other_load(stack: Stack) -> None:
    send(stack, refused_letter("first"))
    send(stack, graph_letter("incomplete"))
    send(stack, refused_letter("denied", code="access_denied"))  # may be loaded as it is
    send(stack, refused_letter("second"))
    dry = tickets("dismiss", "--all", "--refused", "--dry-run")
    assert dry.stdout.splitlines() == [
        "first: Would be dismissed.",
        "second: Would be dismissed.",
    ]
    assert (waiting(stack)[0], recorded(stack, "first")) == (4, [])
    [first, second] = lines(tickets("dismiss", "--all", "--refused", "--json"))
    assert first == {
        "kind": "dead_letter",
        "name": "first",
        "load_ids": ["first"],
        "messages": 1,
        "outcome": "dismissed",
    }
    left = [one["execution"] for one in lines(tickets("dead-letters", "--json"))]
    assert (second["name"], left) == ("second", ["denied", "incomplete"])
    assert recorded(stack, "first") == [("dismiss", ME, None, "first")]
    again = tickets("dismiss", "--all", "--refused")
    assert again.stdout == "There are no dead letters of refused files.\n"


def test_a_load_that_never_got_to_the_ledger_is_recorded_by_its_name(stack: Stack) -> None:
    send(stack, graph_letter("gone", load_id=None, state="Validate File"))
    tickets("dismiss", "gone")
    assert recorded(stack, "gone") == [("dismiss", ME, None, "gone")]


def test_uploads_and_strange_messages_are_dismissed_by_what_dead_letters_prints(
    stack: Stack,
) -> None:
    send_upload(stack, notification("a.csv"))
    send_upload(stack, notification("b.csv"))
    send_upload(stack, "no JSON")
    send(stack, "somebody else's")
    with held_dead_letters(stack) as letters:
        [unread, *_] = letters.unreadable
        [nothing, *_] = [one.message for one in letters.uploads if not one.objects]
    result = tickets("dismiss", unread.id, nothing.id, "s3://uploads/a.csv")
    assert result.exit_code == 0, result.output
    [left] = lines(tickets("dead-letters", "--json"))
    assert left["objects"] == ["s3://uploads/b.csv"]


def test_what_has_no_letter_is_said_and_the_others_are_dismissed(stack: Stack) -> None:
    send(stack, graph_letter("one"))
    result = tickets("dismiss", "nobody", "one")
    assert result.exit_code == 2
    assert "There is no dead letter of nobody: `tickets dead-letters` lists all." in result.stderr
    assert result.stdout == "one: Dismissed.\n"


def test_nothing_is_deleted_that_could_not_be_recorded(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(stack, refused_letter("first"))

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Actions, "record", fail)
    assert tickets("dismiss", "first").exit_code == 130
    assert waiting(stack)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Name an execution, or pass --all --refused."),
        (["--all"], "--all and --refused go together"),
        (["--refused"], "--all and --refused go together"),
        (["a", "--all", "--refused"], "Name an execution, or pass --all --refused."),
    ],
)
def test_what_is_meant_has_to_be_said(stack: Stack, arguments: list[str], words: str) -> None:
    assert_sentence(tickets("dismiss", *arguments), words)
