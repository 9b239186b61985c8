"""`tickets replay` and `tickets stop`: started once, and no message lost."""

import json

import pytest

from ingestion.ledger.actions import Actions
from ingestion.ledger.claims import Claim, Claims
from ingestion.ledger.loads import Loads
from tests.support.command_line import assert_sentence, lines, tickets
from tests.support.dead_letter_queue import (
    GIVEN,
    event,
    graph_letter,
    notification,
    refused_letter,
    send,
    send_upload,
    waiting,
)
from tests.support.step_functions import CALLER, EXECUTION, StepFunctions
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")


def replay(*arguments: str) -> list[tuple[str, str]]:
    result = tickets("replay", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return [(one["execution"], one["outcome"]) for one in lines(result)]


def test_all_failures_are_replayed_once_with_their_input(
    stack: Stack, step_functions: StepFunctions
) -> None:
    step_functions.add("a", "FAILED", input='{"key":"a.csv",  "bucket": "b"}')
    step_functions.add("b", "ABORTED")
    send(stack, graph_letter("a"))
    send(stack, event("b", "ABORTED"))
    assert replay("--all", "--dry-run") == [("a-r1", "would_start"), ("b-r1", "would_start")]
    assert (step_functions.started, waiting(stack)[0]) == ([], 2)
    assert replay("--all") == [("a-r1", "started"), ("b-r1", "started")]
    given = json.loads(step_functions.started[0]["input"])
    assert given == {"key": "a.csv", "bucket": "b", "why": "replay", "started_by": CALLER}
    assert waiting(stack)[0] == 0
    assert replay("--all") == []
    assert len(step_functions.started) == 2


def test_a_replay_of_a_replay_has_the_next_number(
    stack: Stack, step_functions: StepFunctions
) -> None:
    for name in ("a", "a-r1", "a-r2"):
        step_functions.add(name, "FAILED")
    assert replay("a") == [("a-r3", "started")]
    step_functions.add("a-r3", "FAILED")
    assert replay("a-r1") == [("a-r4", "started")]


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_nothing_is_done_twice(stack: Stack, step_functions: StepFunctions, status: str) -> None:
    step_functions.add("a", "FAILED")
    step_functions.add("a-r1", status)
    send(stack, graph_letter("a"))
    outcome = "running" if status == "RUNNING" else "loaded"
    assert replay("a", "--dry-run") == [("a-r1", outcome)]
    assert waiting(stack)[0] == 1
    assert replay("a") == replay(f"{EXECUTION}:a") == [("a-r1", outcome)]
    assert step_functions.started == []
    assert waiting(stack)[0] == 0


def test_a_load_that_another_execution_works_on_is_left_alone(
    stack: Stack, step_functions: StepFunctions
) -> None:
    """For example one that was started with *New execution* in the AWS console."""
    loads = Loads(stack.client("dynamodb"), "ledger")
    for name, status in (("a", "FAILED"), ("by-hand", "RUNNING")):
        step_functions.add(name, status)
        loads.open_load("a", GIVEN, f"{EXECUTION}:{name}")
    assert replay("a") == [("by-hand", "running")]
    step_functions.add("by-hand", "FAILED")
    loads.close_load("a", "SUCCEEDED", {})
    assert replay("a") == [("a", "loaded")]
    assert step_functions.started == []


def test_the_letter_of_an_execution_about_to_end_stays(
    stack: Stack, step_functions: StepFunctions
) -> None:
    step_functions.add("a", "RUNNING")
    send(stack, graph_letter("a"))
    assert replay("--all") == [("a", "running")]
    assert waiting(stack)[0] == 1


def test_a_message_stays_if_the_new_execution_can_not_be_started(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_functions.add("a", "FAILED")
    send(stack, graph_letter("a"))
    denied = step_functions.client.exceptions.ClientError(
        {"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "StartExecution"
    )

    def refuse(**_: object) -> None:
        raise denied

    monkeypatch.setattr(step_functions.client, "start_execution", refuse)
    assert_sentence(tickets("replay", "--all"), "don't allow StartExecution")
    assert waiting(stack)[0] == 1


def test_what_step_functions_has_forgotten_comes_from_the_message_or_the_ledger(
    stack: Stack, step_functions: StepFunctions
) -> None:
    send(stack, graph_letter("a"))
    assert replay("a") == [("a-r1", "started")]
    loads = Loads(stack.client("dynamodb"), "ledger")
    url = {"object_url": "s3://uploads/a.csv"}
    loads.open_load("b", {**GIVEN, **url, "etag": "e"}, f"{EXECUTION}:b")
    loads.open_load("c", {**GIVEN, **url, "etag": "e"}, f"{EXECUTION}:by-hand")
    assert replay("b", "by-hand") == [("b-r1", "started"), ("by-hand-r1", "started")]
    inputs = [json.loads(one["input"]) for one in step_functions.started]
    replay_of = {**GIVEN, "why": "replay", "started_by": CALLER}
    assert inputs == [replay_of, {**replay_of, "etag": "e"}, {**replay_of, "etag": "e"}]


def test_what_nobody_knows_is_said_and_the_others_are_replayed(
    stack: Stack, step_functions: StepFunctions
) -> None:
    step_functions.add("a", "FAILED")
    result = tickets("replay", "nobody", "a", "--json")
    assert result.exit_code == 2
    assert "Execution nobody is unknown" in result.stderr
    assert [one["execution"] for one in lines(result)] == ["a-r1"]


def test_refused_files_are_left_alone_with_the_reason_unless_they_are_named(
    stack: Stack, step_functions: StepFunctions
) -> None:
    for name in ("a", "b", "c"):
        step_functions.add(name, "FAILED")
    send(stack, refused_letter("a"))
    send(stack, refused_letter("b", code="archived"))  # the same bytes may be accepted
    send(stack, graph_letter("c"))
    result = tickets("replay", "--all")
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "a: Left alone: the file is refused, and a replay would read the same bytes.",
            "b: Started b-r1.",
            "c: Started c-r1.",
            "next: tickets dismiss --all --refused",
        ],
    )
    assert waiting(stack)[0] == 1
    assert replay("--all") == [("a", "refused")]
    assert replay("a") == [("a-r1", "started")]
    assert waiting(stack)[0] == 0


@pytest.mark.parametrize("later", ["SUCCEEDED", "FAILED"])
def test_the_letter_of_a_file_whose_later_version_is_loaded_is_dismissed(
    stack: Stack, step_functions: StepFunctions, later: str
) -> None:
    s3, dynamodb = stack.client("s3"), stack.client("dynamodb")
    first, second = (
        s3.put_object(Bucket="uploads", Key="week.csv", Body=body)["VersionId"]
        for body in (b"first", b"second")
    )
    loads, claims = Loads(dynamodb, "ledger"), Claims(dynamodb, "ledger")
    assert claims.move(None, Claim("uploads", "week.csv", second, "load-2"))
    loads.open_load("load-2", {}, f"{EXECUTION}:load-2")
    loads.close_load("load-2", later, {})
    for name, version in (("week", first), ("week-2", second)):
        given = {**GIVEN, "key": "week.csv", "version_id": version}
        step_functions.add(name, "FAILED", input=json.dumps(given))
        send(stack, {**refused_letter(name), "input": given})
    if later == "FAILED":
        assert replay("--all") == [("week", "refused"), ("week-2", "refused")]
        return
    shown = tickets("dead-letters").stdout.splitlines()
    [line] = [line for line in shown if line.startswith("  week  ")]
    assert line.endswith("  a later version is loaded, as load-2")
    assert replay("--all", "--dry-run")[0] == ("load-2", "later_version_loaded")
    assert waiting(stack)[0] == 2
    assert replay("--all") == [("load-2", "later_version_loaded"), ("week-2", "refused")]
    assert waiting(stack)[0] == 1, "and no other letter"
    [action] = Actions(dynamodb, "ledger").all("week")
    assert (action["action"], action["by"]) == ("dismiss", CALLER)
    assert action["reason"] == "A later version of the object is loaded, as load-2."


@pytest.mark.parametrize("length", [74, 75, 80])
def test_a_long_name_leaves_room_for_the_number(
    stack: Stack, step_functions: StepFunctions, length: int
) -> None:
    name = "n" * length
    for other in (name, name[:-1] + "m"):
        step_functions.add(other, "FAILED")
        [(started, outcome)] = replay(other)
        assert (len(started) <= 80, outcome) == (True, "started")
        assert replay(other) == replay(started) == [(started, "running")]
    assert len({one["name"] for one in step_functions.started}) == 2


def test_uploads_are_sent_again(stack: Stack) -> None:
    send_upload(stack, notification("a.csv"))
    assert "Would be sent again" in tickets("replay", "--uploads", "--dry-run").stdout
    assert waiting(stack) == [0, 1, 0]
    assert "s3://uploads/a.csv: Sent again." in tickets("replay", "--uploads").stdout
    assert waiting(stack) == [0, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name an execution, or pass --all or --uploads."),
        (("a", "--all"), "--all replays every failed load"),
        (("--uploads", "--redrive"), "--redrive is for executions"),
    ],
)
def test_wrong_use_is_one_sentence(stack: Stack, arguments: list[str], words: str) -> None:
    assert_sentence(tickets("replay", *arguments), words)


def test_redrive_continues_only_what_nothing_has_caught(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    redriven: list[str] = []
    monkeypatch.setattr(
        step_functions.client,
        "redrive_execution",
        lambda **given: redriven.append(given["executionArn"]),
    )
    step_functions.add("a", "ABORTED")
    step_functions.add("b", "FAILED", error="LoadFailed")
    send(stack, event("a", "ABORTED"))
    assert replay("a", "b", "--redrive", "--dry-run") == [
        ("a", "would_redrive"),
        ("b-r1", "would_start"),
    ]
    assert redriven == []
    assert replay("a", "b", "--redrive") == [("a", "redriven"), ("b-r1", "started")]
    assert redriven == [f"{EXECUTION}:a"]
    assert waiting(stack)[0] == 0


def test_a_running_load_is_stopped(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[dict[str, str]] = []
    monkeypatch.setattr(
        step_functions.client, "stop_execution", lambda **given: stopped.append(given)
    )
    step_functions.add("a", "RUNNING")
    assert "tickets replay a" in tickets("stop", "a").stdout
    assert stopped[0]["executionArn"] == f"{EXECUTION}:a"
    step_functions.add("a", "SUCCEEDED")
    assert_sentence(tickets("stop", "a"), "a is SUCCEEDED: there is nothing to stop")
    assert_sentence(tickets("stop", "b"), "has no execution b")
