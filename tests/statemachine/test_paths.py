"""The walk that proves paths finds each fault that is planted, and nothing in what is sound.

It stands in for a whole class of failures that only AWS shows, so it is tested like a product.
"""

import copy
from typing import Any

import pytest

from tests.support.data_flow import NotWalkable, Unproven, unproven

Machine = dict[str, Any]
START = {"bucket": {}, "key": {}}


def task(goes_to: str | None, **fields: Any) -> Machine:
    ending: Machine = {"Next": goes_to} if goes_to else {"End": True}
    return {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", **ending, **fields}


def machine(**states: Machine) -> Machine:
    return {"StartAt": next(iter(states)), "States": states}


def faults(found: Machine, **results: Any) -> list[tuple[str, str]]:
    return [(one.state, one.path) for one in unproven(found, START, results)]


READ_PLAN = {"Parameters": {"Payload": {"plan.$": "$.plan.key"}}, "ResultPath": None}
SUCCEED = {"Type": "Succeed"}


def test_a_path_that_nothing_writes_is_found_with_its_state_and_field() -> None:
    assert unproven(machine(Read=task(None, **READ_PLAN)), START, {}) == [
        Unproven("Read", "Parameters", "$.plan.key")
    ]


def test_a_field_of_the_input_is_there_and_others_are_not() -> None:
    read = task(None, Parameters={"a.$": "$.bucket", "b.$": "$.version_id"})
    assert faults(machine(Read=read)) == [("Read", "$.version_id")]


@pytest.mark.parametrize(
    "write",
    [
        task("Read", ResultSelector={"key.$": "$.Payload.key"}, ResultPath="$.plan"),
        task("Read", ResultSelector={"plan": {"key": "a literal"}}),
        {"Type": "Pass", "Parameters": {"key.$": "$.key"}, "ResultPath": "$.plan", "Next": "Read"},
        {"Type": "Pass", "Result": {"key": 1}, "ResultPath": "$.plan", "Next": "Read"},
        {"Type": "Pass", "Result": 1, "ResultPath": "$.plan.key", "Next": "Read"},
        {"Type": "Pass", "Parameters": {"plan": {"key.$": "$.key"}}, "Next": "Read"},
    ],
    ids=lambda state: f"{state['Type']}-{state.get('ResultPath', '$')}",
)
def test_a_path_that_the_only_way_writes_is_proven(write: Machine) -> None:
    assert (
        faults(machine(Write=write, Read=task(None, **READ_PLAN)), Write={"Payload": {"key": {}}})
        == []
    )


def test_a_result_whose_fields_nobody_knows_proves_nothing_inside_it() -> None:
    write = task("Read", ResultSelector={"answer.$": "$.Payload"}, ResultPath="$.plan")
    read = task(None, Parameters={"whole.$": "$.plan.answer", "inside.$": "$.plan.answer.key"})
    assert faults(machine(Write=write, Read=read), Write={"Payload": {}}) == [
        ("Read", "$.plan.answer.key")
    ]


def test_a_field_that_the_task_does_not_answer_with_is_found() -> None:
    write = task(None, ResultSelector={"a.$": "$.Payload.key", "b.$": "$.Payload.bucket"})
    assert faults(machine(Write=write), Write={"Payload": {"key": {}}}) == [
        ("Write", "$.Payload.bucket")
    ]


def test_a_path_written_on_one_way_of_two_is_found() -> None:
    ask = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.key", "StringEquals": "a", "Next": "Write"}],
        "Default": "Read",
    }
    write = {"Type": "Pass", "Result": {"key": 1}, "ResultPath": "$.plan", "Next": "Read"}
    read = task(None, **READ_PLAN)
    assert faults(machine(Ask=ask, Write=write, Read=read)) == [("Read", "$.plan.key")]
    both = machine(Ask=ask | {"Default": "Also"}, Write=write, Also=write, Read=read)
    assert faults(both) == []


CATCH = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failed.work", "Next": "Caught"}]


def test_a_catch_writes_on_its_own_arrow_only() -> None:
    describe = task(None, Parameters={"error.$": "$.failed.work.Error"})
    work = task("Went well", Catch=CATCH, ResultPath=None)
    found = machine(Work=work, **{"Went well": describe, "Caught": describe})
    assert faults(found) == [("Went well", "$.failed.work.Error")]


def test_a_catch_keeps_the_input_and_has_nothing_of_the_result() -> None:
    work = task("Went well", Catch=CATCH, ResultPath="$.plan")
    caught = task(None, Parameters={"in.$": "$.bucket", "out.$": "$.plan"})
    found = machine(Work=work, Caught=caught, **{"Went well": caught})
    assert faults(found) == [("Caught", "$.plan")]


def test_a_catch_without_result_path_replaces_everything() -> None:
    bare = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    caught = task(None, Parameters={"error.$": "$.Error", "gone.$": "$.bucket"})
    found = machine(Work=task("End", Catch=bare), Caught=caught, End=SUCCEED)
    assert faults(found) == [("Caught", "$.bucket")]


def test_result_path_dollar_replaces_everything_and_so_does_its_absence() -> None:
    read = task(None, Parameters={"bucket.$": "$.bucket"})
    for work in (task("Read"), task("Read", ResultPath="$")):
        assert faults(machine(Work=work, Read=read)) == [("Read", "$.bucket")]


def test_result_path_null_keeps_everything() -> None:
    read = task(None, Parameters={"bucket.$": "$.bucket"})
    assert faults(machine(Work=task("Read", ResultPath=None), Read=read)) == []


def test_what_a_loop_loses_on_its_second_round_is_found() -> None:
    again = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.done", "BooleanEquals": True, "Next": "End"}],
        "Default": "Work",
    }
    selector = {"done.$": "$.Payload.done"}
    work = task("Again", Parameters={"key.$": "$.key"}, ResultSelector=selector)
    answer = {"Payload": {"done": {}}}
    found = machine(Work=work, Again=again, End=SUCCEED)
    assert faults(found, Work=answer) == [("Work", "$.key")]
    kept = machine(Work=work | {"ResultPath": "$.progress"}, Again=again, End=SUCCEED)
    kept["States"]["Again"] = copy.deepcopy(again)
    kept["States"]["Again"]["Choices"][0]["Variable"] = "$.progress.done"
    assert faults(kept, Work=answer) == []


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Fail", "Error": "E", "CausePath": "$.gone"},
        {"Type": "Fail", "ErrorPath": "$.gone", "Cause": "C"},
        {"Type": "Wait", "SecondsPath": "$.gone", "End": True},
        {"Type": "Succeed", "OutputPath": "$.gone"},
        task(None, InputPath="$.gone"),
        task(None, TimeoutSecondsPath="$.gone"),
        task(None, Parameters={"deep": [{"er.$": "$.gone"}]}),
        task(None, Parameters={"text.$": "States.Format('{} of $.nothing', $.bucket, $.gone)"}),
        task(None, Parameters={"text.$": "States.Array(States.JsonToString($.gone))"}),
        task(None, ResultPath=None, OutputPath="$.gone"),
    ],
    ids=lambda state: f"{state['Type']}-{'-'.join(list(state)[1:])}",
)
def test_a_missing_path_is_found_wherever_a_state_may_use_one(state: Machine) -> None:
    assert faults(machine(State=state)) == [("State", "$.gone")]


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": "$.gone", "StringEquals": "a"},
        {"Variable": "$.key", "StringEqualsPath": "$.gone"},
        {"And": [{"Variable": "$.key", "IsString": True}, {"Variable": "$.gone", "IsNull": True}]},
        {"Or": [{"Not": {"Variable": "$.gone", "NumericEquals": 1}}]},
    ],
    ids="-".join,
)
def test_a_missing_path_is_found_in_every_kind_of_rule(rule: Machine) -> None:
    ask = {"Type": "Choice", "Choices": [{**rule, "Next": "End"}], "Default": "End"}
    assert faults(machine(Ask=ask, End=SUCCEED)) == [("Ask", "$.gone")]


def test_only_is_present_may_ask_for_a_path_that_is_not_there() -> None:
    rule = {"Variable": "$.gone", "IsPresent": True, "Next": "End"}
    ask = {"Type": "Choice", "Choices": [rule], "Default": "End"}
    assert faults(machine(Ask=ask, End=SUCCEED)) == []


def test_a_field_of_the_context_must_exist() -> None:
    read = task(None, Parameters={"good.$": "$$.Execution.Id", "bad.$": "$$.Execution.Arn"})
    assert faults(machine(Read=read)) == [("Read", "$$.Execution.Arn")]


def test_the_item_is_known_in_an_item_selector_only() -> None:
    read = task(None, Parameters={"item.$": "$$.Map.Item.Value"})
    assert faults(machine(Read=read)) == [("Read", "$$.Map.Item.Value")]


def a_map(selector: Machine | None, reads: str, **fields: Any) -> Machine:
    inner = task(None, Parameters={"value.$": reads})
    selected = {} if selector is None else {"ItemSelector": selector}
    processor = {"StartAt": "Inner", "States": {"Inner": inner}}
    outer = {"Type": "Map", "ItemProcessor": processor, "ResultPath": None, "End": True}
    return {**outer, **selected, **fields}


@pytest.mark.parametrize(
    ("selector", "reads", "expected"),
    [
        ({"chunk.$": "$$.Map.Item.Value"}, "$.chunk.start", []),
        ({"chunk.$": "$$.Map.Item.Value"}, "$.chunk.size", [("Inner", "$.chunk.size")]),
        ({"chunk.$": "$$.Map.Item.Value"}, "$.bucket", [("Inner", "$.bucket")]),
        ({"bucket.$": "$.bucket"}, "$.bucket", []),
        ({"gone.$": "$.gone"}, "$.gone", [("Items", "$.gone")]),
        (None, "$.start", []),
        (None, "$.bucket", [("Inner", "$.bucket")]),
    ],
)
def test_states_in_a_map_see_what_the_selector_gives_them_and_no_more(
    selector: Machine | None, reads: str, expected: list[tuple[str, str]]
) -> None:
    found = unproven(machine(Items=a_map(selector, reads)), START, {}, {"Items": {"start": {}}})
    assert [(one.state, one.path) for one in found] == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"ItemReader": {"Parameters": {"Key.$": "$.gone"}}},
        {"ResultWriter": {"Parameters": {"Prefix.$": "$.gone"}}},
        {"ItemsPath": "$.gone"},
        {"MaxConcurrencyPath": "$.gone"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_missing_path_is_found_in_every_part_of_a_map(fields: Machine) -> None:
    found = machine(Items=a_map({"bucket.$": "$.bucket"}, "$.bucket", **fields))
    assert faults(found) == [("Items", "$.gone")]


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Parallel", "Branches": [], "End": True},
        task(None, QueryLanguage="JSONata"),
        task(None, Assign={"name.$": "$.key"}),
        task(None, Parameters={"a.$": "$.list[0]"}),
        task(None, Parameters={"a.$": "$['key']"}),
        task(None, Parameters={"a.$": "$variable.key"}),
    ],
)
def test_what_the_walk_does_not_know_can_not_pass_unseen(state: Machine) -> None:
    with pytest.raises(NotWalkable):
        faults(machine(State=state))
