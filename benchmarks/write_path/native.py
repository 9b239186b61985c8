"""Runs the two C programs that the Makefile builds: the stub of BatchWriteItem, and the floor."""

import contextlib
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

BUILD = Path(__file__).parents[2] / "build" / "bench"
STUB = BUILD / "stub"
FLOOR = BUILD / "floor"
CERTIFICATE = BUILD / "cert.pem"
KEY = BUILD / "key.pem"


class Behaviour(NamedTuple):
    """How the stub answers; stub.c describes the fields."""

    latency_ms: float = 0
    unprocessed: float = 0
    throttled: float = 0
    capacity: float = 0
    burst: float = 0


class Stats(NamedTuple):
    """What the stub has received since the last reset."""

    requests: int
    items: int
    distinct: int
    hash: int
    unprocessed: int
    throttled: int
    refused: int
    most_in_flight: int
    seconds: float
    """The time from the first accepted items to the last ones."""


class Stub:
    """A running stub. Its ports are on 127.0.0.1."""

    def __init__(self, plain_port: int, tls_port: int) -> None:
        self.ports = {False: plain_port, True: tls_port}
        self._http = http.client.HTTPConnection("127.0.0.1", plain_port, timeout=60)

    def endpoint(self, tls: bool) -> str:
        return f"{'https' if tls else 'http'}://127.0.0.1:{self.ports[tls]}"

    def reset(self, behaviour: Behaviour) -> None:
        """Makes the stub forget all items and answer with this behaviour."""
        query = "&".join(f"{name}={value}" for name, value in behaviour._asdict().items())
        self._ask("POST", f"/reset?{query}")

    def stats(self) -> Stats:
        answer = self._ask("GET", "/stats")
        return Stats(**{**answer, "hash": int(answer["hash"], 16)})

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        self._http.request(method, path)
        return dict(json.loads(self._http.getresponse().read()))


def compile_stub() -> None:
    """Makes the stub and its certificate, unless they are there."""
    targets = [str(path.relative_to(BUILD.parents[1])) for path in (STUB, CERTIFICATE)]
    subprocess.run(["make", "-s", *targets], cwd=BUILD.parents[1], check=True)  # noqa: S607 - on PATH


@contextlib.contextmanager
def running_stub(cpu: int | None = None) -> Iterator[Stub]:
    """Runs a stub within the block, on a certain CPU if one is given."""
    process = subprocess.Popen(
        [STUB, CERTIFICATE, KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        if cpu is not None:
            os.sched_setaffinity(process.pid, {cpu})
        assert process.stdin
        assert process.stdout
        try:
            yield Stub(*map(int, process.stdout.readline().split()))
        finally:
            process.stdin.close()  # the stub ends when its input does


def run_floor(path: Path, size: int, port: int, tls: bool, in_flight: int) -> dict[str, float]:
    """Runs the C program that writes the first `size` bytes of the file; returns
    `{"rows", "cpu", "wall"}`."""
    command = [str(FLOOR), str(path), str(size), str(port), str(in_flight)]
    command += ["tls"] if tls else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
