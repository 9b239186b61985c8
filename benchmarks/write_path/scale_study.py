"""`make scale-study`: how a load behaves if its table is too slow, and if it has many chunks.

Loads that are too large to measure here are calculated from the measurements and AWS's limits.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.ticket_file import NO_QUOTES, TILE_ROWS, TicketFile
from benchmarks.write_path import map_study, money, throttling
from benchmarks.write_path.native import running_stub
from benchmarks.write_path.settings import ENVIRONMENT, WRITERS, parameter_default
from ingestion.csv_files.gzip_stream import MAX_FILE_BYTES

CAPACITIES = {1_000: 20, 4_000: 15, 40_000: 8}
"""By the writes per second that a table accepts, for how many seconds it is written to. The
capacities are those of one partition, of a new on-demand table, and of the default quota of a
table."""
IN_FLIGHT = (8, 16, 32)
"""Numbers of requests in flight that are measured with the fastest table, besides the default."""
CHUNKS = [10, 100, 1_000]
ENGINE_CONCURRENCY = 2  # every running chunk is a process on this machine

# "Step Functions service quotas" and "Lambda quotas", Developer Guides.
MOST_HISTORY_EVENTS = 25_000
CHILDREN_STARTED_PER_S = 100
LAMBDA_SECONDS = 900


def print_throttling() -> None:
    in_flight = parameter_default("BatchesInFlight")
    print(
        f"A table with this capacity that answers in {throttling.LATENCY_MS} ms:\n\n"
        "| Table, writes/s | Writers | In flight, each | Rows | Rows/s reached | Time lost | "
        "Requests | Throttled requests | Unprocessed rows |\n"
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    cases = [(capacity, writers, in_flight) for capacity in CAPACITIES for writers in (1, WRITERS)]
    cases += [(max(CAPACITIES), 1, most) for most in IN_FLIGHT if most != in_flight]
    cpus = sorted(os.sched_getaffinity(0))
    with running_stub(cpu=cpus[-1]) as stub:
        for capacity, writers, most in sorted(cases):
            one = throttling.measure(stub, capacity, writers, CAPACITIES[capacity], most)
            print(
                f"| {capacity:,} | {writers} | {most} | {one.rows:,} | {one.rows_per_s:,.0f} | "
                f"{one.lost_percent:.1f} % | {one.requests:,} | {one.throttled:,} | "
                f"{one.unprocessed:,} |",
                flush=True,
            )


def print_map(folder: Path, counts: list[int], seconds: float) -> None:
    print(
        f"\nThe Map on the embedded engine, with {ENGINE_CONCURRENCY} chunks in parallel and one "
        "row per chunk:\n\n"
        "| Chunks | Events of the load's execution | Map, s | ms per chunk | Upload to end, s |\n"
        "|---:|---:|---:|---:|---:|"
    )
    runs = map_study.measure(folder, counts, ENGINE_CONCURRENCY, seconds)
    for one in runs:
        print(
            f"| {one.chunks:,} | {one.events} | {one.map_seconds:.1f} | "
            f"{one.map_seconds / one.chunks * 1000:.0f} | {one.load_seconds:.1f} |",
            flush=True,
        )
    events = sorted({one.events for one in runs})
    print(
        f"\nThe load's execution has {' or '.join(map(str, events))} events in its history, of at "
        f"most {MOST_HISTORY_EVENTS:,}; a chunk's are in a history of its own."
    )


def print_reckoning() -> None:
    """Prints arithmetic from AWS's limits, the default chunk size and WRITERS; nothing is
    measured."""
    bytes_per_row = TicketFile(0, NO_QUOTES).tile_size / TILE_ROWS
    default = parameter_default("ChunkSizeBytes")
    per_load, per_started_chunk = money.transitions()
    print(
        f"\nCalculated for rows of {bytes_per_row:.0f} bytes, chunks of {default // 2**20} MiB and "
        f"{WRITERS} chunks in parallel. Child executions\nare started at "
        f"{CHILDREN_STARTED_PER_S} per second.\n\n"
        "| Rows | File | Chunks | Rows per chunk | Transitions | Starting the chunks | "
        "Table at 4,000/s | At 40,000/s | Time of a chunk then |\n"
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    for rows in (1_000_000, 100_000_000, 500_000_000):
        size = rows * bytes_per_row
        if size > MAX_FILE_BYTES:
            raise ValueError(f"A file of {size / 1e9:.0f} GB would be refused.")
        chunks = -(-int(size) // default)
        per_chunk = rows / chunks
        # The chunks that are written at the same time share the table's capacity.
        seconds = per_chunk * min(chunks, WRITERS) / 40_000
        rounds = -(-int(seconds) // LAMBDA_SECONDS) if seconds > LAMBDA_SECONDS else 1
        calls = f", {rounds} calls" if rounds > 1 else ""
        print(
            f"| {rows:,} | {size / 1e9:,.2f} GB | {chunks:,} | {per_chunk:,.0f} | "
            f"{per_load + chunks * per_started_chunk:,} | "
            f"{chunks / CHILDREN_STARTED_PER_S:,.1f} s | {rows / 4_000 / 3600:,.2f} h | "
            f"{rows / 40_000 / 3600:,.2f} h | {seconds:,.0f} s{calls} |"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make scale-study", description=__doc__)
    parser.add_argument(
        "--chunks", type=int, nargs="*", default=CHUNKS, help="of the loads on the engine"
    )
    parser.add_argument(
        "--seconds", type=float, default=900, help="seconds that one of them may take"
    )
    options = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    print_throttling()
    with tempfile.TemporaryDirectory(prefix="tickets-study-") as folder:
        if options.chunks:
            print_map(Path(folder), options.chunks, options.seconds)
    print_reckoning()
    return 0


if __name__ == "__main__":
    sys.exit(main())
