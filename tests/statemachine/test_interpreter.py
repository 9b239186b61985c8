"""What the embedded engine can't confirm of the interpreter: pauses, tolerated failures, and that
it refuses what it does not support. test_branches.py compares the rest with the engine."""

import json
from typing import Any

import pytest

from tests.support.payload_templates import NotInterpreted
from tests.support.state_machine import Execution, Failure, run

RETRY = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 4}
LAMBDA = "arn:aws:states:::lambda:invoke"


def task(**fields: Any) -> dict[str, Any]:
    parameters = {"FunctionName": "f", "Payload": {}}
    return {"Type": "Task", "Resource": LAMBDA, "Parameters": parameters, "Next": "End", **fields}


def execution_of(state: dict[str, Any], plan: list[Any] | None = None) -> Execution:
    states = {"Work": state, "End": {"Type": "Succeed"}}
    machine = {"StartAt": "Work", "States": states}
    return Execution({"n": 1}, lambda *_: json.dumps(plan).encode(), machine=machine)


def test_a_retry_pauses_longer_each_time_up_to_its_bound() -> None:
    execution = execution_of(task(Retry=[{**RETRY, "MaxDelaySeconds": 20}]))
    pauses = []
    while execution.fail("Broken"):
        pauses.append(execution.paused)
    assert pauses == [2, 2 + 6, 2 + 6 + 18, 2 + 6 + 18 + 20]
    assert (execution.status, execution.error) == ("FAILED", "Broken")


@pytest.mark.parametrize(
    ("names", "error", "is_retried"),
    [
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.TaskFailed"], "Broken", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["Other"], "Broken", False),
    ],
)
def test_which_errors_a_retrier_is_for(names: list[str], error: str, is_retried: bool) -> None:
    assert execution_of(task(Retry=[{**RETRY, "ErrorEquals": names}])).fail(error) is is_retried


@pytest.mark.parametrize(("tolerated", "status"), [(50, "SUCCEEDED"), (49, "FAILED")])
def test_a_map_fails_if_more_of_its_children_have_failed_than_are_tolerated(
    tolerated: int, status: str
) -> None:
    child = {"StartAt": "Child", "States": {"Child": task(), "End": {"Type": "Succeed"}}}
    state = {
        "Type": "Map",
        "Label": "M",
        "ItemReader": {"Parameters": {"Bucket": "b", "Key": "k"}},
        "ItemSelector": {"item.$": "$$.Map.Item.Value"},
        "ItemProcessor": child,
        "ToleratedFailurePercentage": tolerated,
        "Next": "End",
    }

    def call(one: Execution) -> None:
        if one.data["item"] == 2:
            raise Failure("Broken")

    execution = run(execution_of(state, plan=[1, 2]), call)
    assert execution.status == status
    assert [one.status for one in execution.all_children] == ["SUCCEEDED", "FAILED"]


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Parallel", "Branches": []},
        task(InputPath="$.n"),
        {"Type": "Pass", "Parameters": {"a.$": "$.n[0]"}, "Next": "End"},
        {"Type": "Pass", "Parameters": {"a.$": "States.Hash($.n, 'MD5')"}, "Next": "End"},
        {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericGreaterThanEquals": 1}]},
    ],
    ids=lambda state: state["Type"],
)
def test_what_it_does_not_know_is_an_error(state: dict[str, Any]) -> None:
    with pytest.raises(NotInterpreted):
        execution_of(state)
