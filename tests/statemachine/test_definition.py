"""Rules that the state machine's definition follows, checked on the file alone.

What its paths rely on is in test_data_flow.py, and its branches as the engine takes them are in
test_branches.py.
"""

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from ingestion.contracts import ChunkTask, TurnRequest
from ingestion.errors import ObjectChanged, ObjectGone, ObjectUnreadable
from tests.support.state_machine import handler_of
from tests.support.states import State, all_states, machines, targets
from tools import definition

HANDLERS = Path(__file__).parents[2] / "functions" / "handlers"
DEFINITION = definition.load()
# Tasks without a handler of ours: Step Functions calls the service itself.
WITHOUT_HANDLER = {"Send To Dead Letter Queue", "Announce Success", "Announce Failure"}
# It has no Catch on purpose: its child execution fails with the function's own error and stays
# redrivable, and Reconcile notices.
WITHOUT_CATCH = {"Write Chunk"}
# A chunk in the Map may take as long as its function.
OPTIONAL = {"Write Chunk": {"max_seconds"}}
# An announcement doesn't matter to a load that has succeeded. Reconcile finds that the chunk of a
# small file is missing.
LED_ON = {"Announce Success": "Loaded", "Write Small File": "Reconcile"}

STATES = all_states(DEFINITION)
TASKS = [name for name, state in STATES.items() if state["Type"] == "Task"]
CALLS = [name for name in TASKS if STATES[name]["Resource"].endswith(":states:::lambda:invoke")]
MAPS = [name for name, state in STATES.items() if state["Type"] == "Map"]
CHOICES = [name for name, state in STATES.items() if state["Type"] == "Choice"]
INVOKING = [name for name in TASKS if name not in WITHOUT_HANDLER]


# ---------------------------------------------------------------- The graph


def dangling(machine: State) -> set[str]:
    """Targets that no state of the same machine has."""
    return {
        target
        for one in machines(machine)
        for target in [one["StartAt"], *(t for s in one["States"].values() for t in targets(s))]
        if target not in one["States"]
    }


def unreachable(machine: State) -> set[str]:
    found = set()
    for one in machines(machine):
        reached: set[str] = set()
        waiting = [one["StartAt"]]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += targets(one["States"][name])
        found |= one["States"].keys() - reached
    return found


def test_every_target_exists() -> None:
    assert dangling(DEFINITION) == set()


def test_every_state_can_be_reached() -> None:
    assert unreachable(DEFINITION) == set()


def test_every_state_ends_somewhere() -> None:
    """Each has a way on, or is an end; so every execution comes to Succeed or Fail."""
    ends = {name for name, state in STATES.items() if not targets(state)}
    assert {STATES[name]["Type"] for name in ends} == {"Succeed", "Fail"}
    assert not [name for name, state in STATES.items() if state.get("End")]


def test_names_are_unique_even_across_the_map() -> None:
    """A name in a history then means one state."""
    assert len(STATES) == sum(len(one["States"]) for one in machines(DEFINITION))


def test_every_state_says_why_it_is_there() -> None:
    for name, state in STATES.items():
        assert re.fullmatch(r"[A-Z].{20,}\.", state.get("Comment", "")), name
    assert DEFINITION["Comment"]


def test_choices_are_questions_and_nothing_else_is() -> None:
    assert {name for name in STATES if name.endswith("?")} == set(CHOICES)


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_always_has_an_answer(name: str) -> None:
    """Without a Default, States.NoChoiceMatched would end the execution; a Choice has no Catch."""
    assert "Default" in STATES[name]


def test_a_failed_load_ends_in_fail() -> None:
    """No way that goes through a Catch or a description of what is wrong leads to Succeed, except
    for the two in LED_ON."""
    states = DEFINITION["States"]
    waiting = [name for name in states if name.startswith("Describe ")]
    waiting += [
        one["Next"]
        for name, state in states.items()
        for one in state.get("Catch", [])
        if name not in LED_ON
    ]
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += targets(states[name])
    assert {states[name]["Type"] for name in reached if not targets(states[name])} == {"Fail"}


def ways_into(name: str) -> set[str]:
    return {other for other, state in STATES.items() if name in targets(state)}


def test_the_two_catches_that_lead_on() -> None:
    for name, target in LED_ON.items():
        assert [one["Next"] for one in STATES[name]["Catch"]] == [target]


def test_a_small_file_is_written_only_with_a_plan_of_validate_file() -> None:
    """The plan is there only if Validate File has claimed the object and found no writers."""
    assert ways_into("Write Small File") == {"File Accepted?"}
    split, small, *_ = STATES["File Accepted?"]["Choices"]
    accepted = {"Variable": "$.verdict", "StringEquals": "accepted"}
    for rule, target, has_no_plan in (
        (split, "Split File", True),
        (small, "Write Small File", False),
    ):
        plan = {"Variable": "$.plan", "IsNull": has_no_plan}
        assert rule == {"And": [accepted, plan], "Next": target}


def test_nothing_else_is_written_without_a_turn() -> None:
    """Each arrow by hand: Write Chunks is entered from the answer "mine" and from nowhere else."""
    assert ways_into("Write Chunks") == {"Whose Turn?"}
    assert ways_into("Whose Turn?") == {"Take Turn"}
    assert ways_into("Take Turn") == {"Anything To Write?", "Wait For Turn"}
    assert ways_into("Wait For Turn") == {"Whose Turn?"}
    mine = {"Variable": "$.turn.turn", "StringEquals": "mine", "Next": "Write Chunks"}
    assert mine in STATES["Whose Turn?"]["Choices"]
    assert STATES["Whose Turn?"]["Default"] == "Wait For Turn"


def test_a_wait_is_a_wait_state_and_holds_no_function() -> None:
    waiting = STATES["Wait For Turn"]
    assert (waiting["Type"], waiting["Next"]) == ("Wait", "Take Turn")
    assert waiting["SecondsPath"] == "$.turn.seconds"


@pytest.mark.parametrize("name", CALLS)
def test_a_throttled_call_is_retried_for_a_day(name: str) -> None:
    """With full jitter, a retry waits half as long on average."""
    [retrier] = [
        one
        for one in STATES[name]["Retry"]
        if one["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    ]
    pauses = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** n, retrier["MaxDelaySeconds"])
        for n in range(100)
    ]
    rest = (retrier["MaxAttempts"] - len(pauses)) * retrier["MaxDelaySeconds"]
    assert (sum(pauses) + rest) / 2 > 86_400


def test_the_two_failures_tell_whether_the_message_was_sent() -> None:
    assert STATES["Load Failed"]["Error"] == "LoadFailed"
    assert STATES["Load Failure Not Reported"]["Error"] == "LoadFailureNotReported"
    assert targets(STATES["Send To Dead Letter Queue"]) == [
        "Load Failed",
        "Load Failure Not Reported",
    ]
    into_failed = {name for name, state in STATES.items() if "Load Failed" in targets(state)}
    assert into_failed == {"Send To Dead Letter Queue"}


# ---------------------------------------------------------------- Errors


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_timeout(name: str) -> None:
    assert STATES[name]["TimeoutSeconds"] >= 60


@pytest.mark.parametrize("name", TASKS + MAPS)
def test_retries_back_off_up_to_a_bound_and_with_full_jitter(name: str) -> None:
    retriers = [one for one in STATES[name]["Retry"] if one["MaxAttempts"]]
    assert retriers
    for retrier in retriers:
        assert retrier["BackoffRate"] > 1
        assert 0 < retrier["MaxDelaySeconds"] <= 300
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["MaxAttempts"] >= 3
        assert retrier["IntervalSeconds"] >= 1


def test_only_the_end_of_retries_depends_on_names_of_exception_classes() -> None:
    """The embedded engine doesn't report them."""
    handled = {
        error
        for state in STATES.values()
        for one in [*state.get("Retry", []), *state.get("Catch", [])]
        if one.get("MaxAttempts") != 0
        for error in one["ErrorEquals"]
    }
    assert not [error for error in handled if not error.startswith(("States.", "Lambda."))]


@pytest.mark.parametrize(
    "name", ["Split File", "Write Chunk", "Write Small File", "Settle Equal Keys"]
)
def test_an_object_that_can_not_be_read_any_more_is_not_tried_again(name: str) -> None:
    first, *others = STATES[name]["Retry"]
    assert first["MaxAttempts"] == 0
    assert first["ErrorEquals"] == [
        error.__name__ for error in (ObjectChanged, ObjectGone, ObjectUnreadable)
    ]
    assert all(one["MaxAttempts"] for one in others)


def test_only_write_chunk_has_no_catch() -> None:
    assert {name for name in TASKS + MAPS if "Catch" not in STATES[name]} == WITHOUT_CATCH
    assert list(DEFINITION["States"]["Write Chunks"]["ItemProcessor"]["States"]) == [
        "Write Chunk",
        "Chunk Finished?",
        "Chunk Written",
        "Chunk Overtaken",
        "Table Replaced",
    ]


# ---------------------------------------------------------------- The Map


@pytest.mark.parametrize("name", MAPS)
def test_one_failed_chunk_does_not_throw_away_the_work_of_the_others(name: str) -> None:
    """There is only a percentage, because a count would fail the Map as well. The engine needs a
    literal."""
    assert STATES[name]["ToleratedFailurePercentage"] == 100
    assert not [
        field
        for field in STATES[name]
        if field.startswith("ToleratedFailure") and field != "ToleratedFailurePercentage"
    ]


@pytest.mark.parametrize("name", MAPS)
def test_every_chunk_is_a_standard_execution_with_its_own_history(name: str) -> None:
    assert STATES[name]["ItemProcessor"]["ProcessorConfig"] == {
        "Mode": "DISTRIBUTED",
        "ExecutionType": "STANDARD",
    }
    assert STATES[name]["Label"] == name.replace(" ", "")


@pytest.mark.parametrize("name", MAPS)
def test_results_of_chunks_go_to_s3_and_not_into_the_state(name: str) -> None:
    """All results together may be more than the 256 KiB of a payload."""
    assert STATES[name]["ResultPath"] is None
    assert STATES[name]["ResultWriter"]["Resource"].endswith(":states:::s3:putObject")


@pytest.mark.parametrize("name", MAPS)
def test_chunks_come_from_the_plan_in_s3(name: str) -> None:
    reader = STATES[name]["ItemReader"]
    assert reader["Resource"].endswith(":states:::s3:getObject")
    assert reader["ReaderConfig"] == {"InputType": "JSON"}
    assert reader["Parameters"] == {"Bucket.$": "$.plan.bucket", "Key.$": "$.plan.key"}


@pytest.mark.parametrize("name", MAPS)
def test_chunks_in_parallel_are_bounded_by_a_literal(name: str) -> None:
    """0 would be no bound, and the engine ignores MaxConcurrencyPath."""
    assert isinstance(STATES[name]["MaxConcurrency"], int)
    assert STATES[name]["MaxConcurrency"] > 0


# ---------------------------------------------------------------- States and handlers


def test_a_task_is_named_like_its_handler_and_no_handler_is_without_a_task() -> None:
    """Except for Write Small File, which calls the function of Write Chunk. Two handlers serve
    queues, not states."""
    files = {path.stem for path in HANDLERS.glob("*.py")} - {
        "__init__",
        "start_execution",
        "write_report_page",
    }
    named = [name for name in INVOKING if name != "Write Small File"]
    assert {name.lower().replace(" ", "_") for name in named} == files
    assert handler_of("Write Small File") == "write_chunk"


@pytest.mark.parametrize("name", INVOKING)
def test_a_task_invokes_the_substitution_of_its_name(name: str) -> None:
    substitution = f"{handler_of(name).title().replace('_', '')}Function"
    assert substitution in definition.placeholders(
        definition.DEFINITION.read_text(encoding="utf-8")
    )
    parameters = STATES[name]["Parameters"]
    assert parameters["FunctionName"] == definition.sample_value(substitution)


@pytest.mark.parametrize("name", INVOKING)
def test_a_task_sends_its_handler_exactly_the_fields_that_it_reads(name: str) -> None:
    tree = ast.parse((HANDLERS / f"{handler_of(name)}.py").read_text(encoding="utf-8"))
    contracts: dict[str, Any] = {
        f"{kind.__name__}.from_json(event)": kind for kind in (ChunkTask, TurnRequest)
    }
    read = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "event":
            read.add(ast.literal_eval(node.slice))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "event.get":
            read.add(ast.literal_eval(node.args[0]))
        elif isinstance(node, ast.Call) and ast.unparse(node) in contracts:
            read |= {field.name for field in dataclasses.fields(contracts[ast.unparse(node)])}
    sent = {key.removesuffix(".$") for key in STATES[name]["Parameters"]["Payload"]}
    assert sent | OPTIONAL.get(name, set()) == read
