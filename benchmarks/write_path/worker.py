"""A worker process, which runs one way to write: it does one job after another and measures each.

It reads jobs as lines of JSON from standard input, and prints results as lines of JSON. It measures
only the way itself, from the file's bytes in memory to the last acknowledged item: importing,
creating clients and reading the file are not included.
"""

import contextlib
import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import NamedTuple


class Job(NamedTuple):
    path: str
    size: int
    """The number of bytes to write, from the start of the file."""
    rows: int
    """The number of rows that the table has after that."""
    endpoint: str
    in_flight: int
    """The most requests in flight, for the ways that send several at once."""
    source: str = "tickets"
    """The source that the file is one of."""


class Result(NamedTuple):
    cpu: float
    """CPU seconds of this process, user and system, all threads."""
    wall: float
    peak: float
    """The peak memory of this process until now, in MiB."""


Way = Callable[[Job], Callable[[], None]]
"""Prepares a job and returns the function to measure."""


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_memory() -> float:
    """The peak memory of this process until now, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def measure(work: Callable[[], None]) -> Result:
    gc.collect()
    cpu, wall = cpu_seconds(), time.perf_counter()
    work()
    return Result(cpu_seconds() - cpu, time.perf_counter() - wall, peak_memory())


def serve(way: Way) -> None:
    """Does jobs until standard input ends."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # libraries may print, but not among the results
        for line in sys.stdin:
            work = way(Job(**json.loads(line)))
            print(json.dumps(measure(work)._asdict()), file=answers, flush=True)
