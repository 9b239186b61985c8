"""Finds the local stacks that are running on this machine, for `tickets local env`.

Each one has a description in its engine's private folder, which is removed however the engine ends.
"""

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tickets.errors import CommandError

_DESCRIPTION = "local-stack.json"


def note_running(folder: Path, description: Mapping[str, str]) -> None:
    """Writes the description of a stack that is ready into its engine's private folder."""
    path = folder / f"{_DESCRIPTION}.new"
    path.write_text(json.dumps(description), encoding="utf-8")
    path.replace(folder / _DESCRIPTION)


def running_stack(port: int | None = None) -> dict[str, str]:
    """The description of the local stack that is running, or of the one on `port`. Raises
    CommandError if there is none, or more than one."""
    stacks = [
        stack for stack in _running() if port is None or stack["endpoint_url"].endswith(f":{port}")
    ]
    if not stacks:
        where = "" if port is None else f" on port {port}"
        option = "" if port is None else f" --port {port}"
        raise CommandError(
            f"No local stack is running{where}: start one with `tickets local start{option}`, and "
            "wait until it is ready."
        )
    if len(stacks) > 1:
        ports = ", ".join(sorted(stack["endpoint_url"].rpartition(":")[2] for stack in stacks))
        raise CommandError(f"Several local stacks are running: pass --port, one of {ports}.")
    return stacks[0]


def _running() -> list[dict[str, str]]:
    """The stacks that this user has started. A shell evaluates their descriptions, so other users'
    files are not read: anyone may write to the folder for temporary files."""
    found = []
    for path in Path(tempfile.gettempdir()).glob(f"tickets-*/{_DESCRIPTION}"):
        with suppress(OSError, ValueError):
            if _is_mine(path.parent) and _is_mine(path):
                found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def _is_mine(path: Path) -> bool:
    about = path.lstat()
    return about.st_uid == os.getuid() and not stat.S_ISLNK(about.st_mode)
