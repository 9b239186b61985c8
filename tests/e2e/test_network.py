"""While a load runs, nothing of the engine can be reached from another machine."""

from pathlib import Path

import pytest

from tests.support.load_assertions import assert_loaded
from tests.support.processes import listening_addresses, with_descendants
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads /proc, which only Linux has"
)

LOOPBACK = "0100007F"  # 127.0.0.1 as /proc/net/tcp writes it on little-endian machines


@pytest.mark.exhaustive
@pytest.mark.usefixtures("rows_capped")
def test_a_running_load_listens_on_loopback_only(stack: RunningStack) -> None:
    file = TicketFile("network").rows(6000)
    arn = stack.execution_of(stack.upload("network/load.csv", file.body))
    until(lambda: stack.chunk_entries(arn.rsplit(":", 1)[-1]), "the first finished chunk")
    assert stack.local.engine.pid is not None
    pids = with_descendants(stack.local.engine.pid)
    sockets = listening_addresses(pids)
    assert stack.describe(arn)["status"] == "RUNNING"

    assert len(pids) > 1, "the functions' processes are there"
    assert f"{LOOPBACK}:{stack.local.engine.port:04X}" in sockets
    assert [one for one in sockets if not one.startswith(f"{LOOPBACK}:")] == []
    assert_loaded(stack, stack.ended(arn), file)
