"""Where each state leads, with what the handlers really answer.

The routes are written down by hand. They are interpreted, and the embedded engine must agree with
the interpreter on every visit of a state that can happen: tests on moto rely on the interpreter.
"""

import json
from typing import Any

import pytest

from tests.support.state_machine import (
    EXECUTIONS,
    STARTED_AT,
    Execution,
    Failure,
    Visit,
    handler_of,
    run,
)
from tests.support.states import all_states
from tests.support.task_answers import Answers
from tools import definition

STATES = all_states(definition.load())
INPUT = {"bucket": "uploads", "key": "tickets.csv"}
TASKS = (
    *("Validate File", "Split File", "Take Turn", "Write Chunk", "Reconcile"),
    "Settle Equal Keys",
)

Json = dict[str, Any]


def load(answers: Answers, failing: str = "", **chosen: str) -> Execution:
    """An execution in which each handler gives its first answer, or the one that is named, and the
    task of the state `failing` fails for good."""
    plan = json.dumps(list(answers["item"].values())).encode()

    def call(task: Execution) -> Any:
        if task.state == failing:
            raise Failure("Runtime.HandlerError", "no connection")
        if task.handler not in answers:
            return {}
        first = next(iter(answers[task.handler]))
        return answers[task.handler][chosen.pop(task.handler, first)]

    return run(Execution(INPUT, lambda *_: plan, stops_at_services=True), call)


def states_of(execution: Execution) -> list[str]:
    return [visit.state for visit in execution.visits]


# ---------------------------------------------------------------- Routes

FAILS = ["Announce Failure", "Send To Dead Letter Queue", "Load Failed"]
VALIDATED = ["Validate File", "File Accepted?"]
SPLIT = [*VALIDATED, "Split File", "Anything To Write?"]
MINE = [*SPLIT, "Take Turn", "Whose Turn?"]
WRITTEN = [*MINE, "Write Chunks", "Reconcile", "Everything Written?"]
RECONCILED = ["Reconcile", "Everything Written?", "Announce Success", "Loaded"]
SMALL = [*VALIDATED, "Write Small File", "Small File Finished?"]
NEEDED = {"Settle Equal Keys": {"reconcile": "unsettled"}}
"""What must have been answered for an execution to come to a state."""
SETTLED = ["Settle Equal Keys", "Equal Keys Settled?", "Reconcile"]


@pytest.mark.parametrize(
    ("chosen", "route"),
    [
        ({}, [*WRITTEN, "Announce Success", "Loaded"]),
        ({"validate_file": "small"}, [*SMALL, *RECONCILED]),
        # The file isn't written yet, because the table is busy.
        (
            {"validate_file": "small", "write_chunk": "checkpoint"},
            [*SMALL, *WRITTEN[2:], "Announce Success", "Loaded"],
        ),
        ({"validate_file": "small", "write_chunk": "table replaced"}, [*SMALL, *RECONCILED]),
        (
            {"validate_file": "small", "write_chunk": "overtaken", "reconcile": "overtaken"},
            [*SMALL, *RECONCILED[:2], "Overtaken"],
        ),
        ({"validate_file": "already_loaded"}, [*VALIDATED, "Already Loaded"]),
        ({"validate_file": "refused"}, [*VALIDATED, "Describe Refusal", *FAILS]),
        ({"validate_file": "gone"}, [*VALIDATED, "Describe Refusal", *FAILS]),
        # A Distributed Map over no items is an error.
        (
            {"split_file": "empty plan"},
            [*SPLIT, "Reconcile", "Everything Written?", "Announce Success", "Loaded"],
        ),
        ({"split_file": "refused"}, [*SPLIT, "Describe Split Refusal", *FAILS]),
        (
            {"take_turn": "wait"},
            [*MINE, "Wait For Turn", *WRITTEN[4:], "Announce Success", "Loaded"],
        ),
        ({"take_turn": "overtaken"}, [*MINE, "Overtaken"]),
        ({"reconcile": "missing"}, [*WRITTEN, "Describe Shortfall", *FAILS]),
        ({"reconcile": "overtaken"}, [*WRITTEN, "Overtaken"]),
        (
            {"reconcile": "unsettled"},
            [*WRITTEN, *SETTLED, "Everything Written?", "Announce Success", "Loaded"],
        ),
        # Round again, as Write Chunk does, after a checkpoint or after a wait.
        (
            {"reconcile": "unsettled", "settle_equal_keys": "checkpoint"},
            [*WRITTEN, *SETTLED[:2], *SETTLED, "Everything Written?", "Announce Success", "Loaded"],
        ),
        (
            {"reconcile": "unsettled", "settle_equal_keys": "waiting"},
            [
                *[*WRITTEN, *SETTLED[:2], "Wait For Last Writers", *SETTLED],
                *["Everything Written?", "Announce Success", "Loaded"],
            ],
        ),
        # Reconcile decides what it means for the load.
        (
            {"reconcile": "unsettled", "settle_equal_keys": "table replaced"},
            [*WRITTEN, *SETTLED, "Everything Written?", "Announce Success", "Loaded"],
        ),
    ],
)
def test_the_route_of_an_execution(answers: Answers, chosen: Json, route: list[str]) -> None:
    assert states_of(load(answers, **chosen)) == route


@pytest.mark.parametrize(
    ("chosen", "route"),
    [
        ({}, ["Write Chunk", "Chunk Finished?", "Chunk Written"]),
        # Round again with the same input, which the function continues from its checkpoint.
        ({"write_chunk": "checkpoint"}, ["Write Chunk", "Chunk Finished?"] * 2 + ["Chunk Written"]),
        ({"write_chunk": "overtaken"}, ["Write Chunk", "Chunk Finished?", "Chunk Overtaken"]),
        ({"write_chunk": "table replaced"}, ["Write Chunk", "Chunk Finished?", "Table Replaced"]),
    ],
)
def test_the_route_of_a_chunk(answers: Answers, chosen: Json, route: list[str]) -> None:
    execution = load(answers, **chosen)
    [child] = execution.all_children
    assert states_of(child) == route
    assert {json.dumps(visit.input["chunk"]) for visit in child.visits} == {
        json.dumps(answers["item"]["chunk"])
    }
    assert execution.ended_in == "Loaded", "Reconcile decides what a chunk means for the load"


@pytest.mark.parametrize("state", [name for name in TASKS if name != "Write Chunk"])
def test_a_task_that_keeps_failing_fails_the_load(answers: Answers, state: str) -> None:
    execution = load(answers, failing=state, **NEEDED.get(state, {}))
    assert states_of(execution)[-5:] == [f"{state} Failed", "Describe Failure", *FAILS]
    assert list(execution.data["failed"]) == [handler_of(state)]


def test_a_small_file_that_keeps_failing_leaves_it_to_reconcile(answers: Answers) -> None:
    """The dead letter has the error, because there is no child execution that has it."""
    execution = load(
        answers, failing="Write Small File", validate_file="small", reconcile="missing"
    )
    assert states_of(execution) == [*SMALL[:3], *RECONCILED[:2], "Describe Shortfall", *FAILS]
    letter = execution.data["dead_letter"]
    caught = {"Error": "Runtime.HandlerError", "Cause": "no connection"}
    assert letter["failed"] == {"write_small_file": caught}
    assert (letter["state"], letter["error"]) == ("Reconcile", "LoadIncomplete")


def test_a_chunk_that_keeps_failing_leaves_it_to_reconcile(answers: Answers) -> None:
    """The child execution fails with the function's own error, so that it stays redrivable."""
    execution = load(answers, failing="Write Chunk", reconcile="missing")
    assert states_of(execution) == [*WRITTEN, "Describe Shortfall", *FAILS]
    [child] = execution.all_children
    assert (child.status, child.error) == ("FAILED", "Runtime.HandlerError")


@pytest.mark.parametrize(
    ("failing", "chosen", "ending"),
    [
        ("Announce Success", {}, ["Announce Success", "Loaded"]),
        ("Announce Failure", {"reconcile": "missing"}, FAILS),
        (
            "Send To Dead Letter Queue",
            {"reconcile": "missing"},
            [*FAILS[:2], "Load Failure Not Reported"],
        ),
    ],
)
def test_a_message_that_can_not_be_sent(
    answers: Answers, failing: str, chosen: Json, ending: list[str]
) -> None:
    execution = load(answers, failing, **chosen)
    assert states_of(execution)[-len(ending) :] == ending


# ---------------------------------------------------------------- Retries


@pytest.mark.parametrize("state", [*TASKS, "Write Small File", "Send To Dead Letter Queue"])
@pytest.mark.parametrize(
    ("error", "retries"),
    [
        ("Runtime.HandlerError", 5),
        ("NoProgress", 5),
        ("States.Timeout", 5),
        ("Lambda.ServiceException", 5),
        ("Lambda.AWSLambdaException", 5),
        ("Lambda.SdkClientException", 5),
        ("Lambda.TooManyRequestsException", 1_600),
    ],
)
def test_an_error_is_retried_before_it_is_caught(state: str, error: str, retries: int) -> None:
    if error == "Lambda.TooManyRequestsException":
        retries = {"Send To Dead Letter Queue": 5}.get(state, retries)
    machine = definition.load()
    if state == "Write Chunk":
        machine = machine["States"]["Write Chunks"]["ItemProcessor"]
    given = {**INPUT, "load_id": "a", "file": {}, "plan": {}, "dead_letter": {"cause": ""}}
    task = Execution(given, no_object, machine=machine, at=state, stops_at_services=True)
    count = 0
    while task.fail(error):
        count += 1
    assert count == retries
    assert task.visits[0].error == error


def no_object(bucket: str, key: str) -> bytes:
    raise AssertionError("nothing is read")


# ---------------------------------------------------------------- Dead letters


def dead_letter(execution: Execution) -> Json:
    """The dead letter of an execution, without the fields that all have."""
    [letter] = execution.dead_letters
    assert letter["failed_at"].endswith("Z")
    assert letter["execution_arn"] == EXECUTIONS + "by-hand"
    assert letter["execution_name"] == "by-hand"
    assert letter["started_at"] == STARTED_AT
    assert letter["input"] == INPUT
    assert execution.cause == letter["cause"]
    [event] = execution.events
    assert (event["DetailType"], event["Detail"]) == ("Load Failed", letter)
    every = ("failed_at", "execution_arn", "execution_name", "started_at", "input")
    return {name: value for name, value in letter.items() if name not in every}


@pytest.mark.parametrize("verdict", ["refused", "gone"])
def test_the_dead_letter_of_a_refused_file_has_the_reasons(answers: Answers, verdict: str) -> None:
    answer = answers["validate_file"][verdict]
    assert answer["summary"]
    assert answer["reasons"]
    assert dead_letter(load(answers, validate_file=verdict)) == {
        "state": "Validate File",
        "error": "FileRefused",
        "cause": answer["summary"],
        "reasons": answer["reasons"],
        "load_id": answer["load_id"],
    }


def test_the_dead_letter_of_a_file_that_split_file_refuses_is_of_the_same_form(
    answers: Answers,
) -> None:
    refusal = answers["split_file"]["refused"]["refusal"]
    assert refusal["reason"] == "out_of_time"
    assert dead_letter(load(answers, split_file="refused")) == {
        "state": "Split File",
        "error": "FileRefused",
        "cause": refusal["detail"],
        "reasons": [refusal],
        "load_id": answers["validate_file"]["accepted"]["load_id"],
    }


def test_the_dead_letter_of_an_incomplete_load_has_the_totals(answers: Answers) -> None:
    assert dead_letter(load(answers, reconcile="missing")) == {
        "state": "Reconcile",
        "error": "LoadIncomplete",
        "cause": "1 of 1 chunks are not finished; the first is chunk 0.",
        "failed": {},
        "result": answers["reconcile"]["missing"],
        "load_id": answers["validate_file"]["accepted"]["load_id"],
    }


@pytest.mark.parametrize("state", [name for name in TASKS if name != "Write Chunk"])
def test_the_dead_letter_of_a_failed_state_has_its_name_and_the_load(
    answers: Answers, state: str
) -> None:
    """Validate File fails before there is more than the input."""
    letter = dead_letter(load(answers, failing=state, **NEEDED.get(state, {})))
    caught = {"Error": "Runtime.HandlerError", "Cause": "no connection"}
    failed = {handler_of(state): caught}
    assert json.loads(letter.pop("cause")) == failed
    load_id = answers["validate_file"]["accepted"]["load_id"]
    assert letter == {
        "error": "StateFailed",
        "failed": failed,
        "state": state,
        "load_id": None if state == "Validate File" else load_id,
    }


# ---------------------------------------------------------------- The engine


@pytest.mark.exhaustive
def test_the_engine_agrees_with_the_interpreter(
    answers: Answers, visits: list[Visit], step_functions: Any
) -> None:
    """TestState for every visit of a state, with the answer or the error that its task had."""
    for visit in visits:
        if visit.kind == "Map":  # TestState has none
            continue
        arguments: Json = {}
        if visit.kind == "Task" and visit.error:
            cause = f"{visit.state} failed"
            arguments["mock"] = {"errorOutput": {"error": visit.error, "cause": cause}}
            arguments["stateConfiguration"] = {"retrierRetryCount": 100}
        elif visit.kind == "Task":
            arguments["mock"] = {"result": json.dumps(visit.result)}
        execution = {"Id": EXECUTIONS + "by-hand", "Name": "by-hand", "Input": {}}
        tested = step_functions.test_state(
            definition=json.dumps(STATES[visit.state]),
            stateName=visit.state,
            input=json.dumps(visit.input),
            context=json.dumps({"Execution": {**execution, "StartTime": STARTED_AT}}),
            **arguments,
        )
        assert tested.get("nextState", "") == visit.target, visit
        assert tested.get("error", "") == visit.error or visit.target, visit
        if visit.output is not None:
            assert without_times(json.loads(tested["output"])) == without_times(visit.output), visit


def without_times(output: Json) -> Json:
    letter = output.get("dead_letter")
    return output | {"dead_letter": {**letter, "failed_at": ""}} if letter else output
