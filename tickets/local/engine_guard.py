"""Keeps the embedded engine from outliving the process that started it.

A process cannot clean up after its own SIGKILL, so another one does it. `tickets.local.engine`
starts this file as a process in a session of its own (a terminal's Ctrl-C does not reach it) and
keeps the writing end of its standard input open. The kernel closes that pipe, however the parent
ends. When the pipe ends, this process stops the engine's process group, Lambda workers included,
and then removes the private folder.

Standard input, one JSON object on one line, then nothing until it is closed:
    {"command": [...], "environment": {...}, "log": file name}
Standard output, one JSON object a line:
    {"event": "started", "pid": int, "folder": path}   the engine leads its own process group
    {"event": "exited", "code": int}                   the engine has ended by itself
    {"event": "failed", "reason": str}                 there is no engine, and there will be none

The folder is made here and not by the parent, because already the search for a place for temporary
files leaves a file behind when it is killed at the wrong moment.

Standard library only, and run with `python -I -S`: it must be up within milliseconds and must not
depend on where it was started or on what the caller's environment says.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

STDIN, STDOUT = 0, 1
ENDING_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
PR_SET_CHILD_SUBREAPER = 36
# Killed processes are gone within milliseconds; the deadline is for one in uninterruptible sleep.
KILL_DEADLINE_SECONDS = 3.0


def report(**event: object) -> None:
    """Tell the parent. Raises BrokenPipeError when there is none any more."""
    os.write(STDOUT, json.dumps(event).encode() + b"\n")


def adopt_orphans() -> None:
    """Make the engine's orphaned workers children of this process, so that it can reap them.

    Otherwise they would be left as zombies where process 1 reaps nothing, as in many containers.
    Linux only; elsewhere process 1 does it.
    """
    if sys.platform != "linux":
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # a Python built without ctypes: the workers are killed all the same


def watch_signals() -> int:
    """Turn signals into bytes on a pipe, to wait for them and for the parent in one place."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in {*ENDING_SIGNALS, signal.SIGCHLD}:
        signal.signal(number, lambda *_: None)
    return readable


def start_engine(request: dict[str, object], folder: str) -> subprocess.Popen[bytes]:
    """Start the engine in the folder, as leader of a new session and process group."""
    command = request["command"]
    environment = request["environment"]
    assert isinstance(command, list)
    assert isinstance(environment, dict)
    with open(os.path.join(folder, str(request["log"])), "wb") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {"HOME": folder, "TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def no_children_left() -> bool:
    """Reap every child that has ended; True when there is no other."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def end_group(pid: int) -> None:
    """End the process group led by `pid`, and return when its processes are gone.

    SIGKILL at once: all that the engine holds is memory and a folder that is removed next, and a
    polite engine would use the time to start another worker.
    """
    deadline = time.monotonic() + KILL_DEADLINE_SECONDS
    while time.monotonic() < deadline:
        # Nobody left, or on macOS nobody but zombies.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        if no_children_left():
            return
        time.sleep(0.01)


def main() -> int:
    signals = watch_signals()
    adopt_orphans()
    received = b""
    folder: str | None = None
    engine: subprocess.Popen[bytes] | None = None
    ended = False
    try:
        while True:
            readable, _, _ = select.select([STDIN, signals], [], [])
            if signals in readable and ENDING_SIGNALS & set(os.read(signals, 512)):
                break
            if STDIN in readable:
                data = os.read(STDIN, 65536)
                if not data:  # the parent closed the pipe, or died: one and the same
                    break
                received += data
                if engine is None and b"\n" in received:
                    request = json.loads(received)
                    folder = tempfile.mkdtemp(prefix="tickets-")
                    engine = start_engine(request, folder)
                    report(event="started", pid=engine.pid, folder=folder)
            if engine is not None and not ended and engine.poll() is not None:
                ended = True
                end_group(engine.pid)  # workers of an engine that crashed
                report(event="exited", code=engine.returncode)
    except BrokenPipeError:
        pass  # the parent died between two events
    except OSError as error:
        with contextlib.suppress(BrokenPipeError):
            report(event="failed", reason=str(error))
    finally:
        if engine is not None and not ended:
            end_group(engine.pid)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
