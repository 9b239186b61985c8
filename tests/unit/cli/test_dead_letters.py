"""`tickets dead-letters`: every failure that waits, with nothing taken away by looking."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from ingestion.ledger.chunks import ChunkProgress, Chunks
from ingestion.ledger.loads import Loads
from tests.support.command_line import lines, tickets
from tests.support.dead_letter_queue import (
    GIVEN,
    event,
    graph_letter,
    notification,
    refused_letter,
    send,
    send_upload,
    state_failed,
    waiting,
)
from tests.support.step_functions import ACCEPTED, EXECUTION, StepFunctions, failed_visits
from tickets.cli.text import local_time
from tickets.runs import dead_letters, executions
from tickets.runs.dead_letters import held_dead_letters
from tickets.runs.executions import FailedChunk
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")

FAILED_AT = datetime(2026, 3, 1, 9, 1, tzinfo=UTC)
DENIED = {
    "error": "AccessDeniedException",
    "message": "BatchWriteItem: User: role is not authorized to perform: dynamodb:BatchWriteItem.",
    "chunks": 4,
    "indexes": "0-3",
}


def test_a_failure_is_told_with_its_reason_and_how_far_it_came(
    stack: Stack, chunks: Chunks
) -> None:
    loads = Loads(stack.client("dynamodb"), "ledger")
    plan = {"bucket": "work", "key": "plans/a.json", "chunks": 4}
    loads.open_load("a", {"report": "s3://work/reports/a.json"}, f"{EXECUTION}:a")
    loads.note_plan("a", "generation", plan)
    chunks.save("a", "generation", None, ChunkProgress(0, 0, 9, 9, finished=True))
    chunks.save("a", "generation", None, ChunkProgress(1, 9, 19, 12))
    send(stack, graph_letter("a"))
    [found] = lines(tickets("dead-letters", "--json"))
    assert found == {
        "kind": "execution",
        "execution": "a",
        "execution_arn": f"{EXECUTION}:a",
        "status": "FAILED",
        "state": "Reconcile",
        "error": "LoadIncomplete",
        "cause": "1 of 4 chunks are not finished; the first is chunk 1.",
        "errors": [],
        "is_refused": False,
        "rows_refused": None,
        "failed_at": "2026-03-01T09:01:00.000Z",
        "input": GIVEN,
        "load_id": "a",
        **GIVEN,
        "load_status": "RUNNING",
        "loaded_since": None,
        "chunks": 4,
        "chunks_done": 1,
        "plan": "s3://work/plans/a.json",
        "report": "s3://work/reports/a.json",
        "redrivable": False,
        "messages": 1,
    }
    text = tickets("dead-letters").stdout
    assert text.splitlines() == [
        "1 load: 1 of 4 chunks are not finished; the first is chunk 1.",
        f"  a  FAILED  {local_time(FAILED_AT)}  s3://uploads/a.csv  1 of 4 chunks written",
        "next: tickets replay a",
    ]


def test_a_load_by_another_name_is_found_through_its_execution(
    stack: Stack, step_functions: StepFunctions
) -> None:
    """A forced load, for example: its ledger entry doesn't have the name of the execution."""
    plan = {"bucket": "work", "key": "plans/a.json", "chunks": 4}
    Loads(stack.client("dynamodb"), "ledger").open_load("load-1", {"plan": plan}, "by-hand")
    step_functions.add("by-hand", "ABORTED", [("Task", "Validate File", ACCEPTED)])
    send(stack, event("by-hand", "ABORTED"))
    [found] = lines(tickets("dead-letters", "--json"))
    assert (found["load_id"], found["chunks_done"], found["chunks"]) == ("load-1", 0, 4)


def test_both_queues_are_listed_newest_first_and_two_messages_are_one_failure(
    stack: Stack,
) -> None:
    send(stack, graph_letter("first"))
    send_upload(stack, notification("a+b%26c.csv"))
    send(stack, event("second", "FAILED", "LoadFailureNotReported", "Nobody was told."))
    send(stack, graph_letter("second", cause="The graph knows more."))
    send_upload(stack, "no JSON")
    send(stack, "somebody else's")
    found = lines(tickets("dead-letters", "--json"))
    assert [one.get("execution", one["kind"]) for one in found] == [
        "unreadable", "upload", "second", "upload", "first",
    ]  # fmt: skip
    assert (found[2]["messages"], found[2]["cause"]) == (2, "The graph knows more.")
    assert [found[1]["objects"], found[3]["objects"]] == [[], ["s3://uploads/a b&c.csv"]]
    assert "neither an S3 event notification" in found[1]["cause"]
    assert "s3://uploads/a b&c.csv  NOT STARTED" in tickets("dead-letters").stdout


@pytest.mark.parametrize("order", [1, -1])
def test_the_graph_knows_more_than_the_rule_whichever_came_first(stack: Stack, order: int) -> None:
    for body in [graph_letter("a"), event("a", "ABORTED")][::order]:
        send(stack, body)
    [found] = lines(tickets("dead-letters", "--json"))
    assert (found["messages"], found["state"], found["load_id"]) == (2, "Reconcile", "a")


@pytest.mark.parametrize(
    ("body", "reason", "redrivable"),
    [
        (
            state_failed("a"),
            "Split File failed with States.Timeout: It took too long.",
            False,  # caught
        ),
        (event("a", "ABORTED"), "The execution was stopped.", True),
        (event("a", "TIMED_OUT"), "The execution timed out.", True),
        (event("a", "FAILED", "States.Runtime", "No path."), "States.Runtime: No path.", True),
        (
            event("a", "FAILED", "LoadFailureNotReported", "The file is empty."),
            "The file is empty. (The state machine could not send this dead letter itself.)",
            False,
        ),
    ],
)
def test_the_reason_is_in_words(stack: Stack, body: object, reason: str, redrivable: bool) -> None:
    send(stack, body)
    [found] = lines(tickets("dead-letters", "--json"))
    assert (found["cause"], found["redrivable"]) == (reason, redrivable)


def test_looking_takes_nothing_away(stack: Stack) -> None:
    for number in range(23):
        send(stack, graph_letter(f"a{number}"))
        send_upload(stack, notification(f"{number}.csv"))
    for _ in range(2):
        assert len(lines(tickets("dead-letters", "--json"))) == 46
        assert waiting(stack) == [23, 23, 0]


def test_an_interrupted_look_hands_everything_back(stack: Stack) -> None:
    send(stack, graph_letter("a"))

    def look() -> None:
        with held_dead_letters(stack):
            assert waiting(stack)[0] == 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look()
    assert waiting(stack)[0] == 1


def test_a_second_reader_waits_for_the_first_and_then_gets_everything(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_BUSY_PAUSE_SECONDS", 0.01)
    for number in range(12):
        send(stack, graph_letter(f"a{number}"))
    send_upload(stack, notification("a.csv"))
    with ExitStack() as first:
        first.enter_context(held_dead_letters(stack))
        with held_dead_letters(stack, on_busy=first.close) as letters:
            found = len(letters.executions), len(letters.uploads), letters.unseen
    assert found == (12, 1, 0)


def test_two_readers_with_a_part_each_do_not_wait_for_each_other(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        send(stack, graph_letter(name))
    sqs, url = stack.client("sqs"), stack.failed_executions_queue_url
    [other] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1)["Messages"]

    def pauses(*_: object, **__: object) -> Iterator[float]:
        yield 0.0
        assert waiting(stack)[0] == 2, "it holds nothing while it pauses"
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=other["ReceiptHandle"], VisibilityTimeout=0
        )
        yield 1.0

    monkeypatch.setattr(dead_letters, "polls", pauses)
    assert len(lines(tickets("dead-letters", "--json"))) == 3


@pytest.mark.parametrize(
    ("command", "exit_code", "listed"),
    [
        ("dead-letters", 1, ["b"]),
        ("dead-letters --json", 1, ['"b"']),
        ("replay --all --dry-run", 1, ["b: Would start b-r1."]),
        ("replay --uploads", 1, []),
        ("replay b --dry-run", 0, ["b: Would start b-r1."]),
    ],
)
def test_messages_that_another_reader_keeps_are_counted_and_the_exit_code_says_so(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, command: str, exit_code: int, listed: list[str]
) -> None:
    monkeypatch.setattr(dead_letters, "_BUSY_SECONDS", 0.0)
    send(stack, graph_letter("a"))
    send_upload(stack, notification("a.csv"))
    with held_dead_letters(stack):
        send(stack, graph_letter("b"))
        result = tickets(*command.split())
    assert result.exit_code == exit_code, result.output
    assert ("Another process holds about 2 more" in result.stderr) == (exit_code == 1)
    assert len(result.stdout.splitlines()) >= len(listed)
    for text in listed:
        assert text in result.stdout


@pytest.mark.parametrize("command", ["dead-letters", "replay --all", "replay --uploads"])
def test_a_queue_of_which_another_reader_holds_everything_is_not_called_empty(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(dead_letters, "_BUSY_SECONDS", 0.0)
    send(stack, graph_letter("a"))
    with held_dead_letters(stack):
        result = tickets(*command.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Another process holds about 1 more" in result.stderr


def test_messages_of_a_killed_reader_come_back_within_a_minute(stack: Stack) -> None:
    send(stack, graph_letter("a"))
    asked: list[int] = []
    client = stack.client("sqs")

    def note(params: dict[str, Any], **_: object) -> None:
        asked.append(params["VisibilityTimeout"])

    client.meta.events.register("provide-client-params.sqs.ReceiveMessage", note)
    try:
        tickets("dead-letters")
    finally:
        client.meta.events.unregister("provide-client-params.sqs.ReceiveMessage", note)
    assert 0 < max(asked) <= 60


def test_an_empty_queue_is_said_to_be_empty(stack: Stack) -> None:
    assert "no dead letters" in tickets("dead-letters").stdout
    assert tickets("dead-letters", "--json").stdout == ""


def incomplete(name: str) -> dict[str, Any]:
    """The dead letter of a load whose chunks failed."""
    cause = f"4 of 4 chunks are not finished; the first is chunk 0. Chunks 0-3: {DENIED['error']}: "
    given = {**GIVEN, "key": f"{name}.csv"}
    result = {"rows_refused": 0, "errors": [DENIED]}
    return graph_letter(name, cause=cause, result=result, input=given)


def test_loads_with_the_same_error_are_one_cause_with_a_line_each_and_one_next_step(
    stack: Stack,
) -> None:
    for number in range(12):
        send(stack, incomplete(f"till-{number}"))
    send(stack, refused_letter("week-47"))
    shown = tickets("dead-letters").stdout.splitlines()
    assert shown[:4] == [
        "1 load: The file week-47.csv has no header.",
        f"  week-47  FAILED  {local_time(FAILED_AT)}  s3://uploads/week-47.csv",
        "  A replay would read the same bytes. Correct the file and upload it again.",
        "next: tickets dismiss week-47",
    ]
    assert shown[4] == f"12 loads: {DENIED['error']}: {DENIED['message']}"
    assert [line.split()[0] for line in shown[5:17]] == [f"till-{at}" for at in range(11, -1, -1)]
    written = "nothing written; there is no plan yet  failed: chunks 0-3"
    assert shown[5].endswith(f"  s3://uploads/till-11.csv  {written}")
    assert shown[17:] == ["next: tickets replay --all"]


def test_causes_that_differ_only_in_names_and_numbers_are_one_and_others_are_not(
    stack: Stack,
) -> None:
    send(stack, refused_letter("a"))
    send(stack, refused_letter("b"))
    send(stack, incomplete("c"))
    send(stack, graph_letter("d", cause="7 of 90 rows are refused.", result={"rows_refused": 7}))
    send(stack, graph_letter("e", cause="9 of 12 rows are refused.", result={"rows_refused": 9}))
    shown = tickets("dead-letters").stdout.splitlines()
    assert [line for line in shown if not line.startswith(" ")] == [
        "2 loads: 9 of 12 rows are refused.",
        "next: tickets refused e",
        f"1 load: {DENIED['error']}: {DENIED['message']}",
        "next: tickets replay c",
        "2 loads: The file b.csv has no header.",
        "next: tickets dismiss --all --refused",
    ]


def test_refused_rows_are_looked_at_only_after_all_chunks_are_written(stack: Stack) -> None:
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("a", {}, f"{EXECUTION}:a")
    loads.note_plan("a", "generation", {"bucket": "work", "key": "plans/a.json", "chunks": 2})
    send(stack, graph_letter("a", result={"rows_refused": 7, "errors": [DENIED]}))
    assert tickets("dead-letters").stdout.splitlines()[-1] == "next: tickets replay a"


def test_twenty_loads_are_listed_per_cause_and_json_lists_all(stack: Stack) -> None:
    for number in range(23):
        send(stack, incomplete(f"till-{number}"))
    shown = tickets("dead-letters").stdout.splitlines()
    assert len(shown) == 1 + 20 + 2
    assert shown[-2:] == ["  and 3 more, which --json lists", "next: tickets replay --all"]
    assert len(lines(tickets("dead-letters", "--json"))) == 23


def test_an_error_that_the_letter_lacks_comes_from_the_chunks_executions(
    stack: Stack, step_functions: StepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that Lambda ended can't record its error."""
    loads = Loads(stack.client("dynamodb"), "ledger")
    loads.open_load("a", {}, f"{EXECUTION}:a")
    loads.note_plan("a", "generation", {"bucket": "work", "key": "plans/a.json", "chunks": 2})
    step_functions.add("a", "FAILED", failed_visits())
    failed = [FailedChunk(at, f"Sandbox.Timedout: RequestId: {at} timed out") for at in (0, 1)]
    monkeypatch.setattr(executions.Execution, "failed_chunks", lambda _: failed)
    send(stack, graph_letter("a"))
    shown = tickets("dead-letters").stdout.splitlines()
    assert shown[0] == "1 load: Sandbox.Timedout: RequestId: 0 timed out"
    assert shown[1].endswith("0 of 2 chunks written  failed: chunks 0-1")


def test_an_upload_says_why_it_was_not_started(stack: Stack) -> None:
    sqs, url = stack.client("sqs"), stack.upload_dead_letter_queue_url
    sent_at = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
    told = "An error occurred (AccessDeniedException) when calling StartExecution."
    attributes = {
        "Reason": {"DataType": "String", "StringValue": told},
        "SentAt": {"DataType": "Number", "StringValue": f"{sent_at.timestamp() * 1000:.0f}"},
    }
    body = json.dumps(notification("a.csv"))
    sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    assert tickets("dead-letters").stdout.splitlines() == [
        f"1 upload: {told}",
        f"  s3://uploads/a.csv  NOT STARTED  {local_time(sent_at)}",
        "next: tickets replay --uploads",
    ]


def test_an_upload_without_a_reason_leads_to_the_doctor(stack: Stack) -> None:
    send_upload(stack, notification("a.csv"))
    shown = tickets("dead-letters").stdout.splitlines()
    assert shown[0].startswith("1 upload: start_execution received it 20 times and gave no reason")
    assert shown[2:] == ["  `tickets doctor` checks it.", "next: tickets replay --uploads"]


def test_what_no_replay_can_load_leads_to_its_dismissal(stack: Stack) -> None:
    send(stack, "somebody else's")
    send_upload(stack, "no JSON")
    letters = lines(tickets("dead-letters", "--json"))
    shown = tickets("dead-letters").stdout.splitlines()
    assert [line.split(":")[0] for line in shown[::3]] == ["1 message", "1 message"]
    steps = [line for line in shown if line.startswith("next: ")]
    assert steps == [f"next: tickets dismiss {one['message_id']}" for one in letters]
