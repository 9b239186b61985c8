"""Runs a worker process for each way to write, and starts the floor for each of its runs."""

import json
import subprocess
import sys
from typing import Any

from benchmarks.write_path.forms import FormSample
from benchmarks.write_path.native import BUILD, Stub, run_floor
from benchmarks.write_path.samples import Sample
from benchmarks.write_path.worker import Job, Result

OTHERS_PYTHON = BUILD.parents[1] / ".venv" / "bench" / "bin" / "python"


class Processes:
    """Starts each worker when it is first needed, and ends all at the end of the block."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._workers: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            with worker:
                assert worker.stdin
                worker.stdin.close()  # the worker ends when its input does

    def run(
        self, way: str, sample: Sample | FormSample, tiles: int, tls: bool, in_flight: int
    ) -> Result:
        """Writes the sample's first tiles. Raises RuntimeError if the worker fails."""
        expected = sample.expected(tiles)
        if way == "floor":
            port = self._stub.ports[tls]
            figures = run_floor(sample.path, sample.size(tiles), port, tls, in_flight)
            if figures["rows"] != expected.rows:
                raise RuntimeError(f"The floor found {figures['rows']} of {expected.rows} rows.")
            return Result(figures["cpu"], figures["wall"], 0)
        job = Job(
            str(sample.path),
            sample.size(tiles),
            expected.rows - expected.superseded,
            self._stub.endpoint(tls),
            in_flight,
            sample.source,
        )
        worker = self._worker(way)
        assert worker.stdin
        assert worker.stdout
        worker.stdin.write(json.dumps(job._asdict()) + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        if not answer:
            raise RuntimeError(f"The process of {way} ended with {worker.wait()}.")
        return Result(**json.loads(answer))

    def _worker(self, way: str) -> subprocess.Popen[str]:
        if way not in self._workers:
            if way == "ours":
                command: list[Any] = [sys.executable, "-m", "benchmarks.write_path.ours"]
            else:
                command = [OTHERS_PYTHON, "-m", "benchmarks.write_path.others", way]
            self._workers[way] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        return self._workers[way]


def run_module(module: str, *arguments: object) -> Any:
    """Runs a module of this package in a process of its own; returns the JSON that it prints."""
    command = [sys.executable, "-m", f"benchmarks.write_path.{module}", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
