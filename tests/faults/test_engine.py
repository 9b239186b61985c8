"""Faults of the engine itself: it is frozen, or stopped and started again."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from tests.faults.matrix import Kind
from tests.support.load_assertions import assert_accounted, assert_loaded
from tests.support.operator import Operator
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tests.support.wire import Hold, Wire, names
from tickets.local.deployment import LOCAL_PARAMETERS, LocalStack, deploy
from tickets.local.engine import Engine
from tickets.runs.stack import Stack

WAIT_SCALE = 0.02
# The engine saves its state service by service when it is told to end, and logs this last.
LAST_WORD = "SFTP: stopped"


class LastingEngine(Engine):
    """An engine whose state outlives it, in a folder. Only an orderly end saves it: SIGTERM."""

    state: ClassVar[Path]

    def _environment(self, wait_scale: float) -> dict[str, str]:
        return super()._environment(wait_scale) | {
            "PERSIST_STATE": "1",
            "S3_PERSIST": "1",
            "STATE_DIR": str(self.state / "state"),
            "S3_DATA_DIR": str(self.state / "s3"),
        }

    def end_in_order(self) -> None:
        """It stays alive when it has saved its state, as long as its executions' threads do."""
        os.kill(self.pid, signal.SIGTERM)
        until(lambda: LAST_WORD in self.log_tail(200), "the engine's last word")
        self.stop()


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def let_leases_run_out(stack: RunningStack) -> None:
    """The writers went down with the engine, so their leases would last for a quarter of an hour,
    and a replay waits for them."""
    dynamodb, table = stack.names.client("dynamodb"), stack.names.ledger_table
    for entry in dynamodb.scan(TableName=table)["Items"]:
        if entry["entry"]["S"].startswith("writer#"):
            dynamodb.update_item(
                TableName=table,
                Key={name: entry[name] for name in ("load_id", "entry")},
                UpdateExpression="SET #until = :now",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={":now": {"N": "1"}},
            )


SEVERAL_SECONDS = {"ChunkSizeBytes": "65536", "MaxRowsPerSecond": "1000"}
"""Parameters by which a load takes so long that its engine can be stopped in the middle of it."""


@pytest.mark.timeout(240)
def test_engine_restarted(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LastingEngine, "state", tmp_path, raising=False)
    file = TicketFile("restarted").rows(6000)
    with LastingEngine.start(wait_scale=WAIT_SCALE) as engine:
        names_ = deploy(engine, {**LOCAL_PARAMETERS, **SEVERAL_SECONDS})
        stack = RunningStack(LocalStack(names_, engine))
        arn = stack.execution_of(stack.upload("engine/restarted.csv", file.body))
        load_id = arn.rpartition(":")[2]
        until(lambda: stack.chunk_entries(load_id), "a finished chunk")
        assert stack.describe(arn)["status"] == "RUNNING"
        engine.end_in_order()

    with LastingEngine.start(engine.port, wait_scale=WAIT_SCALE) as again:
        found = Stack.find(names_.name, again.endpoint_url, again.region, again.session())
        stack = RunningStack(LocalStack(found, again))
        execution = stack.describe(arn)
        assert (execution["status"], execution["error"]) == ("FAILED", kind.ending)
        finished = stack.chunk_entries(load_id)
        assert 0 < len(finished) < stack.ledger(load_id)["load"]["plan"]["chunks"]
        assert_accounted(stack, load_id, file)

        let_leases_run_out(stack)
        replayed = Operator(stack, monkeypatch).replayed(arn)
        report = assert_loaded(stack, replayed, file, at_least_chunks=8)
        assert len(report["executions"]) == 2
        now = {entry["index"]: entry for entry in stack.chunk_entries(load_id)}
        assert [now[entry["index"]] for entry in finished] == finished
        assert len(stack.receive(stack.names.failed_executions_queue_url)) == 0


@pytest.mark.timeout(180)
def test_engine_frozen(kind: Kind, stack: RunningStack, wire: Wire) -> None:
    """It is frozen for longer than a function waits for an answer from the table."""
    file = TicketFile("frozen").rows(1500)
    hold = Hold()
    batch = names("frozen-000200")
    with wire.fault("BatchWriteItem", hold, where=batch, times=1):
        arn = stack.execution_of(stack.upload("engine/frozen.csv", file.body))
        until(hold.reached.is_set, "a batch in the middle of a chunk")
        with standing_still(stack.local.engine.pid):
            hold.let_go.set()
            until(
                lambda: (
                    sum(call.operation == "BatchWriteItem" and batch(call) for call in wire.calls)
                    > 1
                ),
                "the batch sent again",
            )
        ended = stack.ended(arn)
    assert stack.states_entered(arn)[-1] == kind.ending
    assert_loaded(stack, ended, file, at_least_chunks=2)
