"""Runs packaged functions on emulated arm64, with what AWS runs them with: its runtime client for
Python, and the runtime interface emulator of the SAM CLI in the place of Lambda."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from tests.support.processes import with_descendants
from tests.support.project_copy import VENV
from tickets import TEMPLATE
from tickets.runs.waiting import polls
from tools.arm64 import BUILD, emulator

STARTED_WITHIN_SECONDS = 10
MAX_CALL_SECONDS = 100
PYTHON = "python3.13"
INVOCATIONS = "/2015-03-31/functions/function/invocations"


class Function:
    """A function whose process is running. Its code is imported at the first call."""

    def __init__(self, port: int) -> None:
        self._port = port

    def call(self, event: Mapping[str, Any]) -> Any:
        """Sends an event and returns the answer. If the handler raised an error, that is an object
        with its type and message."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=MAX_CALL_SECONDS)
        try:
            connection.request("POST", INVOCATIONS, json.dumps(event))
            answer = connection.getresponse().read()
        finally:
            connection.close()
        return json.loads(answer)


def handlers() -> dict[str, Path]:
    """The functions' folders in the build, by the name of their handler: `write_chunk`."""
    resources: Any = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    return {
        one["Properties"]["Handler"].split(".")[1]: BUILD / name
        for name, one in resources.items()
        if one["Type"] == "AWS::Serverless::Function"
    }


@contextmanager
def running_functions(environment: Mapping[str, str], logs: Path) -> Iterator[dict[str, Function]]:
    """Runs every function within the block, with these environment variables. Yields them by the
    name of their handler. Their output goes to a file each in the folder `logs`."""
    [program] = (VENV / "sam").glob("lib/python*/site-packages/samcli/local/rapid/*-rie-x86_64")
    processes = []
    try:
        functions = {}
        for name, folder in handlers().items():
            ports = _free_port(), _free_port()
            log = (logs / f"{name}.log").open("wb")
            process = subprocess.Popen(
                _command(program, ports, f"handlers.{name}.handler"),
                cwd=folder,
                env=_variables(folder, environment),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            processes.append((process, log))
            functions[name] = Function(ports[0])
            _wait_until_it_listens(ports[0])
        # Imports their code, on each processor one at a time: all at once, none would answer within
        # its time on a slow machine. What they answer doesn't matter.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(lambda function: function.call({}), functions.values()))
        yield functions
    finally:
        for process, log in processes:
            for pid in with_descendants(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            log.close()


def _command(program: Path, ports: tuple[int, int], handler: str) -> list[str]:
    return [
        str(program),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{ports[0]}"),
        *("--runtime-api-address", f"127.0.0.1:{ports[1]}"),
        *emulator.command(PYTHON, "-m", "awslambdaric", handler),
    ]


def _variables(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    timeout = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "900"}
    return {**kept, **timeout, **emulator.environment(folder), **environment}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_until_it_listens(port: int) -> None:
    for _ in polls(0.05, STARTED_WITHIN_SECONDS):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
