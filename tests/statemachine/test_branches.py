"""Each branch of the state machine as an engine takes it: TestState with mocked tasks.

The mocked results are what the handlers really answer with. On the embedded engine a path that is
not there yields null, so what a state makes is compared whole, and test_data_flow.py proves paths.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.states import all_states
from tests.support.task_answers import Answers
from tools import definition

STATES = all_states(definition.load())
INPUT = {"bucket": "uploads", "key": "tickets.csv"}
EXECUTION = {
    "Id": "arn:aws:states:us-east-1:000000000000:execution:Ingest:tickets-csv-0a1b",
    "Name": "tickets-csv-0a1b",
    "StartTime": "2026-01-01T10:00:00.000Z",
    "Input": INPUT,
}
TASKS = [
    *("Validate File", "Split File", "Take Turn", "Write Chunk", "Reconcile"),
    "Settle Equal Keys",
]
CATCHING = [name for name, state in STATES.items() if "Catch" in state and state["Type"] == "Task"]

# Where a state leads whose failure is not what the load fails of.
ON_ITS_WAY = {
    "Announce Success": "Loaded",
    "Announce Failure": "Send To Dead Letter Queue",
    "Send To Dead Letter Queue": "Load Failure Not Reported",
}

Tested = dict[str, Any]
Test = Callable[..., Tested]


@pytest.fixture
def run(step_functions: Any) -> Test:
    """Test one state with `$`. Its task answers with `payload`, or fails with `error`.

    Gives status, nextState, error and cause as TestState does, and `output` parsed.
    """

    def run_state(
        name: str,
        state_input: Any,
        *,
        payload: Any = None,
        error: str | None = None,
        attempts: int = 0,
        without: str | None = None,
    ) -> Tested:
        state = {key: value for key, value in STATES[name].items() if key != without}
        arguments: dict[str, Any] = {
            "definition": json.dumps(state),
            "stateName": name,
            "input": json.dumps(state_input),
            "context": json.dumps({"Execution": EXECUTION}),
        }
        if error:
            cause = f"{name} failed"
            arguments["mock"] = {"errorOutput": {"error": error, "cause": cause}}
            arguments["stateConfiguration"] = {"retrierRetryCount": attempts}
        elif payload is not None:
            arguments["mock"] = {"result": json.dumps(payload)}
        tested = step_functions.test_state(**arguments)
        tested["output"] = json.loads(tested["output"]) if "output" in tested else None
        return tested

    return run_state


def invoked(answer: Any) -> dict[str, Any]:
    """A Lambda's answer as the optimized integration gives it."""
    return {"ExecutedVersion": "$LATEST", "Payload": answer, "StatusCode": 200}


@pytest.fixture
def loading(answers: Answers) -> dict[str, Any]:
    """`$` after Split File."""
    return {**answers.accepted, "plan": answers.plan}


# ---------------------------------------------------------------- Validate File


def test_validate_file_replaces_the_input_by_its_answer(run: Test, answers: Answers) -> None:
    tested = run("Validate File", INPUT, payload=invoked(answers.accepted))
    assert tested["status"] == "SUCCEEDED"
    assert tested["nextState"] == "File Accepted?"
    assert tested["output"] == answers.accepted


@pytest.mark.parametrize(
    ("verdict", "goes_to"),
    [
        ("accepted", "Split File"),
        ("already_loaded", "Already Loaded"),
        ("refused", "Describe Refusal"),
        ("gone", "Describe Refusal"),
    ],
)
def test_file_accepted(run: Test, answers: Answers, verdict: str, goes_to: str) -> None:
    answer = getattr(answers, verdict)
    tested = run("File Accepted?", answer)
    assert tested["nextState"] == goes_to
    assert tested["output"] == answer


def test_already_loaded_is_a_success_that_says_so(run: Test, answers: Answers) -> None:
    tested = run("Already Loaded", answers.already_loaded)
    assert tested["status"] == "SUCCEEDED"
    assert tested["output"]["verdict"] == "already_loaded"


# ---------------------------------------------------------------- Split File


def test_split_file_adds_the_plan(run: Test, answers: Answers) -> None:
    tested = run("Split File", answers.accepted, payload=invoked(answers.plan))
    assert tested["nextState"] == "Anything To Write?"
    assert tested["output"] == {**answers.accepted, "plan": answers.plan}


def test_a_plan_with_chunks_takes_its_turn(run: Test, loading: dict[str, Any]) -> None:
    assert loading["plan"]["chunks"] == 1
    assert run("Anything To Write?", loading)["nextState"] == "Take Turn"


def test_a_plan_without_chunks_skips_the_map(run: Test, answers: Answers) -> None:
    """A Distributed Map over no items is an error."""
    assert answers.empty_plan["chunks"] == 0
    state_input = {**answers.accepted, "plan": answers.empty_plan}
    assert run("Anything To Write?", state_input)["nextState"] == "Reconcile"


# ---------------------------------------------------------------- Take Turn


@pytest.mark.parametrize("turn", ["my_turn", "waiting", "late"])
def test_take_turn_keeps_everything_and_adds_the_turn(
    run: Test, answers: Answers, loading: dict[str, Any], turn: str
) -> None:
    answer = getattr(answers, turn)
    tested = run("Take Turn", loading, payload=invoked(answer))
    assert tested["nextState"] == "Whose Turn?"
    assert tested["output"] == {**loading, "turn": answer}


@pytest.mark.parametrize(
    ("turn", "goes_to"),
    [
        ("my_turn", "Write Chunks"),
        ("waiting", "Wait For Earlier Writers"),
        ("late", "Overtaken"),
    ],
)
def test_whose_turn(
    run: Test, answers: Answers, loading: dict[str, Any], turn: str, goes_to: str
) -> None:
    state_input = {**loading, "turn": getattr(answers, turn)}
    tested = run("Whose Turn?", state_input)
    assert tested["nextState"] == goes_to
    assert tested["output"] == state_input


def test_after_the_wait_the_turn_is_taken_anew(
    run: Test, answers: Answers, loading: dict[str, Any]
) -> None:
    state_input = {**loading, "turn": answers.waiting}
    tested = run("Wait For Earlier Writers", state_input)
    assert (tested["status"], tested["nextState"]) == ("SUCCEEDED", "Take Turn")
    assert tested["output"] == state_input
    again = run("Take Turn", tested["output"], payload=invoked(answers.my_turn))
    assert again["output"] == {**loading, "turn": answers.my_turn}


def test_overtaken_is_a_success_that_says_so(
    run: Test, answers: Answers, loading: dict[str, Any]
) -> None:
    tested = run("Overtaken", {**loading, "turn": answers.late})
    assert tested["status"] == "SUCCEEDED"
    assert tested["output"]["turn"] == {"turn": "overtaken"}


# ---------------------------------------------------------------- Write Chunk


@pytest.fixture
def writing(answers: Answers) -> dict[str, Any]:
    """`$` in the child execution of one chunk."""
    known = {name: answers.accepted[name] for name in ("load_id", "file")}
    return {**known, "chunk": answers.chunk}


def test_write_chunk_keeps_its_input_and_adds_its_progress(
    run: Test, answers: Answers, writing: dict[str, Any]
) -> None:
    tested = run("Write Chunk", writing, payload=invoked(answers.finished))
    progress = tested["output"].pop("progress")
    assert tested["nextState"] == "Chunk Finished?"
    assert tested["output"] == writing
    assert progress == {name: answers.finished[name] for name in progress}
    assert progress["finished"] is True


@pytest.mark.parametrize(
    ("true", "goes_to"),
    [
        ("finished", "Chunk Written"),
        (None, "Write Chunk"),
        ("overtaken", "Chunk Overtaken"),
        ("table_replaced", "Table Replaced"),
    ],
)
def test_chunk_finished(run: Test, writing: dict[str, Any], true: str | None, goes_to: str) -> None:
    """Round again with the same input, which the function continues from its checkpoint."""
    names = ("finished", "overtaken", "table_replaced")
    state_input = {**writing, "progress": {name: name == true for name in names}}
    tested = run("Chunk Finished?", state_input)
    assert tested["nextState"] == goes_to
    assert tested["output"] == state_input


def test_a_chunk_that_is_overtaken_ends_its_child_in_success(
    run: Test, answers: Answers, writing: dict[str, Any]
) -> None:
    """Reconcile tells what that means for the load."""
    written = run("Write Chunk", writing, payload=invoked(answers.stopped))["output"]
    assert run("Chunk Finished?", written)["nextState"] == "Chunk Overtaken"
    assert run("Chunk Overtaken", written)["status"] == "SUCCEEDED"


def test_a_chunk_that_keeps_failing_fails_its_child_with_the_functions_own_error(
    run: Test, writing: dict[str, Any]
) -> None:
    tested = run("Write Chunk", writing, error="NoProgress", attempts=5)
    assert (tested["status"], tested["error"]) == ("FAILED", "NoProgress")


# ---------------------------------------------------------------- Reconcile


def test_reconcile_adds_the_result(run: Test, answers: Answers, loading: dict[str, Any]) -> None:
    tested = run("Reconcile", loading, payload=invoked(answers.result))
    assert tested["nextState"] == "Everything Written?"
    assert tested["output"] == {**loading, "result": answers.result}


@pytest.mark.parametrize(
    ("result", "goes_to"),
    [
        ("result", "Announce Success"),
        ("shortfall", "Describe Shortfall"),
        ("overtaken", "Overtaken"),
        ("unsettled", "Settle Equal Keys"),
    ],
)
def test_everything_written(
    run: Test, answers: Answers, loading: dict[str, Any], result: str, goes_to: str
) -> None:
    state_input = {**loading, "result": getattr(answers, result)}
    assert run("Everything Written?", state_input)["nextState"] == goes_to


# ---------------------------------------------------------------- Settle Equal Keys


def test_settling_equal_keys_says_how_far_it_got(
    run: Test, answers: Answers, loading: dict[str, Any]
) -> None:
    state_input = {**loading, "result": answers.unsettled}
    tested = run("Settle Equal Keys", state_input, payload=invoked(answers.settled))
    assert tested["nextState"] == "Equal Keys Settled?"
    assert tested["output"] == {**state_input, "equal_keys": answers.settled}
    assert answers.settled["rows_superseded"] == 1


@pytest.mark.parametrize(
    ("state", "goes_to"),
    [
        ("settled", "Reconcile"),
        ("overtaken", "Reconcile"),
        ("unsettled", "Settle Equal Keys"),
        ("waiting", "Wait For Last Writers"),
    ],
)
def test_equal_keys_settled(run: Test, answers: Answers, state: str, goes_to: str) -> None:
    state_input = {"equal_keys": {**answers.settled, "state": state}}
    assert run("Equal Keys Settled?", state_input)["nextState"] == goes_to


def test_whoever_waits_for_the_last_writers_settles_after_that() -> None:
    assert STATES["Wait For Last Writers"]["Next"] == "Settle Equal Keys"


def test_loaded_gives_the_totals(run: Test, answers: Answers, loading: dict[str, Any]) -> None:
    tested = run("Loaded", {**loading, "result": answers.result})
    assert tested["status"] == "SUCCEEDED"
    assert tested["output"]["result"] == answers.result


# ---------------------------------------------------------------- Errors


@pytest.mark.parametrize("name", CATCHING)
@pytest.mark.parametrize("error", ["Runtime.HandlerError", "States.Timeout"])
def test_a_state_that_keeps_failing_is_caught_and_named(run: Test, name: str, error: str) -> None:
    tested = run(name, {**INPUT, "dead_letter": {}}, error=error, attempts=100)
    assert tested["status"] == "CAUGHT_ERROR"
    goes_on = ON_ITS_WAY.get(name, f"{name} Failed")
    assert tested["nextState"] == goes_on
    state = name.lower().replace(" ", "_")
    caught = {state: {"Error": error, "Cause": f"{name} failed"}}
    assert tested["output"] == {**INPUT, "dead_letter": {}, "failed": caught}


@pytest.mark.parametrize("name", [*TASKS, "Send To Dead Letter Queue"])
@pytest.mark.parametrize(
    ("error", "attempts"),
    [
        ("Runtime.HandlerError", 4),
        ("NoProgress", 4),
        ("States.Timeout", 4),
        ("Lambda.ServiceException", 4),
        ("Lambda.AWSLambdaException", 4),
        ("Lambda.SdkClientException", 4),
        ("Lambda.TooManyRequestsException", 4),
    ],
)
def test_an_error_is_retried_before_it_is_caught(
    run: Test, name: str, error: str, attempts: int
) -> None:
    # Without its Catch, since this engine's TestState looks there first, unlike AWS and unlike its
    # own executions.
    tested = run(
        name, {**INPUT, "dead_letter": {}}, error=error, attempts=attempts, without="Catch"
    )
    assert (tested["status"], tested["error"]) == ("RETRIABLE", error)


@pytest.mark.parametrize("name", TASKS)
def test_throttling_is_retried_longer_than_errors_are(run: Test, name: str) -> None:
    throttled = "Lambda.TooManyRequestsException"
    for error, status in ((throttled, "RETRIABLE"), ("Runtime.HandlerError", "FAILED")):
        tested = run(name, INPUT, error=error, attempts=19, without="Catch")
        assert tested["status"] == status


# ---------------------------------------------------------------- Dead letters


def dead_letter(tested: Tested, state_input: dict[str, Any]) -> dict[str, Any]:
    """The dead letter that a state has put beside its input, without the fields all have."""
    assert tested["status"] == "SUCCEEDED"
    assert tested["nextState"] == "Announce Failure"
    letter: dict[str, Any] = tested["output"].pop("dead_letter")
    assert tested["output"] == state_input
    assert letter.pop("failed_at").endswith("Z")
    assert letter.pop("execution_arn") == EXECUTION["Id"]
    assert letter.pop("execution_name") == EXECUTION["Name"]
    assert letter.pop("started_at") == EXECUTION["StartTime"]
    assert letter.pop("input") == INPUT
    return letter


@pytest.mark.parametrize("verdict", ["refused", "gone"])
def test_the_dead_letter_of_a_refused_file_has_the_reasons(
    run: Test, answers: Answers, verdict: str
) -> None:
    answer = getattr(answers, verdict)
    assert answer["summary"]
    assert answer["reasons"]
    assert dead_letter(run("Describe Refusal", answer), answer) == {
        "state": "Validate File",
        "error": "FileRefused",
        "cause": answer["summary"],
        "reasons": answer["reasons"],
        "load_id": answer["load_id"],
    }


def test_the_dead_letter_of_an_incomplete_load_has_the_totals(
    run: Test, answers: Answers, loading: dict[str, Any]
) -> None:
    state_input = {**loading, "result": answers.shortfall}
    assert dead_letter(run("Describe Shortfall", state_input), state_input) == {
        "state": "Reconcile",
        "error": "LoadIncomplete",
        "cause": "1 of 1 chunks are not finished; the first is chunk 0.",
        "result": answers.shortfall,
        "load_id": answers.accepted["load_id"],
    }


@pytest.mark.parametrize(
    ("state", "before", "load_id"),
    [
        # Validate File fails before there is more than the input.
        ("Validate File", INPUT, None),
        ("Split File", {"load_id": "tickets-csv-0a1b"}, "tickets-csv-0a1b"),
        ("Take Turn", {"load_id": "tickets-csv-0a1b"}, "tickets-csv-0a1b"),
        ("Write Chunks", {"load_id": "tickets-csv-0a1b"}, "tickets-csv-0a1b"),
        ("Reconcile", {"load_id": "tickets-csv-0a1b"}, "tickets-csv-0a1b"),
        ("Settle Equal Keys", {"load_id": "tickets-csv-0a1b"}, "tickets-csv-0a1b"),
    ],
)
def test_the_dead_letter_of_a_failed_state_has_its_name_and_the_load(
    run: Test, state: str, before: dict[str, Any], load_id: str | None
) -> None:
    caught = {"Error": "Runtime.HandlerError", "Cause": "no connection"}
    failed = {state.lower().replace(" ", "_"): caught}
    named = run(f"{state} Failed", {**before, "failed": failed})
    assert (named["status"], named["nextState"]) == ("SUCCEEDED", "Describe Failure")
    letter = dead_letter(run("Describe Failure", named["output"]), named["output"])
    assert json.loads(letter.pop("cause")) == failed
    assert letter == {
        "error": "StateFailed",
        "failed": failed,
        "state": state,
        "load_id": load_id,
    }


def test_a_sent_dead_letter_leaves_everything_as_it_was(run: Test) -> None:
    state_input = {**INPUT, "dead_letter": {"cause": "The file is empty."}}
    sent = {"MessageId": "m", "MD5OfMessageBody": "d"}
    tested = run("Send To Dead Letter Queue", state_input, payload=sent)
    assert tested["nextState"] == "Load Failed"
    assert tested["output"] == state_input


@pytest.mark.parametrize(
    ("name", "error"),
    [("Load Failed", "LoadFailed"), ("Load Failure Not Reported", "LoadFailureNotReported")],
)
def test_a_failed_load_fails_with_the_cause_of_its_dead_letter(
    run: Test, name: str, error: str
) -> None:
    tested = run(name, {**INPUT, "dead_letter": {"cause": "The file is empty."}})
    assert tested["status"] == "FAILED"
    assert (tested["error"], tested["cause"]) == (error, "The file is empty.")
