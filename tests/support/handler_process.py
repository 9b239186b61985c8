"""Calls handlers in separate processes, so that a test can kill one at any moment.

One process imports everything and forks for each call, because importing boto3 and reading its
models would take a second each time. Forking is safe, because the process has no threads. For each
call it reads one line of JSON and writes lines of JSON: `{"pid"}`, then `{"answer"}` or
`{"error"}` unless the call is killed, then `{"ended"}` with the exit code.
"""

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from tickets import ROOT

STARTED_WITHIN_SECONDS = 10


class Failed(Exception):
    """The handler raised an error; its text is the traceback."""


class HandlerProcess:
    """Calls handlers, one at a time. Any thread may call `kill` while a call is under way."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.handler_process"],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": f"{ROOT}/functions", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started = threading.Event()
        self._pid = 0

    def call(self, handler: str, event: Any, **options: Any) -> Any:
        """Returns the handler's answer, or None if it was killed. Raises Failed if the handler
        raised an error. For `options` see `_answer`."""
        self._started.clear()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"handler": handler, "event": event, **options}))
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        answer = None
        for line in self._process.stdout:
            told = json.loads(line)
            if "pid" in told:
                self._pid = told["pid"]
                self._started.set()
            if "error" in told:
                answer = Failed(told["error"])
            answer = told.get("answer", answer)
            if "ended" in told:
                break
        else:
            raise AssertionError("the process that forks has ended")
        if isinstance(answer, Failed):
            raise answer
        assert told["ended"] == (-signal.SIGKILL if answer is None else 0)
        return answer

    def kill(self) -> None:
        """Ends the call that is under way with SIGKILL, which a handler can't catch."""
        assert self._started.wait(STARTED_WITHIN_SECONDS)
        os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(STARTED_WITHIN_SECONDS)
        self._process.stdout.close()


# --- In the process that forks


def _tell(to: int, **what: Any) -> None:
    os.write(to, (json.dumps(what) + "\n").encode())


def _answer(
    handler: str,
    event: Any,
    environment: Mapping[str, str],
    seconds: float = 900.0,
    later: float = 0.0,
    tick: float = 0.0,
) -> Any:
    """Calls a handler.

    seconds: the time that it has left.
    later: seconds by which the clock for leases is fast.
    tick: seconds by which Write Chunk's clock advances each time that it is read.
    """
    os.environ.update(environment)
    module = importlib.import_module(f"handlers.{handler}")
    if later:
        module._turn_taker()._turns._now = lambda: time.time() + later
    if tick:
        module._chunk_writer()._clock = itertools.count(0, tick).__next__
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))
    return module.handler(event, context)


def _serve() -> None:
    import boto3

    test = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # handlers write their metrics there
    boto3.setup_default_session()
    for service in ("s3", "dynamodb", "stepfunctions"):
        boto3.client(service)  # the session keeps the models, which take a second to read
    for file in (ROOT / "functions" / "handlers").glob("[a-z]*.py"):
        importlib.import_module(f"handlers.{file.stem}")
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            try:
                _tell(test, answer=_answer(**json.loads(line)))
            except BaseException:
                _tell(test, error=traceback.format_exc(limit=-8)[-3000:])
            os._exit(0)
        _tell(test, pid=pid)
        _tell(test, ended=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    _serve()
