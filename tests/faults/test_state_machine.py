"""Faults of executions: what the operator sees of them, and what a replay does."""

import json
from typing import Any

import pytest

from tests.faults.matrix import Kind
from tests.support.load_assertions import assert_accounted, assert_loaded
from tests.support.operator import Operator
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tests.support.wire import Hold, Wire, names


@pytest.fixture
def operator(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(stack, monkeypatch)


def load_of(arn: str) -> str:
    return arn.rpartition(":")[2]  # an upload's execution has its load's name


def assert_ended(stack: RunningStack, execution: dict[str, Any], kind: Kind) -> None:
    assert stack.states_entered(execution["executionArn"])[-1] == kind.ending
    assert kind.why in execution["cause"]


def fail(stack: RunningStack, kind: Kind, file: TicketFile) -> dict[str, Any]:
    """The execution of a load whose chunks all fail."""
    with stack.without_statement("WriteChunk", "WriteItems"):
        execution = stack.load(f"state-machine/{file.name}.csv", file.body)
    assert_ended(stack, execution, kind)
    assert_accounted(stack, load_of(execution["executionArn"]), file)
    assert stack.items_of(file.name) == {}
    return execution


def test_permission_missing(kind: Kind, stack: RunningStack, operator: Operator) -> None:
    file = TicketFile("unpermitted").rows(1500)
    arn = fail(stack, kind, file)["executionArn"]
    chunks = stack.children(arn)
    assert len(chunks) >= 2
    assert all("AccessDenied" in child["cause"] for child in chunks)
    letter = operator.dead_letter(arn)
    assert (letter.state, letter.redrivable) == ("Reconcile", False)
    assert_loaded(stack, operator.replayed(arn), file, at_least_chunks=2)


def test_dead_letter_queue_refuses(kind: Kind, stack: RunningStack, operator: Operator) -> None:
    def lose_the_queue(definition: dict[str, Any]) -> None:
        send = definition["States"]["Send To Dead Letter Queue"]
        send["Parameters"]["QueueUrl"] += "-which-is-not-there"

    file = TicketFile("unreported").rows(300)
    with stack.definition_changed(lose_the_queue):
        execution = fail(stack, kind, file)
    assert execution["error"] == "LoadFailureNotReported"
    arn = execution["executionArn"]
    letter = operator.dead_letter(arn)
    assert letter.error == "LoadFailureNotReported"
    assert letter.reason.startswith(execution["cause"])
    assert_loaded(stack, operator.replayed(arn), file)


def test_execution_aborted(kind: Kind, stack: RunningStack, wire: Wire, operator: Operator) -> None:
    file = TicketFile("stopped").rows(3000)
    hold = Hold()
    with wire.fault("BatchWriteItem", hold, where=names("stopped-000600"), times=1):
        arn = stack.execution_of(stack.upload("state-machine/stopped.csv", file.body))
        until(hold.reached.is_set, "a batch of a later chunk")
        until(lambda: stack.chunk_entries(load_of(arn)), "a finished chunk")
        stack.states.stop_execution(executionArn=arn, cause="the test says so")
        assert stack.ended(arn)["status"] == kind.ending
        finished = stack.chunk_entries(load_of(arn))
        assert_accounted(stack, load_of(arn), file)
        letter = operator.dead_letter(arn)
        assert (letter.status, letter.redrivable) == (kind.ending, True)
        hold.let_go.set()
    assert_loaded(stack, operator.replayed(arn), file, at_least_chunks=4)
    now = {entry["index"]: entry for entry in stack.chunk_entries(load_of(arn))}
    assert [now[entry["index"]] for entry in finished] == finished


def test_replay_during_a_replay(
    kind: Kind, stack: RunningStack, wire: Wire, operator: Operator
) -> None:
    file = TicketFile("replayed").rows(300)
    execution = fail(stack, kind, file)
    arn, name = execution["executionArn"], execution["name"]
    operator.dead_letter(arn)
    hold = Hold()
    with wire.fault("BatchWriteItem", hold, where=names("replayed-000050"), times=1):
        first = operator.replay(arn)
        assert (first.outcome, first.execution) == ("started", f"{name}-r1")
        until(hold.reached.is_set, "a batch of the replay")
        for again in (arn, f"{arn}-r1"):
            second = operator.replay(again)
            assert (second.outcome, second.execution) == ("running", f"{name}-r1")
        hold.let_go.set()
    assert_loaded(stack, stack.ended(f"{arn}-r1"), file)
    later = operator.replay(arn)
    assert (later.outcome, later.execution) == ("loaded", f"{name}-r1")
    assert len(stack.executions(json.loads(execution["input"])["key"])) == 2
    assert stack.all_dead_letters(arn) == [], "its message went with the replay"
