"""Ends the embedded engine when the process that started it ends, even if SIGKILL ended it.

`tickets.local.engine` runs this file as a process in a session of its own, which Ctrl-C does not
reach, and keeps the write end of its standard input open. However the parent ends, the kernel
closes that pipe. This process then ends the engine's process group, including the Lambda workers,
and removes the private folder.

Standard input: one line of JSON, then nothing until it is closed.
    {"command": [...], "environment": {...}, "log": file name, "keep": null or {...}}
With "keep", the engine is told to end in an orderly way, so that it saves its state. When its log
has the text keep["saved"], and keep["not_saved"] nowhere, the file keep["new"] replaces
keep["record"]; see `tickets.local.kept_data`.
Standard output: one JSON object per line.
    {"event": "started", "pid": int, "folder": path}   the engine is the leader of process group pid
    {"event": "exited", "code": int}                   the engine has ended by itself
    {"event": "failed", "reason": str}                 the engine could not be started

This process creates the folder, not the parent: if the parent were killed while `tempfile` looks
for a folder for temporary files, a test file of `tempfile` would stay.

Uses the standard library only and runs with `python -I -S`, so that it starts within milliseconds
and does not depend on the current folder or the caller's environment.
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
from typing import Any

STDIN, STDOUT = 0, 1
ENDING_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
PR_SET_CHILD_SUBREAPER = 36
# Killed processes end within milliseconds, unless they are in uninterruptible sleep.
KILL_DEADLINE_SECONDS = 3.0
SAVE_DEADLINE_SECONDS = 60.0


def report(**event: object) -> None:
    """Sends an event to the parent. Raises BrokenPipeError if the parent has ended."""
    os.write(STDOUT, json.dumps(event).encode() + b"\n")


def adopt_orphans() -> None:
    """Makes the engine's orphaned workers children of this process, so that it can reap them.

    In many containers process 1 does not reap, and they would stay as zombies. Linux only.
    """
    if sys.platform != "linux":
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # Python was built without ctypes; the workers are killed nevertheless


def watch_signals() -> int:
    """Returns the read end of a pipe that every signal writes to, so that one `select` waits for
    signals and for the parent."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in {*ENDING_SIGNALS, signal.SIGCHLD}:
        signal.signal(number, lambda *_: None)
    return readable


def start_engine(request: dict[str, Any], folder: str) -> subprocess.Popen[bytes]:
    """Starts the engine in the folder, as the leader of a new session and process group."""
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
    """Reaps the children that have ended; True if none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def end_group(pid: int) -> None:
    """Kills the process group that `pid` leads and waits until its processes have ended.

    It sends SIGKILL at once: the engine has nothing left to save, and might start another worker
    while it shuts down.
    """
    deadline = time.monotonic() + KILL_DEADLINE_SECONDS
    while time.monotonic() < deadline:
        # Raised if no process is left, and on macOS if only zombies are.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        if no_children_left():
            return
        time.sleep(0.01)


def save(engine: subprocess.Popen[bytes], log: str, keep: dict[str, str]) -> None:
    """Tells the engine to end, and waits until its log says that it has saved its state. Only then
    the new record is put in force; an engine that ended by itself has saved nothing."""
    if engine.poll() is not None:
        return
    engine.terminate()
    deadline = time.monotonic() + SAVE_DEADLINE_SECONDS
    saved = False
    while not saved and time.monotonic() < deadline:
        ended = engine.poll() is not None  # before the log is read, which is complete by then
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        saved = keep["saved"] in text
        if ended:
            break
        time.sleep(0.02)
    if saved and keep["not_saved"] not in text:
        os.replace(keep["new"], keep["record"])


def main() -> int:
    signals = watch_signals()
    adopt_orphans()
    received = b""
    folder: str | None = None
    request: dict[str, Any] = {}
    engine: subprocess.Popen[bytes] | None = None
    ended = False
    try:
        while True:
            readable, _, _ = select.select([STDIN, signals], [], [])
            if signals in readable and ENDING_SIGNALS & set(os.read(signals, 512)):
                break
            if STDIN in readable:
                data = os.read(STDIN, 65536)
                if not data:  # the parent has closed the pipe, or has ended
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
        pass  # the parent has ended between two events
    except OSError as error:
        with contextlib.suppress(BrokenPipeError):
            report(event="failed", reason=str(error))
    finally:
        if engine is not None and not ended:
            if request.get("keep"):
                with contextlib.suppress(OSError):
                    save(engine, os.path.join(str(folder), request["log"]), request["keep"])
            end_group(engine.pid)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
