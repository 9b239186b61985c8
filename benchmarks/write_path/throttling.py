"""The writer's own retries and limit of requests in flight, against a table that is too slow.

python -m benchmarks.write_path.throttling ENDPOINT IN_FLIGHT FIRST_TILE LAST_TILE

is one writer: it writes the tiles of one file from the first to before the last. It says so when
it is ready, and begins when its standard input ends, so that several begin together.
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
_MOST_TILES = 100_000  # more than any writer writes; the file is made where it is read


class Throttled(NamedTuple):
    """How some writers fared together on one table."""

    capacity: int
    """Writes a second that the table takes; it lets one second's worth of them go at once, once."""
    writers: int
    rows: int
    seconds: float
    """From the first accepted row to the last."""
    requests: int
    throttled: int
    """Requests refused whole."""
    unprocessed: int
    """Rows given back."""

    @property
    def rows_per_s(self) -> float:
        """Without those that went at once at first."""
        return (self.rows - self.capacity) / self.seconds

    @property
    def lost_percent(self) -> float:
        """Share of the time for which the table could have been written at its full rate."""
        return max(0.0, 1 - self.rows_per_s / self.capacity) * 100


def measure(stub: Stub, capacity: int, writers: int, seconds: int, in_flight: int) -> Throttled:
    """Writers, each a process of its own, write for about so many seconds.

    Raises RuntimeError if one fails, or unless every row has arrived exactly once.
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
