"""Replays and dismissals from the console's pages."""

import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from ingestion.ledger.actions import Actions
from tests.support.console_client import Answer, ConsoleClient, running_console
from tests.support.dead_letter_queue import (
    graph_letter,
    notification,
    refused_letter,
    send,
    send_upload,
    waiting,
)
from tests.support.step_functions import ACCEPTED, StepFunctions
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("empty_queues")
_FIELD = re.compile(r'name="(\w+)" value="([^"]*)"')


@pytest.fixture
def client(stack: Stack) -> Iterator[ConsoleClient]:
    with running_console(stack, allow_changes=True) as client:
        yield client


def failed(stack: Stack, step_functions: StepFunctions, *names: str) -> None:
    for name in names:
        validated = ("Task", "Validate File", {**ACCEPTED, "load_id": name})
        step_functions.add(name, "FAILED", [validated, ("Fail", "Load Failed", None)])
        send(stack, graph_letter(name))


def choose(client: ConsoleClient, step: str, *chosen: tuple[str, str]) -> Answer:
    """Presses a button of the page with the waiting failures."""
    [token] = re.findall(r'name="token" value="([^"]*)"', client.get("/failures").text)
    return client.post("/failures/change", [("token", token), ("step", step), *chosen])


def confirm(client: ConsoleClient, shown: Answer, **more: str) -> Answer:
    """Presses the button of the page that says what would be done."""
    fields = _FIELD.findall(shown.text[shown.text.index('class="confirm"') :])
    given = [pair for pair in fields if pair[0] != "refused"]
    return client.post("/failures/change", [*given, *more.items()])


def started(step_functions: StepFunctions) -> list[str]:
    return [one["name"] for one in step_functions.started]


def execution(name: str) -> tuple[str, str]:
    return "execution", name


# --- replays


def test_a_replay_is_shown_first_and_started_once_although_asked_for_twice(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    shown = choose(client, "show-replay", execution("a"))
    assert "Would start a-r1." in shown.text
    assert started(step_functions) == []
    assert waiting(stack)[0] == 1
    assert "Started a-r1." in confirm(client, shown).text
    assert "a-r1 is running: nothing to start." in confirm(client, shown).text
    assert started(step_functions) == ["a-r1"]
    assert waiting(stack)[0] == 0


def test_a_page_that_was_gone_back_to_starts_nothing_after_the_replay_has_failed(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    shown = choose(client, "show-replay", execution("a"))
    confirm(client, shown)
    step_functions.described["a-r1"]["status"] = "FAILED"
    send(stack, graph_letter("a-r1"))
    again = confirm(client, shown)
    assert "It was replayed already, as a-r1: nothing was started." in again.text
    assert started(step_functions) == ["a-r1"]
    # A page that is read now shows the next replay.
    assert "Would start a-r2." in choose(client, "show-replay", execution("a-r1")).text


def test_two_requests_at_once_start_one_execution(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    shown = choose(client, "show-replay", execution("a"))
    stack.client("sqs").purge_queue(QueueUrl=stack.failed_executions_queue_url)
    together = threading.Barrier(2)

    def wait(model: Any, **_: Any) -> None:
        """Lets a request go on when both have come to the start, or the other one can't."""
        if model.name == "StartExecution":
            with suppress(threading.BrokenBarrierError):
                together.wait(0.5)

    step_functions.client.meta.events.register_first("before-call.stepfunctions", wait)
    try:
        requests = [threading.Thread(target=confirm, args=(client, shown)) for _ in range(2)]
        for one in requests:
            one.start()
        for one in requests:
            one.join()
    finally:
        step_functions.client.meta.events.unregister("before-call.stepfunctions", wait)
    assert started(step_functions) == ["a-r1"]


def test_a_refused_file_is_replayed_only_if_that_is_asked_for(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    step_functions.add("b", "FAILED")
    send(stack, refused_letter("b"))
    shown = choose(client, "show-replay", execution("a"), execution("b"))
    assert "Left alone: the file is refused" in shown.text
    confirm(client, shown)
    assert (started(step_functions), waiting(stack)[0]) == (["a-r1"], 1)
    confirm(client, choose(client, "show-replay", execution("b")), refused="yes")
    assert (started(step_functions), waiting(stack)[0]) == (["a-r1", "b-r1"], 0)


def test_all_loads_of_a_cause_are_chosen_at_once(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a", "b", "c")
    [every] = re.findall(r'data-all value="([^"]*)"', client.get("/failures").text)
    shown = choose(client, "show-replay", execution(every), execution("b"))
    confirm(client, shown)
    assert sorted(started(step_functions)) == ["a-r1", "b-r1", "c-r1"]


def test_a_load_that_can_not_be_replayed_does_not_keep_the_others_from_it(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    shown = choose(client, "show-replay", execution("gone"), execution("a"))
    assert "Execution gone is unknown" in shown.text
    confirm(client, shown)
    assert started(step_functions) == ["a-r1"]


def test_the_reason_is_recorded_with_the_replay(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    confirm(client, choose(client, "show-replay", execution("a")), reason="table was full")
    assert '"reason": "table was full"' in step_functions.started[0]["input"]


def test_an_upload_that_was_not_started_is_sent_again(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    for key in ("a.csv", "b.csv"):
        send_upload(stack, notification(key))
    [_, chosen] = re.findall(r'name="message" id="([^"]*)"', client.get("/failures").text)
    shown = choose(client, "show-replay", ("message", chosen))
    assert "Would be sent again." in shown.text
    assert waiting(stack) == [0, 2, 0]
    assert "Sent again." in confirm(client, shown).text
    assert waiting(stack) == [0, 1, 1]
    assert "nothing to send" in confirm(client, shown).text


# --- dismissals


def test_a_dismissal_is_shown_first_and_recorded(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    shown = choose(client, "show-dismiss", execution("a"))
    assert "1 dead letter would be deleted." in shown.text
    assert waiting(stack)[0] == 1
    assert "Dismissed." in confirm(client, shown, reason="wrong file").text
    assert waiting(stack)[0] == 0
    assert "It has no dead letter any more" in confirm(client, shown).text
    [action] = Actions(stack.client("dynamodb"), "ledger").all("a")
    assert (action["action"], action["reason"]) == ("dismiss", "wrong file")


def test_an_upload_can_be_dismissed(stack: Stack, client: ConsoleClient) -> None:
    send_upload(stack, notification("a.csv"))
    [chosen] = re.findall(r'name="message" id="([^"]*)"', client.get("/failures").text)
    confirm(client, choose(client, "show-dismiss", ("message", chosen)))
    assert waiting(stack) == [0, 0, 0]


def test_nothing_is_done_when_nothing_was_chosen(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    for step in ("show-replay", "show-dismiss", "replay", "dismiss"):
        answer = choose(client, step)
        assert "No failure was chosen." in answer.text
        assert 'class="confirm"' not in answer.text
    assert (started(step_functions), waiting(stack)[0]) == ([], 1)


# --- what waits


def test_the_page_says_when_something_else_waits_than_it_shows(
    stack: Stack, step_functions: StepFunctions, client: ConsoleClient
) -> None:
    failed(stack, step_functions, "a")
    [events] = re.findall(r'data-events="([^"]*)"', client.get("/failures").text)
    assert events == "/events/failures?seen=1"
    send(stack, graph_letter("b"))
    said = next(data for name, data in client.events(events) if name == "stale")
    assert said == "2 messages wait now, and 1 did when this page was read. Load it again."
