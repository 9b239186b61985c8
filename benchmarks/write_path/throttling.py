"""Measures how the writer's retries and its limit of requests in flight work with a table that is
too slow.

    python -m benchmarks.write_path.throttling ENDPOINT IN_FLIGHT FIRST_TILE LAST_TILE

runs one writer, which writes the tiles of one file from FIRST_TILE to before LAST_TILE. It prints
"ready" and begins when its standard input ends, so that several writers begin together.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.ticket_file import NO_QUOTES, TILE_ROWS, TicketFile
from benchmarks.write_path.native import Behaviour, Stub
from benchmarks.write_path.ours import Load

LATENCY_MS = 5
_MOST_TILES = 100_000  # more than any writer writes; only the parts that are read are generated


class Throttled(NamedTuple):
    """The result of several writers on one table."""

    capacity: int
    """The writes per second that the table accepts. At the start, it accepts this number at once,
    as a burst."""
    writers: int
    rows: int
    seconds: float
    """The time from the first accepted row to the last."""
    requests: int
    throttled: int
    """The number of requests that were throttled as a whole."""
    unprocessed: int
    """The number of rows returned as unprocessed."""

    @property
    def rows_per_s(self) -> float:
        """The rows per second, without those of the burst at the start."""
        return (self.rows - self.capacity) / self.seconds

    @property
    def lost_percent(self) -> float:
        """The percentage of the table's capacity that the writers did not use."""
        return max(0.0, 1 - self.rows_per_s / self.capacity) * 100


def measure(stub: Stub, capacity: int, writers: int, seconds: int, in_flight: int) -> Throttled:
    """Runs several writers for about `seconds`, each in a process of its own.

    Raises RuntimeError if a writer fails, or if not every row has arrived exactly once.
    """
    stub.reset(Behaviour(latency_ms=LATENCY_MS, capacity=capacity, burst=capacity))
    tiles = max(1, capacity * (seconds + 1) // TILE_ROWS // writers)
    command = [sys.executable, "-m", "benchmarks.write_path.throttling"]
    command += [stub.endpoint(False), str(in_flight)]
    started = [
        subprocess.Popen(
            [*command, str(writer * tiles), str((writer + 1) * tiles)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for writer in range(writers)
    ]
    for process in started:
        assert process.stdout
        process.stdout.readline()  # ready, or ended
    for process in started:
        assert process.stdin
        process.stdin.close()
    codes = []
    for process in started:
        with process:
            codes.append(process.wait())
    if any(codes):
        raise RuntimeError(f"Writers ended with {codes}.")
    stats = stub.stats()
    rows = writers * tiles * TILE_ROWS
    if (stats.items, stats.distinct) != (rows, rows):
        raise RuntimeError(f"{rows} rows became {stats.items} items, {stats.distinct} different.")
    return Throttled(
        capacity, writers, rows, stats.seconds, stats.requests, stats.throttled, stats.unprocessed
    )


def _write(endpoint: str, in_flight: int, first: int, last: int) -> None:
    tile_size = TicketFile(0, NO_QUOTES).tile_size
    source = TicketFile(_MOST_TILES * tile_size, NO_QUOTES)
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder), source, endpoint, in_flight)
        print("ready", flush=True)
        sys.stdin.read()
        load.write(source.size_of(first), source.size_of(last), (last - first) * TILE_ROWS)


if __name__ == "__main__":
    _write(sys.argv[1], *map(int, sys.argv[2:]))
