"""No path of the definition can miss, with what its tasks really answer.

That the walk itself can be trusted is shown in test_paths.py.
"""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.data_flow import Shape, unproven
from tests.support.states import State, all_states, machines
from tests.support.task_answers import Answers
from tools import definition

DEFINITION = definition.load()
STATES = all_states(DEFINITION)


def shape(value: Any) -> Shape:
    """The fields of a real answer."""
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else {}


def results(answers: Answers) -> dict[str, Shape]:
    """Of each task, the fields that it answers with whatever its verdict."""
    verdicts = (answers.accepted, answers.refused, answers.gone, answers.already_loaded)
    fields = set.intersection(*map(set, verdicts))
    return {
        # A field that may be null has nothing inside: `file` of a refused file is null.
        "Validate File": {"Payload": {field: {} for field in fields}},
        "Split File": {"Payload": shape(answers.plan)},
        "Take Turn": {"Payload": shape(answers.my_turn)},
        "Write Chunk": {"Payload": shape(answers.finished)},
        "Reconcile": {"Payload": shape(answers.result)},
        "Settle Equal Keys": {"Payload": shape(answers.settled)},
        "Announce Success": {"Entries": {}, "FailedEntryCount": {}},
        "Announce Failure": {"Entries": {}, "FailedEntryCount": {}},
        "Send To Dead Letter Queue": {"MessageId": {}, "MD5OfMessageBody": {}},
    }


START: Shape = {"bucket": {}, "key": {}}
"""An execution can be started by hand with just these."""


def missing(machine: State, answers: Answers, start: Shape = START) -> list[tuple[str, str]]:
    found = unproven(machine, start, results(answers), {"Write Chunks": shape(answers.chunk)})
    return [(one.state, one.path) for one in found]


def test_every_path_is_written_on_every_way_to_where_it_is_used(answers: Answers) -> None:
    assert missing(DEFINITION, answers) == []


def test_nothing_names_a_field_of_the_input(answers: Answers) -> None:
    """Not even bucket and key: Validate File takes the input whole."""
    assert missing(DEFINITION, answers, start={}) == []


def written_fields(machine: State) -> Iterator[tuple[str, str, str]]:
    """(state, part, key) of every field that a ResultSelector or a Pass writes."""
    for one in machines(machine):
        for name, state in one["States"].items():
            part = "Parameters" if state["Type"] == "Pass" else "ResultSelector"
            for key in state.get(part, {}):
                yield name, part, key


# The states whose Catch leads to the dead letter of a failed state.
CAUGHT = [
    name.removesuffix(" Failed")
    for name in STATES
    if name.endswith(" Failed") and name != "Load Failed"
]
# What a later state names. The rest of the fields is for whoever reads the execution.
USED = {
    *(("Validate File", key) for key in ("verdict", "summary", "reasons", "load_id", "file")),
    *(("Split File", key) for key in ("bucket", "key", "chunks", "generation", "digest_key")),
    ("Take Turn", "turn"),
    *(("Write Chunk", key) for key in ("finished", "overtaken", "table_replaced")),
    *(("Reconcile", key) for key in ("complete", "overtaken", "equal_keys", "summary")),
    ("Settle Equal Keys", "state"),
    *((f"Describe {what}", "cause") for what in ("Refusal", "Shortfall", "Failure")),
    *((f"{name} Failed", key) for name in CAUGHT for key in ("state", "load_id")),
}


@pytest.mark.parametrize(("name", "part", "key"), list(written_fields(DEFINITION)))
def test_a_field_taken_out_of_the_definition_would_be_missed(
    answers: Answers, machine: State, name: str, part: str, key: str
) -> None:
    """The test of paths does fail, on this very definition."""
    for one in machines(machine):
        if name in one["States"]:
            del one["States"][name][part][key]
    assert bool(missing(machine, answers)) == ((name, key.removesuffix(".$")) in USED)


@pytest.mark.parametrize(
    ("task", "field"),
    [
        ("Validate File", "file"),
        ("Split File", "chunks"),
        ("Split File", "data_end"),
        ("Split File", "unread"),
        ("Take Turn", "turn"),
        ("Write Chunk", "finished"),
        ("Write Chunk", "overtaken"),
        ("Reconcile", "complete"),
        ("Reconcile", "overtaken"),
        ("Reconcile", "equal_keys"),
        ("Settle Equal Keys", "state"),
    ],
)
def test_a_field_that_a_handler_no_longer_answers_with_would_be_missed(
    answers: Answers, task: str, field: str
) -> None:
    answered = copy.deepcopy(results(answers))
    del answered[task]["Payload"][field]
    found = unproven(DEFINITION, START, answered, {"Write Chunks": shape(answers.chunk)})
    assert [(one.state, one.field, one.path) for one in found] == [
        (task, "ResultSelector", f"$.Payload.{field}")
    ]


def test_an_answer_of_validate_file_has_every_field_whatever_the_verdict(
    answers: Answers,
) -> None:
    verdicts = (answers.accepted, answers.refused, answers.gone, answers.already_loaded)
    assert [one["verdict"] for one in verdicts] == [
        "accepted",
        "refused",
        "refused",
        "already_loaded",
    ]
    fields = {key.removesuffix(".$") for key in STATES["Validate File"]["ResultSelector"]}
    for answer in verdicts:
        assert answer.keys() == fields


def test_reconcile_answers_alike_however_the_load_ended(answers: Answers) -> None:
    endings = (answers.result, answers.shortfall, answers.overtaken, answers.unsettled)
    assert [(one["complete"], one["overtaken"], one["equal_keys"]) for one in endings] == [
        (True, False, "settled"),
        (False, False, "incomplete"),
        (False, True, "incomplete"),
        (False, False, "unsettled"),
    ]
    assert all(one.keys() == answers.result.keys() for one in endings)
    selected = {key.removesuffix(".$") for key in STATES["Reconcile"]["ResultSelector"]}
    assert answers.result.keys() == selected


def test_the_other_tasks_answer_alike_whatever_they_say(answers: Answers) -> None:
    turns = (answers.my_turn, answers.waiting, answers.late)
    assert list(turns) == [{"turn": "mine"}, {"turn": "wait"}, {"turn": "overtaken"}]
    chunks = (answers.finished, answers.stopped)
    assert [(one["finished"], one["overtaken"]) for one in chunks] == [(True, False), (False, True)]
    assert answers.finished.keys() == answers.stopped.keys()
    settling = (answers.settled, answers.writers_left, answers.settling_overtaken)
    assert [one["state"] for one in settling] == ["settled", "waiting", "overtaken"]
    assert all(one.keys() == answers.settled.keys() for one in settling)
    assert answers.plan.keys() == answers.empty_plan.keys()
    selected = {key.removesuffix(".$") for key in STATES["Split File"]["ResultSelector"]}
    assert answers.plan.keys() == selected


def test_whoever_splits_a_file_has_the_plan_that_reconcile_needs(answers: Answers) -> None:
    """Reconcile and Settle Equal Keys get the plan whole, so the walk does not see what they read
    in it."""
    assert answers.plan.keys() == {
        *("bucket", "key", "chunks", "data_end", "unread"),
        *("generation", "digest_key"),
    }


def test_paths_are_written_as_the_engine_reads_them(machine: State) -> None:
    """No JSONata, no variables, no brackets: none of them works on the embedded engine, which
    would not say so."""
    text = definition.DEFINITION.read_text(encoding="utf-8")
    assert not re.search(r'"(QueryLanguage|Assign|Arguments|Output|Condition)"', text)
    assert not re.search(r'"\$\$?\.?\[', text)
