"""Measures the peak memory of one process that writes a large file as consecutive chunks.

    python -m benchmarks.write_path.memory ENDPOINT IN_FLIGHT CHUNK_SIZE SIZE...

The file is never on disk, nor as a whole in memory. For each SIZE in bytes, the module prints the
peak memory in MiB that the process had reached when SIZE bytes were written, as a JSON list.
"""

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.ticket_file import NO_QUOTES, TILE_ROWS, TicketFile
from benchmarks.write_path.native import Behaviour, Stub
from benchmarks.write_path.ours import Load
from benchmarks.write_path.processes import run_module
from benchmarks.write_path.worker import peak_memory


def measure(stub: Stub, sizes: list[int], chunk_size: int, in_flight: int) -> list[float]:
    """Returns the peak memory in MiB for each size. Raises RuntimeError unless the stub received
    every row exactly once."""
    stub.reset(Behaviour())
    peaks = run_module("memory", stub.endpoint(False), in_flight, chunk_size, *sizes)
    stats = stub.stats()
    rows = TicketFile(sizes[-1], NO_QUOTES).rows
    if (stats.items, stats.distinct) != (rows, rows):
        raise RuntimeError(f"{rows} rows became {stats.items} items, {stats.distinct} different.")
    return [float(peak) for peak in peaks]


def _peaks(endpoint: str, in_flight: int, chunk_size: int, sizes: list[int]) -> list[float]:
    source = TicketFile(sizes[-1], NO_QUOTES)
    most = chunk_size // source.tile_size
    peaks = []
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        load = Load(Path(folder), source, endpoint, in_flight)
        for size in sizes:
            tiles = TicketFile(size, NO_QUOTES).tiles
            while done < tiles:
                next_ = min(tiles, done + most)
                load.write(source.size_of(done), source.size_of(next_), (next_ - done) * TILE_ROWS)
                done = next_
            peaks.append(peak_memory())
    return peaks


if __name__ == "__main__":
    numbers = list(map(int, sys.argv[2:]))
    print(json.dumps(_peaks(sys.argv[1], numbers[0], numbers[1], numbers[2:])))
