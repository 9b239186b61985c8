"""While a load runs, nothing of the engine can be reached from another machine."""

import contextlib
import os
from pathlib import Path

import pytest

from tests.support.load_assertions import assert_loaded
from tests.support.running_stack import RunningStack, until
from tests.support.ticket_files import TicketFile

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

LISTENING = "0A"
LOOPBACK = "0100007F"  # 127.0.0.1 as /proc/net/tcp writes it on little-endian machines


@pytest.mark.usefixtures("rows_capped")
def test_a_running_load_listens_on_loopback_only(stack: RunningStack) -> None:
    file = TicketFile("network").rows(6000)
    arn = stack.execution_of(stack.upload("network/load.csv", file.body))
    until(lambda: stack.chunk_entries(arn.rsplit(":", 1)[-1]), "the first finished chunk")
    assert stack.local.engine.pid is not None
    pids = _with_descendants(stack.local.engine.pid)
    sockets = _listening(pids)
    assert stack.describe(arn)["status"] == "RUNNING"

    assert len(pids) > 1, "the functions' processes are there"
    assert f"{LOOPBACK}:{stack.local.engine.port:04X}" in sockets
    assert [one for one in sockets if not one.startswith(f"{LOOPBACK}:")] == []
    assert_loaded(stack, stack.ended(arn), file)


def _with_descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # a process that ends under our eyes
                # The parent is the second field behind the command, which may hold anything.
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = {pid}
    left = [pid]
    while left:
        new = children.get(left.pop(), [])
        found.update(new)
        left.extend(new)
    return found


def _listening(pids: set[int]) -> list[str]:
    """The local address of each TCP socket on which one of the processes listens, in hex."""
    inodes = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    inodes.add(os.readlink(descriptor))
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING and f"socket:[{columns[9]}]" in inodes:
                    found.append(columns[1])
    return found
