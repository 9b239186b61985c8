"""Reads the sockets, parents and children of processes on this machine from /proc."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

LISTENING = "0A"


def listening_addresses(pids: Iterable[int]) -> list[str]:
    """The local address of each TCP socket on which one of the processes listens, as hexadecimal
    `ADDRESS:PORT`; 127.0.0.1 is `0100007F` on little-endian machines."""
    sockets = {one for pid in pids for one in _sockets_of(pid)}
    return [
        local
        for local, _, state, inode in _connections()
        if state == LISTENING and f"socket:[{inode}]" in sockets
    ]


def process_at(port: int, connected_to: int) -> int | None:
    """The id of the process with a connection from this local port to the other; None if there
    is none."""
    # A local port can be used by several processes at once, for connections to different ports.
    wanted = {
        f"socket:[{inode}]"
        for local, remote, _, inode in _connections()
        if (_port(local), _port(remote)) == (port, connected_to)
    }
    return next((pid for pid in _pids() if wanted & _sockets_of(pid)), None)


def parent_of(pid: int) -> int:
    # The parent is the second field after the command, which may contain any characters.
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def with_descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for other in _pids():
        with contextlib.suppress(OSError):  # the process has ended in between
            children.setdefault(parent_of(other), []).append(other)
    found, left = {pid}, [pid]
    while left:
        new = children.get(left.pop(), [])
        found.update(new)
        left += new
    return found


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _sockets_of(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(descriptor))
    return found


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _connections() -> Iterator[tuple[str, str, str, str]]:
    """Yields the local and remote address, the state and the inode of each TCP socket."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                yield columns[1], columns[2], columns[3], columns[9]
