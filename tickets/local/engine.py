"""Runs the embedded engine: MiniStack, as a child process on a loopback port.

    with Engine.start() as engine:
        engine.client("s3").list_buckets()

It listens on 127.0.0.1 only, does not see the caller's AWS settings, does not use Docker, and has a
private folder. However this process ends, `tickets.local.engine_guard` ends the engine and removes
the folder. The engine's data are removed with it, unless they are kept (`kept_data`).
"""

import contextlib
import errno
import http.client
import json
import math
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.session

from tickets.errors import TicketsError
from tickets.local import engine_guard
from tickets.local.engine_guard import SAVE_DEADLINE_SECONDS
from tickets.local.kept_data import KeptData
from tickets.runs.stack import make_client

HOST = "127.0.0.1"
REGION = "us-east-1"
LOG_NAME = "engine.log"
START_DEADLINE_SECONDS = 60.0
STOP_DEADLINE_SECONDS = 10.0
# Python runs signal handlers between two bytecodes. If a signal arrives just before `select`, or in
# another thread, its handler runs when `select` returns, so every wait needs a timeout.
MAX_WAIT_SECONDS = 0.5
MAX_PORT_ATTEMPTS = 5
# The retries of a state that can't succeed take about a minute; scaled down, a few seconds. Their
# order and number stay as in the definition.
WAIT_SCALE = 0.1
COMMAND = [sys.executable, "-m", "ministack"]
# The only variables that the engine inherits. Not HOME: the functions would read ~/.aws there.
INHERITED_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class EngineError(TicketsError):
    """The engine did not start. The message ends with the last lines of its log."""


class PortTaken(EngineError):
    """Another process is listening on the port."""


class Engine:
    """A running engine. `Engine.start` starts it; `stop` or leaving the `with` block ends it.

    `folder` is private to this engine and removed with it, even if this process is killed. `pid` is
    the engine's process id.
    """

    region = REGION
    # The root user's access key. The engine does not check the secret.
    access_key_id = "test"
    secret_access_key = "test"  # noqa: S105 - fixed by the engine, not a secret

    def __init__(self, port: int, keep: KeptData | None = None) -> None:
        self.port = port
        self.endpoint_url = f"http://{HOST}:{port}"
        self.folder: Path  # set when the engine has started, like pid
        self.pid: int
        self._keep = keep
        self._started = False
        self._token = secrets.token_hex(8)
        self._unread = b""
        self._guard_errors: list[str] = []
        self._exit_code: int | None = None
        # -I and -S: see engine_guard.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", engine_guard.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            bufsize=0,
            pass_fds=() if keep is None else (keep.lock,),
        )

    @classmethod
    def start(
        cls,
        port: int | None = None,
        wait_scale: float = WAIT_SCALE,
        keep: KeptData | None = None,
    ) -> Self:
        """Starts an engine and returns when it is ready.

        port: the port to listen on; any free one if None.
        wait_scale: factor for all waits and retry delays of the state machine; 1 waits as long as
        AWS does.
        keep: where the engine finds and saves its data; nowhere if None. Data that are kept already
        determine the port.
        Raises EngineError.
        """
        if keep is not None and keep.port is not None:
            _check_kept_port(keep.port, keep.folder)
            return cls._start_on(keep.port, wait_scale, keep)
        if port is not None:
            _check_port(port)
            return cls._start_on(port, wait_scale, keep)
        for attempt in range(1, MAX_PORT_ATTEMPTS + 1):
            try:
                return cls._start_on(_free_port(), wait_scale, keep)
            except PortTaken:  # by another process, after we found it free
                if attempt == MAX_PORT_ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def _start_on(cls, port: int, wait_scale: float, keep: KeptData | None) -> Self:
        engine = cls(port, keep)
        try:
            engine._request(wait_scale)
            engine._wait_until_ready()
        except BaseException:
            engine.stop()
            raise
        return engine

    def stop(self) -> None:
        """Ends the engine and its Lambda workers, saves its data if they are kept, and removes its
        folder. May be called again."""
        if self._guard.stdin is None or self._guard.stdin.closed:
            return
        self._guard.stdin.close()
        try:
            saving = SAVE_DEADLINE_SECONDS if self._keep else 0.0
            self._guard.wait(STOP_DEADLINE_SECONDS + saving)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        if self._guard.returncode != 0 and self._started:  # it was killed: do its work
            if self._exit_code is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)
        assert self._guard.stdout is not None
        self._guard.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def wait(self, timeout: float | None = None) -> int | None:
        """Waits for the engine to end by itself and returns its exit code; None after `timeout`
        seconds."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while self._exit_code is None and (left := deadline - time.monotonic()) > 0:
            self._read_events(min(left, MAX_WAIT_SECONDS))
        return self._exit_code

    @property
    def log_path(self) -> Path:
        """The engine's log. It is removed when the engine ends."""
        return self.folder / LOG_NAME

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the engine's log; empty if there is no log."""
        if not self._started:
            return ""
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def session(self) -> boto3.Session:
        """A session with the root user's access key. It ignores the caller's AWS profile and
        files."""
        isolated: Any = botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        return boto3.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=self.region,
            botocore_session=isolated,
        )

    def client(self, service: str) -> Any:
        """A new boto3 client with the root user's access key."""
        return make_client(self.session(), service, self.endpoint_url)

    def _request(self, wait_scale: float) -> None:
        request = {
            "command": COMMAND,
            "environment": self._environment(wait_scale),
            "log": LOG_NAME,
            "keep": self._keep and self._keep.prepare_next(self.port),
        }
        assert self._guard.stdin is not None
        try:
            self._guard.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            while True:  # the guard has died: raises EngineError with its output
                self._read_events(STOP_DEADLINE_SECONDS)

    def _environment(self, wait_scale: float) -> dict[str, str]:
        inherited = {k: os.environ[k] for k in INHERITED_VARIABLES if k in os.environ}
        return inherited | {
            "AUTH": "true",  # every function has the permissions of its own role
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",  # it would listen on every interface
            "SFTP_ENABLED": "0",
            "SFN_WAIT_SCALE": str(wait_scale),
            # Used in queue URLs. `localhost` may resolve to ::1, where another process may listen.
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            # Identifies this engine. The health page shows it, and nothing else uses it.
            "MINISTACK_EDITION": self._token,
            # Relative to the private folder, in which the guard starts the engine.
            "S3_DATA_DIR": "s3",
            "STATE_DIR": "state",
            # If the engine finds a Docker socket, it removes the containers of other engines.
            "DOCKER_HOST": f"unix://{os.devnull}/no-docker.sock",
            # The same as in Lambda.
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONUNBUFFERED": "1",  # so that the log is complete after a crash
            **(self._keep.environment() if self._keep else {}),
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while not self._answers():
            self._read_events(0.05)
            if self._exit_code is not None:
                tail = self.log_tail()
                if "already in use" in tail.lower():
                    raise PortTaken(f"Port {self.port} is in use: choose another one.\n{tail}")
                raise EngineError(
                    f"The embedded engine ended with code {self._exit_code} during its start; its "
                    f"log ends with:\n{tail}"
                )
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The embedded engine was not ready after {START_DEADLINE_SECONDS:.0f} s; its "
                    f"log ends with:\n{self.log_tail()}"
                )

    def _answers(self) -> bool:
        """Whether this engine, and not another one, listens on the port and is ready."""
        try:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=1)
            try:
                connection.request("GET", "/_ministack/health")
                health = json.loads(connection.getresponse().read())
                if health.get("edition") != self._token:
                    return False
                connection.request("GET", "/_ministack/ready")
                return connection.getresponse().status == 200
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            return False  # it is not up yet, or the port is another program's

    def _read_events(self, timeout: float) -> None:
        """Reads the guard's events, waiting up to `timeout` seconds for the first one.

        Raises EngineError if the engine could not be started or the guard has ended.
        """
        assert self._guard.stdout is not None
        pipe = self._guard.stdout.fileno()
        if not select.select([pipe], [], [], timeout)[0]:
            return
        data = os.read(pipe, 65536)
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:  # not an event but an error of Python itself
                self._guard_errors.append(line.decode(errors="replace"))
                continue
            if event["event"] == "started":
                self.pid, self.folder = event["pid"], Path(event["folder"])
                self._started = True
            elif event["event"] == "exited":
                self._exit_code = event["code"]
            elif event["event"] == "failed":
                raise EngineError(f"The embedded engine could not be started: {event['reason']}.")
        if not data and self._exit_code is None:
            errors = "\n".join(["", *self._guard_errors])
            raise EngineError(f"The embedded engine's guard has ended: start it again.{errors}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _check_kept_port(port: int, folder: Path) -> None:
    try:
        _check_port(port)
    except PortTaken as error:
        raise PortTaken(
            f"Port {port} is in use, and the data in {folder} belong to it, because it is part of "
            "the queues' addresses: end the program that uses it, or name another folder."
        ) from error


def _check_port(port: int) -> None:
    if not 1 <= port <= 65535:
        raise EngineError(f"{port} is not a port: choose one between 1 and 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(f"Port {port} is in use: choose another one, or none.") from error
            raise EngineError(
                f"Port {port} can't be used ({error.strerror}): choose another one."
            ) from (error)
