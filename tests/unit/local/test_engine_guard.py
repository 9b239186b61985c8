"""The guard saves kept data when the engine ends in order. A program of ours takes the engine's
place: like MiniStack, it saves on SIGTERM, says so in its log, and may stay alive after that."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tickets.local import engine_guard
from tickets.local.kept_data import NOT_SAVED, SAVED, kept_data

ENGINE = """
import signal, sys, time
def end(*_):
    print({said!r}, flush=True)
    if {exits}:
        sys.exit(0)
signal.signal(signal.SIGTERM, end)
open("ready", "w").close()
while True:
    time.sleep(1)
"""


@contextmanager
def guarded(folder: Path, said: str, exits: bool = True) -> Iterator[dict[str, Any]]:
    """A guard with such an engine, whose data are kept; ends both by closing the guard's input."""
    with kept_data(folder, 4566) as kept:
        keep = kept.prepare_next(4566)
        request = {
            "command": [sys.executable, "-c", ENGINE.format(said=said, exits=exits)],
            "environment": {},
            "log": "log",
            "keep": keep,
        }
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", engine_guard.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(kept.lock,),
        )
        with guard:
            assert guard.stdin
            assert guard.stdout
            guard.stdin.write(json.dumps(request).encode() + b"\n")
            guard.stdin.flush()
            started = json.loads(guard.stdout.readline())
            while not Path(started["folder"], "ready").exists():
                assert guard.poll() is None
            yield started
            guard.stdin.close()
            assert guard.wait(30) == 0
        assert not Path(started["folder"]).exists()
        with pytest.raises(ProcessLookupError):
            os.killpg(started["pid"], 0)


@pytest.mark.parametrize("exits", [True, False], ids=["exits", "stays alive"])
def test_saved_data_are_put_in_force(tmp_path: Path, exits: bool) -> None:
    with guarded(tmp_path, f"INFO {SAVED}", exits):
        assert not (tmp_path / "kept.json").exists()
    assert json.loads((tmp_path / "kept.json").read_text())["port"] == 4566


@pytest.mark.parametrize("said", ["gone", f"{NOT_SAVED} s3: disk full\n{SAVED}"])
def test_what_is_not_saved_completely_is_not_put_in_force(tmp_path: Path, said: str) -> None:
    with guarded(tmp_path, said):
        pass
    assert not (tmp_path / "kept.json").exists()


def test_an_engine_that_was_killed_has_saved_nothing(tmp_path: Path) -> None:
    with guarded(tmp_path, SAVED) as started:
        os.kill(started["pid"], signal.SIGKILL)
    assert not (tmp_path / "kept.json").exists()
