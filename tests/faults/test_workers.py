"""Faults of the functions' processes: out of time, ended from outside, or killed."""

import gzip
import os
import signal
from pathlib import Path

import pytest

from tests.faults.loads import assert_ended
from tests.faults.matrix import Kind
from tests.support.cloud import Cloud
from tests.support.load_assertions import assert_loaded
from tests.support.processes import parent_of, process_at
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile
from tests.support.wire import Call, Hold, Wire, is_chunk_entry, names, slowly

READS_PROC = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="reads /proc, which only Linux has"
)
# Half a minute of a round is kept back for its end, so this leaves it three seconds to write.
FUNCTION_TIMEOUT_SECONDS = 33


def tries(stack: RunningStack, arn: str) -> int:
    """How often the chunks of an execution have been given to a function."""
    scheduled = [
        event
        for child in stack.children(arn)
        for event in stack.history(child["executionArn"])
        if event["type"] in ("TaskScheduled", "LambdaFunctionScheduled")
    ]
    return len(scheduled)


def test_time_runs_out(kind: Kind, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNK_SIZE_BYTES", "1000000")
    file = TicketFile("out-of-time").rows(700)
    with cloud.wire.fault("BatchWriteItem", slowly(piece=1000, pause=0.15)):
        ended = cloud.run(cloud.upload(file), seconds=30.5)
    entries = [call for call in cloud.wire.calls if is_chunk_entry(call)]
    states = [call.json["Item"]["finished"]["BOOL"] for call in entries]
    assert states.count(False) >= 1, "a checkpoint"
    assert states[-1] is True
    assert_ended(ended, kind)
    cloud.assert_loaded(ended, file)


@READS_PROC
def test_worker_killed(kind: Kind, stack: RunningStack, wire: Wire) -> None:
    file = TicketFile("killed").rows(700)
    packed = gzip.compress(file.body)  # so that a child execution writes it
    hold = Hold()
    with wire.fault("BatchWriteItem", hold, where=names("killed-000100"), times=1) as fault:
        upload = stack.upload("workers/killed.csv.gz", packed)
        arn = stack.execution_of(upload)
        until(hold.reached.is_set, "a batch in the middle of the chunk")
        until(lambda: stack.items_of(file.name), "rows of the batches beside it")
        assert len(stack.items_of(file.name)) < 700, "in the middle"
        worker = process_at(fault.fired[0].peer_port, connected_to=wire.port)
        assert worker is not None
        assert parent_of(worker) == stack.local.engine.pid
        os.kill(worker, signal.SIGKILL)
        ended = stack.ended(arn)
        hold.let_go.set()  # the killed worker's batch lands after all
    assert stack.states_entered(arn)[-1] == kind.ending
    assert tries(stack, arn) == len(stack.children(arn)) + 1
    assert_loaded(stack, ended, file, packed=packed)


@pytest.mark.timeout(180)
def test_worker_timed_out(kind: Kind, stack: RunningStack, wire: Wire) -> None:
    file = TicketFile("timed-out").rows(300)
    packed = gzip.compress(file.body)
    hold = Hold()

    def is_mine(call: Call) -> bool:
        return is_chunk_entry(call) and b"timed-out-csv" in call.body

    with (
        stack.function_changed("WriteChunk", Timeout=FUNCTION_TIMEOUT_SECONDS),
        wire.fault("PutItem", hold, where=is_mine, times=1),
    ):
        arn = stack.execution_of(stack.upload("workers/timed-out.csv.gz", packed))
        until(hold.reached.is_set, "all of the chunk in the table")
        assert stack.items_of(file.name) == file.expected().items
        ended = stack.ended(arn, seconds=120)
        hold.let_go.set()
    assert stack.states_entered(arn)[-1] == kind.ending
    assert tries(stack, arn) == 2
    assert_loaded(stack, ended, file, packed=packed)
