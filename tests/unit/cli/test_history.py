"""How an execution's history is read: one line per state, and the failure in words."""

import json
from typing import Any, cast

import pytest

from ingestion.executions.history import (
    SMALL_FILE,
    ending,
    ending_of_output,
    error_in_words,
    failure_in_words,
    group_visits,
    last_value,
    read_states,
    results,
)
from tests.support.step_functions import (
    COUNTS,
    StepFunctions,
    already_loaded_visits,
    entered,
    execution_visits,
    exited,
    failed_visits,
    late_visits,
    loaded_visits,
    overtaken_visits,
    refused_by_split_file_visits,
    refused_visits,
    small_file_visits,
    turn_visits,
)
from tickets.runs.executions import Execution, FailedChunk

TASK_FAILED = {
    "type": "TaskFailed",
    "taskFailedEventDetails": {"error": "Lambda.Unknown", "cause": "out of memory"},
}
SCHEDULED = {"type": "TaskScheduled", "taskScheduledEventDetails": {"resource": "invoke"}}


def history(*events: dict[str, Any]) -> list[dict[str, Any]]:
    step_functions = StepFunctions()
    step_functions.set_events("a", events)
    return step_functions.events["a"]


def test_every_visit_is_one_line_with_its_duration_and_result() -> None:
    step_functions = StepFunctions()
    step_functions.add("a", visits=loaded_visits())
    states = list(read_states(step_functions.events["a"]))
    assert [state.seconds for state in states] == [1.0] * 11
    assert dict(zip((state.state for state in states), results(states, COUNTS), strict=True)) == {
        "Validate File": "accepted",
        "File Accepted?": "-> Split File",
        "Split File": "2 chunks",
        "Anything To Write?": "-> Take Turn",
        "Take Turn": "its turn",
        "Whose Turn?": "-> Write Chunks",
        "Write Chunks": "2 of 2 chunks written",
        "Reconcile": "all 100 rows accounted for",
        "Everything Written?": "-> Announce Success",
        "Announce Success": "done",
        "Loaded": "SUCCEEDED",
    }


@pytest.mark.parametrize(
    ("written", "result"),
    [
        ({}, "10 rows read"),
        ({"finished": False}, "10 rows read so far; the table is busy"),
        ({"finished": False, "overtaken": True}, "a later version has taken over"),
        ({"finished": False, "table_replaced": True}, "the table was replaced"),
    ],
)
def test_a_small_file_has_a_line_of_its_own(written: dict[str, bool], result: str) -> None:
    step_functions = StepFunctions()
    step_functions.add("a", visits=small_file_visits(**written))
    states = list(read_states(step_functions.events["a"]))
    assert states[2].state == SMALL_FILE
    assert results(states, None)[1:3] == ["-> Write Small File", result]


def test_a_small_file_that_failed_is_a_failed_chunk() -> None:
    execution = Execution(cast("Any", None), "arn")
    events = history(
        entered("Task", SMALL_FILE), SCHEDULED, TASK_FAILED, exited("Task", SMALL_FILE)
    )
    vars(execution)["states"] = list(read_states(events))
    assert execution.failed_chunks() == [FailedChunk(0, "Lambda.Unknown: out of memory")]


def test_a_retried_task_that_succeeds_has_no_error_left() -> None:
    succeeded = {"type": "TaskSucceeded", "taskSucceededEventDetails": {}}
    (state,) = read_states(
        history(
            entered("Task", "Split File"),
            SCHEDULED,
            TASK_FAILED,
            SCHEDULED,
            succeeded,
            exited("Task", "Split File", {"plan": {"chunks": 1}}),
        )
    )
    assert (state.error, state.attempts) == (None, 2)
    assert results([state], None) == ["1 chunk"]


def test_a_caught_failure_keeps_its_error_and_number_of_tries() -> None:
    caught = exited("Task", "Split File", {"failed": {"split_file": {"Error": "Lambda.Unknown"}}})
    (state,) = read_states(
        history(
            entered("Task", "Split File"), SCHEDULED, TASK_FAILED, SCHEDULED, TASK_FAILED, caught
        )
    )
    assert results([state], None) == ["Lambda.Unknown after 2 tries"]


def test_a_state_that_is_still_running_says_so() -> None:
    (state,) = read_states(history(entered("Task", "Reconcile"), SCHEDULED))
    assert state.seconds is None
    assert results([state], None) == ["running"]


def test_an_aborted_execution_ends_its_running_state() -> None:
    aborted = {"type": "ExecutionAborted", "executionAbortedEventDetails": {"cause": "stop it"}}
    (state,) = read_states(history(entered("Map", "Write Chunks"), aborted))
    assert (state.error, state.cause, state.seconds) == ("ExecutionAborted", "stop it", 1.0)


def test_a_redriven_execution_goes_on_in_the_state_in_which_it_ended() -> None:
    timed_out = {
        "type": "ExecutionTimedOut",
        "executionTimedOutEventDetails": {"error": "States.Timeout"},
    }
    redriven = [
        {"type": "ExecutionRedriven", "executionRedrivenEventDetails": {"redriveCount": 1}},
        {"type": "MapRunRedriven", "mapRunRedrivenEventDetails": {"redriveCount": 1}},
    ]
    began = [entered("Map", "Write Chunks"), {"type": "MapRunStarted"}]
    [ended] = read_states(history(*began, timed_out))
    assert (ended.error, ended.seconds, ended.attempts) == ("States.Timeout", 2.0, 1)
    [running] = read_states(history(*began, timed_out, *redriven))
    assert (running.error, running.seconds, running.attempts) == (None, None, 2)


def test_a_map_that_succeeds_when_it_is_retried_has_no_error_left() -> None:
    failed = {
        "type": "MapRunFailed",
        "mapRunFailedEventDetails": {"error": "States.ItemReaderFailed", "cause": "slow"},
    }
    started, succeeded = {"type": "MapRunStarted"}, {"type": "MapRunSucceeded"}
    end = exited("Map", "Write Chunks", {})
    [state] = read_states(
        history(entered("Map", "Write Chunks"), started, failed, started, succeeded, end)
    )
    assert (state.error, state.attempts) == (None, 2)


def test_failed_chunks_are_counted() -> None:
    states = list(
        read_states(history(entered("Map", "Write Chunks"), exited("Map", "Write Chunks")))
    )
    counts = {**COUNTS, "succeeded": 7, "failed": 1, "timedOut": 2, "total": 10}
    assert results(states, counts) == ["7 of 10 chunks written, 3 failed"]


def test_a_refused_file_fails_with_its_reason_in_words() -> None:
    step_functions = StepFunctions()
    step_functions.add("a", "FAILED", refused_visits())
    states = list(read_states(step_functions.events["a"]))
    assert failure_in_words(states) == "The header has no column store."
    assert results(states, None)[0] == "refused: missing_column"
    assert last_value(states, "load_id") == "load-1"


def test_a_file_that_split_file_refuses_is_told_in_the_same_way() -> None:
    step_functions = StepFunctions()
    step_functions.add("a", "FAILED", refused_by_split_file_visits())
    states = list(read_states(step_functions.events["a"]))
    assert failure_in_words(states) == (
        "The file unpacks to more than 30,000,000,000 bytes; split it into smaller files."
    )
    assert words(refused_by_split_file_visits())["Split File"] == "refused: gzip_too_large"


def test_a_failed_state_is_named_with_the_message_of_its_error() -> None:
    cause = json.dumps({"errorType": "ValueError", "errorMessage": "no plan", "stackTrace": ["x"]})
    failed = {"write_chunks": {"Error": "States.ItemReaderFailed", "Cause": cause}}
    letter = {"dead_letter": {"failed": failed, "cause": "{}"}}
    states = list(read_states(history(entered("Pass", "D"), exited("Pass", "D", letter))))
    assert failure_in_words(states) == "Write Chunks failed with States.ItemReaderFailed: no plan"


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        ("E", '{"errorMessage": "m", "stackTrace": []}', "E: m"),
        ("E", "plain", "E: plain"),
        ("E", None, "E: no cause given"),
        ("E", "[1]", "E: [1]"),
        (None, "plain", "plain"),
    ],
)
def test_errors_in_words(error: str | None, cause: str | None, words: str) -> None:
    assert error_in_words(error, cause) == words


def words(visits: list[tuple[str, str, Any]]) -> dict[str, str]:
    """The result of each state; of several visits the last one's."""
    step_functions = StepFunctions()
    step_functions.add("a", visits=visits)
    states = list(read_states(step_functions.events["a"]))
    return dict(zip((state.state for state in states), results(states, COUNTS), strict=True))


def test_a_load_that_waits_for_its_turn_has_one_line_for_each_kind_of_visit() -> None:
    step_functions = StepFunctions()
    step_functions.add("a", visits=execution_visits(waits=3))
    states = list(read_states(step_functions.events["a"]))
    lines = group_visits(states, results(states, COUNTS))
    assert [(line.run.state, line.result, line.times, line.seconds) for line in lines[4:9]] == [
        ("Take Turn", "other loads are writing", 3, 3.0),
        ("Whose Turn?", "-> Wait For Turn", 3, 3.0),
        ("Wait For Turn", "waited", 3, 3.0),
        ("Take Turn", "its turn", 1, 1.0),
        ("Whose Turn?", "-> Write Chunks", 1, 1.0),
    ]
    assert len(states) == 20


def test_the_sum_of_a_line_is_not_known_while_a_visit_lasts() -> None:
    states = list(
        read_states(
            history(
                entered("Wait", "Wait For Turn"),
                exited("Wait", "Wait For Turn"),
                entered("Wait", "Wait For Turn"),
            )
        )
    )
    (line,) = group_visits(states, ["waited", "waited"])
    assert (line.times, line.seconds) == (2, None)


def test_an_overtaken_load_does_not_call_its_chunks_written() -> None:
    found = words(overtaken_visits())
    assert found["Write Chunks"] == "2 of 2 chunks ended"
    assert found["Reconcile"] == "a later version has taken over"
    assert words(late_visits())["Take Turn"] == "a later version has taken over"
    assert words(already_loaded_visits())["Validate File"] == "already loaded"


def test_reconcile_says_whether_chunks_are_missing() -> None:
    assert words(failed_visits(chunks_finished=1))["Reconcile"] == "1 of 2 chunks finished"
    assert words(failed_visits())["Reconcile"] == "incomplete, or over a limit"


def test_a_file_that_was_not_unpacked_to_its_end_shows_it() -> None:
    unread = {"reason": "corrupt_gzip", "line": None, "bytes": None}
    visits = [("Task", "Split File", {"plan": {"chunks": 1, "unread": unread}})]
    assert words(visits) == {"Split File": "1 chunk; could not be unpacked to its end"}


@pytest.mark.parametrize(
    ("visits", "expected"),
    [
        (loaded_visits(), "Loaded"),
        (already_loaded_visits(), "Already Loaded"),
        (late_visits(), "Overtaken"),
        (overtaken_visits(), "Overtaken"),
        (refused_visits(), "Load Failed"),
        (turn_visits(), None),
        ([], None),
    ],
)
def test_the_ending_is_told_by_states_and_by_output(
    visits: list[tuple[str, str, Any]], expected: str | None
) -> None:
    step_functions = StepFunctions()
    step_functions.add("a", visits=visits)
    assert ending(list(read_states(step_functions.events["a"]))) == expected
    if visits and visits[-1][0] == "Succeed":
        assert ending_of_output(json.dumps(visits[-1][2])) == expected


@pytest.mark.parametrize("output", [None, "", "no JSON", "[]", "{}", '{"turn": null}'])
def test_an_output_of_another_state_machine_has_no_ending(output: str | None) -> None:
    assert ending_of_output(output) is None
