"""The process of one way to write: it does one job after another and says what each one took.

Jobs come as lines of JSON on standard input, results go as lines of JSON to standard output. What
is measured is the way itself, from the file's bytes to the last item acknowledged: importing,
making clients and reading the file come before the clock starts.
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
    """How many of the file's bytes to write."""
    rows: int
    """How many rows these are."""
    endpoint: str
    in_flight: int
    """Requests under way at a time, for the ways that have more than one."""


class Result(NamedTuple):
    cpu: float
    """Seconds of this process, user and system, all threads."""
    wall: float
    peak: float
    """Peak memory of this process until now, in MiB."""


Way = Callable[[Job], Callable[[], None]]
"""Prepares a job and returns what is to be measured."""


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_memory() -> float:
    """Of this process until now, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def measure(work: Callable[[], None]) -> Result:
    gc.collect()
    cpu, wall = cpu_seconds(), time.perf_counter()
    work()
    return Result(cpu_seconds() - cpu, time.perf_counter() - wall, peak_memory())


def serve(way: Way) -> None:
    """Do jobs until standard input ends."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what libraries may print is no answer
        for line in sys.stdin:
            work = way(Job(**json.loads(line)))
            print(json.dumps(measure(work)._asdict()), file=answers, flush=True)
