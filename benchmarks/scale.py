"""`make scale`: runs the tasks of a load on a large file, with stubs in place of S3 and DynamoDB.

Each task runs in a separate process, so that its peak memory can be measured. Python's csv module
reads the same file, to check that every row arrived at the table exactly once.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.scale_tasks import CHUNK_SIZE
from ingestion.csv_files.gzip_stream import MAX_FILE_BYTES

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_SMALL = 100 * 10**6
_PART = 2**30
"""Bytes that one process writes. A large file is written by several, one after another."""
_MOST_GROWTH = 32.0
"""MiB by which the peaks may differ if memory is to count as flat. A plan of 10,000 chunks, the
most, takes 22 MiB more than one of six."""
_HEADINGS = (
    f"{'file':>7}  {'task':<21} {'wall s':>7} {'CPU s':>7} {'of it stubs':>11} "
    f"{'MB/CPU s':>9} {'peak MiB':>9}"
)


class Failed(Exception):
    """A task failed, took too long, or its answer is wrong."""


class Step(NamedTuple):
    """The figures of one process; `scale_tasks` describes them."""

    figures: dict[str, Any]

    @property
    def answer(self) -> dict[str, Any]:
        return dict(self.figures["answer"])

    @property
    def peak(self) -> float:
        return float(self.figures["peak"])


class Run:
    """Runs the tasks on one file. `deadline` is a value of time.monotonic. `chunk_size` is in
    bytes."""

    def __init__(self, folder: Path, size: int, deadline: float, chunk_size: int) -> None:
        self._chunk_size = chunk_size
        self._folder = folder
        self._size = size
        self._deadline = deadline

    def task(self, name: str, label: str, size: int = 0) -> Step:
        """Runs a task and prints its line. `size` is the number of the file's bytes that it
        reads."""
        step = self._process(name, label)
        print(_line(_amount(self._size), label, step.figures, size), flush=True)
        return step

    def write(self, chunks: int, label: str) -> Step:
        """Runs Write Chunk for the first `chunks` chunks, _PART bytes per process, and prints the
        total."""
        step = max(1, _PART // self._chunk_size)
        parts = [
            self._process("write", label, first, min(first + step, chunks))
            for first in range(0, chunks, step)
        ]
        total = _total(parts)
        print(_line(_amount(self._size), label, total.figures, self._size), flush=True)
        return total

    def _process(self, name: str, label: str, *chunks: int) -> Step:
        left = self._deadline - time.monotonic()
        command = [sys.executable, "-m", "benchmarks.scale_tasks"]
        command += [name, str(self._size), str(self._folder), str(self._chunk_size)]
        command += map(str, chunks)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=max(left, 1),
                check=False,
                env=os.environ | {"PYTHONHASHSEED": "0"},  # Fingerprint compares hashes
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{label} was stopped: the time was up (--seconds).") from None
        if done.returncode:
            raise Failed(f"{label} failed:\n{done.stderr}")
        return Step(json.loads(done.stdout.splitlines()[-1]))

    def copy(self, folder: Path) -> "Run":
        """Copies the run in its current state, for a trial that does not change this one."""
        shutil.copytree(self._folder, folder)
        return Run(folder, self._size, self._deadline, self._chunk_size)

    def plan(self) -> Step:
        """Runs Validate File and Split File. Raises Failed if the file is not accepted."""
        accepted = self.task("validate", "Validate File")
        if accepted.answer["verdict"] != "accepted":
            raise Failed(f"The file was not accepted: {accepted.answer['summary']}")
        return self.task("split", "Split File", self._size)


def measure(
    folder: Path, size: int, large: Sequence[int], deadline: float, chunk_size: int
) -> None:
    """Runs everything and prints the table. Raises Failed."""
    print(_HEADINGS)
    peaks, imports = [], 0.0
    for one in sorted({_SMALL, size, *large} - {0}):
        (folder / str(one)).mkdir()
        run = Run(folder / str(one), one, deadline, chunk_size)
        split = run.plan()
        peaks.append(split.peak)
        imports = split.figures["imports"]
        if one == size:
            _load(run, run.copy(folder / "trial"), split.answer["plan"]["chunks"], size)
    growth = max(peaks) - min(peaks)
    flat = growth <= _MOST_GROWTH
    print(
        f"\nSplit File's peak memory differs by {growth:.0f} MiB over {len(peaks)} sizes: "
        f"{'flat' if flat else 'NOT FLAT'}.\n"
        f"A process that has only imported the code is at {imports:.0f} MiB."
    )
    if not flat:
        raise Failed("Split File's memory grows with the file.")


def _load(run: Run, trial: Run, chunks: int, size: int) -> None:
    one = trial.write(1, "Write Chunk, one")
    every = run.write(chunks, "Write Chunk, all")
    settled = run.task("settle", "Settle Equal Keys")
    if settled.answer["state"] != "settled":
        raise Failed(f"Settle Equal Keys answered {settled.answer}.")
    reconciled = run.task("reconcile", "Reconcile")
    expected = run.task("expect", "(csv module, to check)", size).answer
    rows = expected["written"]["rows"]
    if every.answer["written"] != expected["written"]:
        raise Failed(f"The table got {every.answer['written']}, the file has {expected}.")
    totals = {"rows_written": rows, "rows_refused": expected["refused"], "complete": True}
    if any(reconciled.answer[name] != value for name, value in totals.items()):
        raise Failed(f"Reconcile answered {reconciled.answer} instead of {totals}.")
    own = every.figures["cpu"] - every.figures["stubs"]
    print(
        f"         {rows:,} rows arrived exactly once, {expected['refused']:,} are refused, as the "
        f"csv module says.\n"
        f"         Write Chunk: {own / (rows + expected['refused']) * 1e6:.1f} µs of CPU a row; "
        f"a chunk is {one.answer['bytes'] / 1024**2:.2g} MiB."
    )


def _total(parts: Sequence[Step]) -> Step:
    """The figures of processes that wrote one after another. Hashes are added up, as Fingerprint
    does."""
    figures: dict[str, Any] = {
        name: sum(part.figures[name] for part in parts) for name in ("wall", "cpu", "stubs")
    }
    written = [part.answer["written"] for part in parts]
    total = sum(int(one["hash"], 16) for one in written)
    answer = {
        "bytes": sum(part.answer["bytes"] for part in parts),
        "refused": sum(part.answer["refused"] for part in parts),
        "written": {
            "rows": sum(one["rows"] for one in written),
            "hash": f"{total % 2**64:016x}",
        },
    }
    peak = max(part.peak for part in parts)
    return Step({**figures, "peak": peak, "answer": answer})


def _line(file: str, label: str, figures: dict[str, Any], size: int) -> str:
    own = figures["cpu"] - figures["stubs"]
    if "bytes" in (figures["answer"] or {}):
        size = figures["answer"]["bytes"]
    rate = f"{size / 1e6 / own:.1f}" if size else "-"
    return (
        f"{file:>7}  {label:<21} {figures['wall']:>7.1f} {figures['cpu']:>7.1f} "
        f"{figures['stubs']:>11.1f} {rate:>9} {figures['peak']:>9.0f}"
    )


def _amount(size: int) -> str:
    if size >= 10**12:
        return f"{size / 10**12:g} TB"
    return f"{size / 10**9:g} GB" if size >= 10**9 else f"{size / 10**6:g} MB"


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]+) ?([MGT]B)", text.strip().upper())
    if match is None and text != "0":
        raise argparse.ArgumentTypeError("write it like 500MB, 10GB or 5TB, or 0")
    return int(match[1]) * _UNITS[match[2]] if match else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--size", type=_size, default="10GB", help="goes through all tasks")
    parser.add_argument(
        "--large",
        type=_size,
        nargs="+",
        default=[100 * 10**9, MAX_FILE_BYTES - 10**6],  # a file ends with a whole tile of rows
        help="are validated and split; 0 for none",
    )
    parser.add_argument(
        "--chunk-bytes", type=int, default=CHUNK_SIZE, help="size of a chunk; for many chunks"
    )
    parser.add_argument(
        "--seconds", type=float, default=3600, help="the whole run may take at most"
    )
    options = parser.parse_args(arguments)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load average {load}\n"
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tickets-scale-") as folder:
        try:
            deadline = began + options.seconds
            measure(Path(folder), options.size, options.large, deadline, options.chunk_bytes)
        except Failed as error:
            print(error, file=sys.stderr)
            return 1
    print(f"Everything took {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
